"""The fixed engine: the only training loop. No model ever writes or edits a file of this package."""

ENGINE_VERSION = 1
"""Part of every cell's id. Raise it, with a CHANGELOG line and new golden losses, when bits change on purpose."""
