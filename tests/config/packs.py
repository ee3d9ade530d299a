"""A pack for tests of what its YAML may say: plain as it is written here, and changed file by file by a test."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

SLUG = "local_evil"

MODULES = '''"""A paper's modules, which leave a mark wherever they are imported."""

import pathlib

pathlib.Path("@CANARY@").write_text("imported")


class Net:
    def __init__(self, width: int = 4, drop: float = 0.1, *, norm=None):
        ...


class Deep(Net):
    """Takes what Net takes."""


class Source:
    def __init__(self, n: int, seed: int = 0):
        ...


def head(width: int):
    ...
'''

FILES = {
    "conf/paper/local_evil.yaml": """# @package _global_
defaults:
  - override /model: net
  - override /data: blobs
paper:
  slug: local_evil
  id: local_evil
  title: A paper
  seeds: [0]
  grid:
    - {model: [net], data: [blobs]}
trainer:
  max_steps: 10
""",
    "conf/model/net.yaml": "_target_: papers.local_evil.modules.Net\nwidth: 4\n",
    "conf/data/blobs.yaml": (
        "name: blobs\nsource:\n  _target_: papers.local_evil.modules.Source\n  n: 10\n"
        "preprocess: null\nview: null\nclasses: 2\n"
    ),
    "spec.yaml": """schema_version: 1
paper: {id: local_evil, slug: local_evil, title: A paper}
datasets:
- {id: blobs, description: blobs}
variants:
- {id: net, name: Net, description: a net}
settings: []
tables: []
claims: []
scale: {published: tiny}
""",
}

PAPER = "conf/paper/local_evil.yaml"
NET = "conf/model/net.yaml"

Change = str | bytes | Callable[[Path], object] | None


def write(project: Path, changes: Mapping[str, Change]) -> Path:
    """The pack in `project`/papers, with `changes`: {path: text, bytes, what makes it, or None to leave it out}; a text
    that begins with `+` is put at the end of what stands there."""
    pack = project / "papers" / SLUG
    files: dict[str, Change] = {"modules.py": MODULES.replace("@CANARY@", str(project / "canary")), **FILES}
    for name, change in changes.items():
        before = files.get(name)
        added = isinstance(change, str) and change.startswith("+") and isinstance(before, str)
        files[name] = f"{before}{change[1:]}" if added else change  # type: ignore[str-bytes-safe]
    for name, content in files.items():
        if content is None:
            continue
        path = pack / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return pack


def pipe(path: Path) -> None:
    os.mkfifo(path)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 << 30)


def link_to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)
