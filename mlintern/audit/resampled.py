"""`resampled_before_split`: rows made between other rows (SMOTE), with the ends on both sides of the split.

Such a row lies on the segment between two others to the last bit. Three rows that nobody drew a line through are in
line to within an angle `a` with chance a^(m-1); the chance level is taken from the data's own triples at a hundred
times the angle.
"""

import functools

import numpy as np

from mlintern.audit.duplicates import severity_of_share
from mlintern.audit.neighbourhood import neighbourhood
from mlintern.audit.neighbours import nearest
from mlintern.audit.report import Finding, Kind, Severity, Status
from mlintern.audit.subject import Outcome, Subject, not_applicable, pair_examples, pair_numbers, row_numbers

_LINE = 3e-4  # sine of the angle below which three rows are in line
_NEIGHBOURS = 48
_ROWS = 6000


def in_line(block: np.ndarray, around: np.ndarray, sine: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per row of block [b, d] with neighbours [b, k, d]: is it in line with two of them, and with which (two [b])."""
    apart = around - block[:, None]
    # a line along fewer than three columns is no evidence: rows that differ in one cell are always in line
    moved = (np.abs(apart) > 1e-12).sum(2) >= 3
    length = np.sqrt((apart**2).sum(2))
    usable = moved & (length > 0)
    unit = apart / np.where(length > 0, length, 1)[:, :, None]
    products = unit @ unit.transpose(0, 2, 1)
    cosine = np.abs(products)
    cosine[~(usable[:, :, None] & usable[:, None, :])] = 0
    k = around.shape[1]
    cosine[:, np.arange(k), np.arange(k)] = 0
    # two neighbours that are copies of one another are in line with everything
    gap = np.abs(length[:, :, None] - length[:, None, :]) / np.maximum(length[:, :, None], 1e-300)
    cosine[(products > 0) & (gap < 0.02)] = 0
    best = cosine.reshape(len(block), -1).argmax(1)
    top = cosine.reshape(len(block), -1)[np.arange(len(block)), best]
    return 1 - top <= sine**2 / 2, best // k, best % k


@functools.lru_cache(maxsize=2)
def resampled_before_split(subject: Subject) -> Outcome:
    """Test rows on a line with two others, one of them at least in train."""
    if not subject.numeric or subject.kind_of_data != "tabular":
        return not_applicable("rows are no points between which others could be made")
    hood = neighbourhood(subject)
    if isinstance(hood, str):
        return not_applicable(hood)
    rows = {part: subject.sample(part, _ROWS, "resampled") for part in ("train", "test")}
    raw = {part: subject.flat(part)[rows[part]][:, hood.columns].astype(np.float64) for part in rows}
    scale = np.nanstd(raw["train"], axis=0)
    measured = [c for c in np.flatnonzero(scale > 0) if len(np.unique(raw["train"][:, c])) > 0.1 * len(raw["train"])]
    if len(measured) < 3:
        return not_applicable("under three measured columns: any rows are in line there")
    measured = measured[:256]
    points = {part: np.nan_to_num(block[:, measured] / scale[measured]) for part, block in raw.items()}
    spread = np.linalg.svd(points["train"] - points["train"].mean(0), compute_uv=False)
    if (spread > 1e-3 * spread[0]).sum() < 3:
        return not_applicable("the measured columns span fewer than three dimensions")
    everyone = np.concatenate([points["train"], points["test"]])
    labels = np.concatenate([subject.parts()[part].labels[rows[part]] for part in ("train", "test")])
    border, n = len(points["train"]), len(points["test"])
    hits, ends, loose = [], [], 0
    for tag in np.unique(labels) if subject.classification else [None]:
        members = np.arange(len(labels)) if tag is None else np.flatnonzero(labels == tag)
        asking = members[members >= border]
        if len(members) < 4 or not len(asking):
            continue
        k = min(_NEIGHBOURS, len(members) - 1)
        pool = everyone[members].astype(np.float32)
        _, found = nearest(everyone[asking].astype(np.float32), pool, k + 1, city_block=False)
        for start in range(0, len(asking), 64):
            part = asking[start : start + 64]
            around = members[found[start : start + 64]]
            around = np.array([row[row != own][:k] for row, own in zip(around, part, strict=True)])
            strict, first, second = in_line(everyone[part], everyone[around], _LINE)
            loose += int(in_line(everyone[part], everyone[around], 100 * _LINE)[0].sum())
            one, two = around[np.arange(len(part)), first], around[np.arange(len(part)), second]
            keep = strict & ((one < border) | (two < border))
            hits.extend(part[keep] - border)
            ends.extend(np.where(one < border, one, two)[keep])
    count = len(hits)
    expected = (loose - count) * 1e-4  # a hundredth of the angle, at least two dimensions across
    if count < 3 or count < 20 * expected + 3:
        return Outcome(Status.PASS, f"{count} test rows lie in line with two others: chance", n)
    test, train = rows["test"][np.array(hits)], rows["train"][np.array(ends)]
    order = np.argsort(test, kind="stable")
    finding = Finding(
        kind=Kind.RESAMPLED_BEFORE_SPLIT,
        severity=max(Severity.MEDIUM, severity_of_share(count, count / n)),
        splits=("train", "test"),
        count=count,
        fraction=count / n,
        examples=pair_examples(subject, "train", train[order], "test", test[order]),
        evidence={
            "expected_by_chance": round(expected, 3),
            "rows": {"train": row_numbers(train), "test": row_numbers(test)},
            "pairs": pair_numbers(train[order], test[order]),
        },
        repair="split first, then oversample the training part only",
    )
    reason = f"{count} of {n} test rows lie exactly on a line between rows, some of them in train: interpolated"
    return Outcome(Status.FAIL, reason, n, (finding,))
