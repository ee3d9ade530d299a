"""Finding what belongs together: neighbours, copies, transformed copies, skill."""
