"""What one file of a pack's conf/ may say: values and plain references, known targets, and only the pack's own keys.

A file's keys are judged by where Hydra puts them. Without a header they lie below the file's group; after
`# @package _global_` at the top; a default's `@package` puts the file that it names elsewhere. So no file is put at a
part that is the user's, and what is put at the top names parts that are a pack's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlintern.config.keys import (
    IN_VAIN,
    OF_PACKS,
    OF_USERS,
    PROMISES,
    is_in_vain,
    override_problem,
    owned_by_user,
    root_of,
    sets_users_key,
)
from mlintern.core import strict_yaml
from mlintern.core.errors import UserError
from mlintern.core.targets.check import TARGET, target_problems

LONGEST_REFERENCE = 1000  # characters of a text that refers to other keys
DEEPEST_PACKAGE = 6  # names in a package; a default two levels inside a model has three

_NODE = r"\.*[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+|\[[A-Za-z0-9_]+\])*"
_INTERPOLATION = re.compile(r"\$\{\s*(" + _NODE + r")\s*\}")
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-/@ ]*")
_DEFAULT = re.compile(r"((optional|override) )*/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*(@[A-Za-z_][\w.]*)?", re.ASCII)
_OPTION = re.compile(r"[A-Za-z0-9_][\w\-]*(/\w+)*", re.ASCII)
_HEADER = re.compile(r"#\s*@package\s+(\S+)", re.ASCII)
_HEADER_LINE = re.compile(r"#\s*@")
_LIKE_HEADER = re.compile(r"@\s*package", re.IGNORECASE)
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\U000e0000-\U000e0fff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]"
)
_LOCATED = re.compile(r"^(?P<file>.*?):(?P<line>\d+)(?P<column>:\d+)?: (?P<rest>.*)$", re.DOTALL)


@dataclass(frozen=True, order=True)
class Problem:
    """One reason not to compose a file."""

    file: str
    line: int
    """From 1."""
    rule: str
    """A short stable name: `config-root`, `config-target`, `yaml` …"""
    message: str
    column: int | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" + (f":{self.column}" if self.column else "")
        return f"{place}: {self.message}"


@dataclass(frozen=True)
class ConfFile:
    """One file of a pack's conf/, parsed."""

    name: str
    """What messages call it."""
    group: str
    """The folder that it lies in, below conf/: `model`, `model/block`."""
    option: str
    parsed: strict_yaml.Parsed
    package: str | None
    """What its header says; None where it has none."""

    @property
    def is_global(self) -> bool:
        return self.package == "_global_"

    @property
    def value(self) -> dict[str, Any]:
        return self.parsed.value if isinstance(self.parsed.value, dict) else {}

    def problem(self, path: Sequence[str | int], rule: str, message: str) -> Problem:
        return Problem(self.name, self.parsed.line(path), rule, message)


def read_source(text: str, name: str, group: str, option: str) -> tuple[ConfFile | None, list[Problem]]:
    """The parsed file, or why it cannot be."""
    if match := _INVISIBLE.search(text.replace("\r\n", "\n")):
        line = text.count("\n", 0, match.start()) + 1
        what = "a byte order mark" if match[0] == "\ufeff" else f"the invisible character U+{ord(match[0]):04X}"
        return None, [Problem(name, line, "invisible", f"holds {what}; remove it")]
    package, problems = _header(text, name)
    try:
        parsed = strict_yaml.parse(text, name)
    except UserError as error:
        return None, [*problems, _as_problem(str(error), name)]
    except RecursionError:
        return None, [Problem(name, 1, "yaml", "is nested too deeply to be read; flatten it")]
    if not (parsed.value is None or isinstance(parsed.value, dict)):
        kind = "a list" if isinstance(parsed.value, list) else "a single value"
        message = f"is {kind}, and a config is a mapping; write `key: value` lines"
        return None, [*problems, Problem(name, parsed.line(()), "yaml", message)]
    return ConfFile(name, group, option, parsed, package), problems


def problems_of(
    source: ConfFile,
    slug: str,
    prefixes: Sequence[str],
    packages: Mapping[str, str | None],
    roots: Sequence[Path] | None = None,
    resolvers: Sequence[str] = (),
    by_name: bool = True,
) -> Iterator[Problem]:
    """Every reason not to compose this file of the pack `slug`.

    `prefixes` are those of targets; `packages` {group/option: what its header says} of every option that there is;
    `resolvers` OmegaConf resolvers that it may use. With `by_name` targets need not be defined yet.
    """
    yield from _places(source)
    yield from _walk(source, source.value, (), frozenset(resolvers))
    for path, message in target_problems(source.value, prefixes, roots, by_name=by_name):
        yield source.problem(path, "config-target", message)
    if "defaults" in source.value:
        yield from _defaults(source, packages)
    yield from _paper(source, slug)


def _as_problem(message: str, name: str) -> Problem:
    match = _LOCATED.match(message)
    if match is None:
        return Problem(name, 1, "yaml", message.removeprefix(f"{name}: "))
    column = int(match["column"][1:]) if match["column"] else None
    return Problem(name, int(match["line"]), "yaml", match["rest"], column)


def _header(text: str, name: str) -> tuple[str | None, list[Problem]]:
    """(the package that the file's header gives, why its header is none).

    Hydra reads a header in the lines before any other text, and silently nowhere else.
    """
    package, in_header, problems = None, True, []
    for number, line in enumerate(text.splitlines(), 1):
        said = line.strip()
        in_header &= not said or bool(_HEADER_LINE.match(said))
        match = _HEADER.fullmatch(said)
        if in_header and match and _good_package(match[1]):
            package = match[1]
        elif said and (in_header or (said.startswith("#") and _LIKE_HEADER.search(said))):
            message = f"the package directive {said[:80]!r} is not allowed"
            if match and not in_header:
                message = f"the line {said[:80]!r} is without effect here; it must be the file's first"
            problems.append(Problem(name, number, "config-package", message))
    return package, problems


def _good_package(package: str) -> bool:
    """May a file be put there? At the top, or below a part that is a pack's."""
    names = _parts(package)
    if package == "_global_":
        return True
    plain = all(re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) for name in names)
    return plain and names[0] in OF_PACKS and len(names) <= DEEPEST_PACKAGE


def _places(source: ConfFile) -> Iterator[Problem]:
    """Keys at the top of the configuration that are not a pack's, and parts of it that are no mappings."""
    for key, value in source.value.items():
        if key == "defaults":
            continue
        root = root_of(key)
        if not source.is_global:
            if root in OF_USERS and (root == "hydra" or root != key):
                yield source.problem((key,), "config-root", f"{key} is the user's to set; remove it from the pack")
            continue
        if is_in_vain(key, value):
            continue
        inner = [f"{key}.{name}" for name in value] if key == "study" and isinstance(value, dict) else [key]
        for full in inner:
            if (why := owned_by_user(full)) is not None:
                yield source.problem((key,), "config-root", why)
        if "." in key and root in OF_PACKS:
            yield source.problem(
                (key,), "config-key", f"the key {key} has a dot in it; write it as a mapping in {root}"
            )
        if key in OF_PACKS and not (value is None or isinstance(value, dict)):
            kind = "a list" if isinstance(value, list) else f"{value!r}"
            yield source.problem((key,), "config-type", f"{key}: is {kind}, and must be a mapping of keys to values")


def _walk(source: ConfFile, value: Any, path: tuple[str | int, ...], resolvers: frozenset[str]) -> Iterator[Problem]:
    if isinstance(value, dict):
        for key, inner in value.items():
            here = (*path, key)
            in_defaults = here[0] == "defaults" and len(here) > 1  # group names, which `_defaults` checks
            if not in_defaults and not _KEY.fullmatch(key):
                yield source.problem(
                    here, "config-key", f"the key {key[:80]!r} is not allowed; use letters, digits and _"
                )
            elif key.rsplit(".", 1)[-1] == "searchpath":
                yield source.problem(here, "config-key", "a search path brings in files that nobody vetted")
            yield from _walk(source, inner, here, resolvers)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _walk(source, inner, (*path, index), resolvers)
    elif isinstance(value, str):
        yield from _text(source, value, path, resolvers)


def _text(source: ConfFile, value: str, path: tuple[str | int, ...], resolvers: frozenset[str]) -> Iterator[Problem]:
    if "${" in value:
        yield from _references(source, value, path, resolvers)
    if TARGET in value and path[-1] != TARGET:
        yield source.problem(path, "config-target", f"a value holds {TARGET}; targets stand as keys")
    in_grid = "grid" in path
    if in_grid and len(path) > 1 and path[-2] == "set":
        if (problem := override_problem(value)) is not None:
            yield source.problem(path, "config-root", f"set: {problem}")
    elif in_grid and sets_users_key(value):
        yield source.problem(path, "config-root", f"the override {value.strip()[:60]!r} is the user's to give")
    if path[0] == "defaults" and "://" in value:
        yield source.problem(path, "config-key", "a search path brings in files that nobody vetted")


def _references(
    source: ConfFile, value: str, path: tuple[str | int, ...], resolvers: frozenset[str]
) -> Iterator[Problem]:
    if len(value) > LONGEST_REFERENCE:
        message = f"a text of {len(value):,} characters with references; write the value out"
        yield source.problem(path, "config-interpolation", message)
        return
    rest = value
    for match in _INTERPOLATION.finditer(value):
        rest = rest.replace(match[0], "", 1)
        if re.split(r"[.\[]", match[1].lstrip("."))[0] in OF_USERS - {"seed"}:
            message = f"{match[0]} reads what is not the pack's; write the value"
            yield source.problem(path, "config-interpolation", message)
    for name in resolvers:
        rest = re.sub(r"\$\{\s*" + re.escape(name) + r"\s*:[^${}]*\}", "", rest)
    if "${" in rest:
        found = rest[rest.index("${") :][:60]
        message = f"{found!r}: only plain references like ${{model.width}} are allowed"
        yield source.problem(path, "config-interpolation", message)


def _defaults(source: ConfFile, packages: Mapping[str, str | None]) -> Iterator[Problem]:
    defaults = source.value["defaults"]
    if not isinstance(defaults, list):
        yield source.problem(("defaults",), "config-defaults", "defaults must be a list")
        return
    last = max((i for i, entry in enumerate(defaults) if not _overrides(entry) and entry != "_self_"), default=-1)
    for index, entry in enumerate(defaults):
        here = ("defaults", index)
        if _overrides(entry) and index < last:
            message = f"the default {_shown(*next(iter(entry.items())))}: overrides come last in the list; move it down"
            yield source.problem(here, "config-defaults", message)
        items = entry.items() if isinstance(entry, dict) else [(entry, None)]
        if len(items) != 1:
            message = f"the default {entry!r} has {len(items)} keys; each entry of the list has one"
            yield source.problem(here, "config-defaults", message)
        if entry in PROMISES or entry == "_self_":
            continue
        for group, option in items:
            if (why := _default_problem(source, group, option, packages)) is not None:
                yield source.problem(here, "config-defaults", f"the default {_shown(group, option)}: {why}")


def _overrides(entry: Any) -> bool:
    """Does an entry of a defaults list choose again what another file's defaults chose?"""
    return isinstance(entry, dict) and any(str(group).startswith("override ") for group in entry)


def _default_problem(source: ConfFile, group: Any, option: Any, packages: Mapping[str, str | None]) -> str | None:
    """Why one default (`override /model: mlp`, `/block@model.block: small`) may not stand in this file, or None."""
    if not isinstance(group, str) or not _DEFAULT.fullmatch(group):
        return "is not allowed in a pack; name a group and an option"
    options = option if isinstance(option, list) else [option]
    if not all(one is None or (isinstance(one, str) and _OPTION.fullmatch(one)) for one in options):
        return "names no option; write the option's name, in quotes if it is a number"
    overrides = "override " in group
    name, _, package = group.split(" ")[-1].partition("@")
    path = name.lstrip("/")
    first, target = path.split("/")[0], root_of_package(package)
    if overrides and path in IN_VAIN and not package and isinstance(option, str):
        return None
    if first in OF_USERS or target in OF_USERS:
        return "is not allowed in a pack; the group is the user's to choose"
    if package and not _good_package(package if target in OF_PACKS else f"model.{package}"):
        return f"the package {package[:80]} is not allowed; name the keys that the option goes to, like model.block"
    if not (source.is_global or package.startswith("_global_.")) or overrides or not name.startswith("/"):
        return None  # below the part that this file itself is put at, or the choice of another file's default
    for one in options if option is not None else []:
        header = packages.get(f"{path}/{one}")
        where = target or (root_of_package(header) if header else first)
        if where not in OF_PACKS and header != "_global_":
            return f"puts it at {where}, which is no part of the configuration; write {name}@model.{where}, say"
    return None


def _parts(package: str) -> list[str]:
    return package.removeprefix("_global_.").split(".")


def root_of_package(package: str) -> str:
    """The first name of a package, whether it is counted from the top or not."""
    return _parts(package)[0]


def _shown(group: Any, option: Any) -> str:
    text = f"{group}" if option is None else f"{group}: {option}"
    return repr(text if len(text) <= 80 else f"{text[:77]}...")


def _paper(source: ConfFile, slug: str) -> Iterator[Problem]:
    """A pack speaks for its own paper."""
    if source.group != "paper" and not source.is_global:
        return
    paper = source.value.get("paper") if source.is_global else source.value
    if isinstance(paper, Mapping) and "slug" in paper and paper["slug"] != slug:
        path = ("paper", "slug") if source.is_global else ("slug",)
        yield source.problem(path, "config-root", f"paper.slug: {paper['slug']!r} is another paper's; write {slug}")
