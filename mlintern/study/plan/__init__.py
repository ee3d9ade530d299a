"""Which cells a study has, what each is, and what may keep it from running."""
