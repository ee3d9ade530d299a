"""Fetching, against a real HTTP server that speaks arXiv's formats."""

from pathlib import Path

import pytest

from tests.paper.fetch.fetching import HTML_BODY, PDF_BODY, SOURCE, get, problem
from tests.paper.fetch.loopback_arxiv import (
    HTML,
    TEX,
    Fault,
    LoopbackArxiv,
    Version,
    serve,
    single_gz,
    source,
)


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
