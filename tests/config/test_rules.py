"""The rules for one YAML file of a pack, and targets resolved by reading the source."""

from pathlib import Path

import pytest

from mlintern.config.pack_yaml import pack_problems
from mlintern.core.errors import UserError
from mlintern.core.targets.check import ENGINE_PREFIXES, check_targets, targets_in
from tests import configs

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    pack = tmp_path / "papers" / "demo"
    (pack / "modules").mkdir(parents=True)
    (pack / "modules" / "__init__.py").write_text("from .net import Net\nimport os\n")
    (pack / "modules" / "net.py").write_text(
        "import os\nimport torch as t\n\n\nclass Net:\n    def forward(self): ...\n"
    )
    (pack / "conf" / "model").mkdir(parents=True)
    return tmp_path


def refused(project: Path, text: str, **other) -> dict[str, int]:
    pack = project / "papers" / "demo"
    (pack / "conf" / "model" / "net.yaml").write_text(text, encoding="utf-8")
    return {problem.rule: problem.line for problem in pack_problems(pack, by_name=False, **other)}


@pytest.mark.parametrize(
    "text",
    [
        "_target_: papers.demo.modules.net.Net\nwidth: 4\nhidden: ${.width}\nlr: 1e-4\n",
        "_target_: papers.demo.modules.Net\n",
        "_target_: torch.optim.AdamW\n_partial_: true\nbetas: [0.9, 0.999]\n",
        "_target_: torch.optim.lr_scheduler.CosineAnnealingLR\n_convert_: all\n",
        "loss:\n  _target_: torch.nn.CrossEntropyLoss\n  label_smoothing: 0.1\n",
        "# @package _global_\ndefaults:\n  - /data: x\n  - optional local: x\n  - override /model: other\n  - _self_\n",
        "# @package model.inner\ngrid:\n  - overrides: ['model.width=64', 'trainer.max_steps=${trainer.max_steps}']\n",
        "_target_: torch.nn.Sequential\n_args_: [{_target_: torch.nn.ReLU}]\n",
        "title: 'a: b, c = d; run=1?'\nstatement: accuracy at $5\n",
        "",
    ],
)
def test_plain_configs_pass(project: Path, text: str) -> None:
    assert refused(project, text) == {}


@pytest.mark.parametrize(
    ("text", "rule", "line"),
    [
        ("a: ${oc.env:HOME}\n", "config-interpolation", 1),
        ("a: '${oc.env:HOME,x}'\n", "config-interpolation", 1),
        ("a: x${oc.decode:'1'}y\n", "config-interpolation", 1),
        ("a: ${hydra:runtime.cwd}\n", "config-interpolation", 1),
        ("a: ${hydra.job.name}\n", "config-interpolation", 1),
        ("a: ${llm.base_url}\n", "config-interpolation", 1),
        ("a: ${${b}}\nb: c\n", "config-interpolation", 1),
        ("a: ${b:${c}}\n", "config-interpolation", 1),
        ("a: \\${oc.env:HOME}\n", "config-interpolation", 1),
        ("a: '${b'\n", "config-interpolation", 1),
        ("a:\n  - ${now:%Y}\n", "config-interpolation", 2),
        ("${oc.env:X}: 1\n", "config-key", 1),
        ("x:\n  _target_: papers.demo.modules.net.os.system\n", "config-target", 2),
        ("x:\n  _target_: papers.demo.modules.os\n", "config-target", 2),
        ("x:\n  _target_: papers.demo.modules.net.t.load\n", "config-target", 2),
        ("x:\n  _target_: papers.demo.modules.net\n", "config-target", 2),
        ("x:\n  _target_: papers.demo.modules.net.Missing\n", "config-target", 2),
        ("x:\n  _target_: papers.demo.nothing.Net\n", "config-target", 2),
        ("x:\n  _target_: papers.demo.modules.net.Net.forward\n", "config-target", 2),
        ("x:\n  _target_: papers.demo..modules.Net\n", "config-target", 2),
        ("x:\n  _target_: ' os.system'\n", "config-target", 2),
        ("x:\n  _target_: [os.system]\n", "config-target", 2),
        ("x:\n  _target_: torch.nn.modules.module.torch.load\n", "config-target", 2),
        ("x:\n  _target_: torch.nn.DataParallel\n", "config-target", 2),
        ("x:\n  _target_: torch.load\n", "config-target", 2),
        ("x:\n  _target_: mlintern.engine.protocols.seeding\n", "config-target", 2),
        ("x:\n  _target_: mlintern.sandbox.process.run_sandboxed\n", "config-target", 2),
        ("x:\n  _Target_: os.system\n", "config-target", 2),
        ("x:\n  ' _target_': os.system\n", "config-key", 2),
        ("x._target_: os.system\n", "config-target", 1),
        ("x:\n  _args_: {a: 1}\n", "config-target", 2),
        ("x:\n  _recursive_: 3\n", "config-target", 2),
        ("x:\n  _mode_: 3\n", "config-target", 2),
        ("x:\n  _partial_: ${y}\ny: true\n", "config-target", 2),
        ("a: !!python/name:os.system\n", "yaml", 1),
        ("a: !<tag:yaml.org,2002:python/name:os.system> x\n", "yaml", 1),
        ("%TAG ! tag:yaml.org,2002:python/\n---\na: !name:os.system x\n", "yaml", 3),
        ("a: &x 1\nb: *x\n", "yaml", 1),
        ("a: 1\n---\nb: 2\n", "yaml", 2),
        ("a: 1\na: 2\n", "yaml", 2),
        ("? [a, b]\n: 1\n", "yaml", 1),
        ("- 1\n", "yaml", 1),
        ("a: [1\n", "yaml", 2),
        ("a: " + "[" * 60 + "]" * 60 + "\n", "yaml", 1),
        ("a: x\u200by\n", "invisible", 1),
        ("hydra:\n  searchpath: [pkg://x]\n", "config-root", 1),
        ("audit@x: 1\n", "config-root", 1),
        ("grid: [{set: ['~llm.budget_usd=1']}]\n", "config-root", 1),
        ("grid: [{set: ['++sandbox=none']}]\n", "config-root", 1),
        ("grid: [{model: ['+hydra/launcher=joblib']}]\n", "config-root", 1),
        ("a: x._target_=os.system\n", "config-target", 1),
        ("defaults:\n  - override hydra/launcher: joblib\n", "config-defaults", 2),
        ("defaults:\n  - /audit: off\n", "config-defaults", 2),
        ("defaults:\n  - model@_global_.audit: x\n", "config-defaults", 2),
        ("defaults:\n  - file:///etc/passwd\n", "config-key", 2),
        ("defaults: net\n", "config-defaults", 1),
        ("defaults:\n  - {override /model: x, override /loss: mse}\n", "config-defaults", 2),
        ("defaults:\n  - {}\n", "config-defaults", 2),
        ("#@package hydra\na: 1\n", "config-package", 1),
        ("# @PACKAGE hydra\na: 1\n", "config-package", 1),
    ],
)
def test_refused(project: Path, text: str, rule: str, line: int) -> None:
    found = refused(project, text)
    assert found.get(rule) == line, found


def test_resolvers_can_be_allowed(project: Path) -> None:
    text = "a: ${mul:${.b},2}\nb: 2\n"
    assert "config-interpolation" in refused(project, text)
    assert refused(project, text, resolvers=["mul"]) == {}
    assert "config-interpolation" in refused(project, "a: ${mul:${oc.env:X},2}\n", resolvers=["mul"])


def test_the_packs_of_this_repository_pass() -> None:
    from mlintern.vet.run import check_pack

    packs = [folder for folder in sorted((ROOT / "papers").iterdir()) if folder.is_dir()]
    assert packs
    for folder in packs:
        assert [str(refusal) for refusal in check_pack(folder)] == []


@pytest.mark.parametrize(
    "config",
    [
        {"a": {"_target_": "os.system"}},
        {"a": [{"b": [{"_target_": "subprocess.run"}]}]},
        {"a": {"_target_": ["os.system"]}},
        {"a": {"_target_": print}},
        {"a": print},
        {"a": ({"_target_": "builtins.eval"},)},
        {"\uff3ftarget_": "os.system"},
        {"_target_ ": "os.system"},
        {"a._target_": "os.system"},
        {"a": {"_target_": "torch.nn.Linear", "_args_": "x"}},
        {"a": {"_target_": "${b}"}},
    ],
)
def test_check_targets_raises_and_names_the_key(config: dict) -> None:
    with pytest.raises(UserError, match="target|object|Hydra|plain ASCII|must be a list"):
        check_targets(config, [*ENGINE_PREFIXES, "papers.demo."])


def test_a_target_can_be_allowed_by_its_whole_name() -> None:
    check_targets({"a": {"_target_": "builtins.dict"}}, ["builtins.dict"])
    with pytest.raises(UserError, match="outside"):
        check_targets({"a": {"_target_": "builtins.dictionary"}}, ["builtins.dict"])


def test_check_targets_follows_reexports_within_the_package_only(project: Path) -> None:
    prefixes = [*ENGINE_PREFIXES, "papers.demo."]
    check_targets({"model": {"_target_": "papers.demo.modules.Net"}}, prefixes, roots=[project])
    (project / "papers" / "demo" / "modules" / "out.py").write_text("from os import system\nfrom .out import loop\n")
    for name in ("system", "loop"):
        with pytest.raises(UserError, match="not a class or function defined"):
            check_targets({"model": {"_target_": f"papers.demo.modules.out.{name}"}}, prefixes, roots=[project])
    with pytest.raises(UserError, match="model.inner._target_.*outside what a config may build"):
        check_targets({"model": {"inner": {"_target_": "papers.other.modules.Net"}}}, prefixes, roots=[project])


def test_every_target_of_the_hand_written_configs_resolves() -> None:
    """The prefixes hold for what the project itself ships, so that the check can guard every composed config."""
    import yaml

    from mlintern.core.targets.check import target_problems

    found = 0
    for path in sorted((ROOT / "conf").rglob("*.yaml")):
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        plugin = path.is_relative_to(ROOT / "conf" / "hydra")  # launchers and sweepers, which Hydra itself builds
        prefixes = ("hydra_plugins.mlintern.",) if plugin else ENGINE_PREFIXES
        assert list(target_problems(value or {}, prefixes, [ROOT])) == [], path
        found += "_target_" in path.read_text(encoding="utf-8")
    assert found


@pytest.mark.parametrize(
    ("default", "rules"),
    [
        ("override /determinism: portable", {}),
        ("override /determinism: strict", {}),
        ("override /determinism: fast", {"config-defaults": 2}),
        ("/determinism: portable", {"config-defaults": 2}),
        ("override /determinism: [portable, fast]", {"config-defaults": 2}),
    ],
)
def test_a_pack_may_promise_more_and_never_less(project: Path, default: str, rules: dict[str, int]) -> None:
    assert refused(project, f"defaults:\n  - {default}\n") == rules


def test_targets_are_found_at_any_depth_and_nothing_is_passed_over():
    made = configs.config(metrics={"accuracy": {"_target_": "mlintern.engine.metrics.Accuracy"}})
    assert {"torch.nn.Identity", "mlintern.engine.metrics.Accuracy"} <= set(targets_in(made.plain()))
    with pytest.raises(TypeError, match="Config"):
        list(targets_in(made))
