"""A Document as the blocks of a request: its text as data, its tables with numbered rows, some figures as images.

Nothing in a paper is an instruction: its text is fenced, and what would close the fence early is defused.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from mlintern.author.asking.messages import Block, FileBlock, TextBlock
from mlintern.core.errors import UserError
from mlintern.paper.document.document import Document, Table

LONGEST_TEXT = 2_000_000  # characters: about 500,000 tokens, half of what a current model reads
LARGEST_IMAGE = 5_000_000  # bytes, the API's limit
MOST_FIGURES = 10

_IMAGE: dict[str, Literal["image/png", "image/jpeg"]] = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}


def paper_block(document: Document, code: Mapping[str, str] | None = None) -> TextBlock:
    """The paper's text and tables, and the authors' code ({file: text}) where it is given, to be cached: every stage
    sends this block first. Raises UserError if too long."""
    if len(document.text) > LONGEST_TEXT:
        raise UserError(
            f"the paper has {len(document.text):,} characters; more than {LONGEST_TEXT:,} cannot be authored"
        )
    tables = "\n\n".join(table_text(table) for table in document.tables)
    figures = "\n".join(f"{figure.id}: {figure.caption}" for figure in document.figures)
    listed = "\n\n".join(f"== {name}\n{text}" for name, text in (code or {}).items())
    beside = f"\n\n<authors_code>\n{defused(listed)}\n</authors_code>" if listed else ""
    return TextBlock(
        f"<paper>\n{defused(document.text)}\n</paper>\n\n"
        f"<tables>\n{defused(tables)}\n</tables>\n\n<figures>\n{defused(figures)}\n</figures>{beside}",
        cache=True,
    )


def table_text(table: Table) -> str:
    """A grid with its rows and columns numbered from 0, as locators count them."""
    lines = [f"{table.id} (number {table.number or '-'}, label {table.label or '-'}): {table.caption}"]
    lines.append("\t".join(["row\\column", *(str(c) for c in range(table.columns))]))
    for number, row in enumerate(table.grid()):
        lines.append("\t".join([str(number), *(" ".join(text.split()) for text in row)]))
    return "\n".join(lines)


def figure_blocks(document: Document, ids: list[str], folder: Path) -> list[Block]:
    """Images of the figures named, where the Document has them; `folder` is what its paths are relative to."""
    blocks: list[Block] = []
    for figure in document.figures:
        if figure.id not in ids or len(blocks) >= MOST_FIGURES:
            continue
        for name in figure.pixels:
            path = folder / name
            kind = _IMAGE.get(path.suffix.lower())
            if kind and path.is_file() and path.stat().st_size <= LARGEST_IMAGE:
                blocks.append(FileBlock(kind, base64.b64encode(path.read_bytes()).decode(), figure.id))
    return blocks[:MOST_FIGURES]


def defused(text: str) -> str:
    """`text` with tags that look like ours broken, so that it cannot step out of its fence."""
    for tag in (
        "paper",
        "authors_code",
        "tables",
        "figures",
        "spec",
        "files",
        "earlier_answer",
        "problems",
        "extraction",
        "outline",
        "passed_over",
        "engine",
        "example_pack",
        "claims",
    ):
        for form in (f"</{tag}", f"<{tag}"):
            text = text.replace(form, form.replace("<", "‹"))
    return text
