"""Hydra finds plugins in the namespace `hydra_plugins`: our sweepers and launchers. No heavy import at module level."""
