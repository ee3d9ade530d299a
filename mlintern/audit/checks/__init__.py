"""One file a kind of leak, or a few that share their evidence."""
