"""Nothing counts as said by the paper unless the paper's own text says it."""
