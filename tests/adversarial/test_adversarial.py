"""Hostile packs through the real command: no effect outside the scratch folder, no target of test, no key, no hang.

By default the plainest attacks run, in one cell of one command. With the slow tests run all payloads, as the cells of a
few studies (a family that lets its process live is one cell, what ends or exhausts its process has a cell to itself),
and a configuration or file of each kind; with the extended ones, every configuration and file in a command of its own.
The run's last lines count the attacks of tests that passed, and what was found in any (`tests/conftest.py`).

That nothing was found shows something only where an attack took place and would have been seen: no payload may have
been ended by a mistake of its own, those that look for targets must have seen what training may see, bare a few of
each family have their effect, and every detector fires on what it looks for.
"""

import builtins
import ctypes
import hashlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections import Counter

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


class Attacks:
    """What a test's attacks came to."""

    def __init__(self, record):
        self.record = record

    def check(self, project: Project, done: Done) -> None:
        """Nothing happened outside, nothing was found, and the command came to an end by itself, in words."""
        finds = [*project.effects(), *project.finds(done.said.encode())]
        self.record("adversarial: found", dict(Counter([*map(kind_of, finds), *["hangs"] * (done.code is None)])))
        assert done.code is not None, f"it hung:\n{done.said[-3000:]}"
        assert "Traceback" not in done.said, done.said[-3000:]
        assert "the tool's own process, has ended" not in done.said, done.said[-3000:]
        assert finds == [], "\n".join([*finds, done.said[-3000:]])

    def held(self, kind: str, count: int) -> None:
        """So many packs and files had no effect."""
        self.record("adversarial: held", {kind: count})


def kind_of(find: str) -> str:
    """What the run's last lines count it as."""
    return (
        "keys"
        if find.endswith((": a key", "the key itself"))
        else ("targets" if find.endswith(": a target of test") else "effects")
    )


@pytest.fixture
def attacks(record_property):
    return Attacks(record_property)


REFUSALS = {name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, OSError)}
REFUSALS |= {"gaierror", "URLError", "DistNetworkError", "TimeoutExpired", "MemoryError", "SystemExit"}
"""Errors that end an attack because something was refused; any other is a mistake in its code, but for these."""
OTHER_REFUSALS = {
    "import_the_project": "UserError cannot write",
    "approve_itself": "UserError cannot write",
    "torch_save_outside": "RuntimeError Parent directory",
}
TOO_LONG = "TimeoutError a payload took too long"


def mistakes(ended: dict[str, str]) -> dict[str, str]:
    """Of {payload: the error that ended it}, those that a payload's own code made, or whose attack was cut short."""
    return {
        name: how
        for name, how in ended.items()
        if how.startswith(TOO_LONG)
        or not (how.split(" ")[0] in REFUSALS or how.startswith(OTHER_REFUSALS.get(name, "\0")))
    }


FIRST = {
    "outside": ("write_outside", "write_home", "write_other_pack", "write_records"),
    "network": ("tcp", "unix_abstract"),
    "keys": ("environ_of_all", "home_files", "memory_of_parents"),
    "targets": ("data_folder_forward", "source_file", "frames", "garbage"),
    "processes": ("find_victim", "double_fork_daemon"),
    "forged": ("lines_on_stdout", "forged_record"),
}
"""What the default suite tries, in one run."""


def test_the_plainest_attacks_have_no_effect(project, attacks):
    batch = {name: payloads(family)[name] for family, names in FIRST.items() for name in names}
    done = project.attack("local_first", batch, "data=secret")
    attacks.check(project, done)
    assert project.ran("local_first", batch) == set(batch), done.said
    assert not mistakes(project.ended("local_first"))
    attacks.held("first", len(batch))


DETECTED = {
    "outside: new": lambda p: (p.out / "new").touch(),
    "outside: keep is gone or changed": lambda p: (p.out / "keep").write_text("other"),
    "another pack was changed": lambda p: (p.folder / "papers" / "local_other" / "spec.yaml").write_text(""),
    "changed or gone: HOME/.netrc": lambda p: (p.home / ".netrc").unlink(),
    "changed or gone: HOME/.profile": lambda p: (p.home / ".profile").chmod(0o600),
    "a process of the host was ended": lambda p: (p.victim.kill(), p.victim.wait()),
    "named by a payload: /tmp/MARK": lambda p: open(f"/tmp/{p.mark}", "w").close(),
    "named by a payload: /dev/shm/MARK": lambda p: open(f"/dev/shm/{p.mark}", "w").close(),
    "written by a payload: HOME/.bashrc": lambda p: (p.home / ".bashrc").write_text(p.mark),
    "written by a payload: FOLDER/conf/config.yaml": lambda p: (p.folder / "conf" / "config.yaml").write_text(p.mark),
    "shared memory of System V: shm": lambda p: ctypes.CDLL(None).shmget(p.shm_key, 64, 0o1666),
    "runs/work/log.txt: paying: a key": lambda p: find(p, "runs/work/log.txt", f"key {hashed(p.key)}"),
    "runs/work/out.txt: paying: a target of test": lambda p: find(
        p, "runs/work/out.txt", f"target {hashed(p.targets[3])}"
    ),
    "data/x.json: the key itself": lambda p: put(p, "data/x.json", p.key),
    "reports/report.json: what a pack forged": lambda p: put(p, "reports/report.json", "0.123456789"),
    "network: tcp was reached": lambda p: socket.create_connection(("127.0.0.1", p.listeners.tcp)).close(),
    "network: udp was reached": lambda p: datagram(socket.AF_INET, ("127.0.0.1", p.listeners.udp)),
    "network: abstract_datagram was reached": lambda p: datagram(socket.AF_UNIX, f"\0{p.mark}d"),
    "network: abstract was reached": lambda p: stream(f"\0{p.mark}"),
    "network: unix was reached": lambda p: stream(f"/proc/self/fd/{os.open(p.out, os.O_RDONLY)}/unix"),
    "still running: PID": lambda p: p.stack.callback(subprocess.Popen(["sleep", p.sleep]).kill),
}
"""{what is said: what is done, by hand} of everything that is looked for."""


def hashed(value: object) -> str:
    return hashlib.sha256(str(value).encode()).hexdigest()[:20]


def put(project: Project, name: str, text: str) -> None:
    (project.folder / name).parent.mkdir(parents=True, exist_ok=True)
    (project.folder / name).write_text(text)


def find(project: Project, name: str, what: str) -> None:
    put(project, name, f"LOOT-{project.mark} paying: {what}\n")


def datagram(family: int, address: object) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as made:
        made.sendto(b"x", address)


def stream(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.connect(address)


def test_every_detector_fires_on_what_it_looks_for(tmp_path):
    with Project(tmp_path) as project:
        assert project.effects() == []
        try:
            for act in DETECTED.values():
                act(project)
            found = [re.sub(r"running: \d+ .*", "running: PID", said) for said in project.effects()]
        finally:
            for folder in ("/tmp", "/dev/shm"):
                os.unlink(f"{folder}/{project.mark}")
            subprocess.run(["ipcrm", "--shmem-key", str(project.shm_key)], check=True)
        names = {"HOME": project.home, "FOLDER": project.folder, "MARK": project.mark}
    expected = [re.sub("HOME|FOLDER|MARK", lambda word: str(names[word[0]]), said) for said in DETECTED]
    assert sorted(found) == sorted(expected)
    assert {kind_of(said) for said in found} == {"effects", "keys", "targets"}


BARE = {
    "outside": {"write_outside": "outside: import", "write_other_pack": "another pack was changed"},
    "network": {"tcp": "network: tcp was reached", "unix_abstract": "network: abstract was reached"},
    "keys": {"home_files": "home_files: a key", "project_files": "project_files: a key"},
    "targets": {"source_file_forward": "source_file_forward: a target of test"},
    "processes": {"find_victim": "a process of the host was ended"},
    "language": {"ctypes_system": "outside: system", "code_object": "outside: code"},
    "forged": {"forged_record": "what a pack forged"},
    "kernel": {"inotify_of_the_host": "a folder of the host is watched"},
    "planted": {"sitecustomize_in_work": "named by a payload"},
    "sources": {"write_in_data_source": "outside: source"},
}
"""{family: {payload that does no harm: what is seen of it}}, where the sandbox is all that holds it. A mangled file,
what ends its process and what has no end are seen to be so wherever they are: the tests below ask for it."""


@pytest.mark.slow
def test_bare_an_attack_of_each_family_succeeds(tmp_path):
    """So that their failure in the sandbox shows something; the environment of a worker has no key even so."""
    assert BARE.keys() == set(BATCHED)
    with Project(tmp_path) as project:
        project.packs(
            "local_bare", {family: {name: payloads(family)[name] for name in BARE[family]} for family in BARE}
        )
        done = project.command("paper=local_bare", "trainer.max_steps=2", "sandbox=none", "study.jobs=1")
        seen = "\n".join([*project.effects(), *project.finds(done.said.encode())])
    missing = [f"{name}: {what}" for names in BARE.values() for name, what in names.items() if what not in seen]
    assert not missing, f"{missing} of:\n{seen}\n{done.said[-3000:]}"


EFFECT = """

def effect(*_, **__):
    write(OUT + "/effect")
"""
"""At the end of a pack's module: what configurations try to have called."""
SHELL = [sys.executable, "-c", "import sys; sys.path.insert(0, sys.argv[1]); import modules", "."]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "argv", "effect"),
    [
        ("sitecustomize", [sys.executable, "-c", ""], "outside: site"),
        ("bytecode", SHELL, "outside: bytecode"),
        ("package_beside", SHELL, "outside: package"),
        ("conftest", [sys.executable, "-m", "pytest", "-q", "."], "outside: conftest"),
        ("path_file", [sys.executable, "-c", "import site; site.addsitedir('.')"], "outside: pth"),
        ("lock_tag", [sys.executable, "-c", "import yaml; yaml.unsafe_load(open('pack.lock'))"], "outside: lock"),
    ],
)
def test_bare_a_file_has_its_effect(tmp_path, name, argv, effect):
    """Where Python, or YAML that is read as code, meets it in a careless tool."""
    with Project(tmp_path) as project:
        pack = project.pack(f"local_{name}", {})
        FILES[name](project, pack)
        subprocess.run(argv, cwd=pack, env={**os.environ, "PYTHONPATH": str(pack)}, capture_output=True, timeout=120)
        assert effect in project.effects()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["target_outside_engine", "hydra_callbacks", "python_tag"])
def test_bare_a_configuration_has_its_effect(tmp_path, name):
    """Where something builds what a configuration names, as Hydra does (`os.system` is refused by itself)."""
    with Project(tmp_path) as project:
        conf = {file: text.replace("OUT", str(project.out)) for file, text in CONFIGS[name].items()}
        pack = project.pack("local_bare", {}, EFFECT, **conf)
        script = "import sys, yaml, hydra; c = yaml.unsafe_load(open(sys.argv[1])); hydra.utils.instantiate(c)"
        if name == "hydra_callbacks":
            script = script.replace("instantiate(c)", "instantiate(c['hydra']['callbacks'])")
        (file,) = conf
        path = pack / file.replace("SLUG", pack.name)
        code = f"import sys; sys.path.insert(0, {str(project.folder)!r}); {script}"
        subprocess.run([sys.executable, "-c", code, path], cwd=project.folder, capture_output=True, timeout=120)
        assert project.effects()


@pytest.mark.slow
def test_families_that_attack_at_each_others_side_have_no_effect(project, attacks):
    batches = {family: payloads(family) for family in BATCHED}
    project.packs("local_families", batches)
    done = project.command("paper=local_families", "trainer.max_steps=2")
    attacks.check(project, done)
    assert done.code == 0, done.said[-3000:]
    rows = project.study("local_families")
    for family, batch in batches.items():
        cell = rows[family]["cell_id"]
        left = set(batch) - project.ran("local_families", batch, cell)
        assert not left, f"{family}: {sorted(left)} did not run: {rows[family]}\n{done.said[-3000:]}"
        wrong = mistakes(project.ended("local_families", cell))
        assert not wrong, f"{family}: ended by mistakes of their own: {wrong}"
        attacks.held(family, len(batch))
    assert project.saw("local_families", rows["targets"]["cell_id"]) >= SEEING


SEEING = {
    *("frames", "garbage", "own_memory", "open_descriptors", "trace_function", "torch_function_mode"),
    *("patched_mse", "patched_loss_class", "patched_engine_functions"),
}
"""Of what looks for targets of test: what sees, in its own training, those of train, whatever runs at its side."""
OWN_MISTAKE = re.compile(r"^(Name|Attribute|Type|Key|Index|Import|ModuleNotFound|Syntax|UnboundLocal|Assertion)Error")


def took_place(project: Project, slug: str, name: str, code: str, row: dict, said: str) -> bool:
    """Did this attack, alone in its cell, come to what it is about? By what it left, whether the cell failed or not."""
    cell, message = row["cell_id"], row.get("message", "")
    marks = project.marks(slug, cell)
    if f"acted {name}" in marks or f"warning: acted {name}" in said:
        return True
    if OWN_MISTAKE.match(message) or mistakes(project.ended(slug, cell)) or "instead_of_outputs(" in code:
        return False
    if not message:
        return bool(project.ran(slug, {name: ("", code)}, cell))
    refused = "PermissionError: [Errno 1]" in message  # a call that the sandbox denies
    acts = "before_the_end(" in code or '"acted"' in code
    return f"began {name}" in marks and (refused or not acts)


@pytest.mark.parametrize(
    "family", [pytest.param("worst", marks=pytest.mark.slow), pytest.param("fatal", marks=pytest.mark.extended)]
)
def test_what_ends_or_exhausts_its_process_ends_nothing_else(project, attacks, family):
    """Each has a cell of one study: those of the others, and the study, come to their ends."""
    slug, batch = f"local_{family}", ALONE[family]
    project.packs(slug, {name: {name: payload} for name, payload in batch.items()}, patience_s=0)
    done = project.command(f"paper={slug}", "trainer.max_steps=2", "study.retries=0", "study.jobs=4")
    attacks.check(project, done)
    assert done.code == 1, done.said[-3000:]
    rows = project.study(slug)
    assert rows.keys() == batch.keys(), done.said[-3000:]
    said = " ".join(done.said.split())
    vain = [row for name, row in rows.items() if not took_place(project, slug, name, batch[name][1], row, said)]
    assert not vain, f"did not take place: {vain}\n{done.said[-3000:]}"
    attacks.held(family, len(batch))


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
def test_what_never_ends_is_ended_by_the_user(project, attacks, names, how):
    slug = f"local_endless_{names[0]}"
    project.packs(slug, {name: {name: ENDLESS[name]} for name in names}, patience_s=0)
    with project.started(f"paper={slug}", "trainer.max_steps=2", f"study.jobs={len(names)}") as process:
        done = commands.interrupt(process, [project.comm(number) for number in range(len(names))], how)
    attacks.check(project, done)
    assert done.code == 128 + how, done.said[-3000:]
    attacks.held("endless", len(names))


PLAINEST = ("sandbox_none", "hydra_callbacks", "environment_in_title")
OF_EACH_KIND = (
    *("hydra_searchpath", "hydra_at", "run_dir", "target_os_system", "target_through_engine", "python_tag", "anchors"),
    *("primary_config", "group_of_the_users", "grid_override", "slug_of_another"),
)


def _speed(name: str) -> object:
    mark = [pytest.mark.slow] if name in OF_EACH_KIND else [] if name in PLAINEST else [pytest.mark.extended]
    return pytest.param(name, marks=mark)


@pytest.mark.parametrize("name", [_speed(name) for name in CONFIGS])
def test_a_configuration_is_refused_in_one_line(project, attacks, name):
    slug = f"local_{name}"
    conf = {file: text.replace("OUT", str(project.out)) for file, text in CONFIGS[name].items()}
    project.pack(slug, {}, EFFECT, **conf)
    cell = [] if name.startswith("grid") else ["seed=0"]
    done = project.command(f"paper={slug}", "trainer.max_steps=2", *cell)
    attacks.check(project, done)
    assert done.code == 2, done.said
    attacks.held("configurations", 1)


def test_a_pipe_in_a_pack_holds_nobody_up(project, attacks):
    pack = project.pack("local_pipe", {})
    FILES["fifo_modules"](project, pack)
    attacks.check(project, project.command("approve", pack.name))
    attacks.held("files", 1)


TOGETHER = (
    *("sitecustomize", "conftest", "path_file", "bytecode", "init_of_papers", "forged_lock", "lock_tag"),
    "record_is_a_fifo",
)
"""Files that a pack may bring, or that a run finds in its way, and that do nothing: one pack has them all."""


@pytest.mark.slow
def test_files_that_nothing_reads_do_nothing(project, attacks):
    pack = project.pack("local_together", {})
    for name in TOGETHER:
        FILES[name](project, pack)
    attacks.check(project, project.run(pack.name, "data=secret"))
    attacks.held("files", len(TOGETHER))


REFUSED = ("link_modules", "sparse_spec", "socket")
"""Of what a run refuses at once: one of each kind."""


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in REFUSED else pytest.mark.extended) for n in FILES]
)
def test_a_file_neither_hangs_nor_does_anything(project, attacks, name):
    pack = project.pack(f"local_{name}", {})
    FILES[name](project, pack)
    if name not in REFUSED:
        attacks.check(project, project.command("approve", pack.name))
    done = project.run(pack.name, "data=secret")
    attacks.check(project, done)
    assert done.code == 2 or name not in REFUSED, done.said
    attacks.held("files", 1)
