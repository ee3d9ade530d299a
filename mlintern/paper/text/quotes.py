"""Finding a quote again: a canonical form in which spelling differences that carry no meaning disappear.

Two texts that differ only in white space, line-break hyphens, quotation marks, dashes, letter case, LaTeX markup or the
spelling of a number have the same canonical form; two texts that differ in a word or a value do not. Each canonical
character knows the range of the original it came from, so a match leads back to the original's own words.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from mlintern.paper.text.symbols import SYMBOLS


@dataclass
class Canonical:
    """A text in canonical form; character i came from `original[starts[i]:ends[i]]`."""

    text: str
    starts: array[int] = field(repr=False)
    ends: array[int] = field(repr=False)


_TOKEN = re.compile(
    r"""
      (?P<hyphen>(?<=[a-z])(?:-|‐)[ \t]*\n\s*(?=[a-z]))
    | (?P<cite>\\(?:[A-Za-z]*cite[A-Za-z]*)\*?(?:\[[^\]]*\])*\{(?P<keys>[^{}]*)\})
    |
    (?P<power>(?:(?<=\d)\s*(?:×|·|⋅|\\times|\\cdot|\$)+\s*|(?<![\w.]))10\s*\^\s*(?P<exponent>\{\s*[+\-−–]?\s*\d+\s*\}|[+\-−–]?\d+))
    | (?P<thousands>(?<=\d)(?:\{,\}|,|\\,|[\u2009\u202f\u00a0])(?=\d{3}(?!\d)))
    | (?P<sci>(?<=\d)[eE](?=[+\-−–]?\d))
    | \\(?P<macro>[A-Za-z]+)\*?[ ]*
    | \\(?P<escaped>[^A-Za-z])
    | (?P<dash>(?:-|‐|‑|‒|–|—|−|―)+)
    | (?P<space>[\s~\u00a0\u2009\u202f\u200a]+)
    | (?P<nothing>[${}'"`´‘’‚‛“”„‟«»\u00ad\u200b\u200c\u200d\ufeff]+)
    | (?P<char>.)
    """,
    re.X | re.S,
)


@cache
def _fold(char: str) -> str:
    return unicodedata.normalize("NFKC", char).casefold()


def canonical(text: str) -> Canonical:
    """The canonical form of plain text or LaTeX."""
    out: list[str] = []
    starts, ends = array("Q"), array("Q")
    gap = False
    for m in _TOKEN.finditer(text):
        kind = m.lastgroup
        if kind == "space" or (kind == "escaped" and m["escaped"] in " ,;:!/\n"):
            gap = True
            continue
        new = _replacement(m, kind or "")
        if not new:
            continue
        if gap:
            if out and _keeps_space(out, new[0], text[m.end() : m.end() + 1]):
                out.append(" ")
                starts.append(m.start())
                ends.append(m.start())
            gap = False
        out.extend(new)
        starts.extend([m.start()] * len(new))
        ends.extend([m.end()] * len(new))
    return Canonical("".join(out), starts, ends)


def _replacement(m: re.Match[str], kind: str) -> str:
    if kind == "char":
        return _fold(m["char"])
    if kind in ("hyphen", "thousands", "nothing"):
        return ""
    if kind == "dash":
        return "-"
    if kind == "sci":
        return "e"
    if kind == "macro":
        return "".join(_fold(c) for c in SYMBOLS.get(m["macro"], ""))
    if kind == "escaped":
        return "" if m["escaped"] in "{}" else _fold(m["escaped"])  # a set's braces, bare in plain text
    if m["keys"] is not None:
        return "[" + re.sub(r"\s*,\s*", ",", m["keys"].strip()).casefold() + "]"
    if m["exponent"] is not None:
        exponent = re.sub(r"[\s{}+]", "", m["exponent"]).replace("−", "-").replace("–", "-")
        return ("" if m["power"][0] != "1" else "1") + "e" + exponent
    return ""


def _keeps_space(before: list[str], after: str, then: str) -> bool:
    """Space separates words and numbers; around punctuation and operators it is only typography.

    A point that begins a number (`0.75 .70`) belongs to that number.
    """
    last = before[-1]
    after_word = after.isalnum() or (after == "." and then.isdigit())
    return (last.isalnum() and after_word) or (last in ".," and after.isdigit())


_GROUPED = re.compile(r"(?<=\d) (?=\d{3}(?!\d))")
_SET = re.compile(r"(\\?\{|\[)([\d.,\s]+)(?=\\?\}|\])")
_NUMBER = re.compile(r"\d+(?:\.\d+)*(?:e[+-]?\d+)?")


def occurrences(haystack: Canonical, quote: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Ranges of the original within [start, end) where `quote` stands, cut at no word and no number.

    A plain space between groups of three digits (`10 000`) may quote a thin one, which is part of the number. In sets
    (`{1, 10, 100}`) the space after a comma is typography.
    """
    found = False
    for a, b in _occurrences(haystack, canonical(quote).text.strip(), start, end):
        found = True
        yield a, b
    if found:
        return
    for other in (_GROUPED.sub("\u2009", quote), _with_commas(quote, ","), _with_commas(quote, ", ")):
        if other != quote:
            yield from _occurrences(haystack, canonical(other).text.strip(), start, end)


def _with_commas(quote: str, comma: str) -> str:
    """`quote` with this comma between the members of its sets: unspaced, `{1,10,100}` looks like grouped digits."""
    return _SET.sub(lambda m: m[1] + re.sub(r"\s*,\s*", comma, m[2]), quote)


def _occurrences(haystack: Canonical, needle: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    if not needle:
        return
    at = haystack.text.find(needle)
    while at >= 0:
        stop = at + len(needle)
        a, b = haystack.starts[at], haystack.ends[stop - 1]
        if a >= start and b <= end and _whole(haystack.text, at, stop):
            yield a, b
        at = haystack.text.find(needle, at + 1)


def _whole(text: str, start: int, end: int) -> bool:
    """Whether neither edge falls inside a word or a number."""
    if start and text[start - 1].isalpha() and text[start].isalpha():
        return False
    if end < len(text) and text[end - 1].isalpha() and text[end].isalpha():
        return False
    for edge in (start, end):
        low = max(edge - 40, 0)
        for m in _NUMBER.finditer(text, low, min(edge + 40, len(text))):
            if m.start() < edge < m.end():
                return False
    return True
