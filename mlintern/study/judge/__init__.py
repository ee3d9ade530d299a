"""Which runs count, and what they say of the claims."""
