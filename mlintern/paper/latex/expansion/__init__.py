"""Expanding macros, conditionals, loops and counters, in bounds."""
