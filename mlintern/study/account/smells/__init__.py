"""What a supervisor would ask about, from the records and their files."""
