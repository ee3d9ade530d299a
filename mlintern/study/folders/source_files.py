"""The files that a dataset is made from: which of them a pack may name, and who may read them.

Only the job that prepares a dataset sees them, never one that trains: the targets of test stand in them. A pack's YAML
names them, so they lie inside the project, or in a folder that the user's own settings allow.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlintern.core.errors import UserError
from mlintern.engine.config import CellConfig
from mlintern.packs import snapshot
from mlintern.sandbox import policy, view

_SOURCES = "mlintern.data.sources."
_NO_DATA = ("papers", "mlintern", "conf", "runs", "reports")


def source_files(config: CellConfig, pack: Path, allowed: Sequence[str] = ()) -> list[Path]:
    """Files and folders of this machine that the data's source reads; those in the pack itself aside.

    `allowed` are folders outside the project that the user allows. Raises UserError for a file elsewhere.
    """
    found = []
    for key, name in _named(config.data.source):
        path = (snapshot.project() / name).resolve()
        if not path.exists() or path.is_relative_to(pack.resolve()):
            continue
        if not (_is_projects(path) or any(path.is_relative_to(Path(folder).resolve()) for folder in allowed)):
            raise UserError(
                f"data.source.{key}={name}: what a pack names is read inside the project alone, and no hidden files; "
                f"copy it there, or allow its folder in {policy.settings_path()} (sandbox: {{reads: [{path.parent}]}})"
            )
        found.append(path)
    return found


def made_from(paths: Sequence[Path]) -> dict[str, Any]:
    """What a job that prepares data is told of these files: it reads them, from beside the project."""
    return {"made_from": bool(paths), "project": str(snapshot.project()), "reads": [str(path) for path in paths]}


def _named(source: Any) -> Iterator[tuple[str, str]]:
    """(key, path) of what a source of the tool's own reads; a pack's own source opens no files."""
    if isinstance(source, Mapping) and str(source.get("_target_", "")).startswith(_SOURCES):
        if isinstance(source.get("path"), str):
            yield "path", source["path"]
        for part, name in (source.get("files") or {}).items():
            yield f"files.{part}", str(name)


def _is_projects(path: Path) -> bool:
    root = snapshot.project().resolve()
    if not path.is_relative_to(root) or path == root:
        return False
    parts = path.relative_to(root).parts
    hidden = any(part.startswith(".") or view.is_secret(part) for part in parts)
    return not hidden and parts[0] not in _NO_DATA
