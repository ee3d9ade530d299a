"""Data: build or load examples, split them, and keep what the audit must see (ids, raw features, fit scope)."""
