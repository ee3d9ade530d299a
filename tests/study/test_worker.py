"""A worker and a cell that another process trains: it waits, says so, and never trains what is finished by then."""

import fcntl
import io
import json
import threading
import time

import pytest

from mlintern.errors import Interrupted
from mlintern.study.worker import LOCK_FILE, Worker


def told(worker):
    return [json.loads(line) for line in worker.events.getvalue().splitlines()]


@pytest.fixture
def held(tmp_path):
    """A cell's folder, locked; and the function that frees it."""
    cell = tmp_path / "cell"
    cell.mkdir()
    lock = open(cell / LOCK_FILE, "w")  # noqa: SIM115 - closed by the test or below
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield cell, lock.close
    lock.close()


def test_a_cell_in_other_hands_is_waited_for_and_not_trained_again(held):
    cell, free = held
    worker = Worker(io.StringIO())
    results = []
    thread = threading.Thread(target=lambda: results.append(worker.do_cell({"out": str(cell)})))
    thread.start()
    while not told(worker):
        time.sleep(0.01)
    assert [event["event"] for event in told(worker)] == ["waiting"]
    assert not results
    (cell / "run.json").write_text("{}")  # what the other process leaves
    free()
    thread.join(60)
    assert results == [{"status": "finished elsewhere"}]  # without the config that training would need


def test_waiting_ends_when_the_sweep_does(held):
    cell, _ = held
    worker = Worker(io.StringIO())
    worker.stopping = True
    with pytest.raises(Interrupted), worker.lock(cell):
        pytest.fail("the lock is held")
