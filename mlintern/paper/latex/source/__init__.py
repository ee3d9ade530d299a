"""LaTeX's files and tokens, and how their positions are kept."""
