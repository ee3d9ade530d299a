"""Small JSON files of our own, with their hash inside: what was edited, torn or put there by hand is told when read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from mlintern.core import files
from mlintern.core.errors import Damaged, UserError
from mlintern.core.plain import MOST_JSON_BYTES, parse_json, read_plain
from mlintern.core.records.hashing import stable_hash

SEAL = "sha256"


class Shape(BaseModel):
    """What a file must hold, at the least; numbers are finite, and nothing is turned into something else."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


def write(path: Path, value: Mapping[str, Any], below: Path | None = None) -> None:
    """Write a mapping as JSON, sealed."""
    files.write_json(path, {**value, SEAL: stable_hash(value, path.name)}, below)


def read(path: Path, shape: type[Shape], mend: str = "delete it and run again", seal: str = SEAL) -> dict[str, Any]:
    """The mapping at `path`, seal included; raises Damaged (Absent) where it is not as it was written.

    What has no seal was written by an earlier version, and only its shape is checked.
    """
    value = parse_json(read_plain(path, MOST_JSON_BYTES, mend=mend), path, mend)
    if not isinstance(value, dict):
        raise Damaged(f"{path}: holds a {type(value).__name__} and no mapping; {mend}")
    if seal in value and value[seal] != hash_without(value, seal, path, mend):
        raise Damaged(f"{path}: was changed after it was written (its {seal} is of other content); {mend}")
    try:
        shape.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "(top)"
        raise Damaged(f"{path}: {where}: {first['msg']}; {mend}") from None
    return value


def hash_without(value: Mapping[str, Any], seal: str, path: Path, mend: str) -> str:
    """The hash of what a seal is about: everything else."""
    try:
        return stable_hash({key: item for key, item in value.items() if key != seal}, path.name)
    except UserError as error:  # an infinite number, say
        raise Damaged(f"{path}: {error}; {mend}") from None
