"""A study's run: data, audits, the life of each cell, and what is shown meanwhile."""
