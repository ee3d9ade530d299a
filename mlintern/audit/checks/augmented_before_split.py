"""`augmented_before_split`: variants of rows across the split, where training rows have them among themselves too."""

from collections.abc import Iterator

import numpy as np

from mlintern.audit.checks.resampled_before_split import resampled_before_split
from mlintern.audit.inputs.subject import Outcome, Subject
from mlintern.audit.planting import FEW, ROWS, Planting, disguised, fits, places_and_twins, put, smaller
from mlintern.audit.registry import check
from mlintern.audit.report.audit_report import Kind
from mlintern.audit.search.near_copies import near_copies


def _planted(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if not fits(subject):
        return
    subject = smaller(subject, (ROWS[0], FEW))
    order = rng.permutation(len(subject.train))
    half = len(order) // 2
    copy = put(subject, "train", order[half : 2 * half], disguised(subject, order[:half], rng))
    places, _ = places_and_twins(subject, rng)
    twins = order[rng.choice(half, len(places), replace=False)]
    copy = put(copy, "test", places, disguised(subject, twins, rng))
    yield Planting("variants (of rows with variants in train too)", copy, places)


@check(place=40, planter=_planted)
def augmented_before_split(subject: Subject) -> Outcome:
    """Near copies across the split, where training rows have them among themselves too: made before the split."""
    return near_copies(
        subject,
        Kind("augmented_before_split"),
        True,
        "test rows are no variants of training rows",
        "split first and augment the training part only; keep all variants of a row in one part",
        resampled_before_split,
    )
