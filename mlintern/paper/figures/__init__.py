"""Figures as pixels."""
