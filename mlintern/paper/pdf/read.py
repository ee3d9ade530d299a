"""PDF to a Document: text in reading order, headings, captions, ruled tables. The last road, and never a sure one.

The file is read in a process of its own with a limit on time and memory, because a PDF is a program that comes from
strangers: a broken one may send any parser into a loop. JavaScript in it is never run; nothing is loaded.

What this road does not do: displayed formulas are text and no Equations, pixels of figures are not cut out, tables
without horizontal rules stay text. Each of the latter two is said in `Document.missing`.
"""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

from mlintern.core.errors import UserError
from mlintern.paper.document.document import Document
from mlintern.paper.fetch import archive

_CRASH = "the PDF is damaged, and the library that reads it gave up"


def read_pdf(
    path: Path,
    name: str = "",
    id: str = "",
    version: str = "",
    deadline_s: float = 300.0,
    memory_bytes: int = 4_000_000_000,
) -> Document:
    """The Document of a PDF on disk.

    Raises UserError: no PDF, encrypted, damaged beyond reading, no text in it, or over the limits.
    """
    name = name or path.name
    try:
        if archive.sniff(path) != "pdf":
            raise UserError(f"{name}: no PDF (its first kilobyte does not say %PDF-)")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    command = [sys.executable, "-m", "mlintern.paper.pdf.worker", str(path.absolute()), name, id or path.stem, version]
    environment = {key: os.environ[key] for key in ("PATH", "LANG", "LC_ALL", "HOME") if key in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(part or os.getcwd() for part in sys.path)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))

    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=deadline_s, preexec_fn=limit, check=False
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"{name}: reading the PDF took more than {deadline_s:g} s; give the source instead") from None
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    if done.returncode == 2:
        raise UserError(lines[-1])
    if done.returncode != 0:
        if lines and "MemoryError" in lines[-1]:
            raise UserError(
                f"{name}: reading the PDF takes more than {memory_bytes // 10**6} MB; give the source instead"
            )
        said = re.sub(r"^[\w.]+: ", "", lines[-1])[:120] if lines else f"exit code {done.returncode}"
        raise UserError(f"{name}: {_CRASH} ({said}); download it again or give the source")
    return Document.from_json(done.stdout, name)
