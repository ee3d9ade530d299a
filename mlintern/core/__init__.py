"""What every room stands on: errors, files, plain values, names, seeds. It imports nothing of the rest."""
