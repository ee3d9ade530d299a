"""The Document: what a paper says, each word traceable to its source."""
