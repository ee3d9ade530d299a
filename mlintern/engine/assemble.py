"""The record of a cell, put together from what is known of it: by whom the number was had decides where it stands.

What the trusted side computed stands as it is. What only the training's own process could know is under `told`, and
where it claimed something that was computed again, and came out otherwise, `told.differs` says so.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mlintern.core.records import record
from mlintern.core.streams import seeding
from mlintern.engine import ENGINE_VERSION
from mlintern.engine.config import CellConfig
from mlintern.engine.source import source_sha256
from mlintern.engine.told import Told, why
from mlintern.sandbox.policy import BARE

TOLD = ("evaluations", "loss_chain_sha256", "wall_s", "peak_memory_bytes", "parameters")
"""Fields of every record that only the process of the training knows."""
_CLOSE = 1e-5
"""How far a rerun of an evaluation may be from what was told under determinism=fast, which promises nothing."""


def assemble(
    facts: Mapping[str, Any],
    config: CellConfig,
    told: Told,
    metrics: Mapping[str, Mapping[str, float]],
    readings: Sequence[Mapping[str, Any]],
    diverged: int | None,
    known: Mapping[str, Any],
    measured: Sequence[str] = (),
) -> record.RunRecord:
    """The record. `metrics` are {part: {name: value}} of the chosen weights, `readings` the looks at test on the way,
    `known` what the caller computed besides; `measured` names what the pack's own code said of the weights."""
    protocol = config.protocol
    differs = contradictions(told, metrics, config, measured) if diverged is None else []
    message = _unscored(told.step, metrics) if diverged is None else why(diverged, told.cause)
    result: record.RunRecord = {
        "sandbox": dict(BARE),  # objects that a user brings in Python; a study's facts say what held its code
        **facts,  # type: ignore[typeddict-item]
        "status": "diverged" if message else "finished",
        "message": message,
        "seed": config.seed,
        "config": config.plain(),
        "engine": engine_now(),
        "streams": seeding.stream_heads(config.seed),
        "loss_chain_sha256": told.loss_chain_sha256,
        "evaluations": [finite(row) for row in in_order(told.history, readings)],
        "selection": {
            "split": protocol.select_on,
            "metric": protocol.metric,
            "mode": protocol.mode or "max",
            "step": told.step,
            "value": told.value,
        },
        "parameters": told.parameters,
        "wall_s": told.wall_s,
        "peak_memory_bytes": told.peak_memory_bytes,
        "metrics": finite(metrics),
        "told": {"fields": list(TOLD), "metrics": list(measured), "differs": differs},
        **known,
    }
    if told.probes:
        result["probes"] = list(told.probes)
    return result


def _unscored(step: int, metrics: Mapping[str, Mapping[str, float]]) -> str:
    """Why the chosen weights have no score, though every step's loss was finite; empty where they have one."""
    parts = [part for part, of in metrics.items() if math.isnan(of.get("loss", 0.0))]
    if not parts:
        return ""
    return (
        f"the weights of step {step} have a loss that is NaN on {', '.join(parts)}, though that of every step was "
        "finite: an update made them so, or the model or the loss gives NaN for examples of that part"
    )


def engine_now() -> dict[str, Any]:
    """The code that computes: as a record names it."""
    return {"version": ENGINE_VERSION, "files": source_sha256()}


def in_order(history: Sequence[Mapping[str, Any]], readings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The learning curve: at each step train, valid, and what was read of test."""
    rows = [*history, *readings]
    return [dict(row) for row in sorted(rows, key=lambda row: (row["step"], row["split"] == "test"))]


def contradictions(
    told: Told, metrics: Mapping[str, Mapping[str, float]], config: CellConfig, measured: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """What the training told of its chosen weights that they do not score: [{"part", "name", "told", "computed"}]."""
    loose = config.determinism.level == "fast"
    found = []
    for row in told.history:
        part = row["split"]
        if row["step"] != told.step or part not in metrics:
            continue
        for name, value in row.items():
            computed = metrics[part].get(name)
            if name in ("step", "split") or name in measured or computed is None or _same(value, computed, loose):
                continue
            found.append(
                {"part": part, "name": name, "told": finite_number(value), "computed": finite_number(computed)}
            )
    value, protocol = told.value, config.protocol
    if value is not None and protocol.select_on in metrics:
        name, part = protocol.metric, protocol.select_on
        computed = metrics[part].get(name)
        named = any(item["part"] == part and item["name"] == name for item in found)
        if computed is not None and name not in measured and not named and not _same(value, computed, loose):
            found.append(
                {"part": part, "name": name, "told": finite_number(value), "computed": finite_number(computed)}
            )
    return found


def _differing(part: str, name: str, told: float, computed: float) -> dict[str, Any]:
    return {"part": part, "name": name, "told": finite_number(told), "computed": finite_number(computed)}


def _same(a: float, b: float, loose: bool) -> bool:
    return a == b or (a != a and b != b) or (loose and math.isclose(a, b, rel_tol=_CLOSE, abs_tol=_CLOSE))


def finite(value: Any) -> Any:
    """JSON has no NaN: a value that is not finite is left out and the record's status says why."""
    if isinstance(value, Mapping):
        return {k: finite(v) for k, v in value.items() if not (isinstance(v, float) and not math.isfinite(v))}
    return value


def finite_number(value: float) -> float | None:
    return value if math.isfinite(value) else None
