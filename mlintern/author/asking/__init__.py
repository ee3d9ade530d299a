"""Asking a model: requests, who answers, what it costs, what is kept of it."""
