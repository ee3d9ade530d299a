"""What a config may build of the tool's own: parts, told by their place, and none that opens anything."""

from pathlib import Path

import pytest

from mlintern.core.roots import ROOT
from mlintern.core.targets import parts
from mlintern.core.targets.check import ENGINE_PREFIXES, target_problem

GOOD = '''from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from mlintern.core.errors import UserError
from mlintern.engine import losses


class Part(nn.Module):
    """A part."""

    def __init__(self, size: int):
        super().__init__()
        self.layer = nn.Linear(size, 1)
'''


def problem(root: Path, code: str, target: str = "mlintern.engine.parts.new.Part") -> str | None:
    path = root / "mlintern/engine/parts/new.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code)
    return target_problem(target, ENGINE_PREFIXES, [root])


def test_a_file_in_the_room_of_parts_may_be_built(tmp_path):
    assert problem(tmp_path, GOOD) is None


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "import pathlib",
        "from pathlib import Path",
        "import torch.hub",
        "from torch import load",
        "from numpy.lib.format import open_memmap",
        "from mlintern.engine import checkpoint",
        "from mlintern.engine.weights import read",
        "from mlintern import engine",
        "from . import other",
        "from .. import trusted",
        "rows = open('x')",
        "rows = torch.load('x')",
        "rows = torch.from_file('x')",
        "rows = math.__loader__",
        "rows = getattr(math, 'x')",
        "rows = __import__('os')",
    ],
)
def test_one_that_could_open_something_may_not(tmp_path, line):
    assert "cannot be a part: new.py:" in problem(tmp_path, f"{GOOD}\n\n{line}\n")


@pytest.mark.parametrize(
    "target",
    [
        "mlintern.engine.weights.Weights",
        "mlintern.engine.parts.Part",
        "mlintern.engine.parts.new.torch.load",
        "mlintern.engine.parts.new.nn.Linear",
        "mlintern.engine.parts.deeper.new.Part",
        "mlintern.data.prepare.prepare",
    ],
)
def test_machinery_and_what_parts_import_may_not(tmp_path, target):
    assert "no part to build with" in problem(tmp_path, GOOD, target)


@pytest.mark.parametrize("name", ["torch", "missing", "UserErrors"])
def test_a_name_that_the_file_does_not_define_may_not(tmp_path, name):
    assert problem(tmp_path, GOOD, f"mlintern.engine.parts.new.{name}") is not None


def test_every_file_that_stands_in_the_rooms_is_a_part():
    for room in parts.ROOMS:
        for path in (ROOT / room.replace(".", "/")).glob("[!_]*.py"):
            assert parts.fault(f"{room}.{path.stem}", [ROOT]) is None
