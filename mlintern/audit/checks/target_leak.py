"""`target_leak`: a column, or two together, that give the label away where all the others cannot.

A strong feature is no leak. The suspicion is a column (or a pair whose difference, product or combination of codes is
the label although neither column tells anything) that predicts the label almost without error, while everything else
together stays well behind, by more rows than chance would have it. How columns are asked stands in skill.py.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from mlintern.audit.inputs.subject import Outcome, Subject, not_applicable
from mlintern.audit.planting import Planting, smaller
from mlintern.audit.registry import check
from mlintern.audit.report.audit_report import Finding, Kind, Severity, Status
from mlintern.audit.search.skill import Answers, Halves

_ROWS = 3000
_CERTAIN, _CERTAIN_PAIR = 0.95, 0.97  # skill from which one column, or a pair, all but is the label
_TASK = 0.15  # skill of the other columns from which there is a task without the suspect
_BEHIND = 0.08  # by which all other columns together must stay behind
_CHANCE = 0.01  # family-wise, over the columns or pairs that were asked
_GRIDS = 100  # columns up to which every pair is looked at through a grid
_PAIRS = 30  # pairs that are asked out of fold
_COLUMNS = 4000


def beaten(suspect: Answers, rest: Answers) -> float:
    """p-value of the suspect's being no better than the rest, row by row (sign test; for values, on smaller errors)."""
    from scipy.stats import binomtest

    better = int((suspect.losses < rest.losses).sum())
    worse = int((suspect.losses > rest.losses).sum())
    return float(binomtest(better, better + worse, alternative="greater").pvalue) if better + worse else 1.0


def _suspects(halves: Halves) -> tuple[list[tuple[Answers, tuple[int, ...]]], int, str]:
    """Columns that all but are the label, else pairs; how many were asked; and what was left out."""
    width = halves.x.shape[1]
    answers = [halves.column(halves.x[:, column]) for column in range(width)]
    first = np.argsort([-a.skill for a in answers], kind="stable")[:5]
    singles = [(halves.refined(answers[c], halves.x[:, c]), (int(c),)) for c in first]
    found: list[tuple[Answers, tuple[int, ...]]] = [(a, (c[0],)) for a, c in singles if a.skill >= _CERTAIN]
    if found:
        return found, width, ""
    number = int(width * (width - 1) // 2)
    pairs = halves.screened(_GRIDS, _PAIRS)
    asked = [(halves.pair(halves.x[:, i], halves.x[:, j]), (i, j)) for i, j in pairs]
    asked = sorted(asked, key=lambda a: -a[0].skill)[:5]
    asked = [(halves.refined(a, halves.x[:, i], halves.x[:, j]), (i, j)) for a, (i, j) in asked]
    told = f" ({len(pairs)} of {number} pairs asked, screened by line and product)" if width > _GRIDS else ""
    found = [(answer, pair) for answer, pair in asked if answer.skill >= _CERTAIN_PAIR]
    return sorted(found, key=lambda a: -a[0].skill), number, told


def _with_columns(subject: Subject, columns: dict[str, list[np.ndarray]]) -> Subject:
    """The subject with more feature columns {part: [[n], …]}."""
    parts = {
        part: dataclasses.replace(
            subject.parts()[part], features=np.column_stack([subject.flat(part).astype(np.float64), *added])
        )
        for part, added in columns.items()
    }
    names = subject.columns
    if names is not None:
        names = (*names, *(f"planted {i}" for i in range(len(columns["train"]))))
    return dataclasses.replace(subject, splits=subject.splits.replace(**parts), columns=names)


def _planted(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    subject = smaller(subject)
    labels = {part: subject.parts()[part].labels for part in ("train", "test")}
    names = np.unique(np.concatenate(list(labels.values())))
    if subject.classification:
        codes = {part: np.searchsorted(names, values).astype(np.float64) for part, values in labels.items()}
    else:
        spread = max(float(np.std(labels["train"])), 1e-300)
        codes = {part: values.astype(np.float64) / spread for part, values in labels.items()}
    noise = {part: 0.05 * rng.normal(size=len(values)) for part, values in codes.items()}
    yield Planting(
        "the label with noise", _with_columns(subject, {part: [codes[part] + noise[part]] for part in codes})
    )
    if subject.classification and len(names) > 2:
        bent = rng.permutation(len(names))
        mixed = {part: [bent[values.astype(int)] + noise[part]] for part, values in codes.items()}
        yield Planting("its classes in another order", _with_columns(subject, mixed))
    masks = {part: 3 * rng.normal(size=len(values)) for part, values in codes.items()}
    pair = {part: [masks[part], masks[part] + codes[part] + noise[part]] for part in codes}
    yield Planting("two columns that differ by it", _with_columns(subject, pair))


@check(place=90, planter=_planted, draws="target")
def target_leak(subject: Subject) -> Outcome:
    """Columns and pairs of columns that all but are the label."""
    if not subject.numeric:
        return not_applicable("features are no numbers")
    if subject.kind_of_data != "tabular" or subject.is_recording:
        return not_applicable("pixels and samples are no columns that could be the label")
    if subject.whole_labels is not None and subject.whole_labels["train"].shape[1] > 1:
        return not_applicable("rows have many labels, and a column may be one of them, as in a decoder's input")
    width = subject.flat("train").shape[1]
    if width < 2 or len(subject.train) < 30:
        return not_applicable(f"{width} columns and {len(subject.train)} training rows leave nothing to compare with")
    if width > _COLUMNS:
        return Outcome(Status.INCONCLUSIVE, f"{width} columns: more than the {_COLUMNS} that are looked at one by one")
    halves = Halves(subject, _ROWS)
    n = len(halves)
    if n < 30 or halves.classes == 1 or (not halves.classes and halves.y.std() == 0):
        return not_applicable("training labels are all equal, or too few of a kind to learn from")
    groups, asked, note = _suspects(halves)
    if not groups:
        return Outcome(Status.PASS, f"no column and no pair of columns all but is the label{note}", n)
    named = sorted({column for _, group in groups for column in group})
    rest = halves.together(np.setdiff1d(np.arange(width), named))
    best, chosen = groups[0]
    told = " with ".join(subject.feature_names[c] for c in chosen)
    if rest.skill > best.skill - _BEHIND or beaten(best, rest) * asked > _CHANCE:
        return Outcome(Status.PASS, f"{told} tells the label, and so do the other columns together: strong, no leak", n)
    if rest.skill < _TASK and len(chosen) == 2 and width < 6:
        return Outcome(Status.PASS, "two of very few columns tell the label together: they are the task", n)
    # where the other columns tell nothing at all, these may simply be the task
    blocks = best.skill >= 0.98 and _TASK <= rest.skill <= best.skill - 1.5 * _BEHIND
    names = [" with ".join(subject.feature_names[c] for c in group) for _, group in groups]
    finding = Finding(
        kind=Kind("target_leak"),
        severity=Severity.HIGH if blocks else Severity.MEDIUM,
        splits=("train", "test"),
        count=len(named),
        fraction=len(named) / width,
        examples=tuple({"column": name} for name in names),
        evidence={
            "columns": [subject.feature_names[c] for c in named],
            "column_numbers": named,
            "skill_alone": round(best.skill, 4),
            "skill_of_all_others": round(rest.skill, 4),
        },
        repair=f"leave out {', '.join(names[:3])}, or show that it is known when the prediction is made",
    )
    reason = (
        f"{names[0]} predicts the label with a skill of {best.skill:.3f} (1 is no error); all other columns together "
        f"reach {rest.skill:.3f}"
    )
    return Outcome(Status.FAIL, reason, n, (finding,))
