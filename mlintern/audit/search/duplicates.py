"""Rows of one part that stand in another part too: what `exact_duplicate` and `label_conflict` share.

A match is a leak only beyond chance (chance.py): among six binary columns nearly every test row has a twin.
"""

import numpy as np

from mlintern.audit.inputs.canonical import canonical_rows, common_type, row_hashes, text_hashes
from mlintern.audit.inputs.subject import Subject, id_like
from mlintern.audit.report.audit_report import Severity
from mlintern.audit.report.options import AuditOptions
from mlintern.audit.search.backend import mapped
from mlintern.audit.search.chance import equal_texts_by_chance, expected_by_chance, matches

CHANCE_P = 1e-3  # of as many equal rows, above which they say nothing
_SHARD = 100_000  # rows that are hashed at a time: whatever hashes them, they are the same


def severity_of_share(count: int, fraction: float) -> Severity:
    """Severity of duplicates by their share of the evaluated part, before anything was priced.

    One or two rows never weigh more than medium: a score on a part so small is uncertain by more than they can move it.
    """
    if fraction >= 0.01 and count > 2:
        return Severity.HIGH
    return Severity.MEDIUM if fraction >= 0.001 else Severity.LOW


def _repeats(subject: Subject, hashes: np.ndarray) -> float:
    """Chance that a text or graph stands in the training part by itself, where these are few or small enough to.

    That is the training rows' own rate of repeats, where under half of them are distinct, or where graphs have so few
    nodes (10 at most by the middle one) that there are few to draw from.
    """
    _, place, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    repeated = float((counts[place] > 1).mean())
    if len(counts) <= 0.5 * len(hashes):
        return repeated
    if subject.kind_of_data == "graph" and not subject.numeric:
        nodes = [int(str(graph).split(";", 1)[0]) for graph in subject.train.features.ravel()[:1000]]
        return repeated if np.median(nodes) <= 10 else 0.0
    return 0.0


def _shard_hashes(shared: tuple[np.dtype | None, np.ndarray | None], rows: np.ndarray) -> np.ndarray:
    dtype, keep = shared
    return text_hashes(rows) if dtype is None else row_hashes(rows, dtype, keep)


def hashes_of(
    options: AuditOptions, rows: np.ndarray, dtype: np.dtype | None = None, keep: np.ndarray | None = None
) -> np.ndarray:
    """[n] hashes of rows, or of texts where there is no `dtype`; shard by shard."""
    shards = [rows[start : start + _SHARD] for start in range(0, len(rows), _SHARD)]
    return np.concatenate(mapped(options, _shard_hashes, shards, (dtype, keep)))


def duplicate_rows(subject: Subject, part_a: str, part_b: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Confirmed pairs (rows of part_a, rows of part_b) with equal features, and how many to expect by chance."""
    a, b = subject.parts()[part_a], subject.parts()[part_b]
    if not subject.numeric:
        hashes = hashes_of(subject.options, a.features)
        rows_a, rows_b = matches(hashes, hashes_of(subject.options, b.features))
        expected = _repeats(subject, hashes) * len(b)
        if subject.kind_of_data == "text" and len(rows_a):
            texts = (part.features.ravel().astype(str).tolist() for part in (a, b))
            expected = max(expected, equal_texts_by_chance(*texts))
        return rows_a, rows_b, expected
    flat_a, flat_b = subject.flat(part_a), subject.flat(part_b)
    dtype = common_type({"a": flat_a, "b": flat_b})
    ignored = id_like(subject)
    keep = np.flatnonzero(~ignored) if ignored.any() else None
    hashes_a, hashes_b = (hashes_of(subject.options, flat, dtype, keep) for flat in (flat_a, flat_b))
    if subject.texts is not None:
        mix = np.uint64(0x9E3779B97F4A7C15)
        hashes_a = hashes_a * mix ^ hashes_of(subject.options, subject.texts[part_a])
        hashes_b = hashes_b * mix ^ hashes_of(subject.options, subject.texts[part_b])
    rows_a, rows_b = matches(hashes_a, hashes_b)
    if not len(rows_a):
        return rows_a, rows_b, 0.0
    columns = slice(None) if keep is None else keep
    left = canonical_rows(flat_a[rows_a][:, columns], dtype)
    right = canonical_rows(flat_b[rows_b][:, columns], dtype)
    equal = ((left == right) | ((left != left) & (right != right))).all(axis=1)
    rows_a, rows_b = rows_a[equal], rows_b[equal]
    if subject.texts is not None:
        return rows_a, rows_b, 0.0
    return rows_a, rows_b, expected_by_chance(flat_a, a.labels, flat_b, subject.options.seed, columns)
