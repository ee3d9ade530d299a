"""Who answers: the Anthropic API, a person with any assistant (manual), or a recorded dialogue (replay)."""
