"""Settings, and papers on disk."""

from pathlib import Path

import pytest

from mlintern.core.errors import UserError
from mlintern.paper.fetch.paper_files import fetch
from mlintern.paper.ids import PaperId
from mlintern.paper.settings import PaperSettings
from tests.paper.fetch.fetching import SOURCE
from tests.paper.fetch.loopback_arxiv import (
    HTML,
    TEX,
    minimal_pdf,
    single_gz,
    tarball,
)


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
