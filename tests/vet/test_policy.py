"""The static policy: what honest modules need passes, what hides is refused, and lists do not rot."""

import importlib
import importlib.util
import subprocess
import sys
import types
from pathlib import Path

import pytest

from mlintern.vet import allowlist, check_source

BENIGN = sorted((Path(__file__).parent / "benign").glob("*.py.txt"))
HEAD = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\nimport numpy as np\n\n"


def rules(tmp_path: Path, body: str, kind: allowlist.Kind = "model", **other) -> dict[str, int]:
    """{rule: line in the body} of what is refused."""
    path = tmp_path / "modules.py"
    path.write_text(HEAD + body, encoding="utf-8")
    return {refusal.rule: refusal.line - HEAD.count("\n") for refusal in check_source(path, kind, **other)}


@pytest.mark.parametrize("path", BENIGN, ids=lambda path: path.name.split(".")[0])
def test_honest_modules_pass(path: Path) -> None:
    kind: allowlist.Kind = "generator" if "generator" in path.name else "model"
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
        ("def f(torch):\n    return torch.load('x')", "name", 2),
        ("def f():\n    import numpy\n    return numpy.fromfile('x')", "name", 3),
        ("class A:\n    open = 1\n\n    def f(self):\n        return open('x')", "builtin", 5),
        ("f = lambda: [open for _ in ()]", "builtin", 1),
        ("def f(x):\n    return f'{x.__class__}'", "dunder", 2),
        ("def f(x):\n    return '{0.__class__}'.format(x)", "dunder", 2),
        ("def f(a, x):\n    return a.format(x)", "attribute", 2),
        ("def f(x):\n    return getattr(x, '__class__')", "dunder", 2),
        ("def f(x):\n    return hasattr(x, 'gi_frame')", "attribute", 2),
        ("def f(x):\n    setattr(nn.Linear, 'forward', x)", "reflection", 2),
        ("def f(x):\n    return type('X', (), {})", "builtin", 2),
        ("def f(x):\n    with torch.no_grad() as x.forward:\n        pass", "patch", 2),
        ("def f(x):\n    for nn.Linear.forward in ():\n        pass", "patch", 2),
        ("def f():\n    del nn.Linear", "patch", 2),
        ("def f(x):\n    (x := torch)", "module", 2),
        ("class A(nn.Module):\n    def f(self):\n        self.training = True", "patch", 3),
        ("class A(nn.Module):\n    @classmethod\n    def f(cls, y):\n        cls.labels = y", "shared-state", 4),
        ("class A(nn.Module):\n    def f(self, y):\n        A.labels = y", "shared-state", 3),
        ("class A(nn.Module):\n    def f(self, y):\n        c = A\n        c.labels = y", "shared-state", 4),
        ("T = {'a': [1]}\ndef f(y):\n    T['a'].append(y)", "shared-state", 3),
        ("T = {'a': [1]}\ndef f(y):\n    T['a'] += y", "shared-state", 3),
        ("def f():\n    n = 0\n    def g():\n        nonlocal n\n    return g", "shared-state", 4),
        ("class A(nn.Module):\n    def __del__(self):\n        pass", "dunder", 2),
        ("def __getattr__(name):\n    return name", "dunder", 1),
        ("@torch.compile\ndef f(x):\n    return x", "decorator", 1),
        ("x = torch.zeros(3)", "import-time", 1),
        ("x: int = torch.zeros(3)", "import-time", 1),
        ("class A(nn.Sequential(nn.ReLU())):\n    pass", "import-time", 1),
        ("for i in range(3):\n    pass", "import-time", 1),
        ("x = (lambda: 1)()", "import-time", 1),
        ("def f(x):\n    return x.to('cuda:0')", "device", 2),
        ("def f(x):\n    try:\n        return x\n    except:\n        return 0", "syntax", 4),
        ("def f(x):\n    return x._base", "attribute", 2),
        ("def f():\n    return hash('a')", "builtin", 2),
        ("def f():\n    print('x')", "builtin", 2),
        ("def f():\n    torch.use_deterministic_algorithms(False)", "name", 2),
        ("def f():\n    torch.backends.cudnn.benchmark = True", "patch", 2),
        ("def f():\n    torch.set_default_dtype(torch.float64)", "name", 2),
        ("def f():\n    return np.random.default_rng(0)", "name", 2),
        ("x = 1;" + " " * 400 + "import os", "size", 1),
        ("def f(:", "syntax", 1),
        ("x = " + "(" * 150 + "1" + ")" * 150 + " + " + "-" * 90 + "1" + "+1" * 0 + "\ny = " + "[" * 300, "syntax", 2),
    ],
)
def test_refused(body: str, rule: str, line: int, tmp_path: Path) -> None:
    found = rules(tmp_path, body)
    assert found.get(rule) == line, found


def test_generators_may_use_the_legacy_stream_and_models_beside_them_may_not(tmp_path: Path) -> None:
    body = (
        "class Data:\n    def __call__(self):\n        np.random.seed(0)\n\n\ndef f():\n    return np.random.rand()\n"
    )
    assert rules(tmp_path, body, generators=["Data"]) == {"name": 7}
    assert rules(tmp_path, body, kind="generator") == {}
    imported = (
        "from scipy.special import expit\n\n\nclass A(nn.Module):\n    def f(self, x):\n        return expit(x)\n"
    )
    assert rules(tmp_path, imported, generators=["Data"]) == {"name": 6}


def test_siblings_are_imported_by_name(tmp_path: Path) -> None:
    (tmp_path / "layers.py").write_text("import torch as leaked\n\n\nclass Layer:\n    pass\n")
    good = "from .layers import Layer\nfrom papers.x.modules.layers import Layer as Same\n"
    assert rules(tmp_path, good, package="papers.x.modules") == {}
    assert "import" in rules(tmp_path, "from .layers import leaked\n")
    assert "import" in rules(tmp_path, "from .missing import Layer\n")
    assert "import" in rules(tmp_path, "from . import layers\n")
    assert "import" in rules(tmp_path, "from ..other import Layer\n")


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


def test_allowed_names_exist_and_are_no_modules() -> None:
    """A name that is a module would open everything that module imports."""
    for kind in ("model", "generator"):
        for module, names in allowlist.modules(kind).items():
            if importlib.util.find_spec(module.split(".")[0]) is None:
                continue
            loaded = importlib.import_module(module)
            found = {name for name in names if isinstance(getattr(loaded, name, None), types.ModuleType)}
            assert not found - {n.rsplit(".", 1)[-1] for n in allowlist.parents(kind)}, f"{module}: {found}"
            missing = {name for name in names if not hasattr(loaded, name)}
            assert len(missing) <= 0.1 * len(names) + 1, f"{module} has no {sorted(missing)}"


@pytest.mark.parametrize(
    "dotted",
    """torch.load torch.save torch.hub torch.ops torch.classes torch.from_file torch.compile torch.manual_seed
    torch.seed torch.jit torch.multiprocessing torch.distributed torch.set_rng_state torch.default_generator
    torch.set_num_threads
    torch.utils torch.library torch.backends torch.package numpy.load numpy.fromfile numpy.memmap numpy.ctypeslib
    numpy.save numpy.savetxt numpy.bmat numpy.test typing.get_type_hints functools.lru_cache functools.singledispatch
    dataclasses.make_dataclass torch.nn.DataParallel torch.UntypedStorage sklearn.datasets.fetch_openml
    sklearn.datasets.load_files mnist1d.data.get_dataset mnist1d.data.from_pickle""".split(),
)
def test_dangerous_names_are_not_listed(dotted: str) -> None:
    module, _, name = dotted.rpartition(".")
    assert name not in allowlist.modules("generator").get(module, frozenset())


def test_checking_needs_no_torch() -> None:
    code = "import sys; from mlintern.vet import check_pack, check_targets; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


def test_a_function_of_a_library_changes_nothing_of_it(tmp_path: Path) -> None:
    assert rules(tmp_path, "def f(x):\n    return np.sort(x), torch.sort(x)") == {}
    assert rules(tmp_path, "SEEN = []\n\n\ndef f(x):\n    SEEN.sort()\n    return x") == {"shared-state": 5}
