"""Hostile packs through the real command: no effect outside the scratch folder, no target of test, no key, no hang.

By default the plainest attacks run, in one cell of one command. With the slow tests run all payloads, as the cells of a
few studies (a family that lets its process live is one cell, what ends or exhausts its process has a cell to itself),
and a configuration or file of each kind; with the extended ones, every configuration and file in a command of its own.
The run's last lines say how many packs and files had no effect (`tests/conftest.py` counts those of tests that passed).
"""

import signal

import pytest

from tests.adversarial import commands
from tests.adversarial.commands import Done
from tests.adversarial.odd import CONFIGS, FILES
from tests.adversarial.packs import FAMILIES, Project, payloads
from tests.sandbox.layers import capabilities

pytestmark = [
    pytest.mark.skipif(not capabilities(), reason="this host offers no sandbox"),
    pytest.mark.timeout(2 * commands.LONGEST_S),
]
BATCHED = [family for family in FAMILIES if family not in ("fatal", "mangled", "endless")]
ENDLESS, FATAL = payloads("endless"), payloads("fatal")
WORST = (
    *("fork_bomb", "thread_bomb", "memory_bomb", "disk_bomb", "kill_everything", "stop_parent", "close_everything"),
    *("line_without_end", "lines_on_every_descriptor", "events_of_another_job", "segfault"),
)
"""Of what ends or exhausts its process: one of each kind."""
ALONE = {"worst": {**payloads("mangled"), **{name: FATAL[name] for name in WORST}}, "fatal": FATAL}
"""Payloads that have a cell each."""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with Project(tmp_path_factory.mktemp("adversarial")) as made:
        yield made


@pytest.fixture
def held(record_property):
    """Call it with the number of packs and files that had no effect."""
    return lambda kind, count: record_property("adversarial", (kind, count))


def check(project: Project, done: Done) -> None:
    """Nothing happened outside, nothing was found, and the command came to an end by itself, in words."""
    assert done.code is not None, f"it hung:\n{done.said[-3000:]}"
    assert "Traceback" not in done.said, done.said[-3000:]
    assert "the tool's own process, has ended" not in done.said, done.said[-3000:]
    assert (effects := project.effects()) == [], "\n".join([*effects, done.said[-3000:]])
    assert project.finds(done.said.encode()) == []


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
    check(project, done)
    assert project.ran("local_first", batch) == set(batch), done.said


@pytest.mark.slow
def test_bare_the_same_attacks_succeed(tmp_path):
    """So that their failure in the sandbox shows something; the environment of a worker has no key even so."""
    names = {"outside": "write_outside", "keys": "home_files", "targets": "source_file_forward", "network": "tcp"}
    batch = {name: payloads(family)[name] for family, name in names.items()}
    with Project(tmp_path) as project:
        done = project.attack("local_bare", batch, "data=secret", "sandbox=none")
        seen = " ".join([*project.effects(), *project.finds(done.said.encode())])
    assert done.code == 0, done.said
    for what in ("outside: import", "home_files: a key", "source_file_forward: a target of test", "tcp was reached"):
        assert what in seen


@pytest.mark.slow
def test_families_that_attack_at_each_others_side_have_no_effect(project, held):
    batches = {family: payloads(family) for family in BATCHED}
    project.packs("local_families", batches)
    done = project.command("paper=local_families", "trainer.max_steps=2")
    check(project, done)
    assert done.code == 0, done.said[-3000:]
    rows = project.study("local_families")
    for family, batch in batches.items():
        left = set(batch) - project.ran("local_families", batch, rows[family]["cell_id"])
        assert not left, f"{family}: {sorted(left)} did not run: {rows[family]}\n{done.said[-3000:]}"
        held(family, len(batch))


@pytest.mark.parametrize(
    "family", [pytest.param("worst", marks=pytest.mark.slow), pytest.param("fatal", marks=pytest.mark.extended)]
)
def test_what_ends_or_exhausts_its_process_ends_nothing_else(project, held, family):
    """Each has a cell of one study: those of the others, and the study, come to their ends."""
    slug, batch = f"local_{family}", ALONE[family]
    project.packs(slug, {name: {name: payload} for name, payload in batch.items()}, patience_s=0)
    done = project.command(f"paper={slug}", "trainer.max_steps=2", "study.retries=0", "study.jobs=4")
    check(project, done)
    assert done.code == 1, done.said[-3000:]
    rows = project.study(slug)
    assert rows.keys() == batch.keys(), done.said[-3000:]
    for name, row in rows.items():
        failed = row.get("message")  # then its weights may be anything
        ran = failed or project.ran(slug, {name: batch[name]}, row["cell_id"])
        assert ran, f"{name} did not run: {row}\n{done.said[-3000:]}"
    held(family, len(batch))


def without_end(*names: str, how: signal.Signals, mark: pytest.MarkDecorator) -> object:
    """Payloads that run at once in one study, and the signal that ends them."""
    return pytest.param(names, how, marks=mark, id=names[0])


@pytest.mark.parametrize(
    ("names", "how"),
    [
        without_end(
            *("loop_at_import", "catastrophic_regex", "stopped", "child_that_loops"),
            how=signal.SIGINT,
            mark=pytest.mark.slow,
        ),
        without_end("loop_in_training", how=signal.SIGTERM, mark=pytest.mark.extended),
        without_end("loop_in_source", how=signal.SIGTERM, mark=pytest.mark.extended),
        without_end(
            *(
                "sleep_and_ignore",
                "loop_in_init",
                "loop_in_forward",
                "blocked_signals",
                "waiting_for_a_pipe",
                "huge_power",
                "loop_in_c",
            ),
            how=signal.SIGTERM,
            mark=pytest.mark.extended,
        ),
    ],
)
def test_what_never_ends_is_ended_by_the_user(project, held, names, how):
    slug = f"local_endless_{names[0]}"
    project.packs(slug, {name: {name: ENDLESS[name]} for name in names}, patience_s=0)
    with project.started(f"paper={slug}", "trainer.max_steps=2", f"study.jobs={len(names)}") as process:
        done = commands.interrupt(process, [project.comm(number) for number in range(len(names))], how)
    check(project, done)
    assert done.code == 128 + how, done.said[-3000:]
    held("endless", len(names))


EFFECT = """

def effect(*_, **__):
    write(OUT + "/effect")
"""
PLAINEST = ("sandbox_none", "hydra_callbacks", "environment_in_title")
OF_EACH_KIND = (
    *("hydra_searchpath", "hydra_at", "run_dir", "target_os_system", "target_through_engine", "python_tag", "anchors"),
    *("primary_config", "group_of_the_users", "grid_override", "slug_of_another"),
)


def _speed(name: str) -> object:
    mark = [pytest.mark.slow] if name in OF_EACH_KIND else [] if name in PLAINEST else [pytest.mark.extended]
    return pytest.param(name, marks=mark)


@pytest.mark.parametrize("name", [_speed(name) for name in CONFIGS])
def test_a_configuration_is_refused_in_one_line(project, held, name):
    slug = f"local_{name}"
    conf = {file: text.replace("OUT", str(project.out)) for file, text in CONFIGS[name].items()}
    project.pack(slug, {}, EFFECT, **conf)
    cell = [] if name.startswith("grid") else ["seed=0"]
    done = project.command(f"paper={slug}", "trainer.max_steps=2", *cell)
    check(project, done)
    assert done.code == 2, done.said
    held("configurations", 1)


def test_a_pipe_in_a_pack_holds_nobody_up(project, held):
    pack = project.pack("local_pipe", {})
    FILES["fifo_modules"](project, pack)
    check(project, project.command("approve", pack.name))
    held("files", 1)


TOGETHER = (
    *("sitecustomize", "conftest", "path_file", "bytecode", "init_of_papers", "forged_lock", "lock_tag"),
    "record_is_a_fifo",
)
"""Files that a pack may bring, or that a run finds in its way, and that do nothing: one pack has them all."""


@pytest.mark.slow
def test_files_that_nothing_reads_do_nothing(project, held):
    pack = project.pack("local_together", {})
    for name in TOGETHER:
        FILES[name](project, pack)
    check(project, project.run(pack.name, "data=secret"))
    held("files", len(TOGETHER))


REFUSED = ("link_modules", "sparse_spec", "socket")
"""Of what a run refuses at once: one of each kind."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in REFUSED else pytest.mark.extended) for n in FILES]
)
def test_a_file_neither_hangs_nor_does_anything(project, held, name):
    pack = project.pack(f"local_{name}", {})
    FILES[name](project, pack)
    if name not in REFUSED:
        check(project, project.command("approve", pack.name))
    done = project.run(pack.name, "data=secret")
    check(project, done)
    assert done.code == 2 or name not in REFUSED, done.said
    held("files", 1)
