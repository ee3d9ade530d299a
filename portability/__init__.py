"""Clones of this repository with a shorter study, in which the whole pipeline is tried."""
