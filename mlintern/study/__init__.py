"""Studies: what is run for a paper, and what may be said about it afterwards."""
