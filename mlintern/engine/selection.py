"""Which checkpoint is kept: the one rule, used by the loop and examined by the audit."""

from collections.abc import Iterable, Mapping
from typing import Any

from mlintern.core.errors import UserError
from mlintern.data.protocol import EvaluationProtocol


def better(value: float, best: float | None, mode: str | None) -> bool:
    """Is `value` strictly better? Ties keep the earlier checkpoint; a NaN is never better.

    Raises UserError where nobody said which way is better.
    """
    if mode not in ("max", "min"):
        raise UserError("protocol.mode: nothing says whether higher is better; give max or min")
    if value != value:
        return False
    return best is None or (value > best if mode == "max" else value < best)


def choose(history: Iterable[Mapping[str, Any]], protocol: EvaluationProtocol) -> int | None:
    """The step of the checkpoint that `protocol` selects from evaluations [{"step", "split", metric: value}, ...].

    With select_on=last there is nothing to choose on: the last step in the history. None for an empty history.
    """
    chosen, best, last = None, None, None
    for row in history:
        last = row["step"] if last is None else max(last, row["step"])
        if row["split"] == protocol.select_on and better(row[protocol.metric], best, protocol.direction):
            chosen, best = row["step"], row[protocol.metric]
    return last if protocol.select_on == "last" else chosen
