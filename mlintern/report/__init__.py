"""The report: verdicts and plots from records, as JSON, one HTML page, terminal lines and a model card."""
