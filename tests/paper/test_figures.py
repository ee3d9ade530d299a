"""Figures as pixels: PDF by pdfium, EPS by Ghostscript where there is one, hostile files as one reason."""

import io
from pathlib import Path

import pytest
from PIL import Image

from mlintern.paper.figures import pixels
from mlintern.paper.figures.draw_image import WIDTH
from mlintern.paper.figures.pixels import Artist
from tests.paper.fetch.loopback_arxiv import minimal_pdf

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n0 0 moveto 10 10 lineto stroke showpage\n"


def png(color: str = "red") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (6, 4), color).save(out, "PNG")
    return out.getvalue()


def put(folder: Path, name: str, data: bytes) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def draw(path: Path, out: Path) -> str:
    with Artist() as artist:
        return artist.draw(path, out)


def form(inner: int) -> bytes:
    """A form that draws another one ten times."""
    drawing = b"/F Do " * 10
    head = (
        b"<< /Type /XObject /Subtype /Form /BBox [0 0 600 700] /Resources << /XObject << /F %d 0 R >> >> /Length %d >>"
    )
    return head % (inner, len(drawing)) + b"\nstream\n" + drawing + b"\nendstream"


def endless_pdf() -> bytes:
    """Nine forms that draw each other ten times: a thousand million rectangles in two kilobytes."""
    leaf = b"<< /Type /XObject /Subtype /Form /BBox [0 0 600 700] /Length 18 >>\nstream\n0 0 600 700 re f  \nendstream"
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
    page += b"/Resources << /XObject << /F 5 0 R >> >> >>"
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", page]
    objects += [b"<< /Length 5 >>\nstream\n/F Do\nendstream", *[form(number) for number in range(6, 15)], leaf]
    out, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        size, table, size, len(out),
    )  # fmt: skip


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
        assert image.width == WIDTH
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
    ("script", "says"), [("exit 1", "cannot draw"), ("echo text", "cannot draw"), ("/bin/sleep 9", "takes more")]
)
def test_eps_that_ghostscript_cannot_draw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, says: str
) -> None:
    monkeypatch.setattr(pixels, "SECONDS", 1)
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


def test_an_endless_figure_is_given_up_and_the_next_one_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless, honest = put(tmp_path, "endless.pdf", endless_pdf()), put(tmp_path, "curve.pdf", minimal_pdf())
    with Artist() as artist:
        artist.draw(honest, tmp_path / "out")  # the process is up: what follows times the drawing alone
        monkeypatch.setattr(pixels, "SECONDS", 1)
        with pytest.raises(ValueError, match="more than 1 s"):
            artist.draw(endless, tmp_path / "out")
        monkeypatch.undo()
        assert artist.draw(honest, tmp_path / "out").startswith("curve-")


def test_a_figure_that_kills_its_process_is_given_up(tmp_path: Path) -> None:
    with Artist() as artist:
        artist.draw(put(tmp_path, "a.pdf", minimal_pdf("a")), tmp_path / "out")
        assert artist.process is not None
        artist.process.kill()
        with pytest.raises(ValueError, match="gave up"):
            artist.draw(put(tmp_path, "b.pdf", minimal_pdf("b")), tmp_path / "out")
        assert artist.draw(put(tmp_path, "c.pdf", minimal_pdf("c")), tmp_path / "out").startswith("c-")


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    wide = bytearray(b"GIF89a" + (60_000).to_bytes(2, "little") * 2 + b"\x80\0\0" + b"\0\0\0\xff\xff\xff")
    wide += b"," + b"\0" * 4 + (60_000).to_bytes(2, "little") * 2 + b"\0\x02\x02\x44\x01\0;"
    with pytest.raises(ValueError, match="too many for a figure|decompression bomb"):
        draw(put(tmp_path, "wide.gif", bytes(wide)), tmp_path / "out")
