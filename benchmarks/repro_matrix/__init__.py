"""The reproducibility matrix: `python -m benchmarks.repro_matrix`; see `__main__`."""
