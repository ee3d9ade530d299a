"""Directions: whether more of a metric is better, which the metric itself says (`higher_is_better`).

The command composes and names cells without importing a pack, so what a pack's metric says is read off its source: the
class has to say it in so many words. The engine holds that against the metric that it made. Nothing here needs torch.
"""

import ast
import dataclasses
import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from mlintern.core.errors import UserError
from mlintern.data.protocol import EvaluationProtocol
from mlintern.engine.config import CellConfig

ENGINE = {"mlintern.engine.metrics.Accuracy": True, "mlintern.engine.metrics.SquaredError": False}
"""{target: whether higher is better} of the metrics that come with the engine."""
NAMES = {"mlintern.engine.metrics.Accuracy": "accuracy", "mlintern.engine.metrics.SquaredError": "squared_error"}
LARGEST_SOURCE = 1 << 20
Composed = TypeVar("Composed", bound=CellConfig)


def resolved(config: Composed, packs: Path) -> Composed:
    """A composed config whose `protocol.mode` is that of its metric.

    Raises UserError where it says otherwise than the metric, and for a metric that is chosen on without saying it.
    """
    protocol, metric = config.protocol, config.protocol.metric
    item = _item(config.metrics, metric, packs)
    target = "" if item is None else str(item.get("_target_", ""))
    higher = False if metric == "loss" else None if item is None else of_target(target, packs)
    if higher is None:
        if item is not None and protocol.select_on != "last":
            raise UserError(unsaid(metric, target))
        return config
    agreed = dataclasses.replace(protocol, mode=_agreed(protocol.mode, metric, higher))
    return dataclasses.replace(config, protocol=agreed)


def settled(protocol: EvaluationProtocol, metrics: Iterable[Any]) -> EvaluationProtocol:
    """A protocol whose `mode` is that of its metric, as the metric that was made says; raises UserError as above."""
    made = {metric.name: metric for metric in metrics}
    if protocol.metric not in (*made, "loss"):
        raise UserError(f"protocol.metric={protocol.metric}: choose {', '.join([*made, 'loss'])}")
    higher = False if protocol.metric == "loss" else of_metric(made[protocol.metric])
    if higher is None:
        if protocol.select_on != "last":
            kind = type(made[protocol.metric])
            raise UserError(unsaid(protocol.metric, f"{kind.__module__}.{kind.__qualname__}"))
        return protocol
    return dataclasses.replace(protocol, mode=_agreed(protocol.mode, protocol.metric, higher))


def of_metric(metric: Any) -> bool | None:
    """Whether higher is better, as a metric that was made says; None where it does not."""
    said = getattr(metric, "higher_is_better", None)
    return said if isinstance(said, bool) else None


def known(recorded: Mapping[str, Any]) -> dict[str, bool]:
    """{metric: whether higher is better}, as a recorded config tells: the engine's, the loss, and what is chosen on."""
    targets = {str(item.get("_target_", "")) for item in recorded["metrics"].values() if isinstance(item, Mapping)}
    found = {NAMES[target]: ENGINE[target] for target in targets if target in ENGINE}
    protocol = recorded["protocol"]
    if protocol.get("mode") in ("max", "min"):
        found.setdefault(protocol["metric"], protocol["mode"] == "max")
    return {**found, "loss": False}


def of_target(target: str, packs: Path) -> bool | None:
    """Whether higher is better, as the class behind a `_target_` says in its source; None where it does not."""
    if target in ENGINE:
        return ENGINE[target]
    said = _attribute(target, "higher_is_better", packs)
    return said if isinstance(said, bool) else None


def unsaid(metric: str, target: str) -> str:
    """What is said of a metric that is chosen on and has no direction."""
    return (
        f"protocol.metric={metric}: chooses on metrics.{metric}, and {target} does not say whether higher is better; "
        "add `higher_is_better = True` (or False) to the class, below its `name`"
    )


def _agreed(mode: str | None, metric: str, higher: bool) -> Literal["max", "min"]:
    right: Literal["max", "min"] = "max" if higher else "min"
    better = "higher" if higher else "lower"
    if mode not in (None, right):
        raise UserError(
            f"protocol.mode={mode}: {better} is better for protocol.metric={metric}; leave protocol.mode out (null)"
        )
    return right


def _item(metrics: Mapping[str, Any], name: str, packs: Path) -> Mapping[str, Any] | None:
    """The entry of the key `metrics` that measures `name`: by its key, else by the name that it or its class gives."""
    items = {key: item for key, item in metrics.items() if isinstance(item, Mapping)}
    if name in items:
        return items[name]
    for item in items.values():
        if name in (item.get("name"), _attribute(str(item.get("_target_", "")), "name", packs)):
            return item
    return None


def _attribute(target: str, name: str, packs: Path) -> Any:
    """What a pack's class, or a base of it in the same module, sets an attribute to in its body; None for nothing."""
    parts = target.split(".")
    if len(parts) < 4 or parts[0] != "papers":
        return None
    file = packs.joinpath(*parts[1:-1]).with_suffix(".py")
    try:
        facts = file.lstat()
    except OSError:
        return None
    if not file.is_file() or file.is_symlink() or facts.st_size > LARGEST_SOURCE:
        return None
    return _classes(file, facts.st_mtime_ns, facts.st_size).get(parts[-1], {}).get(name)


@functools.lru_cache(64)
def _classes(file: Path, _modified: int, _size: int) -> dict[str, dict[str, Any]]:
    """{class: {attribute: constant}} of a module's top level, bases in the same module included."""
    try:
        body = ast.parse(file.read_bytes()).body
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    found: dict[str, dict[str, Any]] = {}
    for node in body:
        if isinstance(node, ast.ClassDef):
            own: dict[str, Any] = {}
            for base in reversed(node.bases):
                own |= found.get(base.id, {}) if isinstance(base, ast.Name) else {}
            for line in node.body:
                if isinstance(line, ast.Assign | ast.AnnAssign) and isinstance(line.value, ast.Constant):
                    names = line.targets if isinstance(line, ast.Assign) else [line.target]
                    own |= {name.id: line.value.value for name in names if isinstance(name, ast.Name)}
            found[node.name] = own
    return found
