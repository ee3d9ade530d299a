"""What a leak is worth, and what is done about it."""
