"""`near_duplicate`: near copies across the split, where training rows have few among themselves."""

from collections.abc import Iterator

import numpy as np

from mlintern.audit.checks.resampled_before_split import resampled_before_split
from mlintern.audit.inputs.subject import Outcome, Subject
from mlintern.audit.planting import FEWEST, Planting, disguised, fits, places_and_twins, put
from mlintern.audit.registry import check
from mlintern.audit.report.audit_report import Kind
from mlintern.audit.search.near_copies import near_copies


def _planted(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if not fits(subject):
        return
    if len(subject.test) > subject.options.max_rows:  # all training rows, as in the check; not all test rows again
        test = subject.sample("test", max(FEWEST, subject.options.max_rows // 10), "canaries", "near")
        subject = subject.take(np.arange(len(subject.train)), test)
    places, twins = places_and_twins(subject, rng)
    yield Planting("copies", put(subject, "test", places, disguised(subject, twins, rng)), places)


@check(place=30, planter=_planted)
def near_duplicates(subject: Subject) -> Outcome:
    """Near copies across the split, where training rows have few among themselves."""
    return near_copies(
        subject,
        Kind("near_duplicate"),
        False,
        "no test row is nearer to a training row than the training rows' own spacing allows",
        "remove the {n} twins from train, or keep all copies of a row in one part",
        resampled_before_split,
    )
