"""What the audits of a study are called: `<data>__<protocol>`, and the levels that change the data where some do.

An ablation may train on other data than its base (fewer examples, another preprocessing): each gets an audit of its
own, `<data>__<protocol>__<factor>=<level>`, and no run rests on the audit of data that it did not see.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_BETWEEN = "__"


def names_of(keyed: Sequence[tuple[Mapping[str, Any], str]]) -> dict[str, str]:
    """{audit key: name} for the cells' (levels, audit key)."""
    names: dict[str, str] = {}
    of_key: dict[str, list[Mapping[str, Any]]] = {}
    for levels, key in keyed:
        of_key.setdefault(key, []).append(levels)
    keys_of: dict[str, list[str]] = {}
    for key, members in of_key.items():
        keys_of.setdefault(_plain(members[0]), []).append(key)
    for plain, keys in keys_of.items():
        for key in keys:
            shared = sorted(set.intersection(*({*_others(levels)} for levels in of_key[key])))
            name = _BETWEEN.join([plain, *shared]) if len(keys) > 1 else plain
            names[key] = name if name not in names.values() else f"{name}{_BETWEEN}{key}"
    return names


def name_for(names: Iterable[str], levels: Mapping[str, Any]) -> str | None:
    """The audit, of those named, of a cell's data under its protocol: the one that knows most of its levels."""
    plain, others = _plain(levels), set(_others(levels))
    found: dict[str, int] = {}
    for name in names:
        if name == plain or name.startswith(plain + _BETWEEN):
            known = set(name.removeprefix(plain).split(_BETWEEN)) - {""}
            if known <= others:
                found[name] = len(known)
    return max(found, key=found.__getitem__) if found else None


def parts_of(name: str) -> tuple[str, str, list[str]]:
    """(data, protocol, the levels that change the data as `factor=level`)."""
    data, protocol, *levels = name.split(_BETWEEN)
    return data, protocol, levels


def _plain(levels: Mapping[str, Any]) -> str:
    return f"{levels.get('data')}{_BETWEEN}{levels.get('protocol')}"


def _others(levels: Mapping[str, Any]) -> list[str]:
    """The levels that may change the data, as a name of a file can have them."""
    return [f"{key}={level}".replace("/", "|") for key, level in levels.items() if key not in ("data", "protocol")]
