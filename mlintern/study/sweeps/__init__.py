"""Sweeps and searches: cells as jobs of Hydra's launchers and sweepers."""
