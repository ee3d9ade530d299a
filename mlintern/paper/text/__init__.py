"""Text as papers write it: symbols, mathematics, quotes, numerals."""
