"""What a finished draft sets and no setting of its spec names: added to the ledger of the unsaid.

The extraction lists what training needs before any code is written; whoever writes the pack still has to choose a seed
for label noise or a size that nobody named. Such a value is an assumption like any other, and must be seen as one.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlintern.core import strict_yaml
from mlintern.spec.paper_spec import PaperSpec
from mlintern.spec.sourced import AssumedSetting, Assumption, Coordinates, Value

_COORDINATE = {"data": "data", "model": "variant", "protocol": "protocol"}
"""Groups whose options are coordinates."""
_GROUPS = (*_COORDINATE, "optimizer", "scheduler", "loss", "augment", "method", "trainer")
_NO_CHOICE = frozenset({"_target_", "name", "mode", "classes"})
"""Last parts of keys that hold no choice: what a thing is called, what follows from the metric or from the data."""
_REASON = "Nothing that was extracted names it; it was chosen when the pack was written."


def with_unlisted(pack: Path, spec: PaperSpec) -> PaperSpec:
    """`spec` with an assumption for every value in the configuration of the draft `pack` that no setting names."""
    listed = {setting.key for setting in spec.settings} | {r.key for r in spec.scale.reductions}
    listed |= {key for factor in spec.ablations for level in factor.levels for key in level.overrides}
    found = [
        AssumedSetting(
            key=key,
            value=value,
            where=where,
            source="assumed",
            locator=Assumption(reason=_REASON, probe_range=(near := values_near(key, value))),
            note=None if near else "Not tried: no other value is named.",
        )
        for key, value, where in _values(pack, spec)
        if not any(key == name or ("." in name and key.startswith(f"{name}.")) for name in listed)
    ]
    return spec.model_copy(update={"settings": [*spec.settings, *found]})


def values_near(key: str, value: Any) -> list[Value]:
    """Alternatives to a number or truth value, the next one for a seed; none for text."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int) and key.rsplit(".", 1)[-1].endswith("seed"):
        return [value + 1]
    if isinstance(value, int) and value > 1:
        return [value // 2, value * 2]
    if isinstance(value, float) and value:
        return [value / 2, value * 2]
    return []


def _values(pack: Path, spec: PaperSpec) -> Iterator[tuple[str, Value, Coordinates]]:
    """(key, value, coordinates) of what the pack's own files set, but for options that the study cannot reach."""
    reachable = {
        "data": {dataset.id for dataset in spec.datasets if dataset.available},
        "model": {variant.id for variant in spec.variants},
    }
    seen: set[tuple[str, str]] = set()
    for path in sorted((pack / "conf").glob("*/*.yaml")):
        group, option = path.parent.name, path.stem
        if group in ("ablation", "metrics") or option not in reachable.get(group, {option}):
            continue
        value = strict_yaml.load(path).value
        if group == "protocol" and not value.get("valid_fraction"):
            value = {key: inner for key, inner in value.items() if key != "split_seed"}  # nothing is held out
        of_all = group == "paper" or path.read_text(encoding="utf-8").lstrip().startswith("# @package _global_")
        where: Coordinates = {_COORDINATE[group]: option} if group in _COORDINATE else {}
        for key, leaf in _leaves(value if of_all else {group: value}):
            place = (key, repr(leaf)) if group != "paper" else (key, "")
            if key.split(".")[0] in _GROUPS and key.rsplit(".", 1)[-1] not in _NO_CHOICE and place not in seen:
                seen.add(place)
                yield key, leaf, where


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, Value]]:
    """Dotted keys and values: scalars and flat lists; null and nested lists hold nothing that has alternatives."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name != "defaults":
                yield from _leaves(inner, f"{prefix}.{name}" if prefix else str(name))
    elif (isinstance(value, bool | int | float | str) and prefix) or (
        isinstance(value, list) and value and all(isinstance(item, bool | int | float | str) for item in value)
    ):
        yield prefix, value
