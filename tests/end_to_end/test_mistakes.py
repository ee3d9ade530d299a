"""What a user can get wrong ends as one line that names it, with exit code 2, and nothing half-written."""

import os
import shutil
from pathlib import Path

import pytest

from mlintern.cli import main
from mlintern.core import roots
from mlintern.packs import pack

PAPER = "paper=2011.14439"


def fails(capsys, *argv):
    """Run a command line that must fail; returns its one line."""
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([PAPER, "trainer.max_step=3"], "trainer.max_step: no such key; did you mean trainer.max_steps?"),
        ([PAPER, "modle=cnn"], "modle: no such key; did you mean model?"),
        ([PAPER, "model=cn"], "model=cn: no such option; did you mean cnn?"),
        ([PAPER, "seed=-1"], "seed=-1: out of range"),
        ([PAPER, "seed=abc"], "seed=abc: not a whole number"),
        ([PAPER, "seed=1.5"], "seed=1.5: not a whole number"),
        ([PAPER, "seed=null"], "seed=null: needs a whole number"),
        ([PAPER, "model=3"], "model=3: no such option; choose cnn,"),
        ([PAPER, "ablation=none"], "ablation=none: no such option; choose hidden_100,"),
        ([PAPER, "ablation=hidden_50"], "ablation=hidden_50: is for data=mnist1d_noisy; add data=mnist1d_noisy"),
        (["paper=local_lesion_attention", "ablation=none"], "ablation: the pack has no options for it"),
        ([PAPER, "optimizer.lr=nan"], "optimizer.lr=nan: a NaN"),
        ([PAPER, "audit.fail_on=never"], "audit.fail_on=never: choose info"),
        ([PAPER, "audit.acknowledge=[leak]"], "audit.acknowledge=leak: not a kind of finding"),
        ([PAPER, "protocol.mode=most"], "protocol.mode=most: choose max or min"),
        ([PAPER, "trainer.max_steps=many"], "trainer.max_steps=many: not a whole number"),
        ([PAPER, "trainer.max_steps=0"], "trainer.max_steps=0: must be a whole number at least 1"),
        ([PAPER, "scheduler=step_decay", "scheduler.milestones=[0.5,0.75]"], "scheduler.milestones=[0.5, 0.75]: 0.5"),
        (
            [PAPER, "seed=0", "scheduler=warmup_cosine", "scheduler.warmup_steps=100", "trainer.max_steps=60"],
            "scheduler.warmup_steps=100: training ends at trainer.max_steps=60",
        ),
        ([PAPER, "seed=0", "method=mixup", "method.alpha=0"], "method.alpha=0: must be a number above 0"),
        ([PAPER, "seed=0", "loss.label_smoothing=1.5"], "loss.label_smoothing=1.5: must be a number at least 0"),
        ([PAPER, "+colour=red"], "colour: no such key; there are seed, paper, model, data"),
        ([PAPER, "trainer.max_steps=true"], "trainer.max_steps=True: not a whole number"),
        ([PAPER, "audit.cannaries=false"], "audit.cannaries: no such key; did you mean audit.canaries?"),
        ([PAPER, "+trainer.colour=red"], "trainer.colour: no such key"),
        ([PAPER, "data.num_workers=-1"], "data.num_workers=-1"),
        ([PAPER, "data.train_size=0"], "data.train_size=0: must be a whole number"),
        ([PAPER, "data.label_noise=0.15"], "data.label_noise=0.15: not a mapping of keys to values"),
        (
            [PAPER, "code.files=train.py"],
            "code.files=train.py: is for authoring, and papers/arxiv_2011_14439/ is there",
        ),
        ([PAPER, "study.sections=[lottery]"], "study.sections=lottery: papers/arxiv_2011_14439 has no such section"),
        ([PAPER, "trainer.strategy=fsdp"], "trainer.strategy=fsdp: each process trains one shard"),
        ([PAPER, "trainer.strategy=zero"], "trainer.strategy=zero: choose replicated or fsdp"),
        ([PAPER, "determinism=odd"], "determinism=odd: no such option"),
        ([PAPER, "determinism.threads=2"], "determinism.threads=2"),
        ([PAPER, "optimizer.lr=${oc.env:HOME}"], "cannot read environment variables"),
        ([PAPER, "study.seeds=[0,0]"], "study.seeds"),
        ([PAPER, "seed=0,1"], "seed=0,1"),
        ([PAPER, "--fast"], "--fast: no such flag"),
        (["paper=1412.6980"], "no pack papers/arxiv_1412_6980/"),
        (["paper=1412.698"], "did you mean 1412.6980?"),
        (["paper=not-a-paper"], "not-a-paper"),
        (["seed=1"], "paper: not given"),
        (["frobnicate"], "frobnicate: no such command"),
    ],
)
def test_one_line(capsys, argv, says):
    assert says in fails(capsys, *argv)


def test_a_missing_key_is_named_where_a_pack_would_have_to_be_authored(capsys, monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    assert "ANTHROPIC_API_KEY is not set" in fails(capsys, "paper=1412.6980")


@pytest.mark.skipif(
    os.geteuid() == 0 and not Path("/proc/self").exists(), reason="needs a folder that root cannot write"
)
def test_an_unwritable_folder(capsys):
    assert "cannot write /proc/nowhere" in fails(capsys, PAPER, "seed=0", "run.dir=/proc/nowhere")


def test_a_file_in_the_way(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in fails(capsys, PAPER, "seed=0", f"run.dir={tmp_path}/file/runs")


@pytest.fixture
def damaged(tmp_path, monkeypatch):
    """A copy of the bundled packs that a test may damage."""
    shutil.copytree(roots.PACKS, tmp_path / "papers")
    monkeypatch.setattr(roots, "PACKS", tmp_path / "papers")
    monkeypatch.setattr(pack, "PACKS", tmp_path / "papers")
    monkeypatch.setattr(pack.Pack.__init__, "__defaults__", (tmp_path / "papers",))
    monkeypatch.setattr(pack.Pack.exists, "__defaults__", (tmp_path / "papers",))
    return tmp_path / "papers" / "arxiv_2011_14439"


@pytest.mark.parametrize("name", ["modules.py", "spec.yaml", "conf/paper/arxiv_2011_14439.yaml"])
def test_a_deleted_file_of_the_pack(capsys, damaged, name):
    (damaged / name).unlink()
    line = fails(capsys, PAPER)
    assert f"papers/arxiv_2011_14439/{name}: missing" in line
    assert "restore it" in line


def test_a_broken_config_of_the_pack(capsys, damaged):
    (damaged / "conf" / "model" / "cnn.yaml").write_text("_target_: [\n")
    assert "cnn" in fails(capsys, PAPER, "model=cnn")


def test_help_and_version(capsys):
    assert main(["--help"]) == 0
    assert "paper=2011.14439" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("mlintern ")
