"""The terminal and the model card: short, complete, and deaf to what a paper's text would have them do."""

import io
from pathlib import Path

from rich.console import Console

from mlintern.report.card import render_card
from mlintern.report.model.report import Report
from mlintern.report.terminal import print_report
from tests.report import fake_runs
from tests.report.conftest import make

HOSTILE = "[red]x[/red] \x1b]0;owned\x07 <b>| `a` ![i](http://203.0.113.9)"


def printed(report: Report, width: int = 100) -> str:
    out = io.StringIO()
    print_report(report, Console(file=out, width=width, color_system=None), Path("reports/x/report.html"))
    return out.getvalue()


def test_the_table_is_there_and_the_path_comes_last(report: Report) -> None:
    text = printed(report)
    for cell in report.table:
        if cell.measured is not None:
            assert f"{cell.measured.mean:.1f}" in text
            assert f"({cell.paper.raw})" in text
    assert text.rstrip().endswith("Report: reports/x/report.html")
    assert "Human expert" not in text


def test_every_finding_has_a_line(report: Report) -> None:
    lines = printed(report, 200).splitlines()
    for section in report.audit:
        for finding in section.findings:
            assert any(finding["kind"] in line and section.data in line for line in lines)


def test_nothing_is_wider_than_the_terminal(report: Report) -> None:
    assert max(map(len, printed(report, 80).splitlines())) <= 80


def test_a_papers_text_cannot_steer_terminal_or_markdown(tmp_path: Path) -> None:
    raw = fake_runs.spec_dict()
    raw["paper"]["title"] = raw["claims"][0]["statement"] = raw["tables"][0]["columns"][3] = HOSTILE
    for cell in raw["tables"][0]["cells"]:
        cell["column"] = HOSTILE if cell["column"] == "GRU" else cell["column"]
    report = make(tmp_path, spec=type(fake_runs.spec()).model_validate(raw))
    text = printed(report, 300)
    assert "\x1b" not in text
    assert "[red]x[/red]" in text
    card = render_card(report)
    assert "\x1b" not in card
    assert "<b>" not in card
    assert "![i]" not in card


def test_the_card_says_what_was_trained_and_what_was_not(report: Report) -> None:
    card = render_card(report)
    assert "| CNN | 5,210 | mnist1d | clean | 3 |" in card
    assert "leak:selection" in card
    assert "a person's score" in card
    assert report.headline.sentence in card
