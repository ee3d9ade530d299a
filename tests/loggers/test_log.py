"""A cell's log has each row once, whatever was killed, out of order or made up, and never ends a run."""

import csv
from collections import Counter

import pytest

from mlintern.core.errors import UserError
from mlintern.loggers import LoggerOptions, open_log
from mlintern.loggers.log import CellLog, Finished
from tests.loggers import cells


def open_cell(folder, said=None, **logger):
    return open_log(
        LoggerOptions(**logger), cells.STEPS, folder, cells.FACTS, (said if said is not None else []).append
    )


def curve(folder):
    with open(folder / "curve.csv", newline="") as handle:
        head, *lines = csv.reader(handle)
    assert head == ["step", "name", "value"]
    return [tuple(line) for line in lines]


def expected(stop=cells.STEPS):
    return [
        (str(step), f"{part}/{name}", repr(value))
        for step in range(cells.EVERY, stop + 1, cells.EVERY)
        for part in ("train", "valid")
        for name, value in cells.values(step, part).items()
    ]


def sitting(folder, start, stop, **logger):
    """One process's part of the training, killed at `stop`."""
    log = open_cell(folder, **logger)
    log.start()
    for event in cells.events(start, stop):
        assert log.event(event)
    return log


KILLS = [[(0, 60)], [(0, 45), (0, 60)], [(0, 45), (40, 60)], [(0, 45), (20, 44), (40, 60)], [(0, 5), (0, 60)]]


@pytest.mark.parametrize("sittings", KILLS)
def test_csv_has_each_row_once_whatever_was_killed(tmp_path, sittings):
    for start, stop in sittings:
        log = sitting(tmp_path, start, stop, kind="csv")
        assert curve(tmp_path) == expected(stop)  # as it goes, too
    log.finish(Finished(cells.write_record(tmp_path), tmp_path))
    assert curve(tmp_path) == expected()
    assert len(curve(tmp_path)) == 12
    lines = (tmp_path / "steps.csv").read_text().splitlines()
    assert lines[0] == "step,loss,lr"
    assert lines[1:] == [f"{step + 1},{cells.loss_of(step)!r},0.1" for step in range(60)]


@pytest.mark.parametrize("sittings", KILLS)
def test_tensorboard_has_one_file_and_each_row_once(tmp_path, sittings):
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "tensorboard" / "events.out.tfevents.1.host.0").write_bytes(b"of an earlier version")
    for start, stop in sittings:
        log = sitting(tmp_path, start, stop, kind="tensorboard")
        (path,) = (tmp_path / "tensorboard").iterdir()
        assert [(str(step), name) for name, step, _ in cells.scalars(path)] == [row[:2] for row in expected(stop)]
    log.finish(Finished(cells.write_record(tmp_path), tmp_path))
    (path,) = (tmp_path / "tensorboard").iterdir()
    found = cells.scalars(path)
    assert max(Counter((name, step) for name, step, _ in found).values()) == 1
    assert {(str(step), name) for name, step, _ in found} >= {row[:2] for row in expected()}
    assert sum(name == "loss" for name, *_ in found) == sum(name == "lr" for name, *_ in found) == 60
    assert ("final/test/accuracy", 60, pytest.approx(0.6)) in found


def test_a_row_told_twice_or_out_of_order_is_there_once(tmp_path):
    log = open_cell(tmp_path, kind="csv")
    log.start()
    for event in [*cells.events(0, 60)[::-1], *cells.events(0, 60)]:
        log.event(event)
    assert sorted(curve(tmp_path)) == sorted(expected())
    log.finish(Finished(cells.write_record(tmp_path), tmp_path))
    assert curve(tmp_path) == expected()


@pytest.mark.parametrize(
    "event",
    [
        *(
            {"event": "evaluated", "step": 20, "rows": [{"step": 20, "split": "valid", **row}]}
            for row in (
                {"step": 21},
                {"split": "../etc"},
                {"split": ["valid"]},
                {"loss": "0.1"},
                {"loss": [0.1]},
                {"a\nb": 0.1},
                {"x" * 101: 0.1},
                {str(i): 0.1 for i in range(300)},
            )
        ),
        *(
            {"event": "evaluated", "step": step, "rows": [{"step": step, "split": "valid", "loss": 0.1}]}
            for step in (61, -1, True, "20", None)
        ),
        {"event": "evaluated", "step": 20, "rows": {"step": 20, "split": "valid"}},
        {"event": "evaluated", "step": 20, "rows": [["valid", 0.1]]},
        {"event": "evaluated", "step": 20, "rows": [{"step": 20, "split": "valid"}] * 100},
        {"event": "evaluated", "step": 20, "rows": [{"split": "valid"}]},
        {"event": "evaluated"},
        {"event": "saved", "step": 20, "first": 0, "losses": [1.0], "lrs": [0.1]},
        {"event": "saved", "step": 2, "first": 0, "losses": [1.0, 2.0], "lrs": [0.1]},
        {"event": "saved", "step": 2, "first": "0", "losses": [1.0, 2.0], "lrs": [0.1, 0.1]},
    ],
)
def test_what_a_training_makes_up_is_left_out_and_said_once(tmp_path, event):
    said = []
    log = open_cell(tmp_path, said, kind="csv")
    log.start()
    for told in (event, event, *cells.events(0, 60)):
        assert log.event(told)
    assert curve(tmp_path) == expected()
    assert said == [
        "net · blobs · clean · norm=none · seed 3: what its training told the logger is malformed; it is left out"
    ]


def test_other_events_are_not_the_logs(tmp_path):
    assert not open_cell(tmp_path, kind="csv").event({"event": "done", "result": {}})
    assert open_cell(tmp_path, kind="none").event(cells.events(0, 20)[0])


class Breaks:
    """A logger whose n-th call fails."""

    def __init__(self, at, error):
        self.left, self.error = at, error

    def _call(self, *_):
        self.left -= 1
        if self.left < 0:
            raise self.error

    start = row = saved = finish = close = _call


@pytest.mark.parametrize("error", [OSError("disk full"), ValueError("bad"), ImportError("no tensorboard")])
@pytest.mark.parametrize("at", [0, 1, 5])
def test_a_logger_that_breaks_says_so_once_and_the_run_goes_on(tmp_path, at, error):
    said = []
    log = CellLog(Breaks(at, error), "net", 60, said.append)
    log.start()
    for event in cells.events(0, 60):
        assert log.event(event)
    log.finish(Finished(cells.write_record(tmp_path), tmp_path))
    log.close()
    assert said == [f"net: its logger broke ({type(error).__name__}: {error}); the run goes on without it"]


def test_a_folder_in_the_way_breaks_the_log_alone(tmp_path):
    (tmp_path / "curve.csv").mkdir()
    said = []
    log = open_cell(tmp_path, said, kind="csv")
    log.start()
    log.event(cells.events(0, 60)[0])
    assert len(said) == 1
    assert "curve.csv" in said[0]


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("as it was")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "curve.csv").symlink_to(tmp_path / "precious")
    log = sitting(tmp_path / "run", 0, 60, kind="csv")
    log.finish(Finished(cells.write_record(tmp_path / "run"), tmp_path / "run"))
    assert (tmp_path / "precious").read_text() == "as it was"
    assert curve(tmp_path / "run") == expected()


@pytest.mark.parametrize(
    ("logger", "says"),
    [
        ({"kind": "paper"}, "logger.kind=paper: choose none, csv, tensorboard or wandb"),
        ({"kind": "wandb", "project": "x", "mode": "loud"}, "logger.mode=loud: choose online, offline or disabled"),
        ({"kind": "wandb", "project": "", "mode": "offline"}, "logger.project=: give the name"),
    ],
)
def test_an_unknown_logger_is_named(logger, says):
    with pytest.raises(UserError) as refused:
        LoggerOptions.from_plain(logger)
    assert str(refused.value).startswith(says)
