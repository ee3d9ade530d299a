"""Randomness as a function of keys, and the guard that lets nothing else be drawn."""
