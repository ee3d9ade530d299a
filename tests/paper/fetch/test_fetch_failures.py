"""A server that fails in arXiv's ways, and clients that must be polite."""

import email.utils
import itertools
import multiprocessing
import random
import time
from pathlib import Path

import pytest

from mlintern.core.errors import UserError
from mlintern.paper.fetch.paper_files import fetch
from mlintern.paper.ids import PaperId
from mlintern.paper.settings import PaperSettings
from tests.paper.fetch.fetching import HTML_BODY, PDF_BODY, SOURCE, get, problem
from tests.paper.fetch.loopback_arxiv import (
    HTML,
    TEX,
    Body,
    Fault,
    LoopbackArxiv,
    Version,
    serve,
    source,
)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_transient_errors_are_retried(arxiv: LoopbackArxiv, tmp_path: Path, status: int) -> None:
    arxiv.fail("e-print", Fault(status), Fault(status))
    assert get(arxiv, tmp_path).road == "latex"
    assert len(arxiv.asked("e-print")) == 3


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_honoured(arxiv: LoopbackArxiv, tmp_path: Path, as_date: bool) -> None:
    value = email.utils.formatdate(time.time() + 3, usegmt=True) if as_date else "1"
    queued = time.monotonic()
    arxiv.fail("e-print", Fault(429, {"Retry-After": value}))
    get(arxiv, tmp_path)
    first, second = arxiv.asked("e-print")
    assert second.at >= (queued + 1.9 if as_date else first.at + 0.9)  # a date names whole seconds


def test_back_off_doubles(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.fail("e-print", *[Fault(503)] * 3)
    get(arxiv, tmp_path, backoff_s=0.1)
    times = [request.at for request in arxiv.asked("e-print")]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert [gap >= wait for gap, wait in zip(gaps, (0.1, 0.2, 0.4), strict=True)] == [True, True, True]


def test_a_wait_beyond_the_deadline_is_not_waited_for(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.fail("e-print", Fault(429, {"Retry-After": "86400"}))
    assert "asks to wait 86400 s" in problem(arxiv, tmp_path)
    assert len(arxiv.asked("e-print")) == 1


def test_a_server_that_stays_down_is_an_error_and_not_a_worse_road(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.fail("e-print", *[Fault(503)] * 9)
    message = problem(arxiv, tmp_path, attempts=3)
    assert "HTTP 503" in message
    assert "attempt 3 of 3" in message
    assert arxiv.asked("/html/") == []


def test_refused_clients_are_told_about_the_contact(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.fail("e-print", Fault(403))
    assert "paper.contact" in problem(arxiv, tmp_path)
    assert len(arxiv.asked("e-print")) == 1


def test_a_body_cut_short_is_resumed(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.fail("e-print", Fault(cut_after=300), Fault(cut_after=7))
    fetched = get(arxiv, tmp_path)
    assert (fetched.path / "main.tex").read_bytes() == TEX
    ranges = [request.headers.get("Range") for request in arxiv.asked("e-print")]
    assert ranges == [None, "bytes=300-", "bytes=307-"]


def test_a_resumed_download_starts_over_when_the_file_changed(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.fail("e-print", *[Fault(cut_after=300)] * 2)
    with pytest.raises(UserError, match="broke|ended"):
        get(arxiv, tmp_path, attempts=1)
    changed = TEX.replace(b"100", b"200")
    arxiv.faults.clear()
    arxiv.papers["2101.00001"] = [Version(source=source({"main.tex": changed}))]
    assert (get(arxiv, tmp_path).path / "main.tex").read_bytes() == changed
    assert arxiv.asked("e-print")[-1].headers["Range"] == "bytes=300-"


def test_a_server_without_ranges_sends_all_again(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.ranges = False
    arxiv.fail("e-print", Fault(cut_after=300))
    assert (get(arxiv, tmp_path).path / "main.tex").read_bytes() == TEX


@pytest.mark.parametrize("kind", ["e-print", "html", "pdf"])
def test_a_cut_body_without_a_length_is_noticed(arxiv: LoopbackArxiv, tmp_path: Path, kind: str) -> None:
    """Closing the connection ends such a body: only its own form tells that something is missing."""
    arxiv.fail(f"/{kind}/", Fault(cut_after=len(HTML) - 20, without_length=True))
    road = {"e-print": "source"}.get(kind, kind)
    fetched = get(arxiv, tmp_path, roads=(road,))
    assert len(arxiv.asked(f"/{kind}/")) == 2
    if kind != "e-print":
        assert fetched.path.read_bytes() == {"html": HTML, "pdf": PDF_BODY.data}[kind]


def test_an_archive_damaged_on_the_way_is_asked_for_again(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    data = bytearray(SOURCE.data)
    data[len(data) // 2] ^= 0xFF
    arxiv.fail("e-print", Fault(body=bytes(data)))
    assert (get(arxiv, tmp_path).path / "main.tex").read_bytes() == TEX
    assert len(arxiv.asked("e-print")) == 2


def test_a_web_page_instead_of_the_source(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    page = b"<!DOCTYPE html><html><body>Please prove that you are human</body></html>"
    arxiv.fail("e-print", Fault(body=page, headers={"Content-Type": "application/gzip"}))
    fetched = get(arxiv, tmp_path)
    assert fetched.road == "html"
    assert fetched.notes == ("source: a web page came instead of the source",)


def test_content_types_are_not_believed(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.add("2101.00011", Version(source=Body(SOURCE.data, "text/html; charset=utf-8")))
    assert get(arxiv, tmp_path, "2101.00011").road == "latex"


def test_source_sent_as_content_encoding(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    """arXiv's older form: a tar with Content-Encoding x-gzip."""
    body = Body(SOURCE.data, "application/x-eprint-tar", content_encoding="x-gzip")
    arxiv.add("2101.00012", Version(source=body))
    assert (get(arxiv, tmp_path, "2101.00012").path / "main.tex").read_bytes() == TEX


def test_a_slow_drip_meets_the_deadline(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.fail("e-print", Fault(drip_s=0.05))
    assert "paper.deadline_s=1" in problem(arxiv, tmp_path, deadline_s=1.0)
    assert arxiv.dripped > 0
    assert arxiv.drips_ended == 0  # the whole answer takes over 20 s


def test_dripping_headers_meet_the_deadline(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.fail("e-print", Fault(drip_s=0.1, drip_headers=True))
    assert "paper.deadline_s=1" in problem(arxiv, tmp_path, deadline_s=1.0)
    assert arxiv.dripped > 0
    assert arxiv.drips_ended == 0  # the whole answer takes over 20 s


def test_silence_meets_the_timeout_and_is_retried(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.fail("e-print", Fault(stall_s=10))
    assert get(arxiv, tmp_path, timeout_s=0.3).road == "latex"


def test_a_body_beyond_the_limit(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    noise = random.Random(0).randbytes(20_000)
    arxiv.add("2101.00013", Version(source=source({"main.tex": TEX, "noise": noise})))
    assert "paper.max_download_bytes" in problem(arxiv, tmp_path, "2101.00013", max_download_bytes=10_000)
    arxiv.fail("e-print", Fault(without_length=True))
    assert "paper.max_download_bytes" in problem(arxiv, tmp_path, "2101.00013", max_download_bytes=10_000)


def test_nobody_listens(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    url = arxiv.url
    with serve() as gone:
        url = gone.url
    assert "cannot connect" in problem(arxiv, tmp_path, arxiv_url=url, attempts=2)


def test_a_hostile_archive_is_one_error_and_leaves_nothing(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.add("2101.00014", Version(source=source({"../../escape.tex": TEX}), html=HTML_BODY))
    message = problem(arxiv, tmp_path / "deep" / "cache", "2101.00014")
    assert "leaves the folder" in message
    assert not list(tmp_path.rglob("escape.tex"))
    assert list((tmp_path / "deep" / "cache" / "trees").iterdir()) == []


def test_requests_keep_their_distance(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    get(arxiv, tmp_path, request_interval_s=0.4)
    first, second = arxiv.requests
    assert second.at - first.at >= 0.39


def _fetch_in_process(url: str, cache: str, id: str) -> None:
    fetch(PaperId.parse(id), PaperSettings(arxiv_url=url, cache_dir=Path(cache), request_interval_s=0.3))


def test_processes_share_the_rate_limit_and_the_cache(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.add("2101.00015", Version(source=SOURCE))
    context = multiprocessing.get_context("spawn")
    jobs = [
        context.Process(target=_fetch_in_process, args=(arxiv.url, str(tmp_path), id))
        for id in ("2101.00001", "2101.00001", "2101.00015")
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert [job.exitcode for job in jobs] == [0, 0, 0]
    times = sorted(request.at for request in arxiv.requests)
    assert len(times) == 4  # two papers, each asked for once
    assert times[-1] - times[0] >= 3 * 0.3 - 0.15  # each request may reach the server a little late


def test_the_user_agent_carries_the_contact(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    get(arxiv, tmp_path, contact="mailto:ada@example.org")
    assert all("mailto:ada@example.org" in request.headers["User-Agent"] for request in arxiv.requests)
    assert all(request.headers["User-Agent"].startswith("mlintern/") for request in arxiv.requests)
