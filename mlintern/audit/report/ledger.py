"""The ledger of test readings: every score that was ever read off one test part, by whom, across runs.

It is a file of JSON lines, `{"test": sha256 of the part, "run", "score"}`, which may also have `metric` and
`higher_is_better`, or a folder of run records (run.json), which hold the same. A reading that was not written down
cannot be counted; that is why the tool writes its own.
"""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

from mlintern.core import files
from mlintern.core.errors import UserError
from mlintern.core.plain import read_plain
from mlintern.core.records import record
from mlintern.core.strict_yaml import decode
from mlintern.core.turns import alone

MOST_BYTES = 256 << 20
_OF_PACKS = "work"
"""The folder of a cell that its pack's code writes to: what lies there is no record."""


@dataclasses.dataclass(frozen=True)
class SeenScore:
    """One score that somebody saw."""

    test: str
    """sha256 of the test part (`Examples.fingerprint`)."""
    run: str
    score: float | None
    """Share of right answers, or another score; None where only the look is known."""
    metric: str = "score"
    higher_is_better: bool = True


def read_ledger(path: Path) -> list[SeenScore]:
    """The readings at `path`, a .jsonl file or a folder of run records; none where nothing is there yet.

    Raises UserError (Damaged for a record that is not as it was written), which names the file.
    """
    if path.is_dir():
        places = sorted(found.parent for found in path.rglob(record.RUN_FILE) if _OF_PACKS not in found.parts)
        return [_of_record(record.read_run(place), place) for place in places]
    if not path.exists():
        return []
    found = []
    text = decode(read_plain(path, MOST_BYTES, mend="give a ledger file or a folder of runs", follow=True), str(path))
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                found.append(_of_line(json.loads(line)))
            except (ValueError, KeyError, TypeError, RecursionError):
                said = "is no reading; it needs test, run and score (a finite number, or null)"
                raise UserError(f"{path}: line {number} {said}") from None
    return found


def _of_line(row: Any) -> SeenScore:
    score, higher = row["score"], row.get("higher_is_better", True) if isinstance(row, dict) else None
    if not isinstance(higher, bool) or (score is not None and not math.isfinite(float(score))):
        raise ValueError
    metric = str(row.get("metric", "score"))
    return SeenScore(str(row["test"]), str(row["run"]), None if score is None else float(score), metric, higher)


def _of_record(run: record.RunRecord, place: Path) -> SeenScore:
    """The score that a run was chosen by, as its test part had it."""
    if "test" not in run["data"]:
        raise UserError(f"{place / record.RUN_FILE}: names no test part; give a ledger file or a folder of runs")
    metric, mode = run["selection"]["metric"], run["selection"]["mode"]
    return SeenScore(run["data"]["test"], place.name, run["metrics"]["test"].get(metric), metric, mode != "min")


def note_reading(path: Path, reading: SeenScore) -> None:
    """Add a reading to the ledger file; one run's equal score is noted once."""
    if path.is_dir():
        raise UserError(f"{path}: a folder of run records keeps its own readings; name a .jsonl file to write to")
    if reading.score is not None and not math.isfinite(reading.score):
        raise UserError(f"{path}: a score of {reading.score} is no reading; give a finite number")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.write_problem(path, error) from None
    with alone(path.parent, lambda: None):  # what another command notes in between would be lost
        known = read_ledger(path)
        if reading not in known:
            lines = [json.dumps(dataclasses.asdict(row)) for row in [*known, reading]]
            files.write_text(path, "".join(line + "\n" for line in lines))
