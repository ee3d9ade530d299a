"""The trusted process starts for every command that trains, so it has nothing that it does not use."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlintern.core.errors import UserError
from mlintern.core.roots import ROOT
from mlintern.study.workers.desk import Desk

FIRST = "mlintern.study.workers.scorer"


def file_of(module: str) -> Path | None:
    base = ROOT / module.replace(".", "/")
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


def imported(module: str, deep: bool) -> Iterator[str]:
    """What a module imports; `deep`: in its functions as well."""
    tree = ast.parse(file_of(module).read_text())
    for node in ast.walk(tree) if deep else tree.body:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_it_imports_no_lightning():
    """Which takes as long as torch, and twice that where torch.compile comes with it."""
    seen, left = set(), [FIRST]
    while left:
        for name in imported(module := left.pop(), deep=module == FIRST):
            if name not in seen:
                seen.add(name)
                left += [name] if name.startswith("mlintern.") and file_of(name) else []
    assert {"torch", "mlintern.engine.score"} <= seen
    assert not [name for name in seen if name.split(".")[0] in ("lightning", "torchmetrics", "matplotlib")]


def test_a_question_that_nobody_can_answer_ends_it():
    """As one does for whose answer no memory is left: it must not be waited for."""
    with Desk(dict(os.environ)) as desk, pytest.raises(UserError, match="has ended .AttributeError"):
        desk.wait(desk.ask("nothing", {}))
