"""A paper's spec: tables, claims, settings and ablations, each with where the paper says so."""
