"""Reading papers: from an id or a file to one `Document` that loses nothing and invents nothing."""
