"""The pool: a worker that dies costs its task one attempt; a user's mistake ends everything with its line."""

import sys
import textwrap

import pytest

from mlintern.errors import UserError
from mlintern.study.pool import Pool, Task, launch_bare

WORKER = textwrap.dedent(
    """
    import json, os, sys
    for line in sys.stdin:
        job = json.loads(line)
        def say(**event): print(json.dumps(event), flush=True)
        if job["do"] == "die": print("last words", file=sys.stderr); os._exit(7)
        if job["do"] == "die once" and not os.path.exists(job["mark"]):
            open(job["mark"], "w"); os.kill(os.getpid(), 9)
        if job["do"] == "mistake": say(event="error", message="x.yaml: wrong", user=True, exit_code=2)
        elif job["do"] == "bug": say(event="error", message="ValueError: no", user=False)
        else:
            say(event="progress", step=1)
            say(event="done", result={"value": job.get("value"), "pid": os.getpid()})
    """
)


def launch(argv, environment, errors):
    return launch_bare([sys.executable, "-c", WORKER], environment, errors)


def pool(size=2, retries=1):
    return Pool(size, {"OMP_NUM_THREADS": "1"}, retries, launch)


def test_tasks_share_the_workers():
    with pool() as p:
        results = p.map([Task(str(i), {"do": "work", "value": i}) for i in range(20)])
    assert [results[str(i)]["value"] for i in range(20)] == list(range(20))
    assert 1 <= len({r["pid"] for r in results.values()}) <= 2


def test_a_killed_worker_costs_one_attempt(tmp_path):
    with pool() as p:
        events = list(p.run([Task("a", {"do": "die once", "mark": str(tmp_path / "m")}), Task("b", {"do": "work"})]))
    kinds = [(e.kind, e.task.name) for e in events if e.task.name and e.kind != "progress"]
    assert kinds.count(("retried", "a")) == 1
    assert {("done", "a"), ("done", "b")} <= set(kinds)
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


def test_a_secret_in_the_environment_does_not_reach_a_worker(monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    assert "secret" not in str(pool().environment)
