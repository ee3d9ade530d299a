"""Fetching, against a real HTTP server that speaks arXiv's formats and fails in arXiv's ways."""

import email.utils
import itertools
import multiprocessing
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlintern.errors import UserError
from mlintern.paper.fetch.fetch import Fetched, fetch
from mlintern.paper.ids import PaperId
from mlintern.paper.settings import PaperSettings
from tests.paper.fetch.loopback_arxiv import (
    HTML,
    TEX,
    Body,
    Fault,
    LoopbackArxiv,
    Version,
    minimal_pdf,
    serve,
    single_gz,
    source,
    tarball,
)

HTML_BODY = Body(HTML, "text/html; charset=utf-8")
PDF_BODY = Body(minimal_pdf(), "application/pdf")
SOURCE = source({"main.tex": TEX, "sections/model.tex": b"Hello", "fig.png": bytes(range(256)) * 40})


@pytest.fixture
def arxiv() -> Iterator[LoopbackArxiv]:
    with serve() as server:
        server.add("2101.00001", Version(source=SOURCE, html=HTML_BODY, pdf=PDF_BODY))
        yield server


def get(arxiv: LoopbackArxiv, cache: Path, text: str = "2101.00001", **changes: object) -> Fetched:
    return fetch(PaperId.parse(text), arxiv.settings(cache, **changes))


def problem(arxiv: LoopbackArxiv, cache: Path, text: str = "2101.00001", **changes: object) -> str:
    with pytest.raises(UserError) as caught:
        get(arxiv, cache, text, **changes)
    leftovers = [
        path for path in cache.rglob("*") if path.is_file() and "papers" in path.parts and path.suffix == ".json"
    ]
    assert leftovers == []  # nothing that a second read would take for a paper
    return str(caught.value)


def test_source_comes_first_with_its_metadata(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    fetched = get(arxiv, tmp_path)
    assert fetched.road == "latex"
    assert (fetched.path / "main.tex").read_bytes() == TEX
    assert (fetched.path / "sections" / "model.tex").read_bytes() == b"Hello"
    assert fetched.notes == ()
    assert str(fetched.paper) == "2101.00001v1"
    assert fetched.metadata is not None
    assert fetched.metadata.title == "On Learning"
    assert fetched.metadata.authors == ("Ada Example", "Ben Example")
    assert fetched.metadata.categories == ("cs.LG", "stat.ML")
    assert fetched.metadata.as_strings()["url"] == "https://arxiv.org/abs/2101.00001v1"
    assert [request.path for request in arxiv.requests] == ["/api/query", "/e-print/2101.00001v1"]


def test_a_second_read_needs_no_network(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    first = get(arxiv, tmp_path)
    asked = len(arxiv.requests)
    assert get(arxiv, tmp_path) == first
    assert get(arxiv, tmp_path, "arXiv:2101.00001v1") == first
    assert get(arxiv, tmp_path, offline=True) == first
    assert len(arxiv.requests) == asked


def test_offline_without_a_cache_says_so(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    assert "paper.offline" in problem(arxiv, tmp_path, offline=True)
    assert arxiv.requests == []


def test_a_damaged_cache_is_fetched_again(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    first = get(arxiv, tmp_path)
    (blob,) = (tmp_path / "blobs").rglob(first.sha256)
    blob.write_bytes(b"rot")
    assert get(arxiv, tmp_path) == first
    assert len(arxiv.asked("e-print")) == 2


@pytest.mark.parametrize("damage", ["lost", "changed", "added", "no manifest"])
def test_a_damaged_tree_is_unpacked_again(arxiv: LoopbackArxiv, tmp_path: Path, damage: str) -> None:
    """A cleaner of old files takes single files from a cache; a paper must not be read without them."""
    first = get(arxiv, tmp_path)
    part = first.path / "sections" / "model.tex"
    if damage == "lost":
        part.unlink()
    elif damage == "changed":
        part.write_bytes(b"Other")
    elif damage == "added":
        (first.path / "more.tex").write_bytes(TEX)
    else:
        first.path.with_name(f"{first.sha256}.json").unlink()
    assert get(arxiv, tmp_path) == first
    assert part.read_bytes() == b"Hello"
    assert sorted(file.name for file in first.path.iterdir()) == ["fig.png", "main.tex", "sections"]
    assert len(arxiv.asked("e-print")) == 1


def test_versions_are_pinned_and_recorded(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.add("2101.00002", *(Version(source=source({"main.tex": TEX + b"%" + str(n).encode()})) for n in (1, 2, 3)))
    assert str(get(arxiv, tmp_path, "2101.00002v2").paper) == "2101.00002v2"
    newest = get(arxiv, tmp_path, "2101.00002")
    assert newest.paper.version == 3
    assert newest.metadata is not None
    assert newest.metadata.latest == 3
    assert (newest.path / "main.tex").read_bytes().endswith(b"%3")
    arxiv.papers["2101.00002"].append(Version(source=source({"main.tex": TEX + b"%4"})))
    assert get(arxiv, tmp_path, "2101.00002").paper.version == 3  # pinned by the cache …
    assert get(arxiv, tmp_path, "2101.00002", refresh=True).paper.version == 4  # … until asked anew
    assert get(arxiv, tmp_path, "2101.00002").paper.version == 4


def test_a_refresh_of_an_unchanged_paper_downloads_nothing_again(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    first = get(arxiv, tmp_path)
    assert get(arxiv, tmp_path, refresh=True) == first
    assert len(arxiv.asked("e-print")) == 1


def test_old_ids(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.add("hep-th/9901001", Version(source=single_gz(TEX)))
    fetched = get(arxiv, tmp_path, "hep-th/9901001")
    assert (fetched.path / "main.tex").read_bytes() == TEX
    assert arxiv.asked("e-print")[0].path == "/e-print/hep-th/9901001v1"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2101.99999", "arXiv has no paper 2101.99999"),
        ("2101.00001v7", "2101.00001 has no version v7; its newest is v1"),
    ],
)
def test_unknown_papers_and_versions(arxiv: LoopbackArxiv, tmp_path: Path, text: str, says: str) -> None:
    assert says in problem(arxiv, tmp_path, text)


def test_the_error_entry_of_the_api(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.fail("/api/", Fault(body=arxiv._error_feed("2101.00001").encode()))
    assert "arXiv does not accept 2101.00001: incorrect id format" in problem(arxiv, tmp_path)


def test_throttling_told_in_plain_text_is_retried(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.fail("/api/", Fault(body=b"Rate exceeded."), Fault(body=b"Rate exceeded."))
    assert get(arxiv, tmp_path).road == "latex"
    assert len(arxiv.asked("/api/")) == 3


def test_a_hostile_feed_expands_nothing(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    feed = arxiv.feed("id_list=2101.00001").replace(
        "?>\n", f'?>\n<!DOCTYPE feed [<!ENTITY x SYSTEM "file://{secret}">]>\n', 1
    )
    arxiv.fail("/api/", Fault(body=feed.replace("On Learning", "On &x; Learning").encode()))
    metadata = get(arxiv, tmp_path / "cache").metadata
    assert metadata is not None
    assert "SECRET" not in metadata.title


def test_pdf_only_submission(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.add("2101.00003", Version(source=PDF_BODY, pdf=PDF_BODY))
    fetched = get(arxiv, tmp_path, "2101.00003")
    assert (fetched.road, fetched.name) == ("pdf", "2101.00003v1.pdf")
    assert fetched.path.read_bytes() == PDF_BODY.data
    assert fetched.notes == ("source: the authors submitted a PDF only",)
    assert len(arxiv.requests) == 2
    assert get(arxiv, tmp_path, "2101.00003") == fetched


def test_html_when_there_is_no_source_and_pdf_when_there_is_no_html(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.add("2101.00004", Version(html=HTML_BODY, pdf=PDF_BODY))
    arxiv.add("2101.00005", Version(pdf=PDF_BODY))
    html = get(arxiv, tmp_path, "2101.00004")
    assert (html.road, html.path.read_bytes()) == ("html", HTML)
    assert html.notes == ("source: HTTP 404",)
    pdf = get(arxiv, tmp_path, "2101.00005")
    assert pdf.road == "pdf"
    assert [note.split(":")[0] for note in pdf.notes] == ["source", "html"]
    assert get(arxiv, tmp_path, "2101.00004", offline=True) == html


def test_the_order_of_roads_is_a_setting(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    assert get(arxiv, tmp_path, roads=("pdf",)).road == "pdf"
    assert arxiv.asked("e-print") == []


def test_ar5iv_is_asked_for_the_newest_version(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.add("2101.00006", Version())
    with serve() as ar5iv:
        ar5iv.add("2101.00006", Version(html=HTML_BODY))
        fetched = get(arxiv, tmp_path, "2101.00006", ar5iv_url=ar5iv.url)
        assert fetched.url == f"{ar5iv.url}/html/2101.00006"
        assert "does not say which" in fetched.notes[-1]


def test_a_withdrawn_paper(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.add(
        "2101.00007",
        Version(source=SOURCE),
        Version(comment="This paper has been withdrawn by the authors due to an error in Lemma 2"),
    )
    message = problem(arxiv, tmp_path, "2101.00007")
    assert "2101.00007v2 was withdrawn" in message
    assert "Lemma 2" in message
    assert "2101.00007v1" in message
    earlier = get(arxiv, tmp_path, "2101.00007v1")
    assert earlier.road == "latex"
    assert earlier.notes[-1].startswith("withdrawn: This paper has been withdrawn")


def test_a_withdrawal_note_instead_of_a_source(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    stub = single_gz(b"%auto-ignore\nThis paper has been withdrawn.\n")
    arxiv.add("2101.00008", Version(source=stub, pdf=PDF_BODY, comment="Withdrawn: superseded"))
    assert "was withdrawn" in problem(arxiv, tmp_path, "2101.00008")


def test_a_paper_about_withdrawn_papers_is_not_withdrawn(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.add("2101.00009", Version(source=SOURCE, comment="12 pages", abstract="Some papers get withdrawn. " * 30))
    metadata = get(arxiv, tmp_path, "2101.00009").metadata
    assert metadata is not None
    assert metadata.withdrawn == ""


def test_nothing_readable_names_every_road(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.add("2101.00010", Version())
    message = problem(arxiv, tmp_path, "2101.00010")
    assert all(f"{road}: " in message for road in ("source", "html", "pdf"))


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
    start = time.monotonic()
    assert "asks to wait 86400 s" in problem(arxiv, tmp_path)
    assert time.monotonic() - start < 5


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
    start = time.monotonic()
    assert "paper.deadline_s=1" in problem(arxiv, tmp_path, deadline_s=1.0)
    assert time.monotonic() - start < 15  # the whole answer takes over 20 s


def test_dripping_headers_meet_the_deadline(arxiv: LoopbackArxiv, tmp_path: Path) -> None:
    arxiv.fail("e-print", Fault(drip_s=0.1, drip_headers=True))
    start = time.monotonic()
    assert "paper.deadline_s=1" in problem(arxiv, tmp_path, deadline_s=1.0)
    assert time.monotonic() - start < 15  # the whole answer takes over 20 s


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


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("arxiv_url", "ftp://arxiv.org", "http(s) address"),
        ("arxiv_url", "", "http(s) address"),
        ("arxiv_url", "http://[::1", "http(s) address"),
        ("attempts", "0", "above 0"),
        ("attempts", "many", "not a whole number"),
        ("roads", "source,ftp", "source, html, pdf"),
        ("contact", "ada\r\nX-Evil: 1", "plain ASCII"),
        ("offline", "maybe", "true or false"),
        ("request_interval_s", "-1", "between 0 and 3600"),
        ("arxiv", "x", "not a setting"),
    ],
)
def test_settings_name_the_key(key: str, value: str, says: str) -> None:
    with pytest.raises(UserError) as caught:
        PaperSettings.from_mapping({key: value})
    assert says in str(caught.value)
    assert f"paper.{key}" in str(caught.value)


def test_settings_read_texts() -> None:
    settings = PaperSettings.from_mapping({"attempts": "3", "roads": "[html, pdf]", "offline": "true", "timeout_s": 2})
    assert (settings.attempts, settings.roads, settings.offline, settings.timeout_s) == (3, ("html", "pdf"), True, 2.0)


def test_a_mirror_serves_the_api_too_and_nothing_else_is_asked() -> None:
    assert PaperSettings().export_url == "https://export.arxiv.org"
    assert PaperSettings().ar5iv_url == "https://ar5iv.labs.arxiv.org"
    mirror = PaperSettings(arxiv_url="http://127.0.0.1:9/")
    assert (mirror.arxiv_url, mirror.export_url, mirror.ar5iv_url) == ("http://127.0.0.1:9", "http://127.0.0.1:9", "")


@pytest.mark.parametrize(
    ("name", "data", "road"),
    [
        ("main.tex", TEX, "latex"),
        ("page.html", HTML, "html"),
        ("paper.pdf", minimal_pdf(), "pdf"),
        ("paper.tar.gz", SOURCE.data, "latex"),
        ("paper.gz", single_gz(TEX).data, "latex"),
        ("pdf.tar.gz", tarball({"paper.pdf": minimal_pdf()}), "pdf"),
        ("misnamed.html", minimal_pdf(), "pdf"),
    ],
)
def test_local_files(tmp_path: Path, name: str, data: bytes, road: str) -> None:
    (tmp_path / name).write_bytes(data)
    fetched = fetch(PaperId.parse(str(tmp_path / name)), PaperSettings(cache_dir=tmp_path / "cache"))
    assert fetched.road == road
    assert fetched.path.exists()


def test_local_folder(tmp_path: Path) -> None:
    (tmp_path / "draft").mkdir()
    (tmp_path / "draft" / "main.tex").write_bytes(TEX)
    fetched = fetch(PaperId.parse(f"{tmp_path}/draft"), PaperSettings(cache_dir=tmp_path / "cache"))
    assert (fetched.road, fetched.path) == ("latex", tmp_path / "draft")


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("paper.pdf", b"hello", "not the kind of file"),
        ("paper.tex", b"", "empty"),
        ("paper.tar.gz", b"\x1f\x8b\x08\x00rubbish", "damaged"),
        ("paper.zip", b"PK\x03\x04rubbish", "damaged"),
        ("paper.tar.gz", tarball({"readme": b"\x00\x01"}), "holds no .tex"),
    ],
)
def test_local_files_that_are_nothing(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=says):
        fetch(PaperId.parse(str(tmp_path / name)), PaperSettings(cache_dir=tmp_path / "cache"))


def test_a_local_slug_without_its_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give the path"):
        fetch(PaperId.parse("local_nothing"), PaperSettings(cache_dir=tmp_path))
