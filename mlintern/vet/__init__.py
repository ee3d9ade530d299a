"""Vetting of a pack that nobody has read: first its text by a static policy, then its models inside the sandbox."""
