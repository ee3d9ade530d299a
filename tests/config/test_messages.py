"""What a mistake on the command line is told, and that targets given there are held against the list as well."""

# ruff: noqa: E501 - a table of cases, one a line

import pytest

from mlintern.config import Composer, arguments, composer
from mlintern.core.errors import UserError
from tests.config.packs import PAPER, SLUG, write


def refused(tmp_path, overrides, changes=None):
    write(tmp_path, changes or {})
    with pytest.raises(UserError) as error, Composer(SLUG, tmp_path / "papers") as made:
        made.compose(overrides)
    assert not (tmp_path / "canary").exists()
    return str(error.value)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["model.drop=0"], "model.drop: is an argument of Net with the default 0.1, so far in no config; give +model.drop=0"),
        (["model.norm=batch"], "model.norm: is an argument of Net with the default None, so far in no config; give +model.norm"),
        (["model=deep", "model.drop=0"], "model.drop: is an argument of Deep with the default 0.1"),
        (["data.source.seed=3"], "data.source.seed: is an argument of Source with the default 0, so far in no config"),
        (["optimizer.amsgrad=true"], "optimizer.amsgrad: is an argument of Adam with the default False"),
        (["loss.reduction=sum"], "loss.reduction: is an argument of CrossEntropyLoss with the default 'mean'"),
        (["model.dorp=0"], "model.dorp: no such key; did you mean +model.drop?"),
        (["model.widht=8"], "model.widht: no such key; did you mean model.width?"),
        (["model._target_=os.system"], "model._target_: _target_: os.system is outside what a config may build"),
        (["+model.x._target_=builtins.eval"], "model.x._target_: _target_: builtins.eval is outside"),
        (["model._target_=papers.local_evil.modules.Nett"], "did you mean papers.local_evil.modules.Net?"),
        (["model._target_=papers.local_evil.modules.pathlib.Path"], "reaches pathlib.Path inside modules.py"),
        (["hydra.launcher._target_=papers.local_evil.modules.Net"], "code of a pack runs in its sandbox only"),
        (["hydra.searchpath=[file:///tmp]"], "hydra.searchpath=[file:///tmp]: the pack's folder stands there"),
        (["paper.slug=other"], "paper.slug=other: is not the pack's"),
        (["+model.colour=red"], "model.colour: Net takes no such argument; it takes width, drop, norm"),
        (["model=deep", "+model.widht=3"], "model.widht: Deep takes no such argument; did you mean model.width? it takes"),
        (["+data.source.colour=red"], "data.source.colour: Source takes no such argument; it takes n, seed"),
        (["+optimizer.colour=red"], "optimizer.colour: Adam takes no such argument; it takes params, lr, betas"),
        (["optimizer=sgd", "+optimizer.betas=[0.9,0.9]"], "optimizer.betas: SGD takes no such argument; it takes params, lr"),
        (["+loss.colour=red"], "loss.colour: CrossEntropyLoss takes no such argument; it takes weight, size_average"),
        (["+metrics.accuracy.colour=red"], "metrics.accuracy.colour: Accuracy takes no such argument; it takes threshold"),
        (["+augment._target_=mlintern.engine.augments.GaussianNoise", "+augment.x=1"], "augment: mlintern.engine.augments"),
        (["probe=brier"], "probe=brier: none of this group is chosen so far; to add one, give +probe=brier"),
        (["+probe=attention_in_region"], "metrics.attention_in_region.module: no value; give metrics.attention_in_region"),
    ],
)  # fmt: skip
def test_one_line_that_names_the_key_and_the_answer(tmp_path, overrides, says):
    deep = {"conf/model/deep.yaml": "_target_: papers.local_evil.modules.Deep\nwidth: 4\n"}
    assert says in refused(tmp_path, overrides, deep)


def test_code_that_does_not_parse_is_named(tmp_path):
    assert "modules.py:1: not valid Python" in refused(tmp_path, [], {"modules.py": "class (\n"})


@pytest.mark.parametrize(
    ("added", "key"),
    [
        ("env: {drift: refuse}\n", "env.drift"),
        ("llm: {base_url: 'http://x'}\n", "llm.base_url"),
        ("hydra: {callbacks: {x: {_target_: mlintern.engine.metrics.Accuracy}}}\n", "hydra.callbacks.x"),
        ("logger: {kind: csv}\n", "logger.kind"),
        ("seed: 3\n", "seed"),
        ("study: {retries: 9}\n", "study.retries"),
    ],
)
def test_behind_the_rules_stands_a_comparison_with_what_is_composed_without_the_pack(tmp_path, monkeypatch, added, key):
    monkeypatch.setattr(composer, "check_pack", lambda folder: None)
    assert f"papers/local_evil/conf: sets {key}, which is the user's" in refused(tmp_path, [], {PAPER: f"+{added}"})


def test_the_users_own_words_stand(tmp_path):
    write(tmp_path, {})
    given = [
        "run.dir=x",
        "audit=quick",
        "audit.acknowledge=[exact_duplicate]",
        "logger=csv",
        "seed=3",
        "study.retries=0",
    ]
    with Composer(SLUG, tmp_path / "papers") as made:
        config, _ = made.compose([*given, "determinism=portable", "run.checkpoint_seconds=2"])
    assert config.run.dir == "x"
    assert (config.seed, config.audit.price) == (3, "none")


def test_an_argument_with_a_default_is_added(tmp_path):
    write(tmp_path, {})
    with Composer(SLUG, tmp_path / "papers") as made:
        config, _ = made.compose(
            ["+model.drop=0", "+data.source.seed=3", "+optimizer.amsgrad=true", "+loss.reduction=mean"]
        )
    assert config.model["drop"] == 0
    assert config.data.source["seed"] == 3


def test_what_a_pack_says_of_its_own_optimizer_is_left_out_for_another(tmp_path, capsys):
    ablation = "# @package _global_\noptimizer:\n  eps: 0.1\n"
    pack = "+optimizer: {lr: 0.5, betas: [0.8, 0.9]}\nloss: {label_smoothing: 0.1}\n"
    write(tmp_path, {PAPER: pack, "conf/ablation/eps_large.yaml": ablation})
    composer._told.clear()
    with Composer(SLUG, tmp_path / "papers") as made:
        found, _ = made.compose(["optimizer=sgd", "loss=multi_margin"])
        assert made.compose([])[0].optimizer["betas"] == [0.8, 0.9]
        with pytest.raises(UserError, match="optimizer.eps: SGD takes no such argument"):
            made.compose(["optimizer=sgd", "ablation=eps_large"])
    assert found.optimizer["lr"] == 0.5
    assert not {"betas", "label_smoothing"} & {*found.optimizer, *found.loss}
    assert "optimizer.betas: SGD takes no such argument; what papers/local_evil/conf says" in capsys.readouterr().err


PARENT = "class B:\n    def __init__(self, x, y=1): ...\n"


@pytest.mark.parametrize(
    ("code", "takes"),
    [
        ("class A:\n    def __init__(self, x, *, y=1): ...", {"x", "y"}),
        ("class A:\n    def forward(self): ...", set()),
        ("class A:\n    def __init__(self, **rest): ...", None),
        ("class A:\n    def __new__(cls, x): ...", None),
        ("class A:\n    if True:\n        def __init__(self, x): ...", None),
        ("class A:\n    __init__ = make", None),
        ("class A(metaclass=M): ...", None),
        ("@wrap\nclass A:\n    def __init__(self, x): ...", None),
        ("@wrap\ndef A(x): ...", None),
        ("class A:\n    @overload\n    def __init__(self, x): ...\n    def __init__(self, *a, **k): ...", None),
        ("@dataclass\nclass A:\n    x: int\n    y: int = 1", {"x", "y"}),
        ("@dataclass\nclass B:\n    x: int\n@dataclass\nclass A(B):\n    y: int", {"x", "y"}),
        ("class B:\n    def __init__(self, x): ...\n@dataclass\nclass A(B):\n    y: int", None),
        ("class A(nn.Module): ...", None),
        (f"{PARENT}class A(B):\n    def __init__(self, z, **k):\n        super().__init__(**k)", {"x", "y", "z"}),
        (f"{PARENT}class A(B):\n    def __init__(self, *a, **k):\n        super().__init__(*a, **k)", {"x", "y"}),
        (f"{PARENT}class A(B):\n    def __init__(self, **k):\n        super().__init__(x=3, **k)", {"y"}),
        (f"{PARENT}class A(B):\n    def __init__(self, **k):\n        super(A, self).__init__(3, **k)", {"y"}),
        (
            f"{PARENT}class C(B):\n    def __init__(self, z, **k):\n        super().__init__(**k)\nclass A(C): ...",
            {*"xyz"},
        ),
        (f"{PARENT}class A(B):\n    def __init__(self, **k):\n        k.pop('w')\n        super().__init__(**k)", None),
        (f"{PARENT}class A(B):\n    def __init__(self, **k):\n        B.__init__(self, **k)", None),
        (f"{PARENT}class A(B, M):\n    def __init__(self, **k):\n        super().__init__(**k)", None),
        ("class A(nn.Module):\n    def __init__(self, **k):\n        super().__init__(**k)", None),
    ],
)
def test_what_a_class_takes_is_said_where_its_source_says_it(tmp_path, code, takes):
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "some.py").write_text(code)
    found = arguments.taken("papers.some.A", [tmp_path])
    assert (found if found is None else set(found)) == takes
