"""The ledger of test readings: every score that was ever read off one test part, by whom, across runs.

It is a file of JSON lines, `{"test": sha256 of the part, "run", "score"}`, or a folder of run records (run.json), which
hold the same. A reading that was not written down cannot be counted; that is why the tool writes its own.
"""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

from mlintern import files
from mlintern.errors import UserError


@dataclasses.dataclass(frozen=True)
class Reading:
    """One score that somebody saw."""

    test: str
    """sha256 of the test part (`Examples.fingerprint`)."""
    run: str
    score: float | None
    """Share of right answers, or another score; None where only the look is known."""


def read_ledger(path: Path) -> list[Reading]:
    """The readings at `path`, a .jsonl file or a folder of run records; none where nothing is there yet."""
    if path.is_dir():
        return [_of_record(files.read_json(record), record) for record in sorted(path.rglob("run.json"))]
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            score = row["score"]
            found.append(Reading(str(row["test"]), str(row["run"]), None if score is None else float(score)))
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{path}: line {number} is no reading; it needs test, run and score") from None
    return found


def _of_record(record: dict[str, Any], path: Path) -> Reading:
    try:
        scores = record.get("metrics", {}).get("test", {})
        score = scores.get(record.get("selection", {}).get("metric", "accuracy"))
        return Reading(str(record["data"]["test"]), str(path.parent.name), None if score is None else float(score))
    except (KeyError, AttributeError, TypeError, ValueError):
        raise UserError(f"{path}: not a run record; give a ledger file or a folder of runs") from None


def note_reading(path: Path, reading: Reading) -> None:
    """Add a reading to the ledger file; one run's equal score is noted once."""
    if path.is_dir():
        raise UserError(f"{path}: a folder of run records keeps its own readings; name a .jsonl file to write to")
    if reading.score is not None and not math.isfinite(reading.score):
        raise UserError(f"{path}: a score of {reading.score} is no reading; give a finite number")
    known = read_ledger(path)
    if reading not in known:
        lines = [json.dumps(dataclasses.asdict(row)) for row in [*known, reading]]
        files.write_text(path, "".join(line + "\n" for line in lines))
