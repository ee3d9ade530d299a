"""The LaTeX road: tokens, macros, typeset text, grids; `read.read_latex` is its door."""
