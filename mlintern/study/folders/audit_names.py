"""What the audits of a study are called: `<data>__<protocol>`, and the levels that change the data where some do.

An ablation may train on other data than its base (fewer examples, another preprocessing): each gets an audit of its
own, `<data>__<protocol>__<factor>=<level>`, and no run rests on the audit of data that it did not see. A name is a
folder's; what would not come back from it (`cifar__10`, a level with a slash) is escaped, as in a URL.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

_BETWEEN = "__"
_NOT_ITSELF = re.compile(r"[%/]|(?<=_)_|^_|_$")
"""What of a part would be taken for a border between two, for an escape, or for a folder."""


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
            name = _BETWEEN.join([plain, *map(_escaped, shared)]) if len(keys) > 1 else plain
            names[key] = name if name not in names.values() else f"{name}{_BETWEEN}{key}"
    return names


def name_for(names: Iterable[str], levels: Mapping[str, Any]) -> str | None:
    """The audit, of those named, of a cell's data under its protocol: the one that knows most of its levels."""
    place, others = _place(levels), set(_others(levels))
    found: dict[str, int] = {}
    for name in names:
        data, protocol, known = parts_of(name)
        if (data, protocol) == place and others.issuperset(known):
            found[name] = len(known)
    return max(found, key=found.__getitem__) if found else None


def parts_of(name: str) -> tuple[str, str, list[str]]:
    """(data, protocol, the levels that change the data as `factor=level`)."""
    data, protocol, *levels = map(unquote, name.split(_BETWEEN))
    return data, protocol, levels


def _place(levels: Mapping[str, Any]) -> tuple[str, str]:
    return str(levels.get("data")), str(levels.get("protocol"))


def _plain(levels: Mapping[str, Any]) -> str:
    return _BETWEEN.join(map(_escaped, _place(levels)))


def _others(levels: Mapping[str, Any]) -> list[str]:
    """The levels that may change the data."""
    return [f"{key}={level}" for key, level in levels.items() if key not in ("data", "protocol")]


def _escaped(part: str) -> str:
    return _NOT_ITSELF.sub(lambda found: "%5F" if found[0] == "_" else quote(found[0], safe=""), part)
