"""The audit's result."""
