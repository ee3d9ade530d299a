"""What an extraction passed over: numbers of the paper that look like settings or results and that nothing took up.

No language model has a part in it. The gaps are listed back once, to be mapped or given a reason; what stays open is
counted in provenance. A number is taken up by a setting whose quote it stands in and whose value it is (or whose value
and quantity the sentence repeats), by a claim or caption that quotes it, by a table's mapped cell, or by a parameter
count.
"""

import dataclasses
import re
from collections.abc import Iterator

from mlintern.author.forms import Extraction, FoundSetting, value_of
from mlintern.author.grounding import ground, supports
from mlintern.author.grounding.ground import Ungrounded
from mlintern.paper import numbers
from mlintern.paper.document.document import Document
from mlintern.spec.sourced import Scalar

MOST_GAPS = 150
"""A paper of proofs has thousands of numbers; the first so many sentences are asked about."""

_PROSE = ("paragraph", "item", "caption", "footnote", "code", "abstract")
_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+(?=[A-Z(\[])|\n+")
_NOT_A_SETTING = re.compile(
    r"\[[^\[\]\n]*\]|(?<!10)\^\{[^{}]*\}|_\{[^{}]*\}|\(\d{1,2}\)|\b(?:Tables?|Figures?|Figs?\.?|Sections?|Sec\.|Appendix|Eqs?\.?|Equations?|Algorithms?|Theorems?|"
    r"Lemmas?|Corollary|Definitions?|Assumptions?|Propositions?|Chapters?|lines?)\s*\(?[A-Z]?\.?\d+(?:\.\d+)*\)?|"
    r"\b(?:19|20)\d\d\b|https?://\S+",
    re.IGNORECASE,
)
_SETTING_WORDS = re.compile(
    r"learning[- ]?rate|\blr\b|step[- ]?size|batch|epoch|iteration|\bsteps?\b|warm-?up|decay|momentum|drop-?out|"
    r"P_\{?drop|smooth|clip|\bseeds?\b|\btrain|token|vocabular|\blayers?\b|\bheads?\b|hidden|dimension|width|depth|"
    r"embedding|\bunits?\b|channel|kernel|stride|parameter|temperature|\bbeam|penalty|sequence|validation|"
    r"\btest(?:ing)? (?:set|data|sample|split|accuracy)|held[- ]out|split|fold|\bruns?\b|averag|noise|initiali[sz]|"
    r"\bAdam|\bSGD\b|optimi[sz]er|[βεϵληγρτσμ]|hyper-?parameter|sweep|grid|\bGPUs?\b|\bhours?\b|precision|"
    r"examples?\b|samples?\b|sentence pairs|data ?set|\bclasses\b|features?\b|\bset to\b|\bset (?:it|them) to\b",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class Gap:
    """Something that nothing took up."""

    id: str
    """`s3` for a sentence, `table-2` for a grid."""
    text: str
    """For the model: the sentence with the numbers in question, or the cells."""
    where: str
    """For provenance, without the paper's words."""


def gaps(extraction: Extraction, document: Document) -> list[Gap]:
    """What `extraction` passes over, tables first, then sentences in the order of the text."""
    found = [*_table_gaps(extraction, document), *_sentence_gaps(extraction, document)]
    return found[:MOST_GAPS]


def listed(found: list[Gap]) -> str:
    """The gaps as the model reads them, one line each."""
    return "\n".join(f"{gap.id}: {gap.text}" for gap in found)


def _table_gaps(extraction: Extraction, document: Document) -> Iterator[Gap]:
    taken: dict[str, set[tuple[int, int]]] = {}

    def take(table: str | None, row: int | None, column: int | None) -> None:
        if table is not None and row is not None and column is not None:
            grid = ground.find_table(document, table)
            if not isinstance(grid, Ungrounded) and (cell := grid.cell(row, column)):
                taken.setdefault(grid.id, set()).add((cell.row, cell.column))

    for found in extraction.tables:
        for cell in found.cells:
            take(found.table, cell.row, cell.column)
    for setting in extraction.settings:
        take(setting.table, setting.row, setting.column)
    for variant in extraction.variants:
        take(variant.parameters_table, variant.parameters_row, variant.parameters_column)
    for factor in extraction.ablations:
        for level in factor.levels:
            take(level.table, level.row, level.column)
    for grid in document.tables:
        missed = [
            f"({cell.row},{cell.column})={' '.join(cell.text.split())}"
            for cell in grid.cells
            if cell.numbers and not cell.header and (cell.row, cell.column) not in taken.get(grid.id, set())
        ]
        if missed:
            where = f"{grid.id}: {len(missed)} cells that hold numbers"
            yield Gap(grid.id, f"cells that hold numbers: {'  '.join(missed)}", where)


def _sentence_gaps(extraction: Extraction, document: Document) -> Iterator[Gap]:
    spans = list(_quoted(extraction, document))
    stated = [(s, v) for s in extraction.settings if s.quote or s.table for v in _scalars(s)]
    count = 0
    for start, sentence in sentences(document):
        if not _SETTING_WORDS.search(sentence):
            continue
        skipped = [m.span() for m in _NOT_A_SETTING.finditer(sentence)]
        missed = []
        for a, b, number in numbers.find_numbers(sentence):
            if any(low <= a < high for low, high in skipped) or (number.value is None and number.low is None):
                continue
            raw = sentence[a:b].rstrip(".")  # the sentence's own stop is in no quote
            b = a + len(raw)
            if any(low <= start + a and start + b <= high and _is_one(raw, taken) for low, high, taken in spans):
                continue
            if any(_repeats(raw, sentence, setting, value) for setting, value in stated):
                continue
            missed.append(raw)
        if missed:
            count += 1
            text = f"{' '.join(sentence.split())}  [numbers: {', '.join(missed)}]"
            where = f"characters {start}-{start + len(sentence)}: {len(missed)} numbers"
            yield Gap(f"s{count}", text, where)


def sentences(document: Document) -> Iterator[tuple[int, str]]:
    """(offset in the text, sentence) of running text; tables, formulas, headings and references are left out."""
    blocks = [(b.start, b.end) for b in document.blocks if b.kind in _PROSE] or [(0, len(document.text))]
    done = 0
    for start, end in sorted(blocks):
        start = max(start, done)
        at = start
        for cut in [*(m.span() for m in _SENTENCE_END.finditer(document.text, start, end)), (end, end)]:
            if cut[0] > at:
                yield at, document.text[at : cut[0]]
            at = cut[1]
        done = max(done, end)


_Taken = tuple[Scalar, ...] | None
"""The numbers that a quote takes up; None takes any."""


def _quoted(extraction: Extraction, document: Document) -> Iterator[tuple[int, int, _Taken]]:
    """(start, end, which numbers in there are taken up) of every quote that stands in the paper."""
    quotes: list[tuple[str | None, _Taken]] = [(s.quote, tuple(_scalars(s))) for s in extraction.settings]
    quotes += [(table.runs_quote, (table.runs,)) for table in extraction.tables if table.runs is not None]
    quotes += [(v.parameters_quote, (v.parameters,)) for v in extraction.variants if v.parameters is not None]
    quotes += [(claim.quote, None) for claim in extraction.claims]
    quotes += [(level.quote, None) for factor in extraction.ablations for level in factor.levels]
    for quote, taken in quotes:
        for found in document.find_quotes(quote) if quote else ():
            yield found.start, found.end, taken


def _is_one(raw: str, taken: _Taken) -> bool:
    return taken is None or any(_is(raw, value) for value in taken)


def _is(raw: str, value: Scalar) -> bool:
    if isinstance(value, str):
        return raw.strip() in value
    return not isinstance(value, bool) and supports.says_number(raw, value)


def _repeats(raw: str, sentence: str, setting: FoundSetting, value: Scalar) -> bool:
    """Whether `raw` in `sentence` is a value that the extraction has from another place, said of the same quantity."""
    if not supports.names_quantity(setting.key):
        return False
    return _is(raw, value) and not supports.why_not(raw, value, setting.key, sentence)


def _scalars(setting: FoundSetting) -> list[Scalar]:
    try:
        value = value_of(setting.value)
    except ValueError:
        return []
    return [] if value is None else list(value) if isinstance(value, list) else [value]
