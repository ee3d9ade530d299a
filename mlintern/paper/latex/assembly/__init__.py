"""From what the reader left behind to the Document."""
