"""Hostile packs through the real command: no effect outside the scratch folder, no target of test, no key, no hang.

A dozen attacks run by default, five families in one run each with the slow tests, and all of them, a command for each
of those that end their process, with the extended ones; each prints a count.
"""

import signal

import pytest

from mlintern.sandbox import capabilities
from tests.adversarial.odd import CONFIGS, FILES
from tests.adversarial.packs import FAMILIES, Done, Project, payloads

pytestmark = pytest.mark.skipif(not capabilities(), reason="this host offers no sandbox")
BATCHED = [family for family in FAMILIES if family not in ("fatal", "endless")]
SPEED = {family: "extended" if family in ("keys", "targets", "sources") else "slow" for family in BATCHED}
FATAL, ENDLESS = payloads("fatal"), payloads("endless")
SOON_S = 15
"""From a signal to the end of the command, on a busy machine."""
COUNTS: dict[str, int] = {}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with Project(tmp_path_factory.mktemp("adversarial")) as made:
        yield made
    kinds = ", ".join(f"{count} {kind}" for kind, count in COUNTS.items())
    print(f"\nadversarial: {sum(COUNTS.values())} packs and files passed ({kinds or 'none'})")


def data_of(batch: dict[str, tuple[str, str]]) -> str:
    """Data with targets that must not be found, or of the pack's own making for what attacks while they are made."""
    return "data=made" if any(hook == "source" for hook, _ in batch.values()) else "data=secret"


def check(project: Project, done: Done, kind: str, count: int = 1) -> None:
    """Nothing happened outside, nothing was found, and the command came to an end by itself, in words."""
    assert done.code is not None, f"it hung:\n{done.said[-3000:]}"
    assert "Traceback" not in done.said, done.said[-3000:]
    assert project.effects() == []
    assert project.said_too_much(done.said) == []
    COUNTS[kind] = COUNTS.get(kind, 0) + count


FIRST = {
    "outside": ("write_outside", "write_home", "write_other_pack", "write_records"),
    "network": ("tcp", "unix_abstract"),
    "keys": ("environ_of_all", "home_files", "memory_of_parents"),
    "targets": ("data_folder_forward", "source_file", "frames", "garbage"),
    "processes": ("find_victim", "double_fork_daemon"),
    "forged": ("lines_on_stdout", "forged_record"),
}
"""What the default suite tries, in one run."""


def test_the_plainest_attacks_have_no_effect(project):
    batch = {name: payloads(family)[name] for family, names in FIRST.items() for name in names}
    done = project.attack("local_first", batch, "data=secret")
    check(project, done, "first", len(batch))
    assert done.ran == set(batch), done.said


@pytest.mark.parametrize("name", ["sandbox_none", "hydra_callbacks", "environment_in_title"])
def test_the_plainest_configurations_are_refused(project, name):
    test_a_configuration_is_refused_in_one_line(project, name)


def test_a_pipe_in_a_pack_holds_nobody_up(project):
    pack = project.pack("local_pipe", {})
    FILES["fifo_modules"](project, pack)
    check(project, project.command("approve", pack.name, seconds=60), "files")


@pytest.mark.slow
def test_bare_the_same_attacks_succeed(tmp_path):
    """So that their failure in the sandbox shows something; the environment of a worker has no key even so."""
    names = {"outside": "write_outside", "keys": "home_files", "targets": "source_file_forward", "network": "tcp"}
    batch = {name: payloads(family)[name] for family, name in names.items()}
    with Project(tmp_path) as project:
        done = project.attack("local_bare", batch, "data=secret", "sandbox=none")
        seen = " ".join([*project.effects(), *project.said_too_much(done.said)])
    assert done.code == 0, done.said
    for what in ("outside: import", "home_files: a key", "source_file_forward: a target of test", "tcp was reached"):
        assert what in seen


@pytest.mark.parametrize("family", [pytest.param(f, marks=getattr(pytest.mark, SPEED[f])) for f in BATCHED])
def test_a_batch_has_no_effect(project, family):
    batch = payloads(family)
    done = project.attack(f"local_{family}", batch, data_of(batch))
    check(project, done, family, len(batch))
    assert done.ran == set(batch), f"{sorted(set(batch) - done.ran)} did not run:\n{done.said[-3000:]}"


@pytest.mark.extended
@pytest.mark.parametrize("name", FATAL)
def test_what_ends_or_exhausts_its_process_ends_nothing_else(project, name):
    batch = {name: FATAL[name]}
    done = project.attack(f"local_{name}", batch, data_of(batch))
    check(project, done, "fatal")
    assert done.code or done.ran == {name}, f"it did not run:\n{done.said[-3000:]}"


@pytest.mark.extended
@pytest.mark.parametrize("name", ENDLESS)
def test_what_never_ends_is_ended_by_the_user(project, name):
    slug = f"local_{name}"
    project.pack(slug, {name: ENDLESS[name]})
    how = signal.SIGTERM if sorted(ENDLESS).index(name) % 3 == 0 else signal.SIGINT
    done = project.interrupted(slug, how, data_of({name: ENDLESS[name]}))
    check(project, done, "endless")
    assert done.seconds < SOON_S
    assert done.code != 0


@pytest.mark.extended
@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_is_refused_in_one_line(project, name):
    slug = f"local_{name}"
    conf = {file: text.replace("OUT", str(project.out)) for file, text in CONFIGS[name].items()}
    project.pack(slug, {}, EFFECT, **conf)
    done = project.run(slug, seconds=60)
    check(project, done, "configurations")
    assert done.code == 2, done.said


@pytest.mark.extended
@pytest.mark.parametrize("name", FILES)
def test_a_file_neither_hangs_nor_does_anything(project, name):
    pack = project.pack(f"local_{name}", {})
    FILES[name](project, pack)
    check(project, project.command("approve", pack.name, seconds=60), "files")
    check(project, project.run(pack.name, "data=secret", seconds=90), "files", 0)


EFFECT = """

def effect(*_, **__):
    write(OUT + "/effect")
"""
