"""The policy for a pack's YAML: plain values and references, known targets, and no say over how it is checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlintern import strict_yaml
from mlintern.errors import UserError
from mlintern.vet import text
from mlintern.vet.refusal import Refusal
from mlintern.vet.targets import ENGINE_PREFIXES, TARGET, target_problems

PROMISES = ({"override /determinism": "strict"}, {"override /determinism": "portable"})
"""Defaults of a forbidden group that a pack may have: more of a promise than the user asked for, never less."""
FORBIDDEN_ROOTS = ("hydra", "llm", "logger", "audit", "sandbox", "determinism", "run", "oc", "env")
"""Parts of the configuration that decide how a pack is run, checked and paid for; only the user sets them."""

_NODE = r"\.*[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+|\[[A-Za-z0-9_]+\])*"
_INTERPOLATION = re.compile(r"\$\{\s*(" + _NODE + r")\s*\}")
_RESOLVER = re.compile(r"\$\{\s*([A-Za-z_][\w.]*)\s*:([^${}]*)\}")
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-/@ ]*")
_DEFAULT = re.compile(r"((optional|override) )?/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*(@[A-Za-z_][\w.]*|@:)?", re.ASCII)
_OPTION = re.compile(r"[A-Za-z0-9_]\w*(/\w+)*", re.ASCII)
_OVERRIDE = re.compile(r"[+~]*([A-Za-z_]\w*)[\w./@\-]*\s*=", re.ASCII)
_PACKAGE = re.compile(r"^\s*#\s*@package\s+(\S+)\s*$")
_ANY_PACKAGE = re.compile(r"@\s*package", re.IGNORECASE)
_LOCATED = re.compile(r"^(?P<file>.*?):(?P<line>\d+): (?P<rest>.*)$", re.DOTALL)


def check_config(
    path: Path,
    *,
    allowed_prefixes: Sequence[str] | None = None,
    allowed_resolvers: Sequence[str] = (),
    roots: Sequence[Path] | None = None,
    composed: bool = True,
    name: str | None = None,
) -> list[Refusal]:
    """Every reason not to read this YAML file; an empty list means that it passes.

    `allowed_prefixes` are those of `_target_` (default: the engine's, and `papers.<slug>.` of the pack that the file
    lies in); `allowed_resolvers` names OmegaConf resolvers. `composed=False` is for files that Hydra never sees (a
    spec, a provenance), where text may hold `${`.
    """
    shown = name or str(path)
    source, refusals = text.read(path, shown, text.LARGEST_FILE if composed else text.LARGEST_RECORD)
    if refusals:
        return refusals
    try:
        parsed = strict_yaml.parse(source, shown)
    except UserError as error:
        return [_as_refusal(str(error), shown)]
    except RecursionError:
        return [Refusal(shown, 1, "yaml", "is nested too deeply to be read; flatten it")]
    prefixes = allowed_prefixes if allowed_prefixes is not None else [*ENGINE_PREFIXES, *_own_prefix(path)]
    if not composed:
        return []
    checker = _Config(source, parsed, shown, prefixes, allowed_resolvers, roots)
    return sorted(set(checker.refusals()), key=lambda refusal: (refusal.line, refusal.rule, refusal.message))


def _own_prefix(path: Path) -> list[str]:
    parts = path.resolve().parts
    if "papers" in parts[:-2]:
        slug = parts[len(parts) - 1 - parts[::-1].index("papers") + 1]
        return [f"papers.{slug}."]
    return []


def _as_refusal(message: str, shown: str) -> Refusal:
    match = _LOCATED.match(message)
    return Refusal(shown, int(match["line"]) if match else 1, "yaml", match["rest"] if match else message)


class _Config:
    """One composed config file."""

    def __init__(
        self,
        source: str,
        parsed: strict_yaml.Parsed,
        name: str,
        prefixes: Sequence[str],
        resolvers: Sequence[str],
        roots: Sequence[Path] | None,
    ):
        self._source, self._parsed, self._name = source, parsed, name
        self._prefixes, self._resolvers, self._roots = prefixes, frozenset(resolvers), roots

    def refusals(self) -> Iterator[Refusal]:
        value = {} if self._parsed.value is None else self._parsed.value
        yield from self._package()
        if not isinstance(value, dict):
            yield Refusal(self._name, 1, "yaml", "a config is a mapping of keys to values")
            return
        yield from self._walk(value, ())
        for path, message in target_problems(value, self._prefixes, self._roots):
            yield self._refuse(path, "config-target", message)
        for key in value:
            if key.split(".")[0].split("/")[0].split("@")[0] in FORBIDDEN_ROOTS:
                yield self._refuse((key,), "config-root", f"{key} is the user's to set; remove it from the pack")
        if "defaults" in value:
            yield from self._defaults(value["defaults"])

    def _refuse(self, path: tuple[str | int, ...], rule: str, message: str) -> Refusal:
        return Refusal(self._name, self._parsed.line(path), rule, message)

    def _package(self) -> Iterator[Refusal]:
        for number, line in enumerate(self._source.splitlines(), 1):
            match = _PACKAGE.match(line)
            if match and (match[1] in ("_global_", "_group_") or match[1].split(".")[0] not in FORBIDDEN_ROOTS):
                if re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", match[1], re.ASCII):
                    continue
            if match or (line.lstrip().startswith("#") and _ANY_PACKAGE.search(line)):
                yield Refusal(
                    self._name, number, "config-package", f"the package directive {line.strip()!r} is not allowed"
                )

    def _walk(self, value: Any, path: tuple[str | int, ...]) -> Iterator[Refusal]:
        if isinstance(value, dict):
            for key, inner in value.items():
                here = (*path, key)
                in_defaults = here[0] == "defaults" and len(here) > 1  # group names, which `_defaults` checks
                if not in_defaults and not _KEY.fullmatch(key):
                    yield self._refuse(here, "config-key", f"the key {key!r} is not allowed; use letters, digits and _")
                elif key.rsplit(".", 1)[-1] == "searchpath":
                    yield self._refuse(here, "config-key", "a search path brings in files that nobody vetted")
                elif "." in key and key.split(".")[0] in FORBIDDEN_ROOTS:
                    yield self._refuse(here, "config-root", f"{key} is the user's to set; remove it from the pack")
                yield from self._walk(inner, here)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                yield from self._walk(inner, (*path, index))
        elif isinstance(value, str):
            yield from self._text(value, path)

    def _text(self, value: str, path: tuple[str | int, ...]) -> Iterator[Refusal]:
        if "${" in value:
            yield from self._interpolations(value, path)
        if TARGET in value and path[-1] != TARGET:
            yield self._refuse(path, "config-target", f"a value holds {TARGET}; targets stand as keys")
        match = _OVERRIDE.match(value.strip())
        if match and (match[1] in FORBIDDEN_ROOTS):
            yield self._refuse(path, "config-root", f"the override {value.strip()[:60]!r} is the user's to give")
        if "searchpath" in value or re.search(r"(file|pkg)://", value):
            yield self._refuse(path, "config-key", "a search path brings in files that nobody vetted")

    def _interpolations(self, value: str, path: tuple[str | int, ...]) -> Iterator[Refusal]:
        rest = value
        for match in _INTERPOLATION.finditer(value):
            rest = rest.replace(match[0], "", 1)
            if match[1].lstrip(".").split(".")[0].split("[")[0] in FORBIDDEN_ROOTS:
                yield self._refuse(
                    path, "config-interpolation", f"{match[0]} reads what is not the pack's; write the value"
                )
        for match in _RESOLVER.finditer(rest):
            if match[1] in self._resolvers:
                rest = rest.replace(match[0], "", 1)
        if "${" in rest:
            found = rest[rest.index("${") :][:60]
            yield self._refuse(
                path, "config-interpolation", f"{found!r}: only plain references like ${{model.width}} are allowed"
            )

    def _defaults(self, defaults: Any) -> Iterator[Refusal]:
        if not isinstance(defaults, list):
            yield self._refuse(("defaults",), "config-defaults", "defaults must be a list")
            return
        for index, entry in enumerate(defaults):
            items = entry.items() if isinstance(entry, dict) else [(entry, None)]
            if len(items) != 1:
                message = f"the default {entry!r} has {len(items)} keys; each entry of the list has one"
                yield self._refuse(("defaults", index), "config-defaults", message)
            for group, option in items:
                options = option if isinstance(option, list) else [option]
                names = str(group).removeprefix("optional ").removeprefix("override ").lstrip("/").split("@")
                first = [re.split(r"[/.]", name.removeprefix("_global_.").lstrip(":"))[0] for name in names]
                good = group == "_self_" or bool(isinstance(group, str) and _DEFAULT.fullmatch(group))
                good &= all(o is None or (isinstance(o, str) and bool(_OPTION.fullmatch(o))) for o in options)
                if entry in PROMISES:
                    continue
                if not good or any(name in FORBIDDEN_ROOTS for name in first):
                    line = ("defaults", index)
                    yield self._refuse(line, "config-defaults", f"the default {entry!r} is not allowed in a pack")
