"""Packs: the files of a paper's code and configuration, their hashes, who read them, and snapshots of them."""
