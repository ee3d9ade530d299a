"""What differs between two runs' records: each difference named, the likeliest causes of other bits first.

The order is that of a search by hand: the seed, what determines the result by configuration, the data, the pack's code,
the engine's, the environment, and the commit. What cannot change bits (loggers, paths, loader workers) is
listed last and marked.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from mlintern.core.records import record

_MACHINE = ("python", "lock", "lock_sha256", "cpu", "gpu", "platform")
ABSENT = "absent"


@dataclasses.dataclass(frozen=True)
class Difference:
    """One thing that is not the same in two records."""

    kind: str
    """seed, config, data, code, environment, git, audit or arguments."""
    name: str
    """What: a dotted config key, a part of the data, a package, …"""
    first: Any
    second: Any
    matters: bool = True
    """May it change bits? Loggers, paths, labels and the machine's name may not."""

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}: {shown(self.first)} | {shown(self.second)}"


def shown(value: Any) -> str:
    """A value in few characters: hashes by their first digits."""
    text = value if isinstance(value, str) else repr(value)
    return text[:12] if len(text) in (40, 64) and set(text) <= set("0123456789abcdef") else text


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """Every difference of two run records, those that may change bits before those that may not."""
    found = [
        *_fields("seed", first, second, ("seed",)),
        *_config(first, second),
        *_mappings("data", first.get("prepared"), second.get("prepared"), "{} part, as prepared"),
        *_mappings("data", first.get("data"), second.get("data"), "{} part, as the cell saw it"),
        *_fields("code", first, second, ("code_sha256",), "the pack's Python code"),
        *_engine(first.get("engine"), second.get("engine")),
        *environment(first.get("environment", {}), second.get("environment", {})),
        *_git(first.get("git") or {}, second.get("git") or {}),
        *_fields("code", first, second, ("pack_sha256",), "the pack's files, all together", matters=False),
        *_mappings("audit", first.get("audit"), second.get("audit"), "{}", matters=False),
        *_fields("arguments", first, second, ("overrides",), matters=False),
    ]
    return sorted(found, key=lambda difference: not difference.matters)


def environment(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """Differences of two environment records: threads, pins and switches, packages by name, Python, machine."""
    return [
        *_fields("environment", first, second, ("threads",)),
        *_mappings("environment", first.get("determinism"), second.get("determinism"), "{}"),
        *_packages(first, second),
        *_modified(first, second),
        *_mappings("environment", first.get("torch"), second.get("torch"), "torch {}"),
        *_fields("environment", first, second, _MACHINE),
        *_fields("environment", first, second, ("host",), matters=False),
    ]


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested mappings as {dotted key: leaf}; a list is a leaf, and so is an empty mapping."""
    if not isinstance(value, Mapping) or not value:
        return {name: value}
    inner = (flat(item, f"{name}.{key}" if name else str(key)) for key, item in value.items())
    return {key: leaf for part in inner for key, leaf in part.items()}


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted(first.keys() | second.keys()):
        a, b = first.get(name, ABSENT), second.get(name, ABSENT)
        if a != b or type(a) is not type(b):
            yield name, a, b


def _fields(
    kind: str,
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    names: tuple[str, ...],
    called: str | None = None,
    matters: bool = True,
) -> list[Difference]:
    pairs = [(name, first.get(name, ABSENT), second.get(name, ABSENT)) for name in names]
    return [Difference(kind, called or name, a, b, matters) for name, a, b in pairs if a != b]


def _mappings(kind: str, first: Any, second: Any, called: str, matters: bool = True) -> list[Difference]:
    pairs = _differing(first or {}, second or {})
    return [Difference(kind, called.format(name), a, b, matters) for name, a, b in pairs]


def _config(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """Keys that determine a result, and then the others; the seed has its own place."""
    a, b = first.get("config", {}), second.get("config", {})
    determining = set(flat(_determinants(a))) | set(flat(_determinants(b)))
    found = []
    for name, one, other in _differing(flat(a), flat(b)):
        if name != "seed":
            parents = {name[:i] for i, letter in enumerate(name) if letter == "."}
            found.append(Difference("config", name, one, other, bool(({name} | parents) & determining)))
    return found


def _determinants(config: Mapping[str, Any]) -> dict[str, Any]:
    return record.determinants(config, 0) if config else {}


def _packages(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """Packages that are not the same version in both; one that drifted in one alone was as locked in the other."""
    drifts = [{entry["package"]: entry for entry in side.get("drift") or []} for side in (first, second)]
    same_lock = first.get("lock_sha256") == second.get("lock_sha256")
    found = []
    for package in sorted(drifts[0].keys() | drifts[1].keys()):
        entries = [drift.get(package) for drift in drifts]
        locked = next(entry["locked"] for entry in entries if entry)
        as_locked = locked if same_lock else "as its lock says"
        a, b = ((entry["installed"] or "missing") if entry else as_locked for entry in entries)
        if a != b:
            found.append(Difference("environment", f"package {package}", a, b))
    return found


def _modified(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """Installed files that were edited in one environment, or otherwise in both; older records do not know."""
    if "modified" not in first or "modified" not in second:
        return []
    pairs = _differing(first["modified"], second["modified"])
    return [Difference("environment", f"file {name}", _as_installed(a), _as_installed(b)) for name, a, b in pairs]


def _as_installed(value: str) -> str:
    return "as installed" if value == ABSENT else value


def _engine(first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> list[Difference]:
    """The engine's files that are not the same; older records do not name them."""
    if not first or not second:
        return []
    pairs = _differing(first["files"], second["files"])
    return [Difference("code", name, a, b) for name, a, b in pairs]


def _git(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """The commit, and whether something beside it was changed."""
    found = _fields("git", first, second, ("commit",))
    states = [f"diff {side['diff_sha256'][:12]}" if side.get("diff_sha256") else "clean" for side in (first, second)]
    if first and second and states[0] != states[1]:
        found.append(Difference("git", "uncommitted changes", states[0], states[1]))
    return found
