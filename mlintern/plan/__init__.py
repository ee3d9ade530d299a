"""Which cells a study has, and what each is."""
