"""The page: self-contained, safe with hostile text, and readable at every width. Rendered by chromium where it is."""

import html
import http.server
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mlintern.report.model.report import Report
from mlintern.report.model.runs import SmallerRow, StudyPlan, Trimmed
from mlintern.report.page.html import render_html
from tests.report import fake_runs
from tests.report.conftest import make

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on PATH")
HOSTILE = '"><script>document.title="owned"</script><img src=http://203.0.113.9/x onerror=1>{{ 7*7 }}'


class Page(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def attributes(self, name: str) -> list[str]:
        return [value for _, attrs in self.tags if (value := attrs.get(name)) is not None]


@pytest.fixture(scope="module")
def text(report: Report) -> str:
    return render_html(report)


def test_the_page_loads_nothing_and_runs_nothing(text: str) -> None:
    page = Page(text)
    assert not {"script", "link", "img", "iframe", "object", "embed", "video", "audio", "form"} & {
        t for t, _ in page.tags
    }
    assert page.attributes("src") == []
    assert not re.search(r"url\(|@import", text)
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert {h for h in page.attributes("href") if not h.startswith("#")} == {"https://arxiv.org/abs/2011.14439"}


def test_hostile_text_of_a_paper_stays_text(tmp_path: Path) -> None:
    raw = fake_runs.spec_dict()
    raw["paper"]["title"] = HOSTILE
    raw["claims"][0]["statement"] = HOSTILE
    raw["tables"][0]["description"] = HOSTILE
    raw["settings"][4]["locator"]["reason"] = HOSTILE
    page = Page(render_html(make(tmp_path, spec=type(fake_runs.spec()).model_validate(raw))))
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert page.text.count("{{ 7*7 }}") >= 4


def test_the_verdict_comes_first_and_in_words(report: Report, text: str) -> None:
    words = Page(text.partition("</style>")[2]).text
    order = [report.headline.sentence, "Claims", "The paper's table beside ours", "Audit", "Environment and cost"]
    places = [words.index(html.unescape(part)) for part in order[:1]] + [
        text.index(f">{part}</h2>") for part in order[1:]
    ]
    assert places[1:] == sorted(places[1:])
    assert words.index(report.headline.sentence) < 300


def test_every_verdict_has_a_word_and_a_sign_beside_its_colour(text: str) -> None:
    signs = re.findall(r'<span class="verdict [\w-]+" data-sign="(.)">([\w ]+)</span>', text)
    assert {("✓", "supported"), ("?", "inconclusive"), ("–", "not tested")} <= set(signs)
    assert len(signs) == text.count('class="verdict ')


def test_every_cell_stands_beside_the_papers_number(report: Report, text: str) -> None:
    words = Page(text).text
    for cell in report.table:
        assert f"paper {cell.paper.raw}" in words
        if cell.measured is not None:
            assert f"{cell.measured.mean:.1f}" in words


def test_every_run_has_the_command_that_repeats_it(report: Report, text: str) -> None:
    words = Page(text).text
    for run in report.runs:
        assert run.command in words
        assert f"python -m mlintern verify {run.cell_id}" in words
    assert len({run.command for run in report.runs}) == len(report.runs)


def test_marks_lead_to_what_they_mean(report: Report, text: str) -> None:
    page = Page(text)
    targets = {h.removeprefix("#") for h in page.attributes("href") if h.startswith("#")}
    assert targets <= set(page.attributes("id"))
    for name, meaning in report.marks.items():
        assert f"{name}" in page.text
        assert meaning in page.text


def test_ids_are_unique_and_figures_have_words(text: str) -> None:
    page = Page(text)
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    drawings = [attrs for tag, attrs in page.tags if tag == "svg" and attrs.get("role") == "img"]
    assert len(drawings) >= 8 + 5 + 4  # forest of the table, of the protocols, panels
    assert all(attrs.get("aria-label") for attrs in drawings)


def test_tables_have_headers_with_scope(text: str) -> None:
    page = Page(text)
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in page.tags if tag == "th")


def test_the_same_report_gives_the_same_page(report: Report, text: str) -> None:
    assert render_html(report) == text


def test_ablations_stand_in_one_table_against_their_base(report: Report) -> None:
    rows = [
        report.contrasts[0].model_copy(update={"factor": "ablation", "base": "none", "level": level})
        for level in ("no_norm", "no_residual")
    ]
    page = render_html(report.model_copy(update={"contrasts": [*rows, *report.contrasts]}))
    assert page.count(">Ablations</h2>") == 1
    table = page.partition(">Ablations</h2>")[2].partition("</section>")[0]
    assert all(f"<td>{row.level}</td>" in table for row in rows)


def test_smells_that_nobody_looked_for_are_not_called_absent(report: Report) -> None:
    assert "Nobody looked for smells" in render_html(report.model_copy(update={"smells": None}))
    assert "None of the checks on the results" in render_html(report.model_copy(update={"smells": []}))


def chromium(url: str, profile: Path, *options: str) -> str:
    assert CHROMIUM is not None
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    flags += "--disable-component-update --disable-sync --hide-scrollbars --virtual-time-budget=2000"
    command = [CHROMIUM, *flags.split(), f"--user-data-dir={profile}", *options, "--dump-dom", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    """A server of `tmp_path` on loopback, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, format: str, *args: object) -> None:
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}", asked
        httpd.shutdown()


MEASURE = """<!doctype html><body><iframe id=f src="report.html" width={width} height=900></iframe><script>
f.onload = () => {{
  const d = f.contentDocument, w = {width};
  d.querySelectorAll("details").forEach(x => x.open = true);
  const out = [...d.body.querySelectorAll("*")].filter(x => x.getBoundingClientRect().right > w + 1
    && !x.closest(".scroll, pre, svg"));
  const tables = d.querySelectorAll("table").length;
  const result = [d.documentElement.scrollWidth, out.map(x => x.outerHTML.slice(0, 80)), tables];
  document.body.dataset.result = JSON.stringify(result);
}}</script>"""


@needs_browser
@pytest.mark.parametrize("width", [360, 390, 1280])
def test_nothing_sticks_out_of_the_page(width: int, text: str, tmp_path: Path, server: tuple[str, list[str]]) -> None:
    url, asked = server
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    (tmp_path / "measure.html").write_text(MEASURE.format(width=width), encoding="utf-8")
    dom = chromium(f"{url}/measure.html", tmp_path / "profile", "--window-size=1400,1000")
    found = re.search(r'data-result="([^"]*)"', dom)
    assert found, "the page did not load"
    scroll_width, sticking_out, tables = json.loads(html.unescape(found[1]))
    assert tables > 5
    assert sticking_out == []
    assert scroll_width <= width
    assert set(asked) <= {"/measure.html", "/report.html", "/favicon.ico"}


def test_what_was_left_out_and_what_shrank_stand_on_the_page(report: Report) -> None:
    levels = {"data": "mnist1d", "protocol": "clean"}
    where = {"cell_id": "ab", "variant": "cnn", "levels": levels, "seed": 2}
    smaller = {"asked": "cd", "message": HOSTILE, "before": {"shards": 1}, "now": {"shards": 2}}
    plan = StudyPlan(
        budget_hours=1.5,
        rule="seeds last",
        trimmed=[Trimmed(**where, seconds=3.0, reason="a seed")],
        smaller=[SmallerRow(**where, **smaller)],
    )
    page = Page(render_html(report.model_copy(update={"plan": plan})))
    assert "For a budget of 1.5 hours, 1 planned cells were left out (seeds last)" in page.text
    assert "trainer.shards 2 instead of 1" in page.text
    assert "ran out of memory" in page.text
    assert not [tag for tag, _ in page.tags if tag in ("script", "img")]
    assert "ran out of memory" not in Page(render_html(report)).text
