"""Expanded tokens to text: styles, mathematics, units, characters."""
