"""Who answers: APIs, a person with any assistant, or a recording."""
