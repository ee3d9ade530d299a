"""Figures as pixels: raster images as they are, PDF and EPS rendered to PNG, each in bounded time and memory."""

import contextlib
import hashlib
import json
import os
import resource
import select
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from mlintern.core.files import atomic_path
from mlintern.paper.document.document import Document, MissingPart
from mlintern.paper.figures.draw_image import MAX_PIXELS, MEMORY_BYTES

MAX_BYTES = 64 << 20
SECONDS = 60.0
"""For one image."""


def draw_figures(document: Document, source: Path, out: Path) -> Document:
    """The Document with `Figure.pixels` filled: images of the source folder as PNG or JPEG files in `out`.

    Paths are relative to `out`'s parent. An image that cannot be drawn is noted in `missing`.
    """
    missing: list[MissingPart] = []
    figures = []
    with Artist() as artist:
        for figure in document.figures:
            pixels = []
            for name in figure.files:
                path = source / name
                drawn = ""
                if path.is_file() and not path.is_symlink() and path.resolve().is_relative_to(source.resolve()):
                    try:
                        drawn = f"{out.name}/{artist.draw(path, out)}"
                    except ValueError as error:
                        missing.append(MissingPart(kind="figure", name=name, why=str(error), span=figure.span))
                pixels.append(drawn)
            figures.append(replace(figure, pixels=tuple(pixels)))
    return replace(document, figures=tuple(figures), missing=(*document.missing, *missing))


class Artist:
    """Draws one image after the other, PDF figures and odd raster formats in a process that is kept until one of them
    kills it; use it in a `with`."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def draw(self, path: Path, out: Path) -> str:
        """Writes one image into `out` and returns its name there. ValueError says why it cannot be drawn."""
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"the image file is larger than {MAX_BYTES >> 20} MB")
        data = path.read_bytes()
        stem = f"{path.stem[:40]}-{hashlib.sha256(data).hexdigest()[:12]}"
        if data[:8] == b"\x89PNG\r\n\x1a\n" or data[:3] == b"\xff\xd8\xff":
            name = stem + (".png" if data[:1] == b"\x89" else ".jpg")
            _check(path)
            with atomic_path(out / name) as draft:
                shutil.copyfile(path, draft)
            return name
        name = stem + ".png"
        if data[:4] in (b"%!PS", b"\xc5\xd0\xd3\xc6"):
            _render_eps(path, out / name)
        else:
            self._ask(path, out / name)
        return name

    def _ask(self, path: Path, target: Path) -> None:
        """Has the process draw an image; a process that dies or takes too long is replaced for the next one."""
        if self.process is None:
            command = [sys.executable, "-m", "mlintern.paper.figures.draw_image"]
            environment = {key: os.environ[key] for key in ("PATH", "LANG", "LC_ALL", "HOME") if key in os.environ}
            environment["PYTHONPATH"] = os.pathsep.join(part or os.getcwd() for part in sys.path)
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        process = self.process
        assert process.stdin is not None and process.stdout is not None  # both are pipes
        answer = b""
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps([str(path.absolute()), str(target.absolute())]).encode() + b"\n")
            process.stdin.flush()
            if not select.select([process.stdout], [], [], SECONDS)[0]:
                self._stop()
                raise ValueError(f"drawing it takes more than {SECONDS:g} s")
            answer = process.stdout.readline()
        if not answer:
            self._stop()
            raise ValueError("the library that draws it gave up")
        if why := json.loads(answer):
            raise ValueError(why)

    def _stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def _check(path: Path) -> None:
    """Looks at the header of a raster image that is taken as it is."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=["PNG", "JPEG"]) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise ValueError(f"{image.width} x {image.height} pixels are too many for a figure")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a readable image ({error})") from None


def _render_eps(path: Path, target: Path) -> None:
    """EPS by Ghostscript where it is installed: PostScript is a program, so it runs with -dSAFER and limits."""
    ghostscript = shutil.which("gs")
    if ghostscript is None:
        raise ValueError("an EPS figure; drawing it takes Ghostscript (gs), which is not on PATH")
    options = ["-q", "-dSAFER", "-dBATCH", "-dNOPAUSE", "-dEPSCrop", "-dLastPage=1", "-sDEVICE=png16m", "-r150"]
    command = [ghostscript, *options, "-sOutputFile=-", str(path.absolute())]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_BYTES, MAX_BYTES))

    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=SECONDS,
            env={"PATH": os.environ.get("PATH", "")},
            preexec_fn=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"Ghostscript takes more than {SECONDS:g} s for it") from None
    if done.returncode != 0 or done.stdout[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("Ghostscript cannot draw it")
    with atomic_path(target) as draft:
        draft.write_bytes(done.stdout)
