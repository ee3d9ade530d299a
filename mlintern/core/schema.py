"""Typed groups of a configuration: frozen dataclasses whose fields say what may stand there.

A group is made from plain values (`from_plain`) and gives them back (`plain`). What is said of a key that there is not,
of a value of another type, out of its range or not among the choices comes from the annotations: a type, a `Range`, a
`Literal`. What values must be to each other, a group says in its `__post_init__`.
"""

import dataclasses
import difflib
import functools
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, ConfigDict, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from mlintern.core.errors import UserError
from mlintern.core.ranges import Range

_NOUNS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "tuple": "a list",
    "dataclass": "a mapping of keys to values",
    "mapping": "a mapping of keys to values",
}
"""{beginning of the type of an error of pydantic's: what was wanted}."""


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "true and false are no numbers")
    return value


Whole = Annotated[int, BeforeValidator(_no_truth_value)]
Number = Annotated[float, BeforeValidator(_no_truth_value)]
AtLeastOne = Annotated[Whole, Range(1, whole=True)]


class FreeGroup(Mapping[str, Any]):
    """A group that may hold anything, mostly a class by its `_target_` and its arguments; it cannot be changed."""

    def __init__(self, plain: Mapping[str, Any]):
        self._plain = dict(plain)

    def __getitem__(self, key: str) -> Any:
        return self._plain[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._plain)

    def __len__(self) -> int:
        return len(self._plain)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._plain})"

    @property
    def target(self) -> str:
        """What it builds; empty where it does not say."""
        return str(self._plain.get("_target_", ""))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls._validated)

    @classmethod
    def _validated(cls, value: Any) -> Self:
        if not isinstance(value, Mapping):
            raise PydanticCustomError("mapping_type", "no mapping")
        return cls(value)


@dataclasses.dataclass(frozen=True)
class Group:
    """A part of a configuration whose keys are known."""

    KEY: ClassVar[str] = ""
    """Its key in the whole configuration."""
    IF_SAID: ClassVar[frozenset[str]] = frozenset()
    """Keys that are left out of the plain form where they have their default."""
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    def __post_init__(self) -> None:
        for name, (allowed, choices) in _limits(type(self)).items():  # type: ignore[arg-type]
            key, value = _dotted(self.KEY, name), getattr(self, name)
            if allowed is not None and value is not None:
                allowed.check(key, value)
            if choices and value not in choices:
                raise UserError(f"{key}={value}: choose {_listed([c for c in choices if c is not None])}")

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The group of plain values; raises UserError that names the key and what it may be."""
        try:
            given = dict(plain) if isinstance(plain, Mapping) else plain
            made: Self = _adapter(cls).validate_python(given)  # type: ignore[arg-type]
            return made
        except ValidationError as error:
            raise UserError(_told(cls, error.errors()[0])) from None

    def plain(self) -> dict[str, Any]:
        """The plain values that make an equal group."""
        return plain(self)


def plain(value: Any) -> Any:
    """Groups and free groups, at any depth, as what JSON and YAML know."""
    if isinstance(value, Group):
        said = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {f.name: plain(item) for f, item in said if f.name not in value.IF_SAID or item != f.default}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def guess(name: str, known: Sequence[str], before: str = "") -> str:
    """The known name that is most like this one, as a question; nothing where none is, or the name is too long."""
    close = difflib.get_close_matches(name, known, n=1) if len(name) < 100 else []
    return f" did you mean {before}{close[0]}?" if close else ""


def field_names(group: type[Group]) -> list[str]:
    """The keys of a group."""
    return [field.name for field in dataclasses.fields(group)]


def unknown_key(group: type[Group], key: str) -> UserError:
    """What is said of a key that a group does not have."""
    before, known = f"{group.KEY}." if group.KEY else "", field_names(group)
    close = guess(key.removeprefix(before).partition(".")[0], known, before)
    return UserError(f"{key}: no such key;{close} there are {', '.join(known)}")


def group_at(group: type[Group], path: Sequence[str]) -> type[Group] | None:
    """The group below `group` that a path of keys leads to; None where that is a value, or free."""
    for name in path:
        found = typing.get_type_hints(group).get(name)
        if not (isinstance(found, type) and issubclass(found, Group)):
            return None
        group = found
    return group


@functools.cache
def _adapter(group: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(group)


@functools.cache
def _limits(group: type[Group]) -> dict[str, tuple[Range | None, tuple[Any, ...]]]:
    """{field: (its range, its choices)}."""
    found = {}
    for name, hint in typing.get_type_hints(group, include_extras=True).items():
        union = typing.get_origin(hint) in (typing.Union, types.UnionType)
        kinds = typing.get_args(hint) if union else (hint,)
        ranges = [item for kind in kinds for item in getattr(kind, "__metadata__", ()) if isinstance(item, Range)]
        choices = [c for kind in kinds if typing.get_origin(kind) is Literal for c in typing.get_args(kind)]
        if ranges or choices:
            none = (None,) if choices and type(None) in kinds else ()
            found[name] = (ranges[0] if ranges else None, (*choices, *none))
    return found


def _told(group: type[Group], found: ErrorDetails) -> str:
    """One line for what pydantic found."""
    place = [str(step) for step in found["loc"]]
    key, value, kind = _dotted(group.KEY, *place), found["input"], found["type"]
    if kind == "unexpected_keyword_argument":
        return str(unknown_key(group_at(group, place[:-1]) or group, key))
    if kind == "missing":
        return f"{key}: no value; give {key}=…"
    if kind == "literal_error":
        return f"{key}={value}: choose {found['ctx']['expected'].replace(chr(39), '')}"
    noun = _NOUNS.get(kind.partition("_")[0], found["msg"])
    return f"{key}=null: needs {noun}" if value is None else f"{key}={value}: not {noun}"


def _dotted(*steps: str) -> str:
    return ".".join(filter(None, steps))


def _listed(choices: Sequence[Any]) -> str:
    *most, last = map(str, choices)
    return f"{', '.join(most)} or {last}" if most else last
