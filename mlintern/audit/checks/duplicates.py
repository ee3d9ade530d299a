"""`exact_duplicate` and `label_conflict`: rows of one part that stand in another part too.

A match is a leak only beyond chance (chance.py): among six binary columns nearly every test row has a twin.
"""

import itertools

import numpy as np

from mlintern.audit.inputs.canonical import canonical_rows, common_type, row_hashes, text_hashes
from mlintern.audit.inputs.subject import Outcome, Subject, id_like, pair_examples, pair_numbers, row_numbers
from mlintern.audit.report.options import AuditOptions
from mlintern.audit.report.report import Finding, Kind, Severity, Status
from mlintern.audit.search.backend import mapped
from mlintern.audit.search.chance import equal_texts_by_chance, expected_by_chance, matches

_CHANCE_P = 1e-3
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


def exact_duplicates(subject: Subject) -> Outcome:
    """Rows that stand in two parts: train-test, train-valid and valid-test."""
    from scipy.stats import poisson

    findings = []
    names = list(subject.parts())
    notes = []
    for part_a, part_b in itertools.combinations(names, 2):
        rows_a, rows_b, expected = duplicate_rows(subject, part_a, part_b)
        count, size = len(np.unique(rows_b)), len(subject.parts()[part_b])
        if not count:
            continue
        chance = float(poisson.sf(count - 1, max(expected, 1e-9)))
        by_chance = chance > _CHANCE_P
        fraction = count / size
        severity = Severity.INFO if by_chance else severity_of_share(count, fraction)
        notes.append(f"{count} of {size} {part_b} rows stand in {part_a} too, {expected:.1f} expected by chance")
        findings.append(
            Finding(
                kind=Kind.EXACT_DUPLICATE,
                severity=severity,
                splits=(part_a, part_b),
                count=count,
                fraction=fraction,
                examples=pair_examples(subject, part_a, rows_a, part_b, rows_b),
                evidence={
                    "expected_by_chance": expected,
                    "p": chance,
                    "rows": {part_a: row_numbers(rows_a), part_b: row_numbers(rows_b)},
                    "pairs": pair_numbers(rows_a, rows_b),
                },
                repair="nothing to repair: at chance level"
                if by_chance
                else f"remove the {len(np.unique(rows_a))} twins from {part_a}, or keep all copies in one part",
            )
        )
    n = sum(map(len, subject.parts().values()))
    if not findings:
        return Outcome(Status.PASS, "no row stands in two parts", n)
    failed = any(f.severity > Severity.INFO for f in findings)
    return Outcome(Status.FAIL if failed else Status.PASS, "; ".join(notes), n, tuple(findings))


def label_conflicts(subject: Subject) -> Outcome:
    """Equal rows in train and test (beyond chance) whose labels differ."""
    from scipy.stats import poisson

    if not subject.classification:
        return Outcome(Status.NOT_APPLICABLE, "labels are numbers, not classes")
    rows_a, rows_b, expected = duplicate_rows(subject, "train", "test")
    n = len(subject.test)
    count = len(np.unique(rows_b))
    if not count:
        return Outcome(Status.PASS, "no row stands in train and test, so no labels conflict", n)
    differ = subject.train.labels[rows_a] != subject.test.labels[rows_b]
    if subject.whole_labels is not None:
        differ |= (subject.whole_labels["train"][rows_a] != subject.whole_labels["test"][rows_b]).any(1)
    conflicts = np.unique(rows_b[differ])
    if not len(conflicts):
        return Outcome(Status.PASS, f"all {count} duplicated test rows carry the label of their twin", n)
    by_chance = float(poisson.sf(count - 1, max(expected, 1e-9))) > _CHANCE_P
    finding = Finding(
        kind=Kind.LABEL_CONFLICT,
        severity=Severity.INFO if by_chance else Severity.MEDIUM,
        splits=("train", "test"),
        count=len(conflicts),
        fraction=len(conflicts) / n,
        examples=pair_examples(subject, "train", rows_a[differ], "test", rows_b[differ]),
        evidence={"rows": {"train": row_numbers(rows_a[differ]), "test": row_numbers(conflicts)}},
        repair="decide which label is right, or remove both rows",
    )
    reason = f"{len(conflicts)} test rows have a training twin with another label"
    if by_chance:
        return Outcome(Status.PASS, f"{reason}, but the twins are at chance level", n, (finding,))
    return Outcome(Status.FAIL, reason, n, (finding,))
