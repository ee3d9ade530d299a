"""What claims say and how each kind is tested; light until a test runs, for specs and prompts are made of them too."""
