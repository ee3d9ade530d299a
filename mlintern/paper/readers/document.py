"""A document.json that `mlintern read` wrote: the paper as it was read then, corrected by hand where it was wrong."""

from dataclasses import replace
from pathlib import Path

from mlintern.paper.document.document import Document

SUFFIXES = (".json",)


def read(path: Path, name: str, id: str) -> Document:
    """The Document as it is written, its road and id too; without its pictures, whose paths anyone may have written."""
    document = Document.load(path)
    return replace(document, figures=tuple(replace(figure, pixels=()) for figure in document.figures))
