"""Whose a key is: the user's, or the pack's too; and what an override string sets.

A pack fills the groups that a paper is made of. How code is run, contained, checked, logged and paid for, and where
things go, is the user's word alone.
"""

import re
from collections.abc import Iterable, Mapping

from mlintern.core.errors import UserError

OF_PACKS = frozenset(
    "paper model data ablation optimizer scheduler loss augment method metrics protocol trainer".split()
)
"""Parts of the configuration that a pack may fill. `study.design` is one more, alone of its group."""
OF_USERS = frozenset("hydra sandbox run env llm logger audit determinism study seed oc mlintern".split())
"""Parts, and names that look like parts, which only the user sets."""
_ALSO_OF_PACKS = frozenset({"study.design"})

PROMISES = ({"override /determinism": "strict"}, {"override /determinism": "portable"})
"""Defaults of a user's group that a pack may have: more of a promise than the user asked for, never less."""

IN_VAIN = ("audit", "run")
"""Parts of the user's of which a pack may speak without effect: where its author kept results, and how deep an audit
it asked for. Packs are passed on with such lines in them; they are left out, and said to be."""

_OVERRIDE = re.compile(r"[+~]*([A-Za-z_]\w*)[\w./@\-]*\s*=", re.ASCII)
_BELOW = re.compile(r"(?!\.)[\w\-]+(/[\w\-]+)*/?", re.ASCII)
_SET = re.compile(r"([A-Za-z_]\w*)([./@][\w./@\-]*)?=.*", re.ASCII | re.DOTALL)


def root_of(key: str) -> str:
    """The part of the configuration that a dotted key, or the group of an override, belongs to."""
    return re.split(r"[./@=]", key.lstrip("+~"), maxsplit=1)[0]


def owned_by_user(key: str) -> str | None:
    """Why a pack may not set a top-level `key` (`hydra`, `sandbox.backend`, `study.jobs`), or None."""
    root = root_of(key)
    if key in _ALSO_OF_PACKS or root in OF_PACKS:
        return None
    if root in OF_USERS:
        return f"{key} is the user's to set; remove it from the pack"
    known = ", ".join(sorted(OF_PACKS))
    return f"{key} is no part of the configuration that a pack may fill; those are {known}"


def override_problem(text: str) -> str | None:
    """What is wrong with an override that a pack gives for cells of its grid, or None."""
    match = _SET.fullmatch(text)
    if match is None:
        return f"{text!r}: write it like trainer.max_steps=95 or optimizer=sgd"
    if "_target_" in text:
        return f"{text!r} holds _target_; targets stand as keys of a group's file"
    if "${" in text:
        return f"{text!r}: write the value out"
    why = owned_by_user(text.partition("=")[0])
    return None if why is None else f"{text}: {why}"


def sets_users_key(text: str) -> bool:
    """Does a text of a pack look like an override of what is the user's?"""
    match = _OVERRIDE.match(text.strip())
    return match is not None and match[1] in OF_USERS


def check_override(text: str, where: str) -> str:
    """An override that a pack gives, as it is; raises UserError where it is not the pack's to give."""
    if (problem := override_problem(text)) is not None:
        raise UserError(f"{where}: {problem}")
    return text


def is_in_vain(key: str, value: object) -> bool:
    """Is a top-level `key: value` of a pack one that is left out: plain folders below the project, a cadence?"""
    if key != "run" or not isinstance(value, Mapping):
        return False
    return all(
        (name == "checkpoint_seconds" and isinstance(said, int | float) and not isinstance(said, bool))
        or (name in ("dir", "data_dir", "report_dir") and isinstance(said, str) and _BELOW.fullmatch(said) is not None)
        for name, said in value.items()
    )


def of_users(overrides: Iterable[str]) -> list[str]:
    """The overrides that set something of the user's."""
    return [text for text in overrides if root_of(text) in OF_USERS]
