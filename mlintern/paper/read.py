"""One door to every paper: an arXiv id, a URL, a file or a folder becomes a Document by the best road there is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlintern.paper import readers
from mlintern.paper.document.document import Document, MissingPart
from mlintern.paper.ids import PaperId

if TYPE_CHECKING:
    from mlintern.paper.fetch.paper_files import Fetched
    from mlintern.paper.settings import PaperSettings


def read(paper: str | Path | PaperId, settings: PaperSettings | None = None) -> Document:
    """The Document of a paper.

    `paper` is an arXiv id or URL (fetched politely, cached) or a local .tex, .pdf, .html, archive or folder, or
    a file of a kind that `mlintern.paper.readers` has. The road is LaTeX source where it can be had, else HTML, else
    PDF; `Document.road` says which, `metadata["notes"]` why not a better one. Raises UserError for a paper that
    cannot be had or read.
    """
    from mlintern.paper.fetch.paper_files import fetch

    return read_fetched(fetch(paper if isinstance(paper, PaperId) else PaperId.parse(str(paper)), settings))


def read_fetched(found: Fetched) -> Document:
    """The Document of files that `fetch` found."""
    return _described(_read(found), found)


def _read(found: Fetched) -> Document:
    id, version = found.paper.id, f"v{found.paper.version}" if found.paper.version else ""
    if found.road == "latex":
        from mlintern.paper.latex.read import read_latex

        return replace(read_latex(found.path, id, found.name), version=version)
    if found.road == "html":
        from mlintern.paper.html.read import read_html

        return read_html(found.path, found.name, id, version)
    if found.road in readers.ROADS:
        return readers.ROADS[found.road].read(found.path, found.name, id)
    from mlintern.paper.pdf.read import read_pdf

    return read_pdf(found.path, found.name, id, version)


def _described(document: Document, found: Fetched) -> Document:
    """Adds what the archive knows: title and authors where the source hides them, dates, why this road."""
    metadata = dict(document.metadata)
    if found.url:
        metadata["source_url"] = found.url
    if found.sha256:
        metadata["archive_sha256"] = found.sha256
    if found.notes:
        metadata["notes"] = "; ".join(found.notes)
    missing = document.missing
    record = found.metadata
    if record is None:
        return replace(document, metadata=metadata)
    if record.withdrawn:
        missing = (MissingPart(kind="text", name="withdrawn", why=record.withdrawn), *missing)
    return replace(
        document,
        metadata=metadata | record.as_strings(),
        missing=missing,
        title=record.title or document.title,
        authors=record.authors or document.authors,
        abstract=document.abstract or record.abstract,
    )
