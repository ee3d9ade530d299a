"""The linter of packs: what honest modules need passes; what draws, hides, shares or hangs is refused at its line."""

import importlib.util
import json
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from mlintern.vet.policy import check_source
from mlintern.vet.rules import Kind

BENIGN = sorted((Path(__file__).parent / "benign").glob("*.py.txt"))
HEAD = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\nimport numpy as np\n\n"


def rules(tmp_path: Path, body: str, kind: Kind = "model", **other) -> dict[str, int]:
    """{rule: line in the body} of what is refused."""
    path = tmp_path / "modules.py"
    path.write_text(HEAD + body, encoding="utf-8")
    return {refusal.rule: refusal.line - HEAD.count("\n") for refusal in check_source(path, kind, **other)}


@pytest.mark.parametrize("path", BENIGN, ids=lambda path: path.name.split(".")[0])
def test_honest_modules_pass(path: Path) -> None:
    kind: Kind = "generator" if "generator" in path.name else "model"
    assert [str(refusal) for refusal in check_source(path, kind)] == []


@pytest.mark.parametrize("path", BENIGN, ids=lambda path: path.name.split(".")[0])
def test_honest_modules_are_real_code(path: Path, tmp_path: Path) -> None:
    """They import; otherwise that they pass would show nothing."""
    if "einops" in path.read_text() and importlib.util.find_spec("einops") is None:
        pytest.skip("einops is not installed")
    copy = tmp_path / "honest.py"
    copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(f"honest_{path.name.split('.')[0]}", copy)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    assert [value for value in vars(module).values() if isinstance(value, (type, types.FunctionType))]


def test_there_are_enough_honest_ones() -> None:
    assert len(BENIGN) >= 15


@pytest.mark.parametrize(
    ("body", "rule", "line"),
    [
        ("def f():\n    import numpy\n    return numpy.fromfile('x')", "file", 3),
        ("class A:\n    open = 1\n\n    def f(self):\n        return open('x')", "builtin", 5),
        ("f = lambda: [open for _ in ()]", "builtin", 1),
        ("X = 0 and (exec := 2)", "builtin", 1),
        ("def f(x):\n    return '{0.f.__globals__}'.format(x)", "attribute", 2),
        ("def f(x):\n    return hasattr(x, 'gi_frame')", "attribute", 2),
        ("def f(x):\n    return getattr(x, 'to' + 'file')", "reflection", 2),
        ("def f(x):\n    getattr(x, 'tofile')('y')", "method", 2),
        ("def f(x):\n    setattr(nn.Linear, 'forward', x)", "patch", 2),
        ("def f(x):\n    for nn.Linear.forward in ():\n        pass", "patch", 2),
        ("def f():\n    del nn.Linear", "patch", 2),
        ("torch.backends.cudnn.benchmark = True", "patch", 1),
        ("def f(y):\n    global N\n    N = y", "shared-state", 2),
        ("class A(nn.Module):\n    @classmethod\n    def f(cls, y):\n        cls.labels = y", "shared-state", 4),
        ("class A(nn.Module):\n    def f(self, y):\n        A.labels = y", "shared-state", 3),
        ("class A(nn.Module):\n    def f(self, y):\n        self.__class__.labels = y", "shared-state", 3),
        ("class A(nn.Module):\n    seen = {}\n    def f(self, y):\n        self.seen[0] = y", "shared-state", 4),
        ("class A(nn.Module):\n    def f(self, y):\n        c = A\n        c.labels = y", "shared-state", 4),
        ("T = {'a': [1]}\ndef f(y):\n    T['a'].append(y)", "shared-state", 3),
        ("T = {'a': [1]}\ndef f(y):\n    T['a'] += y", "shared-state", 3),
        ("def f(y, seen=[]):\n    seen.append(y)\n    return seen", "shared-state", 2),
        ("def g(x):\n    return x\ndef f(y):\n    g.seen = y", "shared-state", 4),
        ("while True:\n    pass", "import-time", 1),
        ("class A:\n    while True:\n        pass", "import-time", 2),
        ("X = sum(1 for _ in range(10**14))", "import-time", 1),
        ("N = 10**12\nfor i in range(N):\n    pass", "import-time", 2),
        ("import itertools\nX = max(itertools.count())", "import-time", 2),
        ("X = list(iter(int, 1))", "import-time", 1),
        ("X = bytes(10**12)", "import-time", 1),
        ("X = torch.zeros(10**11)", "import-time", 1),
        ("import math\nX = 'a'.ljust(int(1e12))", "import-time", 2),
        ("def f(x=bytes(10**12)):\n    return x", "import-time", 1),
        ("def f(x: bytes(10**12)):\n    return x", "import-time", 1),
        ("def f():\n    return 1\nX = f()", "import-time", 3),
        ("class A:\n    def __init__(self):\n        pass\nX = A()", "import-time", 4),
        ("x = (lambda: 1)()", "import-time", 1),
        ("W = torch.randn(3)", "import-time", 1),
        ("def f(x, layer=nn.Linear(3, 3)):\n    return layer(x)", "import-time", 1),
        ("X = 10 ** 10 ** 10", "huge", 1),
        ("X = pow(10, 10 ** 10)", "huge", 1),
        ("X = 1 << (1 << 40)", "huge", 1),
        ("def f():\n    return 'a' * 10**12", "huge", 2),
        ("X = [0] * 10**12", "huge", 1),
        ("A = 9 ** 99\nX = A ** A", "huge", 2),
        ("def f(x):\n    return x.to('cuda:0')", "method", 2),
        ("def f(x):\n    return x.cuda()", "method", 2),
        ("def f():\n    return np.random.rand()", "random", 2),
        ("def f():\n    return np.random.default_rng()", "random", 2),
        ("def f():\n    return np.random.default_rng(None)", "random", 2),
        ("from numpy.random import rand\ndef f():\n    return rand()", "random", 3),
        ("import random\ndef f():\n    return random.random()", "random", 3),
        ("import random\ndef f():\n    return random.Random()", "random", 3),
        ("def f():\n    torch.manual_seed(0)", "random", 2),
        ("def f():\n    torch.cuda.manual_seed_all(0)", "random", 2),
        ("import time", "import", 1),
        ("import os", "import", 1),
        ("import requests", "import", 1),
        ("import somelib", "import", 1),
        ("from torch import *", "import", 1),
        ("def f():\n    return torch.os.getcwd()", "import", 2),
        ("t = torch\ndef f():\n    return t.load('x')", "file", 3),
        ("from PIL import Image\ndef f():\n    return Image.open('x')", "file", 3),
        ("import pandas as pd\ndef f():\n    return pd.read_csv('x')", "file", 3),
        ("from transformers import AutoModel\ndef f():\n    return AutoModel.from_pretrained('x')", "network", 3),
        ("import timm\ndef f():\n    return timm.create_model('x', pretrained=True)", "network", 3),
        ("from mlintern.engine.protocols import Path", "import", 1),
        ("from mlintern.sandbox import run_sandboxed", "import", 1),
        ("import mlintern.engine.training", "import", 1),
        ("def f():\n    torch.use_deterministic_algorithms(False)", "setting", 2),
        ("def f():\n    torch.set_default_dtype(torch.float64)", "setting", 2),
        ("X = b'" + "x" * 300 + "'", "opaque", 1),
        ("x = 1;" + " " * 400 + "import os", "size", 1),
        ("p\u0430th = 1", "identifier", 1),
        ("def f(:", "syntax", 1),
        ("y = " + "[" * 300, "syntax", 1),
    ],
)
def test_refused(body: str, rule: str, line: int, tmp_path: Path) -> None:
    found = rules(tmp_path, body)
    assert found.get(rule) == line, found


@pytest.mark.parametrize("body", ["import time", "X = 10 ** 10 ** 10", "W = torch.randn(3)", "def f():\n    eval('1')"])
def test_a_refusal_names_file_line_and_fix(body: str, tmp_path: Path) -> None:
    path = tmp_path / "modules.py"
    path.write_text(HEAD + "\n" + body)
    [refusal] = {str(refusal) for refusal in check_source(path, "model", name="papers/x/modules.py")}
    assert refusal.startswith(f"papers/x/modules.py:{HEAD.count(chr(10)) + 2 + body.count(chr(10))}: ")
    assert ";" in refusal and "\n" not in refusal  # what is wrong; how to mend it


def test_generators_may_use_the_legacy_stream_and_models_beside_them_may_not(tmp_path: Path) -> None:
    body = (
        "class Data:\n    def __call__(self):\n        np.random.seed(0)\n\n\ndef f():\n    return np.random.rand()\n"
    )
    assert rules(tmp_path, body, generators=["Data"]) == {"random": 7}
    assert rules(tmp_path, body, kind="generator") == {}


def test_siblings_are_imported_by_name(tmp_path: Path) -> None:
    (tmp_path / "layers.py").write_text("class Layer:\n    pass\n")
    good = "from .layers import Layer\nfrom papers.x.modules.layers import Layer as Same\nfrom . import layers\n"
    assert rules(tmp_path, good, package="papers.x.modules") == {}
    assert "import" in rules(tmp_path, "from .missing import Layer\n")
    assert "import" in rules(tmp_path, "from ..other import Layer\n")
    shared = "from .layers import SEEN\ndef f(x):\n    SEEN.append(x)\n"
    assert rules(tmp_path, shared) == {"shared-state": 3}


def test_oversized_and_binary_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "modules.py"
    for content, rule in (
        (b"x = 1\n" * 20_000, "size"),
        (b"x = (" + b"1, \n" * 21_000 + b")\n", "size"),
        (b"x = '\xff'\n", "encoding"),
        (b"x = 1\x00\n", "invisible"),
        (b"x = " + b"-" * 350 + b"1\n", None),
    ):
        path.write_bytes(content)
        found = [refusal.rule for refusal in check_source(path, "model")]
        assert (rule in found) if rule else found == []
    path.write_text("x = " + "\\\n-" * 20_000 + "1\n")
    assert [refusal.rule for refusal in check_source(path, "model")] in (["syntax"], ["size"])


def test_checking_needs_no_torch() -> None:
    code = "import sys; import mlintern.vet.run; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


def test_a_function_of_a_library_changes_nothing_of_it(tmp_path: Path) -> None:
    assert rules(tmp_path, "def f(x):\n    return np.sort(x), torch.sort(x)") == {}
    assert rules(tmp_path, "SEEN = []\n\n\ndef f(x):\n    SEEN.sort()\n    return x") == {"shared-state": 5}


def test_modules_of_authored_packs_pass(tmp_path: Path) -> None:
    """What models wrote for real papers, as the kept dialogues have it: the linter refuses none of it wrongly."""
    found = 0
    for path in sorted((Path(__file__).parents[1] / "author" / "dialogues").glob("*/*-*.json")):
        answer = json.loads(json.loads(path.read_text(encoding="utf-8"))["answer"]["text"])
        files = {file["path"]: file["content"] for file in answer.get("files") or []}
        data = " ".join(text for name, text in files.items() if name.startswith("conf/data/"))
        for name in (name for name in files if name.endswith(".py")):
            (tmp_path / "modules.py").write_text(files[name], encoding="utf-8")
            sources = set(re.findall(r"papers\.\w+\.modules\.(\w+)", data))
            assert check_source(tmp_path / "modules.py", "model", generators=sources) == [], path
            found += 1
    assert found >= 10
