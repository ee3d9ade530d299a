"""What torch warns of reaches the user: once a cell, one line, and nothing that a terminal would obey."""

import io
import warnings

import pytest
import torch
from rich.console import Console

from mlintern.study.run.progress import Progress
from mlintern.study.workers import jobs, notices
from tests import configs


def broadcast():
    return torch.nn.functional.mse_loss(torch.zeros(5, 1), torch.zeros(5))


def test_a_broadcast_is_told_once_a_job_and_again_in_the_next():
    for _ in range(2):
        told = []
        with notices.heard(told.append):
            for _ in range(3):
                broadcast()
            warnings.warn("old", DeprecationWarning, stacklevel=1)
        assert len(told) == 1
        assert "target size (torch.Size([5])) that is different to the input size" in told[0]
    with pytest.warns(UserWarning, match="target size"):
        broadcast()


def test_only_so_many_are_told():
    told = []
    with notices.heard(told.append):
        for i in range(50):
            warnings.warn(f"number {i}", UserWarning, stacklevel=1)
    assert len(told) == notices.MOST


def test_a_job_tells_its_warnings_as_events(monkeypatch):
    class Ear:
        def __init__(self):
            self.events = []

        def tell(self, **event):
            self.events.append(event)

    ear = Ear()
    monkeypatch.setitem(jobs.KINDS, "warns", lambda worker, job: {"loss": float(broadcast())})
    jobs.serve(ear, {"kind": "warns", "config": configs.plain()})
    assert [event["event"] for event in ear.events] == ["warning", "done"]
    assert "\n" not in ear.events[0]["message"]


def test_what_is_shown_is_one_line_and_obeyed_by_no_terminal():
    text = io.StringIO()
    progress = Progress(Console(file=text, width=400), {"net": 1.0}, {"net": 5}, 1, 0)
    for _ in range(2):
        progress.warned("net", notices.one_line("a\x1b[2J\nb [bold]c[/] " + "d" * 900))
    assert text.getvalue().count("net: warning: a [2J b [bold]c[/] ddd") == 1
    assert "\x1b" not in text.getvalue() and len(text.getvalue()) < 400
    for i in range(50):
        progress.warned("net", f"number {i}")
    assert text.getvalue().count("warning:") == notices.MOST


def test_brackets_in_what_a_cell_tells_are_no_markup_and_there_is_an_end_of_them():
    text = io.StringIO()
    progress = Progress(Console(file=text, width=400), {"net": 1.0}, {"net": 5}, 1, 0)
    progress.stopped("net", "failed: [/] [link=file:///x]y[/link]")
    progress.say("[/]")
    progress.done("net", "[red]0.5[/red]")
    assert "failed: [/] [link=file:///x]y[/link]" in text.getvalue() and "[red]0.5[/red]" in text.getvalue()
    for i in range(50):
        progress.noted("net", f"waits {i}")
    assert text.getvalue().count("waits") == notices.MOST
