"""The pool: a job that dies costs its task one attempt; a user's mistake ends everything with its line; what a job says
is believed to be nothing but events, and bounded."""

import os
import threading
import time

import pytest

from mlintern.core import patience
from mlintern.core.errors import UserError
from mlintern.core.roots import ROOT
from mlintern.sandbox import left
from mlintern.study.workers import pool as pool_module
from mlintern.study.workers import scorer, slot
from mlintern.study.workers.launch import without_ours
from mlintern.study.workers.pool import Bare, Pool, Task

FAKE = Bare({"jobs": "tests.study.fake_jobs"})


def pool(size=2, retries=1):
    return Pool(size, {"OMP_NUM_THREADS": "1"}, retries, FAKE)


def kinds(events):
    return [(e.kind, e.task.name) for e in events if e.task.name and e.kind != "progress"]


def test_tasks_share_the_workers():
    with pool() as p:
        results = p.map([Task(str(i), {"do": "work", "value": i}) for i in range(20)])
    assert [results[str(i)]["value"] for i in range(20)] == list(range(20))
    assert 1 <= len({r["parent"] for r in results.values()}) <= 2


def test_a_killed_job_costs_one_attempt(tmp_path):
    with pool() as p:
        events = list(p.run([Task("a", {"do": "die once", "mark": str(tmp_path / "m")}), Task("b", {"do": "work"})]))
    found = kinds(events)
    assert found.count(("retried", "a")) == 1
    assert {("done", "a"), ("done", "b")} <= set(found)
    assert any("killed by signal 9" in e.message for e in events)


@pytest.mark.parametrize(("do", "says"), [("die", "ended with code 7 (last words)"), ("bug", "ValueError: no")])
def test_what_fails_twice_is_reported_and_the_rest_goes_on(do, says):
    with pool() as p:
        events = list(p.run([Task("a", {"do": do}), Task("b", {"do": "work"})]))
    (failed,) = [e for e in events if e.kind == "failed"]
    assert failed.task.name == "a"
    assert says in failed.message
    assert any(e.kind == "done" and e.task.name == "b" for e in events)


def test_a_mistake_of_the_user_ends_everything():
    with pool() as p, pytest.raises(UserError, match=r"x\.yaml: wrong"):
        list(p.run([Task("a", {"do": "mistake"}), Task("b", {"do": "work"})]))


def test_no_key_in_the_environment_reaches_a_worker(monkeypatch):
    for name in ("ANTHROPIC_API_KEY", "WANDB_API_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, "secret")
    assert "secret" not in str(pool().environment)


@pytest.mark.parametrize("name", ["https_proxy", "HTTP_PROXY", "no_proxy", "HOME", "USER"])
def test_what_may_name_a_password_or_a_home_stays_out_of_a_sandbox(monkeypatch, name):
    monkeypatch.setenv(name, "http://me:secret@proxy")
    monkeypatch.setenv("LANG", "C")
    inside = without_ours(pool().environment)
    assert "secret" not in str(inside)
    assert inside["LANG"] == "C"


def test_a_job_that_asks_is_answered_and_another_may_run_at_its_side():
    asking, beside = Task("a", {"do": "ask"}), Task("beside", {"do": "work", "value": 7})
    found = []
    with pool(size=1) as p:
        for event in p.run([asking, Task("after", {"do": "work"})]):
            found.append((event.kind, event.task.name))
            if event.kind == "asked":
                assert event.result["step"] == 3
                p.beside(asking, beside)
            if event.kind == "done" and event.task is beside:
                p.answer(asking, {"value": event.result["value"]})
            if event.kind == "done" and event.task is asking:
                assert event.result == {"value": 7}
    order = [item for item in found if item[0] == "done"]
    assert order == [("done", "beside"), ("done", "a"), ("done", "after")]


def test_who_did_not_ask_is_not_answered():
    with pool(size=1) as p:
        for event in p.run([task := Task("a", {"do": "work"})]):
            if event.kind == "started":
                with pytest.raises(RuntimeError, match="waits for no answer"):
                    p.answer(task, {})


def test_what_a_job_of_a_map_warns_of_is_told():
    said = []
    with pool(size=1) as p:
        p.warned = lambda *told: said.append(told)
        p.map([Task("data x", {"do": "say", "bytes": '{"event": "warning", "message": "a\\nb"}\n'})])
    assert said == [("data x", "a b")]


def test_outputs_reach_whoever_has_the_other_end():
    reading, writing = os.pipe()
    with pool(size=1) as p:
        p.map([Task("a", {"do": "outputs"}, outputs=writing)])
    os.close(writing)
    assert os.read(reading, 100) == b"what was asked for" and os.read(reading, 1) == b""
    os.close(reading)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("no json\n", "no event"),
        ("[1]\n", "no event"),
        ('{"event": 3}\n', "no event"),
        ("[" * 100_000 + "\n", "no event"),
        ("1" * 10_000 + "\n", "no event"),
        ('{"event": "progress", "step": "many"}\n', "step is no int"),
        ('{"event": "done", "result": [1]}\n', "result is no dict"),
    ],
)
def test_what_is_no_event_is_the_jobs_failure(line, says):
    with pool(size=1, retries=0) as p:
        events = list(p.run([Task("a", {"do": "say", "bytes": line, "seconds": 30}), Task("b", {"do": "work"})]))
    assert [(e.kind, e.task.name) for e in events if e.kind in ("failed", "done")] == [("failed", "a"), ("done", "b")]
    assert any(says in e.message for e in events)


def test_floods_are_bounded(monkeypatch):
    monkeypatch.setattr(slot, "MOST_LINE_BYTES", 1 << 20)
    monkeypatch.setattr(slot, "MOST_EVENT_BYTES", 4 << 20)
    monkeypatch.setattr(slot, "MOST_EVENT_BYTES_PER_S", 1 << 10)
    short = {"do": "flood", "where": "events", "piece": '{"event": "progress", "step": 1}\n'}
    with pool(size=2, retries=0) as p:
        events = list(p.run([Task("long line", {**short, "piece": "x" * 100}), Task("many lines", short)]))
    said = {e.task.name: e.message for e in events if e.kind == "failed"}
    assert "more than 1 MiB" in said["long line"] and "floods" in said["many lines"]


def test_a_flood_of_stderr_is_cut_and_the_job_goes_on_until_it_is_stopped():
    with pool(size=1, retries=0) as p:
        began, kept = time.monotonic(), 0
        for _ in p.run([Task("a", {"do": "flood", "where": "stderr", "piece": "y" * 100})]):
            (job,) = p.slots[0].running.values()
            kept = max(kept, len(job.last_words))
            if time.monotonic() - began > 1:
                break
    assert 0 < kept <= slot.KEPT_STDERR_BYTES


def test_words_of_a_job_cannot_paint_the_terminal():
    event = slot.event_of(b'{"event": "error", "message": "\\u001b[2J\\u0007gone", "user": true}')
    assert event["message"] == "?[2J?gone"
    assert len(slot.words("x" * 10**6)) == slot.MOST_WORDS


def test_closing_ends_a_job_that_loops(monkeypatch):
    monkeypatch.setattr("mlintern.study.workers.pool.GRACE_S", 0.5)
    p = pool(size=1)
    ran = threading.Event()
    for event in p.run([Task("a", {"do": "loop"})]):
        if event.kind == "told":
            ran.set()
            break
    p.close()  # comes back although the job never would
    assert ran.is_set()


@pytest.mark.timeout(60)
def test_closing_lets_a_job_that_waits_end_by_itself(monkeypatch):
    monkeypatch.setattr("mlintern.study.workers.pool.GRACE_S", 1000)
    p = pool(size=1)
    for event in p.run([Task("a", {"do": "ask"})]):
        if event.kind == "asked":
            break
    p.close()


def test_what_jobs_were_forked_with_is_looked_at_in_the_record_of_the_environment(monkeypatch):
    with pool(1) as workers:
        workers.map([Task("a", {"do": "work"})])
    assert str(ROOT / "tests/study/fake_jobs.py") in workers.imported
    looked = []
    monkeypatch.setattr("mlintern.core.installed.modified", lambda loaded: looked.append(loaded) or ())
    monkeypatch.setattr(scorer.Desk, "_pinned", lambda *_: None)
    scorer.Desk().ask_environment({"config": {}, "imported": sorted(workers.imported)}, iter(()))
    assert looked[0] == looked[0] | workers.imported | {scorer.__file__}


THING = "class Thing:\n    def __init__(self):\n        {built}\n{imported}\n"


@pytest.fixture
def hasty(monkeypatch):
    """The host says what its workers do: here that they wait for a second."""
    monkeypatch.setattr(patience, "IMPORT", patience.Patience(1, 1))
    monkeypatch.setattr(patience, "BUILD", patience.Patience(1))


def getting_ready(tmp_path, built="pass", imported="", **job):
    """What a task says whose job imports and builds such a thing; None where it is done."""
    module = tmp_path / "papers" / "slow" / "modules.py"
    module.parent.mkdir(parents=True)
    module.write_text(THING.format(built=built, imported=imported))
    tasks = [
        Task("slow", {"do": "get ready", "project": str(tmp_path), **job}, tolerant=True),
        Task("other", {"do": "work"}),
    ]
    with pool(size=2) as p:
        ends = {e.task.name: e for e in p.run(tasks) if e.kind in ("done", "failed", "retried")}
    assert ends["other"].kind == "done"
    return None if ends["slow"].kind == "done" else ends["slow"].message


@pytest.mark.parametrize(
    "imported",
    [
        "X = 10 ** 10 ** 10",
        "while True:\n    pass",
        "import re\nre.match('(a+)+$', 'a' * 64 + 'b')",
    ],
)
def test_a_module_that_computes_for_ever_is_named_with_the_line_it_stood_on(hasty, tmp_path, imported):
    said = getting_ready(tmp_path, imported=imported)
    assert said is not None
    assert said.startswith("papers/slow/modules.py:")
    assert 4 <= int(said.split(":")[1]) <= 6
    assert "is not imported after 1 s of computing" in said
    assert "\n" not in said


def test_a_module_that_waits_for_ever_is_named_too(hasty, tmp_path):
    said = getting_ready(tmp_path, imported="import os\nos.read(os.pipe()[0], 1)", wall_s=1)
    assert said.startswith("papers/slow/modules.py:5: is not imported after 1 s;")


def test_what_is_built_for_ever_is_named(hasty, tmp_path):
    said = getting_ready(tmp_path, built="10 ** 10 ** 10")
    assert said.startswith("papers/slow/modules.py:3: nothing is built after 1 s of computing")


def test_patience_ends_with_getting_ready(tmp_path):
    assert getting_ready(tmp_path, trains=5) is None


def filling(folder, how):
    """What is said of a job that fills a folder, beside another that is fine."""
    tasks = [
        Task("full", {"do": "fill", "how": how, "writes": [str(folder)]}, tolerant=True),
        Task("b", {"do": "work"}),
    ]
    with pool(size=2) as p:
        ends = {e.task.name: e for e in p.run(tasks) if e.kind in ("done", "failed", "retried")}
    assert (ends["b"].kind, ends["full"].kind) == ("done", "failed")
    assert os.listdir(folder) == []
    return ends["full"].message


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("files", "its code left more than 100 files in "),
        ("folders", "its code left more than 100 files in "),
        ("bytes", "; 0.00195 GiB is the most"),
    ],
)
def test_a_job_that_leaves_too_much_fails_alone_and_leaves_nothing(tmp_path, monkeypatch, how, says):
    monkeypatch.setattr(left, "MOST_FILES", 100)
    monkeypatch.setattr(left, "MOST_BYTES", 2 << 20)
    monkeypatch.setattr(pool_module, "DISK_EVERY_S", 0.1)
    assert says in filling(tmp_path, how)


def test_a_disk_is_not_filled_by_one_job(small_disk, monkeypatch):
    monkeypatch.setattr(pool_module, "DISK_EVERY_S", 0.05)
    assert "and the disk is all but full; free some space" in filling(small_disk(64), "bytes")
