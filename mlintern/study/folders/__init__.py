"""What a study keeps on disk: which cells are finished, locked, failed, and what DVC holds of them."""
