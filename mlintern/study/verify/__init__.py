"""Two runs compared: again, step by step, and why they part."""
