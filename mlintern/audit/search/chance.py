"""How many rows stand in two parts by chance: the yardstick of `exact_duplicate`.

Where every column is a code, nearly every row has an equal somewhere, and no leak is behind it.
"""

import itertools
import math

import numpy as np

from mlintern.audit.inputs.canonical import canonical_rows, common_type, row_hashes
from mlintern.audit.randomness import generator
from mlintern.audit.search.texts import words_of

_ROWS = 20_000
_PAIRS = 30  # pairs of columns from which natural agreement is extrapolated
_FEWEST = 5  # near agreements of a kind from which it can be
_DUMMIES = 256  # columns up to which dummies are looked for


def matches(hashes_a: np.ndarray, hashes_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a and b with equal hashes, as pairs (rows_a [m], rows_b [m]).

    One pair per row that has a twin on the other side (with the first such twin), not all n*m of a value: enough to
    name every affected row and to connect equal rows, and linear in the data.
    """
    order = np.argsort(hashes_a, kind="stable")
    sorted_a = hashes_a[order]
    place = np.searchsorted(sorted_a, hashes_b)
    inside = place < len(sorted_a)
    hit = np.zeros(len(hashes_b), bool)
    hit[inside] = sorted_a[place[inside]] == hashes_b[inside]
    rows_b = np.flatnonzero(hit)
    rows_a = order[place[rows_b]]
    extra_a = np.setdiff1d(np.flatnonzero(np.isin(hashes_a, hashes_b[rows_b])), rows_a)
    first_b = {int(h): int(j) for h, j in zip(hashes_b[rows_b][::-1], rows_b[::-1], strict=True)}
    extra_b = np.array([first_b[int(h)] for h in hashes_a[extra_a]], dtype=np.int64)
    return np.concatenate([rows_a, extra_a]), np.concatenate([rows_b, extra_b])


def expected_by_chance(
    rows: np.ndarray, labels: np.ndarray, others: np.ndarray, seed: int, columns: slice | np.ndarray = slice(None)
) -> float:
    """How many of the rows `others` [m, d] would have a twin among `rows` [n, d] by chance, in these columns.

    The largest of four estimates: columns shuffled within each class, which keeps the columns' values and their tie to
    the label and breaks rows apart; rows that agree in all columns but one, times the chance that this last column
    agrees too; what agreement in all columns but two, and but one, extrapolates to; and, where the training rows take
    few distinct values and no column names a row by itself, the rate of repeats inside the training part.
    """
    rng = generator(seed, "chance")
    n = min(len(rows), _ROWS)
    taken = np.sort(rng.choice(len(rows), n, replace=False))
    dtype = common_type({"a": rows, "b": others})
    base, tags = canonical_rows(rows[taken][:, columns], dtype), labels[taken]
    groups = (
        [np.flatnonzero(tags == tag) for tag in np.unique(tags)] if len(np.unique(tags)) <= n // 10 else [np.arange(n)]
    )
    sample = others[np.sort(rng.choice(len(others), min(len(others), _ROWS), replace=False))][:, columns]
    base, sample = without_dummies(base, canonical_rows(sample, dtype))
    dtype = base.dtype
    other_hashes = row_hashes(sample, dtype)
    rounds = max(1, min(10, _ROWS // (n * max(1, base.shape[1] // 8))))
    by_columns = 0.0
    for _ in range(rounds):
        scrambled = base.copy()
        for group, column in itertools.product(groups, range(base.shape[1])):
            scrambled[group, column] = base[group[rng.permutation(len(group))], column]
        by_columns += float(np.isin(other_hashes, row_hashes(scrambled, dtype)).sum()) / rounds
    hashes = row_hashes(base, dtype)
    distinct, counts = np.unique(hashes, return_counts=True)
    widest = max(len(np.unique(base[:, column])) for column in range(min(base.shape[1], 256)))
    by_repeats = 0.0
    if len(distinct) <= 0.5 * n and (widest <= 0.5 * len(distinct) or base.shape[1] == 1):
        by_repeats = float(counts[counts > 1].sum()) / n * len(sample)
    by_agreement = extrapolated(base, sample, rng) * float(np.isin(other_hashes, hashes).sum())
    return max(by_columns, _but_one(base, sample), by_agreement, by_repeats) * len(others) / len(sample)


def without_dummies(base: np.ndarray, sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both blocks [n, d]; a run of 0/1 columns of which at most one is 1 (dummies of a code) becomes one column."""
    width = base.shape[1]
    if width < 3 or width > _DUMMIES:
        return base, sample
    both = np.concatenate([base, sample])
    binary = [bool(np.isin(column, (0, 1)).all()) for column in both.T]
    columns, start = [], 0
    while start < width:
        end, ones = start + 1, both[:, start].copy()
        while binary[start] and end < width and binary[end] and not (ones * both[:, end]).any():
            ones += both[:, end]
            end += 1
        run = both[:, start:end]
        columns.append(both[:, start] if end == start + 1 else (run * np.arange(1, end - start + 1)).sum(1))
        start = end
    merged = np.column_stack(columns).astype(base.dtype)
    return merged[: len(base)], merged[len(base) :]


def _but_one(base: np.ndarray, sample: np.ndarray) -> float:
    """Expected chance twins from rows that agree in all columns but one; the largest estimate over the columns.

    Where a column is as good as continuous it never agrees by chance: rows that agree in it are copies, whatever else.
    """
    width = base.shape[1]
    if not 2 <= width <= 64:
        return 0.0
    agreement = []
    for values in base.T:
        _, counts = np.unique(values, return_counts=True)
        agreement.append(float((counts.astype(np.float64) ** 2).sum()) / len(base) ** 2)
    if min(agreement) * len(base) < 2:
        return 0.0
    largest = 0.0
    for column, agree in enumerate(agreement):
        rest = np.delete(np.arange(width), column)
        rows_a, rows_b = matches(row_hashes(base, base.dtype, rest), row_hashes(sample, base.dtype, rest))
        apart = len(np.unique(rows_b[base[rows_a, column] != sample[rows_b, column]]))
        largest = max(largest, apart * agree / max(1 - agree, 1e-9))
    return largest


def extrapolated(base: np.ndarray, sample: np.ndarray, rng: np.random.Generator) -> float:
    """Pairs of rows that natural agreement accounts for, as a share of those that agree in all columns; at most 1.

    Of pairs that agree in all other columns, let b agree in the one of two columns, c in the other, d in neither. Where
    the two columns' agreements do not bear on one another, b * c / d pairs agree in both, however the columns hang
    together otherwise; copies add to these pairs only, not to b, c or d. The median over pairs of columns counts.
    """
    width = base.shape[1]
    if not 3 <= width <= 64:
        return 0.0

    def agreeing(*left_out: int) -> float:
        keep = np.delete(np.arange(width), left_out)
        values, counts = np.unique(row_hashes(base, base.dtype, keep), return_counts=True)
        others = row_hashes(sample, base.dtype, keep)
        place = np.clip(np.searchsorted(values, others), 0, len(values) - 1)
        return float(counts[place][values[place] == others].sum())

    everywhere = agreeing()
    if not everywhere:
        return 0.0
    couples = list(itertools.combinations(range(width), 2))
    chosen = rng.permutation(len(couples))[:_PAIRS]
    alone = {column: agreeing(column) - everywhere for column in {c for k in chosen for c in couples[k]}}
    found = []
    for k in chosen:
        one, two = couples[k]
        neither = agreeing(one, two) - alone[one] - alone[two] - everywhere
        if min(alone[one], alone[two], neither) >= _FEWEST:
            found.append(alone[one] * alone[two] / neither)
    return min(1.0, float(np.median(found)) / everywhere) if 2 * len(found) >= len(chosen) else 0.0


def equal_texts_by_chance(train: list[str], others: list[str]) -> float:
    """How many of the texts `others` would stand among `train` by chance, were words drawn one by one at the rates, and
    texts of the lengths, that they have in train: short answers repeat, and long ones do not."""
    found = [words_of(text) for text in train]
    words: dict[str, int] = {}
    lengths: dict[int, int] = {}
    for text in found:
        lengths[len(text)] = lengths.get(len(text), 0) + 1
        for word in text:
            words[word] = words.get(word, 0) + 1
    total = max(1, sum(words.values()))
    expected = 0.0
    for text in others:
        asked = words_of(text)
        likelihood = sum(math.log(words.get(word, 0.5) / total) for word in asked)
        expected += min(1.0, lengths.get(len(asked), 0) * math.exp(likelihood))
    return expected
