"""What a `_target_` may name, read off the source before anything is imported."""
