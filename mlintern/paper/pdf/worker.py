"""Reads one PDF and writes its Document as JSON to standard output; run by `mlintern.paper.pdf` in its own process.

Exit codes: 0, 2 (one line for the user on standard error), anything else: the parser crashed.
"""

import hashlib
import logging
import sys
from pathlib import Path

from mlintern.core.errors import UserError
from mlintern.paper.document.document import Document, Source


def main(path: str, name: str, id: str, version: str) -> int:
    """Read the PDF at `path`; see the module's docstring for exit codes."""
    logging.disable(logging.CRITICAL)  # pdfminer reports every oddity of every font
    try:
        document = read_here(Path(path), name, id, version)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    sys.stdout.buffer.write(document.to_json().encode("utf-8", "replace"))
    return 0


def read_here(path: Path, name: str, id: str, version: str) -> Document:
    """The Document of a PDF, read in this process. Raises UserError, and whatever pdfminer raises on damaged files."""
    import pdfplumber
    from pdfminer.pdfdocument import PDFPasswordIncorrect
    from pdfplumber.utils.exceptions import PdfminerException

    from mlintern.paper.pdf.reader import PdfReader

    data = path.read_bytes()
    source = Source(name=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data), encoding="binary")
    try:
        with pdfplumber.open(path) as pdf:
            return PdfReader(source).read(pdf, id, version)
    except PdfminerException as error:
        if any(isinstance(cause, PDFPasswordIncorrect) for cause in (*error.args, error.__cause__, error.__context__)):
            raise UserError(f"{name}: the PDF is encrypted with a password; save it without one") from None
        raise


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:5]))
