"""One reason not to run a file of a pack."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """What is refused, where, by which rule, and how to mend it."""

    file: str
    line: int
    """From 1."""
    rule: str
    """A short stable name: `import`, `name`, `attribute`, `config-target` …"""
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.message}"
