"""YAML for files that anybody may have written: data only, and no surprises; and its check against a schema.

PyYAML's own rules (YAML 1.1) read `1e-4` as a string, `no` as false, `1:30` as 90 and an unquoted `1412.6980` as a
number that lost its zero. Here scalars follow YAML 1.2's core schema; tags, anchors, aliases, merge keys and duplicate
keys are refused, so a file can neither build objects nor expand without bound. Every complaint names file and line.
"""

import dataclasses
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from mlintern.core.errors import UserError
from mlintern.core.plain import read_plain

LARGEST_FILE = 8_000_000  # bytes; a spec of 1,000 table cells takes 0.5 MB
DEEPEST = 50  # levels; a spec has 8
MOST_EVENTS = 200_000  # keys, values and brackets; a spec of 1,000 table cells has half of that
LONGEST_NUMBER = 100  # characters; PyYAML reads `1:1:1:…` as base 60, at a quadratic cost
M = TypeVar("M", bound=BaseModel)

_IMPLICIT = [
    ("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"),
        list("-+.0123456789"),
    ),
]
_NUMBER = re.compile(r"[-+]?(0[xX][0-9a-fA-F_]+|[0-9.][0-9_:.eE+-]*)")
_SCALARS: dict[str, Callable[[str], bool | int | float | str | None]] = {
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": int,
    "float": float,
    "str": str,
}
_PLAIN_TAGS = {tag for tag, _, _ in _IMPLICIT} | {f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml: seven times as fast
    """SafeLoader with YAML 1.2's scalars."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in _IMPLICIT:
    _Loader.add_implicit_resolver(_tag, _pattern, _first)


@dataclasses.dataclass(frozen=True)
class Parsed:
    """The value of a YAML text, and where each part of it stands."""

    value: Any
    lines: dict[tuple[str | int, ...], int]
    """{path of keys and indices: line, from 1}."""

    def line(self, path: Sequence[str | int]) -> int:
        """The line of `path`, or of its nearest parent that stands in the text."""
        for end in range(len(path), -1, -1):
            if (found := self.lines.get(tuple(path[:end]))) is not None:
                return found
        return 1


def parse(text: str, name: str) -> Parsed:
    """The value and line numbers of YAML `text`; `name` is what complaints call it. Raises UserError."""
    try:
        _check_events(text, name)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        raise UserError(f"{name}{place}: not valid YAML: {problem}; mend the line") from None
    lines: dict[tuple[str | int, ...], int] = {}
    value = None if node is None else _construct(node, (), lines, name)
    return Parsed(value, lines)


def _check_events(text: str, name: str) -> None:
    """Refuse what expands, builds objects or never ends, before anything is built from it."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=_Loader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        line = event.start_mark.line + 1  # type: ignore[union-attr]  # parsed text always has marks
        if number > MOST_EVENTS:
            raise UserError(f"{name}:{line}: more than {MOST_EVENTS:,} keys and values; leave data out")
        if depth > DEEPEST:
            raise UserError(f"{name}:{line}: nested deeper than {DEEPEST} levels; flatten it")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise UserError(f"{name}:{line}: anchors and aliases are not allowed; write the value out")
        if (tag := getattr(event, "tag", None)) is not None:
            raise UserError(f"{name}:{line}: the tag {tag!r} is not allowed; remove it")
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and len(event.value) > LONGEST_NUMBER:
            if _NUMBER.fullmatch(event.value):
                raise UserError(f"{name}:{line}: a number of {len(event.value)} characters; shorten or quote it")


def load(path: Path, name: str | None = None, follow: bool = False) -> Parsed:
    """Read and parse the file `path`; `follow` lets it be a link, for a file of the user's own.

    Raises UserError if it is missing, no plain file, too large, not UTF-8 or not plain YAML.
    """
    name = name or str(path)
    content = read_plain(path, LARGEST_FILE, mend="put a YAML file there", follow=follow)
    return parse(decode(content, name), name)


def decode(content: bytes, name: str) -> str:
    """The text of a file's bytes; raises UserError naming the line of the first byte that is not UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"the byte 0x{content[error.start]:02x} is not UTF-8 text ({error.reason})"
        raise UserError(f"{name}:{line}: {found}; save it as UTF-8") from None


def _construct(node: yaml.Node, path: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int], name: str) -> Any:
    line = node.start_mark.line + 1
    lines[path] = line
    if node.tag not in _PLAIN_TAGS:
        raise UserError(f"{name}:{line}: the tag {node.tag!r} is not allowed; remove it")
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, (*path, i), lines, name) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            at = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                raise UserError(f"{name}:{at}: the key {_shown(key_node)} must be a string; put it in quotes")
            key = key_node.value
            if key in result:
                raise UserError(f"{name}:{at}: the key {key!r} stands twice; remove one")
            result[key] = _construct(value_node, (*path, key), lines, name)
            lines[(*path, key)] = at
        return result
    return _SCALARS[node.tag.rsplit(":", 1)[1]](node.value)


def _shown(node: yaml.Node) -> str:
    return repr(node.value) if isinstance(node, yaml.ScalarNode) else "(a list or mapping)"


def validate(model: type[M], parsed: Parsed, name: str) -> M:
    """`parsed` as `model`, or one line (UserError) for the first thing that is off and the number of others."""
    if not isinstance(parsed.value, dict):
        raise UserError(f"{name}: must be a mapping with the keys {', '.join(model.model_fields)}")
    try:
        return model.model_validate(parsed.value)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
        first = problems[0]
        path = _path_in_text(first["loc"], parsed.value, missing=first["type"] == "missing")
        field = re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", ".".join(map(str, path))) or "(top)"
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise UserError(f"{name}:{parsed.line(path)}: {field}: {_complaint(first)}{more}") from None


def _path_in_text(loc: tuple[int | str, ...], value: Any, missing: bool) -> list[int | str]:
    """`loc` without the union tags and type names that pydantic puts between the keys."""
    path: list[int | str] = []
    for step in loc[:-1] if missing else loc:
        if (isinstance(value, dict) and step in value) or (
            isinstance(value, list) and isinstance(step, int) and step < len(value)
        ):
            value = value[step]  # type: ignore[index]
            path.append(step)
    return [*path, loc[-1]] if missing else path


def _complaint(problem: Any) -> str:
    match problem["type"]:
        case "extra_forbidden":
            return "unknown key; remove it or mend its spelling"
        case "missing":
            return "missing; add it"
        case "union_tag_not_found":
            return "source is missing; say paper, code or assumed"
        case "union_tag_invalid":
            return "source must be paper, code or assumed"
        case "string_type":
            return f"must be text, not {problem['input']!r}; put it in quotes"
        case _:
            found = "" if isinstance(problem["input"], dict) else f" (found {_short(problem['input'])})"
            return f"{problem['msg'].removeprefix('Value error, ')}{found}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
