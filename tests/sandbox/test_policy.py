"""Which sandbox the code of packs gets is the user's word: the command line, else the settings, and nobody else."""

import os
import shutil

import pytest

from mlintern.config import Composer
from mlintern.core import roots
from mlintern.core.errors import UserError
from mlintern.sandbox import policy
from mlintern.sandbox.policy import Policy, from_overrides
from tests.study import tiny


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    """The user's settings file, which is not there yet; nothing is said on the command line."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    policy.say(None)
    yield tmp_path / "config" / "mlintern" / "config.yaml"
    policy.say(None)


def write(path, text):
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_the_command_line_decides_then_the_settings_then_auto(settings):
    assert from_overrides(["model=cnn"]) == Policy("auto", "none")
    write(settings, "sandbox: none\n")
    assert from_overrides(["model=cnn"]) == Policy("none", "none")
    assert from_overrides(["sandbox=bwrap", "sandbox.network=peers"]) == Policy("bwrap", "peers")
    settings.write_text("sandbox: {backend: unshare, network: peers}\n")
    assert policy.current() == Policy("unshare", "peers")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("sandbox=off", "choose auto, bwrap, unshare, none"),
        ("sandbox=none,auto", "one value"),
        ("+sandbox=none", "one value"),
        ("sandbox.network=all", "choose none, or peers"),
        ("sandbox.layers=[]", "no such key"),
        ("~sandbox", "no such key"),
    ],
)
def test_a_value_that_there_is_not_is_one_line(override, says):
    with pytest.raises(UserError, match=says):
        from_overrides([override])


def test_settings_that_are_a_link_are_followed(settings, tmp_path):
    """As dotfile managers make them: of the file, or of a folder on the way."""
    write(tmp_path / "dotfiles" / "mlintern" / "config.yaml", "sandbox: none\n")
    settings.parent.parent.mkdir()
    settings.parent.symlink_to(tmp_path / "dotfiles" / "mlintern")
    assert from_overrides([]).backend == "none"
    settings.parent.unlink()
    settings.parent.mkdir()
    settings.symlink_to(tmp_path / "dotfiles" / "mlintern" / "config.yaml")
    assert from_overrides([]).backend == "none"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("nowhere", path)])
def test_settings_that_are_no_file_are_not_taken_for_none(settings, make):
    settings.parent.mkdir(parents=True)
    make(settings)
    with pytest.raises(UserError, match="mlintern/config.yaml"):
        from_overrides([])


@pytest.mark.parametrize(
    "text", ["sandbox: off\n", "sandbx: none\n", "- 1\n", "sandbox: [none]\n", "sandbox: {a: 1}\n"]
)
def test_settings_that_are_off_name_the_file(settings, text):
    write(settings, text)
    with pytest.raises(UserError, match="mlintern/config.yaml"):
        from_overrides([])


def test_a_pack_that_speaks_of_the_sandbox_is_refused(tmp_path, monkeypatch):
    folder = tiny.write_pack(tmp_path)
    paper = folder / "papers" / tiny.SLUG / "conf" / "paper" / f"{tiny.SLUG}.yaml"
    paper.write_text(paper.read_text() + "sandbox:\n  backend: none\n  network: peers\n")
    monkeypatch.setattr("mlintern.core.roots.PACKS", folder / "papers")
    with Composer(tiny.SLUG) as composer, pytest.raises(UserError, match=r"yaml:\d+: sandbox is the user's to set"):
        composer.compose(["model=net"])


def test_what_a_project_says_of_the_sandbox_is_not_heard(tmp_path, monkeypatch):
    folder = tiny.write_pack(tmp_path)
    shutil.copytree(roots.CONF, folder / "conf")
    (folder / "conf" / "sandbox" / "auto.yaml").write_text("backend: none\nnetwork: peers\n")
    monkeypatch.setattr("mlintern.core.roots.PACKS", folder / "papers")
    monkeypatch.setattr("mlintern.core.roots.CONF", folder / "conf")
    with Composer(tiny.SLUG) as composer:
        found, _ = composer.compose(["model=net"])
    assert found.sandbox.plain() == {"backend": "auto", "network": "none"}
