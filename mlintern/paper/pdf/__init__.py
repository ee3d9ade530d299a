"""The PDF road: glyphs, lines, tables by their rules, in a process of its own; `read.read_pdf` is its door."""
