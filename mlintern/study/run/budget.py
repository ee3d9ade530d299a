"""What a study may cost: trimming a plan to `study.budget_hours`, and the file that keeps the decision.

The rule, stated in the report: what explains least goes first, and seeds go last, because every interval and every
verdict rests on them. In this order, one place (all seeds of a variant under its levels) at a time, the last of the
grid first, until the estimates of what is not finished yet fit:

1. combinations of two or more ablated factors (interactions),
2. levels of one ablated factor,
3. variants under another protocol than the study's first,
4. seeds, the last first, for all places alike; one seed of every place stays.

Finished cells cost nothing and are never trimmed. The decision is kept in a file, so that the same command after a kill
has the same plan, however the estimates come out then.
"""

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlintern.core.errors import UserError
from mlintern.core.records import record, sealed

RULE = "interactions first, then ablation levels, then other protocols, seeds last"

Row = Mapping[str, Any]
"""{"cell_id", "variant", "levels", "seed"} of a planned cell."""


@dataclasses.dataclass(frozen=True)
class Trim:
    """What one study keeps and leaves out."""

    kept: frozenset[str]
    """Cell ids."""
    trimmed: tuple[dict[str, Any], ...]
    """[{"cell_id", "variant", "levels", "seed", "seconds", "reason"}] of what is left out."""


def trim(rows: Sequence[Row], seconds: Mapping[str, float], finished: set[str], budget_s: float) -> Trim:
    """Leave out cells by the rule above until the rest costs at most `budget_s`.

    Raises UserError, with the least that would do, where even one seed of every place costs more.
    """
    left = {row["cell_id"]: row for row in rows}
    out: list[dict[str, Any]] = []

    def cost() -> float:
        return sum(seconds.get(name, 0.0) for name in left if name not in finished)

    for reason, names in _steps(rows):
        if cost() <= budget_s:
            break
        for name in names:
            if name in left and name not in finished:
                row = left.pop(name)
                out.append({**row, "seconds": round(seconds.get(name, 0.0), 1), "reason": reason})
    if cost() > budget_s:
        raise UserError(
            f"study.budget_hours={budget_s / 3600:.3g}: one seed of every variant alone takes about "
            f"{cost() / 3600:.2g} h; give at least that, or a shorter study"
        )
    return Trim(frozenset(left), tuple(out))


def _steps(rows: Sequence[Row]) -> Iterator[tuple[str, list[str]]]:
    """(reason, cell ids) of what may go, in the order in which it goes."""
    places: dict[str, list[Row]] = {}
    for row in rows:
        places.setdefault(record.stable_hash([row["variant"], dict(row["levels"])], "plan"), []).append(row)
    protocol = rows[0]["levels"].get("protocol") if rows else None

    def varied(members: list[Row]) -> int:
        return len(set(members[0]["levels"]) - {"data", "protocol"})

    kinds: list[tuple[str, Callable[[list[Row]], bool]]] = [
        ("an interaction", lambda members: varied(members) > 1),
        ("an ablation level", lambda members: varied(members) == 1),
        ("another protocol", lambda members: members[0]["levels"].get("protocol") != protocol),
    ]
    for reason, applies in kinds:
        for members in reversed(list(places.values())):
            if applies(members):
                yield reason, [row["cell_id"] for row in members]
    for nth in range(max(map(len, places.values()), default=1) - 1, 0, -1):
        yield "a seed", [members[nth]["cell_id"] for members in places.values() if len(members) > nth]


def plan_path(index: Path) -> Path:
    """Where a study keeps its plan: beside its index."""
    return index.with_suffix(".plan.json")


def write_plan(
    path: Path,
    rows: Sequence[Row],
    trimmed: Sequence[Row],
    seconds: Mapping[str, float],
    budget_hours: float | None,
    jobs: int,
    asked_sha256: str,
) -> None:
    """Keep what a study is going to run, `jobs` cells at a time, with the estimates, and what was left out.

    `asked_sha256` is over the ids of all cells that were asked for: a kept decision holds for the same cells alone.
    """
    value = {
        "asked_sha256": asked_sha256,
        "budget_hours": budget_hours,
        "jobs": jobs,
        "rule": RULE,
        "cells": [{**row, "seconds": round(seconds.get(row["cell_id"], 0.0), 3)} for row in rows],
        "trimmed": list(trimmed),
    }
    sealed.write(path, value)


def read_plan(path: Path) -> dict[str, Any] | None:
    """What `write_plan` wrote, None where there is no such file; raises Damaged where it is not as it was written."""
    from mlintern.study.folders import shapes

    return sealed.read(path, shapes.PlanFile) if os.path.lexists(path) else None
