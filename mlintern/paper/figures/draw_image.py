"""Draws images as PNG, one request a line, in a process of its own; started by `mlintern.paper.figures.pixels`.

An image is a program that comes from strangers: a PDF figure may loop for hours or ask for all memory, and a broken one
may crash its library. So this process limits its own memory, and whoever started it limits its time and starts another.

A request is a JSON line `[source, target]`; the answer is a JSON line: "" for an image that is drawn, else why not.
"""

import json
import resource
import sys
import warnings
from pathlib import Path

from mlintern.core.files import atomic_path

MEMORY_BYTES = 2_000_000_000
MAX_PIXELS = 40_000_000
WIDTH = 1_200
"""Pixels across a rendered PDF figure: labels stay legible, a file stays below a megabyte."""


def main() -> None:
    """Answer requests until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for line in sys.stdin:
        source, target = json.loads(line)
        try:
            draw(Path(source), Path(target))
            why = ""
        except ValueError as error:
            why = str(error)
        except MemoryError:
            why = f"drawing it takes more than {MEMORY_BYTES // 10**6} MB"
        print(json.dumps(why), flush=True)


def draw(source: Path, target: Path) -> None:
    """Write one PDF page or raster image as PNG; ValueError says why it cannot be drawn."""
    with open(source, "rb") as handle:
        head = handle.read(1024)
    if b"%PDF-" in head:
        _render_pdf(source, target)
    else:
        _convert(source, target)


def _convert(source: Path, target: Path) -> None:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(source, formats=["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM"]) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ValueError(f"{image.width} x {image.height} pixels are too many for a figure")
                pixels = image.convert("RGB")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a readable image ({error})") from None
    with atomic_path(target) as draft:
        pixels.save(draft, "PNG")


def _render_pdf(source: Path, target: Path) -> None:
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(source)
        try:
            page = pdf[0]
            width, height = page.get_size()
            if not (0 < width < 20_000 and 0 < height < 20_000):
                raise ValueError(f"a page of {width:.0f} x {height:.0f} points is no figure")
            image = page.render(scale=min(WIDTH / width, 3_000 / height, 8.0)).to_pil()
        finally:
            pdf.close()
    except (pypdfium2.PdfiumError, IndexError) as error:
        raise ValueError(f"not a readable PDF figure ({error})") from None
    with atomic_path(target) as draft:
        image.convert("RGB").save(draft, "PNG")


if __name__ == "__main__":
    main()
