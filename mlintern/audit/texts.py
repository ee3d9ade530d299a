"""Copies of texts with words edited, moved or added, and of code with its names changed.

Texts are bags of three-word shingles weighted by rarity, which discounts boilerplate that many texts share; distance is
that of the angle. Code has its identifiers replaced by the order in which they first appear.
"""

import re
from typing import Any

import numpy as np

_CODE = re.compile(r"(\bdef |\breturn\b|[;{}]\s*$|=>|==|\w+\([^)]*\)\s*[:{;])", re.MULTILINE)
_KEYWORDS = frozenset(
    "and as assert async await bool break case catch char class const continue def del do double elif else enum except "
    "export extends final finally float for from func function global if implements import in int interface is lambda "
    "let long new none not null or package pass private protected public raise return self short static str string "
    "struct super switch this throw true try typedef union var void while with yield false print range len".split()
)
_CHUNK = 2000


def looks_like_code(texts: list[str]) -> bool:
    """Do most of the first texts look like program text?"""
    head = texts[:200]
    return sum(len(_CODE.findall(text)) >= 2 for text in head) > 0.5 * len(head)


def without_names(text: str) -> str:
    """Program text with every identifier replaced by a number in order of first appearance."""
    seen: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        word = match.group()
        return word if word.lower() in _KEYWORDS else seen.setdefault(word, f"name{len(seen)}")

    return re.sub(r"[A-Za-z_]\w*", number, text)


def shingled(train: list[str], test: list[str]) -> tuple[Any, Any]:
    """Sparse unit rows of shingles for both parts; weights come from both, as boilerplate may stand in one only."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    pattern = r"\w+"
    if looks_like_code(train):
        train, test, pattern = [without_names(t) for t in train], [without_names(t) for t in test], r"\w+|[^\w\s]"
    vectors = TfidfVectorizer(ngram_range=(1, 3), token_pattern=pattern, sublinear_tf=True, dtype=np.float32)
    vectors.fit(train + test)
    return vectors.transform(train), vectors.transform(test)


def nearest_texts(queries: Any, base: Any, k: int, *, itself: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Distances [q, k] and rows [q, k] of the k nearest texts by angle; sparse rows of unit length."""
    distances, rows = np.empty((queries.shape[0], k)), np.empty((queries.shape[0], k), np.int64)
    across = base.T.tocsr()
    for start in range(0, queries.shape[0], _CHUNK):
        likeness = (queries[start : start + _CHUNK] @ across).toarray()
        if itself:
            likeness[np.arange(len(likeness)), np.arange(start, start + len(likeness))] = -1
        found = np.argpartition(-likeness, k - 1, axis=1)[:, :k]
        near = np.take_along_axis(likeness, found, 1)
        order = np.argsort(-near, axis=1, kind="stable")
        rows[start : start + _CHUNK] = np.take_along_axis(found, order, 1)
        distances[start : start + _CHUNK] = np.sqrt(np.maximum(2 - 2 * np.take_along_axis(near, order, 1), 1e-6))
    return distances, rows
