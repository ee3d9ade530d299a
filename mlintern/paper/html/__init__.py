"""The HTML road: LaTeXML's pages and plain ones; `read.read_html` is its door."""
