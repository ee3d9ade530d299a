"""Figures as pixels: raster images as they are, PDF figures rendered to PNG, each in bounded time and size."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path

from mlintern.files import atomic_path
from mlintern.paper.document import Document, Missing

MAX_BYTES = 64 << 20
MAX_PIXELS = 40_000_000
EPS_SECONDS = 60
WIDTH = 1_200
"""Pixels across a rendered PDF figure: labels stay legible, a file stays below a megabyte."""


def draw_figures(document: Document, source: Path, out: Path) -> Document:
    """The Document with `Figure.pixels` filled: images of the source folder as PNG or JPEG files in `out`.

    Paths are relative to `out`'s parent. An image that cannot be drawn is noted in `missing`.
    """
    missing: list[Missing] = []
    figures = []
    for figure in document.figures:
        pixels = []
        for name in figure.files:
            path = source / name
            drawn = ""
            if path.is_file() and not path.is_symlink() and path.resolve().is_relative_to(source.resolve()):
                try:
                    drawn = f"{out.name}/{draw(path, out)}"
                except ValueError as error:
                    missing.append(Missing(kind="figure", name=name, why=str(error), span=figure.span))
            pixels.append(drawn)
        figures.append(replace(figure, pixels=tuple(pixels)))
    return replace(document, figures=tuple(figures), missing=(*document.missing, *missing))


def draw(path: Path, out: Path) -> str:
    """Writes one image into `out` and returns its name there. ValueError says why it cannot be drawn."""
    if path.stat().st_size > MAX_BYTES:
        raise ValueError("the image file is larger than 64 MB")
    data = path.read_bytes()
    stem = f"{path.stem[:40]}-{hashlib.sha256(data).hexdigest()[:12]}"
    if data[:8] == b"\x89PNG\r\n\x1a\n" or data[:3] == b"\xff\xd8\xff":
        name = stem + (".png" if data[:1] == b"\x89" else ".jpg")
        _check(path)
        with atomic_path(out / name) as draft:
            shutil.copyfile(path, draft)
        return name
    name = stem + ".png"
    if b"%PDF-" in data[:1024]:
        _render_pdf(data, out / name)
    elif data[:4] in (b"%!PS", b"\xc5\xd0\xd3\xc6"):
        _render_eps(path, out / name)
    else:
        _convert(path, out / name)
    return name


def _check(path: Path) -> None:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ValueError(f"{image.width} x {image.height} pixels are too many for a figure")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a readable image ({error})") from None


def _convert(path: Path, target: Path) -> None:
    from PIL import Image

    _check(path)
    try:
        with Image.open(path) as image, atomic_path(target) as draft:
            image.convert("RGB").save(draft, "PNG")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a readable image ({error})") from None


def _render_eps(path: Path, target: Path) -> None:
    """EPS by Ghostscript where it is installed: PostScript is a program, so it runs with -dSAFER and a time limit."""
    ghostscript = shutil.which("gs")
    if ghostscript is None:
        raise ValueError("an EPS figure; drawing it takes Ghostscript (gs), which is not on PATH")
    options = ["-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-dEPSCrop", "-dLastPage=1", "-sDEVICE=png16m", "-r150"]
    command = [ghostscript, *options, "-sOutputFile=-", str(path.absolute())]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=EPS_SECONDS, env={"PATH": os.environ.get("PATH", "")}, check=False
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"Ghostscript took more than {EPS_SECONDS} s for it") from None
    if done.returncode != 0 or done.stdout[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("Ghostscript cannot draw it")
    with atomic_path(target) as draft:
        draft.write_bytes(done.stdout)


def _render_pdf(data: bytes, target: Path) -> None:
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(data)
        try:
            page = pdf[0]
            width, height = page.get_size()
            if not (0 < width < 20_000 and 0 < height < 20_000):
                raise ValueError(f"a page of {width:.0f} x {height:.0f} points is no figure")
            scale = min(WIDTH / width, 3_000 / height, 8.0)
            image = page.render(scale=scale).to_pil()
        finally:
            pdf.close()
    except (pypdfium2.PdfiumError, IndexError) as error:
        raise ValueError(f"not a readable PDF figure ({error})") from None
    with atomic_path(target) as draft:
        image.convert("RGB").save(draft, "PNG")
