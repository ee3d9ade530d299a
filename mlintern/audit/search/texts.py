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
_COMMENT = re.compile(r"\"{3}.*?\"{3}|'{3}.*?'{3}|/\*.*?\*/|(?:#|//)[^\n]*", re.DOTALL)
_AGO = 30  # identifiers back to which a name is known again
_CHUNK = 2000
_TOKEN = r"\w+|[^\w\s]"
_BITS = 23  # buckets of shingles, by their first bits
_RARE = 12  # texts that share a shingle, up to which it is rare


def looks_like_code(texts: list[str]) -> bool:
    """Do most of the first texts look like program text?"""
    head = texts[:200]
    return sum(len(_CODE.findall(text)) >= 2 for text in head) > 0.5 * len(head)


def without_names(text: str) -> str:
    """Program text without comments, every identifier replaced by how many identifiers ago it last stood (0: never).

    Copies with other names come out alike, and a name that was split in two, or added, changes its own places only.
    """
    last: dict[str, int] = {}
    count = 0

    def places_ago(match: re.Match[str]) -> str:
        nonlocal count
        word = match.group()
        if word.lower() in _KEYWORDS:
            return word
        count += 1
        ago = count - last.get(word, count)
        last[word] = count
        return f"name{ago if ago <= _AGO else 0}"

    return re.sub(r"[A-Za-z_]\w*", places_ago, _COMMENT.sub(" ", text))


def tokens(code: str) -> list[str]:
    """Words and signs of program text."""
    return re.findall(_TOKEN, code)


def words_of(text: str) -> list[str]:
    """Words of a text in lower case."""
    return re.findall(r"\w+", text.lower())


def shared_bits(train: list[str], pairs: list[tuple[str, str]]) -> np.ndarray:
    """[pairs] how surprising what two texts share is: bits of their common words, pairs or triples of words (whichever
    say most), each by how rare it is among the training texts. Two short texts of common words share little."""
    best = np.zeros(len(pairs))
    for size in (1, 2, 3):
        owners: dict[tuple[str, ...], int] = {}
        for text in train:
            for gram in _grams(text, size):
                owners[gram] = owners.get(gram, 0) + 1
        for i, (one, two) in enumerate(pairs):
            common = _grams(one, size) & _grams(two, size)
            bits = sum(np.log2(len(train) / min(owners.get(gram, 1), len(train))) for gram in common)
            best[i] = max(best[i], bits / size)
    return best


def _grams(text: str, size: int) -> set[tuple[str, ...]]:
    words = words_of(text)
    return {tuple(words[start : start + size]) for start in range(len(words) - size + 1)}


def shingled(train: list[str], test: list[str]) -> tuple[Any, Any]:
    """Sparse unit rows of shingles for both parts; weights come from both, as boilerplate may stand in one only."""
    import pandas as pd
    from scipy.sparse import csr_matrix

    pattern = r"\w+"
    if looks_like_code(train):
        train, test, pattern = [without_names(t) for t in train], [without_names(t) for t in test], _TOKEN
    found = [re.findall(pattern, text.lower()) for text in train + test]
    n = len(found)
    owner = np.repeat(np.arange(n), [len(words) for words in found])
    words = pd.factorize(np.array([word for words in found for word in words], dtype=object))[0].astype(np.int64)
    grams, columns, owners, width = words, [words], [owner], int(words.max(initial=0)) + 1
    distinct = width
    for size in (1, 2):  # a longer shingle is a shorter one and the word after it
        whole = owner[: len(owner) - size] == owner[size:]
        grams = np.where(whole, grams[: len(whole)] * distinct + words[size:], -1)
        known, place = np.unique(grams[whole], return_inverse=True)
        grams[whole] = place
        columns.append(width + place)
        owners.append(owner[: len(whole)][whole])
        width += len(known)
    cells, counts = np.unique(np.concatenate(owners) * width + np.concatenate(columns), return_counts=True)
    rows, cols = np.divmod(cells, width)
    rarity = np.log((1 + n) / (1 + np.bincount(cols, minlength=width))) + 1
    weights = (1 + np.log(counts)) * rarity[cols]
    length = np.sqrt(np.bincount(rows, weights**2, minlength=n))
    vectors = csr_matrix(((weights / length[rows]).astype(np.float32), (rows, cols)), (n, width))
    return vectors[: len(train)], vectors[len(train) :]


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


def reworded(text: str, rng: np.random.Generator) -> str:
    """The text with every eighth word (one at least) replaced by a word that stands nowhere else."""
    words = text.split()
    for place in rng.permutation(len(words))[: max(1, len(words) // 8)].tolist():
        words[place] = f"qzx{int(rng.integers(10**9))}"
    return " ".join(words)


def sharing(texts: list[str]) -> np.ndarray:
    """Pairs of texts [m, 2] (first < second) that share a third or more of the rare shingles of one of them, and three.

    An inverted index over three-word shingles that at most `_RARE` texts have: every such pair is found, in time linear
    in the words but for one sort. Texts are looked at as they are: for code, give them without their names.
    """
    import pandas as pd

    words = " \0 ".join(texts).lower().split()  # a word of its own between texts
    codes = pd.factorize(np.array(words, dtype=object))[0].astype(np.uint64)
    border = codes == codes[words.index("\0")] if len(texts) > 1 else np.zeros(len(codes), bool)
    owner = np.cumsum(border)
    whole = ~(border[:-2] | border[1:-1] | border[2:])
    mixed = (codes[:-2] * np.uint64(0x9E3779B97F4A7C15) + codes[1:-1]) * np.uint64(0xC2B2AE3D27D4EB4F) + codes[2:]
    shingles, owner = mixed[whole], owner[:-2][whole]
    # most shingles stand alone: they are counted without being sorted
    bucket = (shingles >> np.uint64(64 - _BITS)).astype(np.int64)
    alone = np.bincount(bucket, minlength=1 << _BITS)[bucket] == 1
    own = np.bincount(owner[alone], minlength=len(texts))
    shingles, owner = shingles[~alone], owner[~alone]
    order = np.argsort(shingles, kind="stable")
    shingles, owner = shingles[order], owner[order]
    fresh = np.r_[True, (shingles[1:] != shingles[:-1]) | (owner[1:] != owner[:-1])][: len(shingles)]
    shingles, owner = shingles[fresh], owner[fresh]  # a shingle counts once per text
    starts = np.flatnonzero(np.r_[True, shingles[1:] != shingles[:-1]][: len(shingles)])
    size = np.diff(np.r_[starts, len(shingles)])
    rare = np.repeat(size <= _RARE, size)
    own += np.bincount(owner[rare], minlength=len(texts))
    shared = np.repeat((size > 1) & (size <= _RARE), size)
    shingles, owner = shingles[shared], owner[shared]
    keys = []
    for step in range(1, _RARE):
        same = np.flatnonzero(shingles[step:] == shingles[:-step])
        keys.append(owner[same] * len(texts) + owner[same + step])
    found, counts = np.unique(np.concatenate(keys), return_counts=True)
    pairs = np.column_stack([found // len(texts), found % len(texts)])
    enough = (counts >= 3) & (3 * counts >= own[pairs].min(1))
    return pairs[enough]
