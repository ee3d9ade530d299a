"""A study's run: what may keep it from running, data, audits, the life of each cell, and what is shown meanwhile."""
