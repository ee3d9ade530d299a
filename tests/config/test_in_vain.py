"""What a pack may say without effect: where its author kept results, and which of the tool's audits it asked for."""

import pytest

from mlintern.config import Composer, composer
from mlintern.core.errors import UserError
from tests.config.packs import PAPER, SLUG, write

HARMLESS = "+run:\n  dir: scratch/runs\n  data_dir: scratch/data\n  checkpoint_seconds: 5\n"
QUICK = "  - override /data: blobs\n"


def compose(tmp_path, *overrides):
    composer._told.clear()
    with Composer(SLUG, packs=tmp_path / "papers") as made:
        return made.compose(overrides)[0]


def with_quick_audit(tmp_path):
    path = write(tmp_path, {PAPER: HARMLESS}) / PAPER
    path.write_text(path.read_text().replace(QUICK, f"{QUICK}  - override /audit: quick\n"))


def test_folders_and_the_depth_of_an_audit_are_the_users_whatever_the_pack_says(tmp_path, capsys):
    write(tmp_path, {})
    plain = compose(tmp_path)
    assert capsys.readouterr().err == ""
    with_quick_audit(tmp_path)
    found = compose(tmp_path)
    assert (found.run, found.audit) == (plain.run, plain.audit)
    said = capsys.readouterr().err
    assert said == (
        f"mlintern: papers/{SLUG}/conf: audit and run are yours to set; what the pack says of that is left out\n"
    )


def test_the_users_own_word_stands(tmp_path):
    with_quick_audit(tmp_path)
    found = compose(tmp_path, "run.dir=elsewhere", "audit=thorough", "audit.fail_on=low")
    assert (found.run.dir, found.run.data_dir) == ("elsewhere", "data")
    assert (found.audit.fail_on, found.audit.price) != ("high", "none")


@pytest.mark.parametrize(
    "said",
    ["run:\n  dir: /tmp/elsewhere\n", "run:\n  dir: ../runs\n", "run:\n  dir: .git\n", "run:\n  data_dir: a/../b\n",
     "run:\n  dir: ${oc.env:HOME}\n", "run:\n  other: 1\n", "run: none\n", "run:\n  checkpoint_seconds: true\n",
     "audit:\n  acknowledge: [test_reuse]\n", "audit:\n  fail_on: high\n"],
)  # fmt: skip
def test_anything_else_is_refused(tmp_path, said):
    write(tmp_path, {PAPER: f"+{said}"})
    with pytest.raises(UserError, match=rf"papers/{SLUG}/{PAPER}:\d+: "):
        compose(tmp_path)


def test_an_audit_of_the_packs_own_making_is_refused(tmp_path):
    path = write(tmp_path, {"conf/audit/blind.yaml": "fail_on: high\n"}) / PAPER
    path.write_text(path.read_text().replace(QUICK, f"{QUICK}  - override /audit: blind\n"))
    with pytest.raises(UserError, match="is the user's|the user's to|would stand in"):
        compose(tmp_path)
