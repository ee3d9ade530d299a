"""Who has read a pack: kept in the user's own state folder, by the hash of everything in the pack.

An approval says that a human read the pack as it is, and no more: its code runs in the sandbox all the same. It is kept
outside the pack, because whoever writes a pack could write its approval too, and it is of every file and link, because
what is read is not what a module's name promises but what is there.
"""

import datetime
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlintern.core import files
from mlintern.core.errors import UserError
from mlintern.packs.pack_files import everything, joined
from mlintern.packs.release import is_of_the_release

_SLUG = re.compile(r"[A-Za-z]\w*", re.ASCII)


@dataclass(frozen=True)
class Approval:
    """One human's word on one state of a pack."""

    slug: str
    by: str
    at: str
    """When, in UTC."""
    files: dict[str, str]
    """{path in the pack: sha256, or what it is} of everything."""

    @property
    def sha256(self) -> str:
        """The hash of everything in the pack."""
        return joined(self.files)


def folder_of(slug: str) -> Path:
    """Where approvals of a pack are: $XDG_STATE_HOME/mlintern/approvals/<slug>, by default below ~/.local/state.

    Raises UserError for what is no slug.
    """
    if not _SLUG.fullmatch(slug):
        raise UserError(f"{slug}: is no slug; a pack's name is letters, digits and underscores")
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "mlintern" / "approvals" / slug


def current(pack: Path) -> Approval | None:
    """The approval of a pack as it is now, None where this user has given none."""
    path = folder_of(pack.name) / f"{joined(everything(pack, f'papers/{pack.name}'))}.json"
    return _read(path) if path.is_file() else None


def latest(slug: str) -> Approval | None:
    """The last approval that this user gave to any state of a pack."""
    given = [_read(path) for path in folder_of(slug).glob("*.json")]
    return max(given, key=lambda approval: approval.at, default=None)


def approve(pack: Path, by: str) -> Approval:
    """Keep that `by` read the pack as it is now."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    given = Approval(pack.name, by, now, everything(pack, f"papers/{pack.name}"))
    files.write_json(folder_of(pack.name) / f"{given.sha256}.json", asdict(given))
    return given


def changes(before: Approval, now: Approval) -> str:
    """What of a pack is not as it was, in words."""
    new = sorted(now.files.keys() - before.files.keys())
    gone = sorted(before.files.keys() - now.files.keys())
    other = sorted(name for name in now.files.keys() & before.files.keys() if now.files[name] != before.files[name])
    parts = [
        f"{what} {', '.join(names)}" for what, names in (("new", new), ("changed", other), ("gone", gone)) if names
    ]
    return "; ".join(parts) or "nothing"


def said(pack: Path) -> str:
    """One line: who has read this pack as it is."""
    name = f"papers/{pack.name}"
    if given := current(pack):
        return f"{name}: read and approved by {given.by} on {given.at[:10]}, as it is now"
    look = f"`mlintern review {pack.name}` shows it"
    if before := latest(pack.name):
        return f"{name}: changed since {before.by} approved it on {before.at[:10]}; {look}"
    if is_of_the_release(pack):
        return f"{name}: came with this release, unchanged"
    return f"{name}: nobody here has said that they read it; {look}"


def _read(path: Path) -> Approval:
    value: Any = files.read_json(path)
    try:
        return Approval(**value)
    except TypeError:
        raise UserError(f"{path}: is no approval; delete it and approve the pack again") from None
