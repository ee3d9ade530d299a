"""Estimates, intervals and tests; no number of a report is computed anywhere else."""
