"""Records: what a finished run leaves on disk, sealed when it is written and checked when it is read."""
