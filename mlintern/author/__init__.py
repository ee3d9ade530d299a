"""From a Document to a pack: a language model proposes, deterministic code disposes. Nothing here imports torch."""
