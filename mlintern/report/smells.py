"""Smells that say the same of several cells, put together for a reader."""

import dataclasses
from collections.abc import Sequence

from mlintern.report.model.report import Smell


@dataclasses.dataclass(frozen=True)
class SmellGroup:
    """Smells of one kind and severity, with one next experiment."""

    kind: str
    severity: str
    next_experiment: str
    smells: list[Smell]


def grouped(smells: Sequence[Smell]) -> list[SmellGroup]:
    """Groups in the order of their first smell."""
    found: dict[tuple[str, str, str], list[Smell]] = {}
    for smell in smells:
        found.setdefault((smell.kind, smell.severity, smell.next_experiment), []).append(smell)
    return [SmellGroup(*key, smells=members) for key, members in found.items()]
