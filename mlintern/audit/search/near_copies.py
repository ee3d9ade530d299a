"""Test rows that are jittered, rounded or edited copies of training rows: `near_duplicate`, `augmented_before_split`.

A copy is named by one of two kinds of evidence, each against the training half: it lies nearer than the training rows'
own spacing allows (neighbours.py), or it agrees with its neighbour to the last digit in more of the columns than
training rows agree among themselves (an edited cell moves a row far, and leaves its other cells alone).
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from mlintern.audit.inputs.subject import Outcome, Subject, not_applicable, pair_examples, pair_numbers, row_numbers
from mlintern.audit.report.audit_report import Finding, Kind, Severity, Status
from mlintern.audit.report.options import AuditOptions
from mlintern.audit.search.agreement import sharing_values, surprise
from mlintern.audit.search.duplicates import severity_of_share
from mlintern.audit.search.neighbourhood import Neighbourhood, neighbourhood, own_and_other
from mlintern.audit.search.neighbours import discoveries, spacing_of
from mlintern.audit.search.transformed_copies import STRICT, WIDE, Twins, joined, named_rows, variant_twins

_SURPRISE, _UNHEARD = 20.0, 12.0  # bits of agreement beyond the training rows' own, or where next to none have any
_PERVASIVE = 0.15  # share of training rows with a training twin from which copies were made before the split
_MEASURED = 0.2  # a column with this share of distinct values is measured, not coded


def _measured(train: np.ndarray) -> list[int]:
    """The columns of train [n, d] that are measured, not coded."""
    return [c for c in range(train.shape[1]) if len(np.unique(train[:, c])) > _MEASURED * len(train)]


def _no_more_than_in_train(named: np.ndarray, in_train: np.ndarray) -> bool:
    """Are test rows named no more often than training rows are among themselves? Rows of codes (words, answers) come
    close to one another by chance, and a few of them closer than most."""
    from scipy.stats import binom

    return bool(binom.sf(int(named.sum()) - 1, len(named), float(in_train.mean())) > STRICT)


def _pervasive_copies(hood: Neighbourhood, options: AuditOptions) -> tuple[np.ndarray, np.ndarray] | None:
    """Chance of a neighbour this near over the measured columns alone, by the spacing beyond any copies: of the
    training rows asked, and of the test rows.

    Where most rows have copies the training rows' own spacing is theirs. The wide spacing is not moved by them, but
    coded columns make knots of their own: it is read off measured columns only, None where there are under three.
    """
    train = hood.points["train"]
    measured = _measured(train)
    if len(measured) < 3:
        return None
    base = np.ascontiguousarray(train[:, measured])
    test = np.ascontiguousarray(hood.points["test"][:, measured])
    own, other, _ = own_and_other(base, test, hood.own[0].shape[1], hood.asked, options)
    spacing = spacing_of(own[0])
    if spacing is None:
        return None
    return spacing.beyond_copies(own[0]), spacing.beyond_copies(other[0])


@functools.lru_cache(maxsize=2)
def tabular_twins(subject: Subject) -> Twins | str:
    """Copies among the rows looked at, or why nothing can be said."""
    hood = neighbourhood(subject)
    if isinstance(hood, str):
        return hood
    spacing = spacing_of(hood.own[0])
    if spacing is None:
        return "too few distinct training rows to tell how they are spaced"
    distances, found = hood.other
    named, in_train = named_rows(spacing, distances), named_rows(spacing, hood.own[0])
    partner = found[:, 0].copy()
    if spacing.narrow < 0.7 * spacing.wide:
        for chances, flags in zip(_pervasive_copies(hood, subject.options) or (), (in_train, named), strict=False):
            if discoveries(chances, STRICT).any():
                flags |= discoveries(chances, WIDE)
    train, test = hood.points["train"], hood.points["test"]
    asked = train[hood.asked]
    own_bits, _ = surprise(asked, train, np.column_stack([hood.own[1], sharing_values(asked, train, hood.asked)]))
    bits, twin = surprise(test, train, np.column_stack([found, sharing_values(test, train)]))
    middle, tail, last = np.quantile(own_bits, (0.5, 0.9, 0.98))  # twice the tail's own reach beyond it
    enough = max(float(tail + 2 * (tail - middle)), np.log2(len(own_bits) * len(bits)))
    enough += _SURPRISE if last > 0 else _UNHEARD
    agreeing = bits >= enough
    partner[agreeing] = twin[agreeing]
    named |= agreeing
    in_train |= own_bits >= enough
    if len(_measured(train)) < 3 and _no_more_than_in_train(named, in_train):
        named[:] = False
    rows = np.flatnonzero(named)
    return Twins(
        hood.rows["train"][partner[rows]],
        hood.rows["test"][rows],
        float(in_train.mean()),
        round(spacing.wide, 1),
        {part: len(rows) for part, rows in hood.rows.items()},
        note=hood.note,
    )


@functools.lru_cache(maxsize=2)
def twins_of(subject: Subject) -> Twins | str:
    """Copies by every method for this kind of data, or why nothing can be said.

    A table whose neighbouring columns hang together like samples or pixels is looked at as series or images too.
    """
    kind = "text" if subject.texts is not None else subject.kind_of_data
    if kind != "tabular":
        return variant_twins(subject, kind)
    if subject.laid_out is None:
        return tabular_twins(subject)
    variants = variant_twins(subject, subject.laid_out)
    return variants if subject.is_recording else joined(tabular_twins(subject), variants)


def _sampled(subject: Subject, twins: Twins) -> str:
    parts = [
        f"{rows} of {len(subject.parts()[part])} {part} rows"
        for part, rows in twins.looked_at.items()
        if rows < len(subject.parts()[part])
    ]
    bound = "audit.memory" if twins.note else "audit.max_rows"  # through an index, only memory bounds the rows
    return f" (looked at {' and '.join(parts)}, drawn at random: {bound})" if parts else ""


def near_copies(
    subject: Subject,
    kind: Kind,
    made_before: bool,
    nothing: str,
    repair: str,
    interpolated: Callable[[Subject], Outcome],
) -> Outcome:
    """The finding of one of the two kinds: copies `made_before` the split have copies among the training rows too.

    `nothing` is said where there are none; `repair` may name {n}, the training rows that have copies; `interpolated`
    is the check whose rows are none of these.
    """
    twins = twins_of(subject)
    if isinstance(twins, str):
        return Outcome(Status.INCONCLUSIVE, twins) if "memory" in twins else not_applicable(twins)
    made = interpolated(subject).findings
    if made:  # a row made close to one of its ends is near it: the more telling kind keeps it
        rest = ~np.isin(twins.test, made[0].evidence["rows"]["test"])
        twins = dataclasses.replace(twins, train=twins.train[rest], test=twins.test[rest])
    n = twins.looked_at["test"]
    sampled = _sampled(subject, twins)
    told = sampled + (f" ({twins.note})" if twins.note else "")
    pervasive = twins.in_train >= _PERVASIVE and not twins.partial
    if not len(twins.test) or pervasive != made_before:
        status = Status.INCONCLUSIVE if sampled and not len(twins.test) else Status.PASS
        return Outcome(status, nothing + told, n)
    fraction = len(twins.test) / n
    finding = Finding(
        kind=kind,
        severity=Severity.HIGH if made_before and fraction >= 0.01 else severity_of_share(len(twins.test), fraction),
        splits=("train", "test"),
        count=len(twins.test),
        fraction=fraction,
        examples=pair_examples(subject, "train", twins.train, "test", twins.test),
        evidence={
            "train_rows_with_twins_in_train": round(twins.in_train, 4),
            "intrinsic_dimension": twins.dimension,
            "rows": {"train": row_numbers(twins.train), "test": row_numbers(twins.test)},
            "pairs": pair_numbers(twins.train, twins.test),
        },
        repair=repair.format(n=len(np.unique(twins.train))),
    )
    reason = f"{len(twins.test)} of {n} test rows are near copies of training rows{told}"
    return Outcome(Status.FAIL, reason, n, (finding,))
