"""From records to a report: comparisons, claims, figures, runs and what is left out."""
