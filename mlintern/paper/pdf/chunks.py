"""Parts of a line that stand in one column of a table, and where the columns are: the gaps between words decide."""

from dataclasses import dataclass

from mlintern.paper.pdf.layout import TextLine, Word, Words

_COLUMN_GAP = 0.62
"""Parts of the font size between two columns; LaTeX's default is 1.2, a space in a cell 0.33."""
_CLOSE_GAP = 0.45
"""A gap between this and `_COLUMN_GAP` may be either."""
_TORN_GAP = 3.0
"""siunitx aligns the parts of a number and leaves a gap of the widest digits between them."""


@dataclass
class Chunk(Words):
    """Words of a line that stand in one column of a table."""

    words: list[Word]
    close: bool = False
    """Two of its words stand suspiciously far apart."""
    rows: int = 1
    """2 for one that stands between the baselines of two rows."""


def _torn(before: Word, word: Word, after: Word | None) -> bool:
    """Whether a gap stands inside a number: before its `± 0.3`, or before its `× 10^{-4}`."""
    if not before.text[-1:].isdigit() and not before.text.endswith("±"):
        return False
    power = word.text + (after.text if after and word.text in "×·" else "")
    return word.text.startswith("±") or before.text.endswith("±") or power.startswith(("×10^", "·10^"))


def chunks_of(line: TextLine) -> list[Chunk]:
    chunks: list[Chunk] = []
    for word, after in zip(line.words, [*line.words[1:], None], strict=True):
        gap = (word.x0 - chunks[-1].x1) / max(line.size, 1.0) if chunks else 0.0
        if chunks and gap < _TORN_GAP and _torn(chunks[-1].words[-1], word, after):
            chunks[-1].words.append(word)
        elif chunks and gap < _COLUMN_GAP:
            chunks[-1].words.append(word)
            chunks[-1].close |= gap > _CLOSE_GAP
        else:
            chunks.append(Chunk([word]))
    return chunks


def columns_of(rows: list[list[Chunk]]) -> list[tuple[float, float]]:
    """Where the columns stand: the rows with the most parts say it, the others fill gaps between them."""
    most = max((len(chunks) for chunks in rows), default=0)
    columns: list[tuple[float, float]] = []
    ordered = sorted(rows, key=len, reverse=True)
    for chunks in ordered:
        for chunk in chunks:
            over = [column for column in columns if chunk.x0 < column[1] and chunk.x1 > column[0]]
            if not over:
                columns.append((chunk.x0, chunk.x1))
            elif len(over) == 1 and len(chunks) >= 0.6 * most:
                columns.remove(over[0])
                columns.append((min(over[0][0], chunk.x0), max(over[0][1], chunk.x1)))
    return sorted(columns)
