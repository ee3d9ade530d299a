"""The draft of a pack, and what shows that it works."""
