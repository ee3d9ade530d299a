"""Figures as pixels: PDF by pdfium, EPS by Ghostscript where there is one, hostile files as one reason."""

import io
from pathlib import Path

import pytest
from PIL import Image

from mlintern.paper import figures
from mlintern.paper.figures import draw
from tests.paper.fetch.loopback_arxiv import minimal_pdf

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n0 0 moveto 10 10 lineto stroke showpage\n"


def png(color: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (6, 4), color).save(out, "PNG")
    return out.getvalue()


def put(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def ghostscript(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A `gs` that is alone on PATH."""
    (folder / "bin").mkdir()
    gs = put(folder / "bin", "gs", f"#!/bin/sh\n{script}\n".encode())
    gs.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}")


def test_a_pdf_figure_becomes_a_png(tmp_path: Path) -> None:
    name = draw(put(tmp_path, "curve.pdf", minimal_pdf()), tmp_path / "out")
    with Image.open(tmp_path / "out" / name) as image:
        assert image.format == "PNG"
        assert image.width == figures.WIDTH
        assert image.convert("L").getextrema()[0] < 100  # something is drawn on it


def test_raster_images_stay_as_they_are(tmp_path: Path) -> None:
    name = draw(put(tmp_path, "photo.png", png()), tmp_path / "out")
    assert (tmp_path / "out" / name).read_bytes() == png()


def test_eps_without_ghostscript_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="Ghostscript .gs., which is not on PATH"):
        draw(put(tmp_path, "curve.eps", EPS), tmp_path / "out")


def test_eps_is_drawn_by_ghostscript_in_its_safe_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = put(tmp_path, "drawn.png", png("blue"))
    ghostscript(tmp_path, monkeypatch, f'case "$*" in *-dSAFER*curve.eps) /bin/cat {picture};; *) exit 1;; esac')
    name = draw(put(tmp_path, "curve.eps", EPS), tmp_path / "out")
    assert (tmp_path / "out" / name).read_bytes() == png("blue")


@pytest.mark.parametrize(
    ("script", "says"), [("exit 1", "cannot draw"), ("echo text", "cannot draw"), ("/bin/sleep 9", "took more")]
)
def test_eps_that_ghostscript_cannot_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, says: str
) -> None:
    monkeypatch.setattr(figures, "EPS_SECONDS", 1)
    ghostscript(tmp_path, monkeypatch, script)
    with pytest.raises(ValueError, match=says):
        draw(put(tmp_path, "curve.eps", EPS), tmp_path / "out")
    assert list((tmp_path / "out").glob("*")) == []


@pytest.mark.parametrize(
    ("name", "data"), [("a.pdf", b"%PDF-1.4 rubbish"), ("a.png", b"\x89PNG\r\n\x1a\nrubbish"), ("a.gif", b"text")]
)
def test_files_that_are_no_image_give_a_reason(tmp_path: Path, name: str, data: bytes) -> None:
    with pytest.raises(ValueError, match="not a readable"):
        draw(put(tmp_path, name, data), tmp_path / "out")
