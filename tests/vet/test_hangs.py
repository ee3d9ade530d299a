"""Nothing in a pack holds the linter up: pipes, giants, links, bombs and endless constants are refused at once."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from mlintern.vet.run import check_pack

BUNDLED = Path(__file__).parents[2] / "papers" / "local_lesion_attention"
MOST_S = 30
"""A hang, not a measure of speed: each takes a second at most."""


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 << 30)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(os.path.relpath(path))  # the whole path is too long for a socket's name


def deep(folder: Path) -> None:
    for _ in range(200):
        folder = folder / "d"
        folder.mkdir()


def many(folder: Path) -> None:
    (folder / "conf" / "many").mkdir()
    for number in range(3000):
        (folder / "conf" / "many" / f"n{number}.yaml").touch()


def bulk(folder: Path) -> None:
    for number in range(40):
        (folder / "conf" / "model" / f"n{number}.yaml").write_text("a: [" + "1,\n" * 30_000 + "]\n")


def loop(folder: Path) -> None:
    (folder / "conf" / "up").symlink_to("..")


def replaced_by(make):
    def plant(folder: Path) -> None:
        (folder / "modules.py").unlink()
        make(folder / "modules.py")

    return plant


def written(place: str, text: str):
    def plant(folder: Path) -> None:
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_text(text)

    return plant


def appended(text: str):
    def plant(folder: Path) -> None:
        with (folder / "modules.py").open("a") as file:
            file.write(text)

    return plant


ANCHORS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
)
HOSTILE = {
    "fifo_yaml": lambda f: os.mkfifo(f / "conf" / "model" / "a.yaml"),
    "fifo_data": lambda f: os.mkfifo(f / "conf" / "data" / "a.yaml"),
    "fifo_py": lambda f: os.mkfifo(f / "modules_x.py"),
    "fifo_modules": replaced_by(os.mkfifo),
    "fifo_spec": lambda f: ((f / "spec.yaml").unlink(), os.mkfifo(f / "spec.yaml")),
    "fifo_in_pycache": lambda f: ((f / "__pycache__").mkdir(), os.mkfifo(f / "__pycache__" / "a.pyc")),
    "socket": lambda f: listening(f / "conf" / "model" / "s.yaml"),
    "link_to_zero": replaced_by(lambda p: p.symlink_to("/dev/zero")),
    "link_to_file": lambda f: (f / "conf" / "model" / "a.yaml").symlink_to("/etc/passwd"),
    "link_to_folder": lambda f: (f / "conf" / "z").symlink_to("/usr"),
    "link_to_itself": loop,
    "link_broken": replaced_by(lambda p: p.symlink_to("nothing.py")),
    "sparse_yaml": lambda f: sparse(f / "conf" / "model" / "a.yaml"),
    "sparse_py": replaced_by(sparse),
    "sparse_spec": lambda f: sparse(f / "spec.yaml"),
    "sparse_text": lambda f: sparse(f / "a.bin"),
    "folder_as_modules": replaced_by(Path.mkdir),
    "deep_folders": deep,
    "many_files": many,
    "many_large_files": bulk,
    "newline_in_a_name": written("conf/model/a\nb.yaml", "x: 1\n"),
    "anchors": written("conf/model/b.yaml", ANCHORS),
    "deep_yaml": written("conf/model/b.yaml", "a: " + "{b: " * 3000 + "}" * 3000 + "\n"),
    "deep_brackets": written("conf/model/b.yaml", "a: " + "[" * 90_000),
    "long_number_yaml": written("conf/model/b.yaml", "a: " + "9" * 90_000 + "\n"),
    "lines_of_nothing": written("spec.yaml", "\n" * 3_000_000),
    "many_values": written("spec.yaml", "a: [" + "1,\n" * 600_000 + "]\n"),
    "python_tag": written("conf/model/b.yaml", "a: !!python/object/apply:os.system [id]\n"),
    "power": appended("X = 10 ** 10 ** 10\n"),
    "power_in_a_function": appended("def f():\n    return 10 ** 10 ** 10\n"),
    "power_by_call": appended("X = pow(10, 10 ** 10)\n"),
    "power_by_name": appended("N = 10 ** 9\nX = N ** N\n"),
    "shift": appended("X = 1 << (1 << 40)\n"),
    "text_repeated": appended("X = 'a' * 10 ** 12\n"),
    "list_repeated": appended("X = [0] * 10 ** 12\n"),
    "sum_at_import": appended("X = sum(1 for _ in range(10 ** 14))\n"),
    "loop_at_import": appended("for i in range(10 ** 14):\n    pass\n"),
    "while_at_import": appended("while True:\n    pass\n"),
    "count_at_import": appended("import itertools\nX = max(itertools.count())\n"),
    "factorial_at_import": appended("import math\nX = math.comb(10 ** 9, 10 ** 8)\n"),
    "recursion_at_import": appended("def f():\n    return f()\nX = f()\n"),
    "nested_brackets": appended("X = " + "[" * 5000 + "]" * 5000 + "\n"),
    "nested_sums": appended("X = (\n" + "1 +\n" * 9_000 + "1)\n"),
    "nested_minus": appended("X = (" + "-\n" * 40_000 + "1)\n"),
    "nested_attributes": appended("X = (a\n" + ".b\n" * 30_000 + ")\n"),
    "nested_functions": appended("".join(" " * i + f"def f{i}():\n" for i in range(90)) + " " * 90 + "pass\n"),
    "long_number": appended("X = " + "9" * 390 + "\nY = 0x" + "f" * 390 + " ** 0x" + "f" * 390 + "\n"),
    "many_nodes": appended("X = (" + "1,\n" * 32_000 + ")\n"),
    "blank_lines": appended("\n" * 95_000),
    "null_bytes": appended("\x00" * 1000),
    "unclosed_text": appended('X = """' + "a\n" * 40_000),
}


FINE = ("blank_lines", "nested_functions")
"""Odd, and nothing wrong."""


@pytest.mark.timeout(MOST_S)
@pytest.mark.parametrize("name", HOSTILE)
def test_is_refused_at_once(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pack = tmp_path / "papers" / BUNDLED.name
    shutil.copytree(BUNDLED, pack, ignore=shutil.ignore_patterns("__pycache__"))
    assert check_pack(pack) == []
    HOSTILE[name](pack)
    refusals = check_pack(pack)
    assert bool(refusals) == (name not in FINE)
    for refusal in refusals:
        assert str(refusal).startswith(f"papers/{BUNDLED.name}") and "\n" not in str(refusal)


def test_a_pack_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "local_x").symlink_to(BUNDLED)
    [refusal] = check_pack(tmp_path / "local_x")
    assert "is a link" in refusal.message
