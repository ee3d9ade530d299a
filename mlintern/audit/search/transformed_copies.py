"""Copies under another look: of images, series, texts and graphs. What counts as a copy is read off the training half.

Each kind of data has one or more searches, each with a null of its own: how near the training rows come to one another
under the very same search.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator

import numpy as np

from mlintern.audit.inputs.graphs import fingerprint
from mlintern.audit.inputs.subject import Subject
from mlintern.audit.randomness import generator
from mlintern.audit.search.anchors import patches, series_anchored
from mlintern.audit.search.neighbours import Spacing, discoveries, spacing_of
from mlintern.audit.search.texts import (
    looks_like_code,
    nearest_texts,
    reworded,
    shared_bits,
    sharing,
    shingled,
    tokens,
    without_names,
)
from mlintern.audit.search.variants import (
    SIDE,
    best_matches,
    grey_images,
    image_pairings,
    images_slid,
    likenesses,
    series_pairings,
    series_slid,
    unit,
)

STRICT = 1e-3  # false discovery rate at which copies are held to exist at all
WIDE = 0.05  # and at which, once they do, the rest of them are named
_TEXTS, _GRAPHS = 10_000, 20_000  # rows per part that are compared
_WORK = 2e12  # multiplications per pass over images or series under every variant: what it buys in rows is compared
_VARIANTS = 64
_NULL = 2000  # training texts whose distances say what is near, where all pairs are too many
_CANARIES = 200  # edited copies on which the index's recall is measured
_LONG = 256  # samples from which shifts are found by transforms and anchors instead of being tried one by one
_SLID_IMAGES = {200_000: 8, 1_000_000: 2}  # pairs of images, up to which so many orientations are shifted as well
_SLID = 1e10  # samples of transforms per pass that every shift of every pair of long series may take
_SURPRISE = 10.0  # bits beyond chance that texts must share
_SAME, _OTHERS = 2e-3, 0.1  # a window that agrees to single precision, where the others are this far

Search = Callable[[np.ndarray, np.ndarray], Iterator[np.ndarray]]
"""(queries, base) to comparisons [q, b], each how alike under one look."""


@dataclasses.dataclass(frozen=True)
class Twins:
    """Test rows with a training twin."""

    train: np.ndarray
    test: np.ndarray
    in_train: float
    """Share of training rows that have a twin in train itself, by the same evidence."""
    dimension: float
    looked_at: dict[str, int]
    """{part: rows looked at}."""
    partial: bool = False
    """Twins share a part (windows that overlap), which many rows of one recording do with no augmentation."""
    note: str = ""
    """How rows were searched, where that was not pair by pair."""


def joined(one: Twins | str, two: Twins | str) -> Twins | str:
    """What two methods name together; the first names the pairs that both do."""
    if isinstance(one, str) or isinstance(two, str):
        return two if isinstance(one, str) else one
    more = ~np.isin(two.test, one.test)
    return Twins(
        np.concatenate([one.train, two.train[more]]),
        np.concatenate([one.test, two.test[more]]),
        max(one.in_train, 0.0 if two.partial else two.in_train),
        one.dimension,
        {part: min(one.looked_at[part], two.looked_at[part]) for part in one.looked_at},
        len(two.test) > len(one.test) and two.partial,
    )


def named_rows(spacing: Spacing, distances: np.ndarray) -> np.ndarray:
    """[q] bool: rows nearer to their neighbour than spacing allows; exact duplicates left out."""
    chances = np.where(distances[:, 0] > 1e-9, spacing.chance(distances, spacing.narrow), 1.0)
    if not discoveries(chances, STRICT).any():
        return np.zeros(len(chances), bool)
    return discoveries(chances, WIDE)


def _judged(
    own: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray], windows: bool
) -> tuple[np.ndarray, np.ndarray, float] | None:
    """[test] and [train] rows with a twin, and the dimension; from sorted neighbour distances."""
    spacing = spacing_of(own[0])
    if spacing is None:
        return None
    named, in_train = named_rows(spacing, other[0]), named_rows(spacing, own[0])
    if spacing.narrow < 0.7 * spacing.wide:
        for flags, distances in ((named, other[0]), (in_train, own[0])):
            flags |= discoveries(spacing.beyond_copies(distances), STRICT)
    if windows:
        for flags, distances in ((named, other[0]), (in_train, own[0])):
            flags |= (distances[:, 0] <= _SAME) & (distances[:, -1] >= _OTHERS)
    return named, in_train, round(spacing.wide, 1)


def _searches(kind: str, shape: tuple[int, ...], pairs: int) -> list[tuple[Search, bool]]:
    """(search, whether it compares parts of rows) for images or series of this shape, `pairs` of them at most."""

    def of(pairings: Callable[[np.ndarray, np.ndarray], Iterator[tuple[np.ndarray, np.ndarray]]]) -> Search:
        return lambda queries, base: likenesses(pairings(queries, base))

    if kind == "image":
        looks = next((looks for pairs_at_most, looks in _SLID_IMAGES.items() if pairs <= pairs_at_most), 0)
        slid: Search = functools.partial(images_slid, orientations=looks)
        return [(of(image_pairings), False), *([(slid, False)] if looks else []), (of(patches), True)]
    whole, anchored = (of(_whole), False), (of(series_anchored), True)
    if shape[0] > _LONG:
        return [whole, *([(series_slid, True)] if pairs * math.prod(shape) <= _SLID else []), anchored]
    return [whole, (of(series_pairings), True), *([anchored] if shape[0] >= 64 else [])]


def _whole(queries: np.ndarray, base: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    one, two = unit(queries), unit(base)
    yield one, two
    yield -one, two


@functools.lru_cache(maxsize=2)
def variant_twins(subject: Subject, kind: str) -> Twins | str:
    """Copies among the rows looked at, or why nothing can be said."""
    if kind == "graph":
        return graph_twins(subject)
    width = 1 if kind == "text" else int(np.prod(subject.train.features.shape[1:]))
    limit = _TEXTS if kind == "text" else int(np.sqrt(_WORK / _VARIANTS / min(width, SIDE * SIDE)))
    limit = min(limit, subject.options.max_rows)
    room = int(np.sqrt(subject.options.memory_bytes() / 24))
    rows = {part: subject.sample(part, min(limit, room), "variants") for part in ("train", "test")}
    if len(rows["train"]) < 40:
        return f"{len(rows['train'])} training rows tell nothing about spacing"
    if kind == "text" and any(len(part) > len(rows[name]) for name, part in subject.parts().items() if name in rows):
        return many_texts(subject)
    k = min(30, len(rows["train"]) // 4)
    looked_at = {part: len(chosen) for part, chosen in rows.items()}
    if kind == "text":
        raw = {part: texts_of(subject, part)[chosen] for part, chosen in rows.items()}
        train, test = shingled(*([str(text) for text in raw[part].tolist()] for part in ("train", "test")))
        found = [(nearest_texts(train, train, k, itself=True), nearest_texts(test, train, k), False)]
    else:
        raw = {part: subject.laid_out_as(kind, part, chosen) for part, chosen in rows.items()}
        if kind == "image":
            raw = {part: grey_images(block) for part, block in raw.items()}
        found = [
            (
                best_matches(make(raw["train"], raw["train"]), k, itself=True),
                best_matches(make(raw["test"], raw["train"]), k),
                windows,
            )
            for make, windows in _searches(
                kind, raw["train"].shape[1:], len(raw["train"]) * max(map(len, raw.values()))
            )
        ]
    twins: Twins | str = "too few distinct training rows to tell how they are spaced"
    for own, other, windows in found:
        judged = _judged(own, other, windows)
        if judged is None:
            continue
        named, in_train, dimension = judged
        partner = other[1][:, 0]
        named &= (raw["test"] != raw["train"][partner]).reshape(len(named), -1).any(1)  # equal rows: exact duplicates
        if kind == "text":
            named &= _telling(raw, named, partner)
        test = np.flatnonzero(named)
        share = float(in_train.mean())
        more = Twins(rows["train"][partner[test]], rows["test"][test], share, dimension, looked_at, windows)
        twins = more if isinstance(twins, str) else joined(twins, more)
    return twins


def _telling(raw: dict[str, np.ndarray], named: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """[test] bool: named rows that share more with their twin than some pair of so many texts would by chance."""
    train, test = ([str(text) for text in raw[part].tolist()] for part in ("train", "test"))
    if looks_like_code(train):
        return named  # names, which tell most, were taken out
    rows = np.flatnonzero(named)
    bits = shared_bits(train, [(train[partner[row]], test[row]) for row in rows])
    telling = np.zeros(len(named), bool)
    telling[rows] = bits >= np.log2(len(train) * len(test)) + _SURPRISE
    return telling


def texts_of(subject: Subject, part: str) -> np.ndarray:
    """[n] the texts of a part."""
    return (subject.texts[part] if subject.texts is not None else subject.parts()[part].features).ravel()


def many_texts(subject: Subject) -> Twins | str:
    """Copies among more texts than can be compared pair by pair: an index proposes pairs among all rows, and each is
    held against how near training texts drawn at random come to one another.

    What the index can not propose (no rare shingles left in common) is not seen: on copies of some
    training texts with every eighth word changed its recall is measured, and stated.
    """
    raw = {part: [str(text) for text in texts_of(subject, part).tolist()] for part in ("train", "test")}
    given = raw["train"] + raw["test"]
    if looks_like_code(raw["train"]):
        raw = {part: [" ".join(tokens(without_names(text))) for text in texts] for part, texts in raw.items()}
    rng = generator(subject.options.seed, "texts")
    border, total = len(raw["train"]), len(raw["train"]) + len(raw["test"])
    planted = rng.choice(border, min(_CANARIES, border), replace=False)
    copies = [reworded(raw["train"][row], rng) for row in planted.tolist()]
    pairs = sharing(raw["train"] + raw["test"] + copies)
    known = set(map(tuple, pairs[pairs[:, 1] >= total].tolist()))
    recall = float(np.mean([(row, total + i) in known for i, row in enumerate(planted.tolist())]))
    pairs = pairs[pairs[:, 1] < total]
    inside = pairs[pairs[:, 1] < border]
    across = pairs[(pairs[:, 0] < border) & (pairs[:, 1] >= border)]
    looked_at = {part: len(texts) for part, texts in raw.items()}
    note = f"all texts screened through shared rare shingles, which name {100 * recall:.0f} % of edited copies"
    in_train = len(np.unique(inside)) / border
    if not len(across):
        return Twins(across[:, 0], across[:, 1], in_train, 0.0, looked_at, note=note)
    sample = subject.sample("train", _NULL, "texts")
    one, two = np.unique(across[:, 0], return_inverse=True), np.unique(across[:, 1], return_inverse=True)
    vectors, base = shingled(
        [raw["train"][row] for row in one[0]] + [raw["test"][row - border] for row in two[0]],
        [raw["train"][row] for row in sample],
    )
    own = nearest_texts(base, base, min(30, len(sample) // 4), itself=True)[0]
    left, right = vectors[one[1]], vectors[len(one[0]) + two[1]]
    likeness = np.asarray(left.multiply(right).sum(1)).ravel()
    apart = np.sqrt(np.maximum(2 - 2 * likeness.astype(np.float64), 1e-6))
    # within two thirds of the distance at which training texts drawn at random have their nearest
    near = apart <= 0.7 * float(np.median(own[:, 0]))
    equal = np.array([given[a] == given[b] for a, b in across.tolist()])
    across, apart = across[near & ~equal], apart[near & ~equal]
    order = np.lexsort((apart, across[:, 1]))
    test, first = np.unique(across[order, 1], return_index=True)
    return Twins(across[order[first], 0], test - border, in_train, 0.0, looked_at, note=note)


def graph_twins(subject: Subject) -> Twins | str:
    """Isomorphic copies, where the training half has few among itself for the graphs' being small or regular."""
    from scipy.stats import binom

    rows = {part: subject.sample(part, min(_GRAPHS, subject.options.max_rows), "graphs") for part in ("train", "test")}
    marks, plain = {}, {}
    for part, chosen in rows.items():
        graphs = subject.parts()[part].features[chosen]
        graphs = graphs.ravel() if graphs.dtype.kind == "O" else graphs
        marks[part] = np.array([fingerprint(graph) for graph in graphs])
        plain[part] = [graph.tobytes() if isinstance(graph, np.ndarray) else str(graph) for graph in graphs]
    first = {mark: i for i, mark in reversed(list(enumerate(marks["train"].tolist())))}
    _, cell, counts = np.unique(marks["train"], return_inverse=True, return_counts=True)
    in_train = float((counts[cell] > 1).mean())
    has = np.array([mark in first for mark in marks["test"].tolist()])
    looked_at = {part: len(chosen) for part, chosen in rows.items()}
    by_chance = binom.sf(int(has.sum()) - 1, len(has), in_train) > STRICT
    # copies of most graphs are no chance where there are nearly as many shapes as chance would need to be that rare
    copied = by_chance and in_train > 0 and counts.max() <= 10 and len(counts) >= 0.1 * len(cell)
    test = np.array(
        [i for i in np.flatnonzero(has) if plain["test"][i] != plain["train"][first[marks["test"][i]]]], int
    )
    if by_chance and not copied:
        test = test[:0]
    train = np.array([first[marks["test"][i]] for i in test], dtype=np.int64)
    return Twins(rows["train"][train], rows["test"][test], in_train, 0.0, looked_at)
