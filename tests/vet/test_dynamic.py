"""The dynamic checks: a sound model passes them all, and each fault is found by the check that is about it."""

import sys
from pathlib import Path

import pytest

from mlintern.core.errors import UserError
from mlintern.sandbox.limits import GIB, Limits
from mlintern.vet.checks import CheckedModel, Example, LevelChange
from mlintern.vet.dynamic import _factor, check_variant
from mlintern.vet.run import VETTING_LIMITS, _sandboxed, check_models
from tests.sandbox.layers import capabilities

MODELS = """
import random

import numpy as np
import torch
from torch import nn

LABELS = {}


class Sound(nn.Module):
    def __init__(self, width=16, norm=False, dropout=0.0):
        super().__init__()
        self.first = nn.Linear(6, width)
        self.norm = nn.BatchNorm1d(width) if norm else nn.Identity()
        self.drop = nn.Dropout(dropout)
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        return self.head(self.drop(self.norm(self.first(x).tanh())))


class UnusedParameter(Sound):
    def __init__(self):
        super().__init__()
        self.spare = nn.Linear(2, 2)


class Detached(Sound):
    def forward(self, x):
        return self.head(self.first(x).tanh().detach())


class BatchSizeBound(Sound):
    def forward(self, x):
        return super().forward(x).view(2, -1)


class MixesExamples(Sound):
    def forward(self, x):
        return super().forward(x - x.mean(0, keepdim=True))


class AlwaysDrops(Sound):
    def forward(self, x):
        return self.head(nn.functional.dropout(self.first(x).tanh(), 0.5))


class DrawsInEval(Sound):
    def forward(self, x):
        torch.rand(1)
        return super().forward(x)


class DrawsNumpyInEval(Sound):
    def forward(self, x):
        np.random.rand()
        random.random()
        return super().forward(x)


class Counts(Sound):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return super().forward(x) * self.calls


class RemembersGlobally(Sound):
    def forward(self, x):
        if self.training:
            LABELS["x"] = float(x.sum())
        return super().forward(x)


class RemembersOnClass(Sound):
    seen = 0.0

    def forward(self, x):
        if self.training:
            RemembersOnClass.seen += 1.0
        return super().forward(x)


class PlainTensor(Sound):
    def __init__(self):
        super().__init__()
        self.scale = torch.rand(1) + 0.5

    def forward(self, x):
        with torch.no_grad():
            self.scale = self.scale if x.is_meta else self.scale * 1.0
        return super().forward(x) * self.scale


class Unregistered(Sound):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(6, 6)]

    def forward(self, x):
        return super().forward(self.layers[0](x))


class RandomUnsaved(Sound):
    def forward(self, x):
        if not hasattr(self, "offset"):
            self.offset = self.first.weight.detach().sum() * 0 + id(self) % 97
        return super().forward(x) + self.offset


class MakesCpuTensor(Sound):
    def forward(self, x):
        return super().forward(x) + torch.zeros(3, device="cpu")[:3].expand(x.shape[0], 3)


class CannotLearn(Sound):
    def forward(self, x):
        return super().forward(x * 0)


class NotFinite(Sound):
    def forward(self, x):
        return super().forward(x).abs().sub(100).log()


class Broken(Sound):
    def forward(self, x):
        return self.missing(x)


class SaysTwice(Sound):
    def forward(self, x):
        once = super().forward(x)[:, :, None]
        return torch.cat([once, once], dim=2)


class NotAModule:
    pass


class TokenModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.rnn = nn.GRU(8, 8, batch_first=True)
        self.head = nn.Linear(8, 11)

    def forward(self, tokens, scale):
        return self.head(self.rnn(self.embed(tokens))[0]) * scale, None
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("project")
    (folder / "papers_of_test" / "demo").mkdir(parents=True)
    (folder / "papers_of_test" / "demo" / "modules.py").write_text(MODELS)
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


def variant(name: str, **other) -> CheckedModel:
    settings = {"inputs": (Example((6,)),), "overfit_steps": 60, "kwargs": {}, **other}
    return CheckedModel(name, f"papers_of_test.demo.modules.{name}", **settings)


def failed(project: Path, name: str, **other) -> dict[str, str]:
    return {c.name: c.reason for c in check_variant(variant(name, **other)) if c.status == "FAIL"}


@pytest.mark.parametrize("kwargs", [{}, {"norm": True}, {"dropout": 0.3}, {"norm": True, "dropout": 0.1}])
def test_a_sound_model_passes(project: Path, kwargs: dict) -> None:
    checks = check_variant(variant("Sound", kwargs=kwargs))
    assert [check for check in checks if check.status == "FAIL"] == []
    assert {check.name for check in checks if check.status == "PASS"} >= {"forward", "gradients", "overfit", "device"}


def test_positions_that_hang_together_are_left_to_the_rehearsal(project: Path) -> None:
    [check] = [c for c in check_variant(variant("SaysTwice", loss="cross_entropy")) if c.name == "overfit"]
    assert check.status == "NOT_APPLICABLE"
    assert "the rehearsal tries real ones" in check.reason


def test_tokens_several_inputs_and_tuples_out(project: Path) -> None:
    inputs = (Example((5,), "int64", 11), Example((1, 1)))
    assert failed(project, "TokenModel", inputs=inputs, overfit_steps=300) == {}


@pytest.mark.parametrize(
    ("name", "check", "reason"),
    [
        ("UnusedParameter", "gradients", "spare.weight, spare.bias"),
        ("Detached", "gradients", "first.weight"),
        ("BatchSizeBound", "forward", "a batch of 1"),
        ("MixesExamples", "batch_independence", "neighbours"),
        ("AlwaysDrops", "eval_deterministic", "differ"),
        ("AlwaysDrops", "eval_random", "torch's"),
        ("DrawsInEval", "eval_random", "torch's"),
        ("DrawsNumpyInEval", "eval_random", "random's and numpy's"),
        ("Counts", "eval_deterministic", "differ"),
        ("RemembersGlobally", "shared_state", "LABELS"),
        ("RemembersOnClass", "shared_state", "RemembersOnClass.seen"),
        ("Unregistered", "device", "meta"),
        ("PlainTensor", "device", "meta"),
        ("RandomUnsaved", "state_dict", "differently"),
        ("MakesCpuTensor", "device", "meta"),
        ("CannotLearn", "overfit", "only falls"),
        ("NotFinite", "forward", "not finite"),
        ("Broken", "forward", "AttributeError.*modules.py:"),
        ("NotAModule", "build", "not an nn.Module"),
        ("Missing", "build", "AttributeError"),
    ],
)
def test_each_fault_is_found(project: Path, name: str, check: str, reason: str) -> None:
    import re

    found = failed(project, name)
    assert check in found, found
    assert re.search(reason, found[check]), found[check]


def test_parameter_counts_are_held_against_the_paper(project: Path) -> None:
    exact = 6 * 16 + 16 + 16 * 3 + 3
    assert failed(project, "Sound", parameters=exact) == {}
    assert "states 170" in failed(project, "Sound", parameters=170)["parameters"]
    assert failed(project, "Sound", parameters=160, parameters_tolerance=0.05) == {}
    assert "unknown loss" in failed(project, "Sound", loss="hinge")["gradients"]


def test_a_factor_changes_something(project: Path) -> None:
    def outcome(kwargs: dict) -> tuple[str, str]:
        return _factor(LevelChange("level", variant("Sound"), variant("Sound", kwargs=kwargs)))

    assert outcome({"norm": True})[0] == "PASS"
    assert outcome({"width": 8})[0] == "PASS"
    status, reason = outcome({})
    assert status == "FAIL" and "changes nothing" in reason


@pytest.mark.skipif(not capabilities(), reason="this host offers no sandbox")
def test_models_are_run_in_the_sandbox(project: Path) -> None:
    pack = project / "papers_of_test" / "demo"
    limits = Limits(cpu_s=60, wall_s=90, memory_bytes=4 * GIB, processes=64, file_size_bytes=1 << 20)
    factor = LevelChange("norm on", variant("Sound"), variant("Sound", kwargs={"norm": True}))
    checks = check_models([variant("Sound"), variant("Broken")], [factor], project=project, pack=pack, limits=limits)
    by_subject = {(check.subject, check.name): check.status for check in checks}
    assert by_subject["Sound", "overfit"] == "PASS" and by_subject["Broken", "forward"] == "FAIL"
    assert by_subject["norm on", "factor"] == "PASS"


@pytest.mark.skipif(not capabilities(), reason="this host offers no sandbox")
def test_a_sandbox_that_ends_early_is_a_failed_check(project: Path) -> None:
    pack = project / "papers_of_test" / "demo"
    limits = Limits(cpu_s=60, wall_s=0.2, memory_bytes=4 * GIB, processes=64, file_size_bytes=1 << 20)
    (check,) = check_models([variant("Sound")], [], project=project, pack=pack, limits=limits)
    assert (check.name, check.status) == ("sandbox", "FAIL") and "wall_s" in check.reason


@pytest.mark.skipif(not capabilities(), reason="this host offers no sandbox")
def test_a_fault_of_the_checks_themselves_is_not_laid_at_the_packs_door(project: Path) -> None:
    pack = project / "papers_of_test" / "demo"
    with pytest.raises(UserError, match=r"mlintern\.vet\.missing: ended with code 1 .*a fault of this tool"):
        _sandboxed("mlintern.vet.missing", {}, pack, "auto", VETTING_LIMITS)
