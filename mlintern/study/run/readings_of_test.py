"""Which weights of a cell have looked at test: the host's own list, so that a second look is counted and shown."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlintern.core import files
from mlintern.core.errors import UserError
from mlintern.core.plain import read_plain
from mlintern.core.strict_yaml import decode
from mlintern.engine.config import CellConfig

READINGS_FILE = "test_readings.jsonl"
_MOST_BYTES = 64 << 20
_MEND = "delete the cell's folder and run again"


@dataclasses.dataclass(frozen=True)
class Reading:
    """One look."""

    step: int
    weights: str
    """sha256 of the file of the weights that took it."""
    row: Mapping[str, Any]
    """What came out, as a line of the learning curve; empty for the look at the end."""


def read(folder: Path) -> list[Reading]:
    """The looks at test that a cell has had."""
    path = folder / READINGS_FILE
    if not os.path.lexists(path):
        return []
    try:
        text = decode(read_plain(path, _MOST_BYTES, mend=_MEND), str(path))
        return [_reading(json.loads(line)) for line in text.splitlines()]
    except (ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: not readable ({error}); {_MEND}") from None


def _reading(line: Any) -> Reading:
    if isinstance(line, str):
        return Reading(-1, line, {})
    found = Reading(**line)
    if type(found.step) is not int or not isinstance(found.weights, str) or not isinstance(found.row, dict):
        raise ValueError("not a look at test")
    return found


def note(folder: Path, reading: Reading) -> None:
    """Write down one more look, unless those weights have had it."""
    looks = read(folder)
    if any(look.weights == reading.weights for look in looks):
        return
    lines = [dataclasses.asdict(look) if look.step >= 0 else look.weights for look in (*looks, reading)]
    files.write_text(folder / READINGS_FILE, "".join(json.dumps(line) + "\n" for line in lines))


def checked(step: Any, weights: str, looks: Sequence[Reading], config: CellConfig) -> int:
    """The step of a look, refused where the protocol does not have it: it has one at each evaluation. Raises
    UserError."""
    name, every, last = config.protocol.name, config.trainer.eval_every, config.trainer.max_steps
    every = every or last
    if config.protocol.select_on != "test":
        raise UserError(f"protocol={name}: the pack's code asked for a score on test, which it never chooses on")
    if type(step) is not int or not 0 < step <= last or (step % every and step != last):
        raise UserError(
            f"protocol={name}: the pack's code asked for a score on test after step {str(step)[:20]}, which is none of "
            f"its evaluations (every {every} steps)"
        )
    others = [look for look in looks if look.step == step and look.weights != weights and look.row]
    if others and config.determinism.level != "fast":
        raise UserError(
            f"protocol={name}: step {step} was scored on test before, with other weights; a step has one look. Delete "
            "the cell's folder to train it anew"
        )
    return step
