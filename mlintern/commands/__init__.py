"""Commands that join rooms which do not know each other."""
