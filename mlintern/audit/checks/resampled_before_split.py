"""`resampled_before_split`: rows made between other rows (SMOTE), with the ends on both sides of the split.

Such a row lies on the segment between two others to the last bit. Three rows that nobody drew a line through are in
line to within an angle `a` with chance a^(m-1); the chance level is taken from the data's own triples at a hundred
times the angle.
"""

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np

from mlintern.audit.inputs.subject import Outcome, Subject, not_applicable, pair_examples, pair_numbers, row_numbers
from mlintern.audit.planting import FEW, ROWS, Planting, fits, places_and_twins, put, smaller
from mlintern.audit.registry import check
from mlintern.audit.report.audit_report import Finding, Kind, Severity, Status
from mlintern.audit.search.duplicates import severity_of_share
from mlintern.audit.search.neighbourhood import neighbourhood
from mlintern.audit.search.neighbours import nearest

_LINE = 3e-4  # sine of the angle below which three rows are in line
_LOOSE = 100  # times that angle, at which the data's own triples are counted
_FEW, _MOST = 48, 400  # neighbours per row: to see that rows were made, and to name them all
_FLOPS = 3e10  # effort of the second
_ROWS = 6000


@dataclasses.dataclass(frozen=True)
class Lines:
    """What a block of rows is in line with."""

    hit: np.ndarray
    """[b] bool: on a line with two neighbours."""
    crossing: np.ndarray
    """[b] bool: one of the two at least is a training row."""
    train: np.ndarray
    """[b] place among the neighbours of that training row."""
    loose: int
    """Pairs within the loose angle and not within the strict one: what chance is read from."""


def in_line(block: np.ndarray, around: np.ndarray, in_train: np.ndarray) -> Lines:
    """Lines through rows of block [b, d] and two of their neighbours [b, k, d]; `in_train` [b, k]: which of those are.

    Directions are compared in single precision; the few that come within the loose angle again in double.
    """
    apart = around - block[:, None]
    # a line along fewer than three columns is no evidence: rows that differ in one cell are always in line
    length = np.sqrt((apart**2).sum(2))
    usable = ((np.abs(apart) > 1e-12).sum(2) >= 3) & (length > 0)
    unit = apart / np.where(usable, length, np.inf)[:, :, None]
    single = unit.astype(np.float32)
    products = single @ single.transpose(0, 2, 1)
    row, one, two = np.nonzero(np.abs(products) > 1 - (_LOOSE * _LINE) ** 2 / 2)
    upper = one < two
    row, one, two = row[upper], one[upper], two[upper]
    same = np.sign(products[row, one, two])
    # two neighbours that are copies of one another are in line with everything
    gap = np.abs(length[row, one] - length[row, two]) < 0.02 * length[row, one]
    keep = ~((same > 0) & gap)
    row, one, two, same = row[keep], one[keep], two[keep], same[keep]
    sine = np.sqrt(((unit[row, one] - same[:, None] * unit[row, two]) ** 2).sum(1))
    strict = sine <= _LINE
    hit, crossing, train = np.zeros(len(block), bool), np.zeros(len(block), bool), np.zeros(len(block), np.int64)
    row, one, two = row[strict], one[strict], two[strict]
    hit[row] = True
    for end in (one, two):
        inside = in_train[row, end]
        crossing[row[inside]] = True
        train[row[inside]] = end[inside]
    return Lines(hit, crossing, train, int((~strict).sum()))


def _neighbours(everyone: np.ndarray, raw: np.ndarray, members: np.ndarray, asking: np.ndarray, k: int) -> np.ndarray:
    """[asking, <= k] the nearest members of each asked row, half by columns of one width and half by raw ones.

    Interpolation was done among neighbours in one of the two.
    """
    half = max(1, k // 2) if k < len(members) - 1 else k
    found = []
    for space in (everyone, raw) if half < k else (everyone,):
        block = space.astype(np.float32)
        _, near = nearest(block[asking], block[members], half + 1, city_block=False)
        found.append(members[near])
    return np.concatenate(found, axis=1)


@dataclasses.dataclass(frozen=True)
class _Search:
    """Lines through test rows, class by class."""

    everyone: np.ndarray
    raw: np.ndarray
    labels: np.ndarray | None
    border: int
    """Rows before it are training rows."""

    def run(self, k: int) -> tuple[np.ndarray, list[tuple[int, int]], int]:
        """Test rows on a line, (training row, test row) pairs on one, and pairs in line at the loose angle alone."""
        hits, loose = [np.zeros(0, np.int64)], 0
        pairs: list[tuple[int, int]] = []
        every = np.arange(len(self.everyone))
        tags = [every] if self.labels is None else [np.flatnonzero(self.labels == t) for t in np.unique(self.labels)]
        for members in tags:
            asking = members[members >= self.border]
            if len(members) < 4 or not len(asking):
                continue
            near = _neighbours(self.everyone, self.raw, members, asking, min(k, len(members) - 1))
            step = max(1, (1 << 22) // near.shape[1] ** 2)
            for start in range(0, len(asking), step):
                part, around = asking[start : start + step], near[start : start + step]
                lines = in_line(self.everyone[part], self.everyone[around], around < self.border)
                loose += lines.loose
                hits.append(part[lines.hit] - self.border)
                across = np.flatnonzero(lines.crossing)
                ends, rows = around[across, lines.train[across]], part[across] - self.border
                pairs.extend(zip(ends.tolist(), rows.tolist(), strict=True))
        return np.sort(np.concatenate(hits)), pairs, loose


def _made(hits: np.ndarray, pairs: list[tuple[int, int]], loose: int) -> bool:
    """More lines than chance has? At least two dimensions lie across a line, so it has `loose / _LOOSE**2`."""
    return len(pairs) >= 3 and len(hits) >= 20 * loose / _LOOSE**2 + 3


def _planted(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if not fits(subject):
        return
    subject = smaller(subject, (ROWS[0], FEW))
    block = np.nan_to_num(subject.flat("train").astype(np.float64))
    spread = block.std(0)
    points = (block / np.where(spread > 0, spread, 1)).astype(np.float32)
    labels = subject.train.labels
    places, ends = places_and_twins(subject, rng)
    mates = np.empty(len(ends), np.int64)
    for row, end in enumerate(ends):
        alike = np.flatnonzero(labels == labels[end]) if subject.classification else np.arange(len(labels))
        alike = alike[alike != end]
        if not len(alike):
            return
        near = nearest(points[[end]], points[alike], 5, city_block=False)[1][0]
        mates[row] = alike[rng.choice(near)]
    share = rng.random((len(ends), 1))
    between = subject.flat("train")[ends] * (1 - share) + subject.flat("train")[mates] * share
    yield Planting("interpolations", put(subject, "test", places, between, labels=labels[ends]), places)


@check(place=50, planter=_planted, draws="resampled")
@functools.lru_cache(maxsize=2)
def resampled_before_split(subject: Subject) -> Outcome:
    """Test rows on a line with two others, one of them at least in train."""
    if not subject.numeric or subject.kind_of_data != "tabular" or subject.is_recording:
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
    search = _Search(everyone, everyone * scale[measured], labels if subject.classification else None, border)
    hits, pairs, loose = search.run(_FEW)
    if _made(hits, pairs, loose):
        hits, pairs, loose = search.run(int(np.clip(np.sqrt(_FLOPS / n / len(measured)), _FEW, _MOST)))
    count = len(hits)
    if not _made(hits, pairs, loose):
        return Outcome(Status.PASS, f"{count} test rows lie in line with two others: chance", n)
    made = rows["test"][hits]
    train, test = rows["train"][[a for a, _ in pairs]], rows["test"][[b for _, b in pairs]]
    order = np.argsort(test, kind="stable")
    finding = Finding(
        kind=Kind("resampled_before_split"),
        severity=max(Severity.MEDIUM, severity_of_share(count, count / n)),
        splits=("train", "test"),
        count=count,
        fraction=count / n,
        examples=pair_examples(subject, "train", train[order], "test", test[order]),
        evidence={
            "expected_by_chance": round(loose / _LOOSE**2, 3),
            "rows": {"train": row_numbers(train), "test": row_numbers(made)},
            "pairs": pair_numbers(train[order], test[order]),
        },
        repair="split first, then oversample the training part only",
    )
    reason = f"{count} of {n} test rows lie exactly between two others, or at the end of such a line: interpolated"
    return Outcome(Status.FAIL, reason, n, (finding,))
