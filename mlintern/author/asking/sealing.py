"""Keeps a paper's sentences out of recorded answers: runs of its words are replaced by their hash, and put back.

A model's answer quotes the paper it was asked about, and a recorded dialogue is to be shared and committed. Every run
of `SHORTEST` or more words that stands in the request's own text of the paper becomes `⟦hash:words⟧`; whoever has the
paper asks the same request, and finds the words again by looking for the run of so many words with that hash. What the
answer made up, misquotes included, stays as it is.
"""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from mlintern.core.errors import UserError

SHORTEST = 5  # words; a shorter run is a phrase that anybody may use
_SEAL = re.compile(r"⟦([0-9a-f]{16}):(\d+)⟧")


def seal(text: str, source: str) -> str:
    """`text` without the runs of words that it has from `source`; `unseal` gives the same bytes back.

    Where `text` is JSON as Python writes it, each of its strings is sealed for itself.
    """
    return _each_string(text, lambda string: _seal(string, source))


def unseal(text: str, source: str, keep_lost: bool = False) -> str:
    """`text` with its seals replaced by the words of `source`.

    Raises UserError if `source` does not hold them; with `keep_lost`, such a seal stays, and what quotes it will not be
    found in the paper.
    """
    words, _ = _words(source)

    def words_of(match: re.Match[str]) -> str:
        run = _runs(words, int(match[2])).get(match[1])
        if run is None and keep_lost:
            return match[0]
        if run is None:
            raise UserError(
                f"a recorded answer quotes {match[2]} words that this paper does not hold; it was recorded of another "
                "version of the paper, or read by another version of the reader"
            )
        return run

    return _each_string(text, lambda string: _SEAL.sub(words_of, string))


def _each_string(text: str, change: Callable[[str], str]) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return change(text)
    if json.dumps(value, ensure_ascii=False) != text:
        return change(text)

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            return change(value)
        if isinstance(value, list):
            return [walk(item) for item in value]
        return {key: walk(item) for key, item in value.items()} if isinstance(value, dict) else value

    return json.dumps(walk(value), ensure_ascii=False)


def _seal(text: str, source: str) -> str:
    known, starts = _words(source)
    found = list(re.finditer(r"\S+", text))
    words = [match[0] for match in found]
    out, at, done = [], 0, 0
    while at < len(words):
        length = _longest(words, at, known, starts)
        # a run counts as far as its words are single spaces apart, so that it can be put back as it was
        while length >= SHORTEST and text[found[at].start() : found[at + length - 1].end()] != " ".join(
            words[at : at + length]
        ):
            length -= 1
        if length < SHORTEST:
            at += 1
            continue
        run = " ".join(words[at : at + length])
        out += [text[done : found[at].start()], f"⟦{_hash(run)}:{length}⟧"]
        done = found[at + length - 1].end()
        at += length
    return "".join([*out, text[done:]])


@lru_cache(maxsize=4)
def _words(source: str) -> tuple[tuple[str, ...], dict[tuple[str, ...], list[int]]]:
    """(words of the source as they stand, where each run of SHORTEST words begins)."""
    words = tuple(source.split())
    starts: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i in range(len(words) - SHORTEST + 1):
        starts[words[i : i + SHORTEST]].append(i)
    return words, starts


@lru_cache(maxsize=256)
def _runs(words: tuple[str, ...], length: int) -> dict[str, str]:
    runs = (" ".join(words[i : i + length]) for i in range(len(words) - length + 1))
    return {_hash(run): run for run in runs}


def _longest(words: list[str], at: int, known: tuple[str, ...], starts: dict[tuple[str, ...], list[int]]) -> int:
    """How many words from `at` on stand in the source one after the other; 0 below SHORTEST."""
    longest = 0
    for start in starts.get(tuple(words[at : at + SHORTEST]), []):
        length = SHORTEST
        while at + length < len(words) and start + length < len(known) and words[at + length] == known[start + length]:
            length += 1
        longest = max(longest, length)
    return longest


def _hash(run: str) -> str:
    return hashlib.sha256(run.encode()).hexdigest()[:16]
