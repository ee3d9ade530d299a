"""Hostile packs: every one is refused at the line that is marked, and none has an effect, vetted or even run.

Each folder of `adversarial/` is a pack whose files carry an extra `.txt`. A comment `REFUSED <rule>` marks a line that
must be refused by that rule (`REFUSED-ABOVE` the line before it); `@FILE@` and `@PORT@` stand for a file that nobody
may write and a listener that nobody may reach.
"""

import json
import re
import socket
import sys
from pathlib import Path

import pytest

from mlintern.sandbox.limits import GIB, Limits
from mlintern.sandbox.process import run_sandboxed
from mlintern.vet.run import check_pack
from tests.sandbox.layers import capabilities

HERE = Path(__file__).parent / "adversarial"
PACKS = sorted(folder.name for folder in HERE.iterdir() if folder.is_dir())
MARK = re.compile(r"REFUSED(-ABOVE)? ([a-z][a-z-]*)")
ROOT = Path(__file__).parents[2]

RUNNER = """
import importlib.util, json, os, signal, sys
import torch
from torch import nn
for path in json.load(sys.stdin):
    if os.fork() == 0:
        signal.alarm(3)
        try:
            spec = importlib.util.spec_from_file_location("hostile", path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            for name, value in list(vars(module).items()):
                if name in ("run", "payload", "leak", "store", "box"):
                    value()
                if isinstance(value, type) and issubclass(value, nn.Module):
                    value()(torch.zeros(1, 4))
        except BaseException as error:
            sys.stderr.write(f"{path}: {type(error).__name__}: {error}\\n")
        os._exit(0)
    if os.wait()[1]:
        sys.stderr.write(path + " was ended\\n")
print("all were run")
"""


def materialise(name: str, folder: Path, canary: Path, port: int) -> tuple[Path, set[tuple[str, int, str]]]:
    """The pack as papers/<name> below `folder`, and its marks as (file, line, rule)."""
    expected = set()
    for source in sorted((HERE / name).rglob("*.txt")):
        relative = source.relative_to(HERE / name).with_suffix("")
        text = source.read_text(encoding="utf-8")
        text = text.replace("@FILE@", str(canary)).replace("@PORT@", str(port)).replace("@SLUG@", name)
        target = folder / "papers" / name / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        for number, line in enumerate(text.split("\n"), 1):
            for above, rule in MARK.findall(line):
                expected.add((f"papers/{name}/{relative.as_posix()}", number - bool(above), rule))
    return folder / "papers" / name, expected


class Canaries:
    """What would show that something got out."""

    def __init__(self, folder: Path):
        self.file = folder / "canary"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0)
        self.port = self.listener.getsockname()[1]

    def silent(self) -> bool:
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return not self.file.exists()
        return False


@pytest.fixture
def canaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary-8d1f")
    found = Canaries(tmp_path)
    yield found
    found.listener.close()


def test_there_are_enough_of_them() -> None:
    assert len(PACKS) >= 40
    assert sum(name.startswith("yaml_") for name in PACKS) >= 15


@pytest.mark.parametrize("name", PACKS)
def test_is_refused_where_marked_and_has_no_effect(name: str, tmp_path: Path, canaries: Canaries) -> None:
    pack, expected = materialise(name, tmp_path, canaries.file, canaries.port)
    assert expected, "no line of the pack is marked"
    refusals = check_pack(pack)
    found = {(refusal.file, refusal.line, refusal.rule) for refusal in refusals}
    assert expected <= found, "\n".join(map(str, refusals)) or "nothing was refused"
    lines = {(file, line) for file, line, _ in expected}
    elsewhere = [str(refusal) for refusal in refusals if (refusal.file, refusal.line) not in lines]
    assert not elsewhere, "a line that is not marked is refused too"
    assert all(refusal.message and "\n" not in refusal.message for refusal in refusals)
    assert not any("sk-canary" in str(refusal) for refusal in refusals)
    assert canaries.silent()


@pytest.mark.skipif(not capabilities(), reason="this host offers no sandbox")
def test_even_run_they_have_no_effect(tmp_path: Path, canaries: Canaries) -> None:
    """As if the static policy had let them all through: the sandbox alone must hold."""
    files = []
    for name in PACKS:
        pack, _ = materialise(name, tmp_path, canaries.file, canaries.port)
        files += [str(path) for path in sorted(pack.rglob("*.py"))]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    done = run_sandboxed(
        [sys.executable, "-c", RUNNER],
        readonly=[tmp_path / "papers"],
        scratch=scratch,
        limits=Limits(cpu_s=120, wall_s=120, memory_bytes=4 * GIB, processes=64, file_size_bytes=1 << 20),
        env={"OMP_NUM_THREADS": "1"},
        input=json.dumps(files).encode(),
    )
    assert done.stdout.endswith(b"all were run\n"), done
    assert b"import_os/" not in done.stderr, "the plainest payload must have run for this test to mean anything"
    assert b"sk-canary" not in done.stdout + done.stderr
    assert canaries.silent()
