"""Which differences can be the cause: held against where two runs part.

A flipped bit in the data cannot change which rows make up a batch, and a thread count cannot change an initial weight.
Every kind of difference reaches into the computation at certain stages; one that cannot reach the first tensor that
differs is not why it differs, however suspicious it looks.
"""

import re
from collections.abc import Sequence

from mlintern.study.verify.differences import Difference
from mlintern.study.verify.first_difference import Parting

_COMPUTED = ("input", "output", "loss", "gradient", "weight gradient", "final gradient", "updated weight")
_UPDATE = ("updated weight", "optimizer state")
_ANY = ("*",)

REACH: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("seed", r".*", ("rows", "example", "batch", "weight", "input", "output", "loss")),
    ("config", r"optimizer\b", ("setting", "weight gradient", "final gradient", *_UPDATE)),
    ("config", r"scheduler\b", ("setting", *_UPDATE)),
    ("config", r"trainer\.(batch_size|order)", ("rows", "setting")),
    ("config", r"trainer\.max_steps", ("setting",)),
    ("config", r"trainer\.clip_norm", ("final gradient",)),
    ("config", r"trainer\.(shards|precision|accelerator)", (*_COMPUTED, "batch")),
    ("config", r"trainer\.eval", ()),
    ("config", r"model\b", ("weight", *_COMPUTED, *_UPDATE)),
    ("config", r"(loss|method)\b", ("input", "output", "loss", "gradient", "weight gradient")),
    ("config", r"augment\b", ("batch",)),
    ("config", r"metrics\b", ()),
    ("config", r"data\.(preprocess|view)", ("example", "batch")),
    ("config", r"data\b", ("rows", "example", "batch")),
    ("config", r"protocol\b", ("rows", "example", "batch")),
    ("config", r"determinism\b", (*_COMPUTED, *_UPDATE)),
    ("data", r"test part.*", ()),
    ("data", r"valid part, as prepared", ("example", "batch")),
    ("data", r"valid part.*", ()),
    ("data", r".*", ("rows", "example", "batch")),
    ("code", r"mlintern/engine/augments\.py", ("batch",)),
    (
        "code",
        r"mlintern/(engine/feed|core/streams/(seeding|guard))\.py",
        ("rows", "example", "batch", "weight", "output"),
    ),
    ("code", r"mlintern/engine/(tables|columns|rows)\.py", ("rows", "example", "batch")),
    ("code", r"mlintern/engine/initialise\.py", ("weight",)),
    ("code", r"mlintern/engine/schedules\.py", ("setting",)),
    ("code", r"mlintern/engine/(methods|module|losses|precision)\.py", ("input", "output", "loss", "gradient")),
    ("code", r"mlintern/engine/(loop|shards|buffers|determinism|portable)\.py", ("setting", *_COMPUTED, *_UPDATE)),
    ("code", r"mlintern/engine/(cell|training|instantiate|ranks|fsdp)\.py", _ANY),
    ("code", r"mlintern/engine/.*", ()),
    ("code", r"mlintern/data/.*", ("rows", "example", "batch")),
    ("code", r".*", ("example", "batch", "weight", *_COMPUTED, *_UPDATE)),
    ("environment", r"(package|file) .*", _ANY),
    ("environment", r"(python|lock|lock_sha256)", _ANY),
    ("environment", r".*", (*_COMPUTED, *_UPDATE, "weight")),
    ("git", r".*", _ANY),
)
"""(kind, pattern of the name, stages at which such a difference can show first); the first row that fits counts."""


def can_explain(difference: Difference, found: Parting) -> bool:
    """Can this difference be why two runs part there?"""
    for kind, pattern, stages in REACH:
        if kind == difference.kind and re.fullmatch(rf"{pattern}(\..*)?", difference.name, re.DOTALL):
            # Initial weights are drawn; later ones are what everything before has made of them.
            early = found.stage != "weight" or found.step == 0
            return stages == _ANY or found.stage in stages or (not early and bool(stages))
    return False


def ranked(found: Sequence[Difference], where: Parting | None) -> list[Difference]:
    """The differences, those first that can be the cause; among equals, in the order in which they were given."""

    def place(difference: Difference) -> tuple[bool, bool]:
        return not difference.matters, where is not None and not can_explain(difference, where)

    return sorted(found, key=place)
