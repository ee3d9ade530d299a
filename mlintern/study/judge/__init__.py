"""Claims, and what runs say of them."""
