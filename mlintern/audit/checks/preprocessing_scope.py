"""`preprocessing_scope` by non-interference: whatever happens to the test rows, the training rows must not move.

Preprocessing is fitted again after the raw test rows were changed (and once after half of them were dropped); the
transformed training rows must come out the same to the last bit. No knowledge of the preprocessing is needed, and a
pass is no matter of a threshold. The validation rows are probed likewise.

Where data came without their preprocessing, the arrays themselves say on which rows it was fitted. Scaled with the
moments of some rows, exactly those rows have mean 0 and deviation 1 (or fill their range, have equal ranks, no
correlations …), to the last digits that the type keeps. Where that holds in some columns for train and test together
and not for train alone, the test rows had a say. How often a column would hold so by chance is known for each sign
(traces.py), and the columns that do are counted against it, so that other columns beside the scaled ones do not matter.
"""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from mlintern.audit.inputs.subject import Outcome, Subject, not_applicable
from mlintern.audit.planting import Planting, smaller
from mlintern.audit.randomness import generator
from mlintern.audit.registry import check
from mlintern.audit.report.audit_report import Finding, Kind, Severity, Status
from mlintern.audit.search.traces import SIGNS, Sign, encoded_by, filled_with, measured
from mlintern.data.splits import Splits

_CHANCE = 1e-5  # family-wise over the columns


def changed(features: np.ndarray, seed: int, probe: str) -> np.ndarray:
    """Other raw features of the same type: values moved and stretched, or the first value of every row blown up."""
    rng = generator(seed, "scope", probe)
    if features.dtype.kind in "OUS":
        return np.array(
            [f"{value} qzx{rng.integers(1000)}" for value in features.ravel().tolist()], dtype=object
        ).reshape(features.shape)
    if features.dtype.kind == "b":
        return ~features
    if features.dtype.kind in "iu":
        high = int(np.iinfo(features.dtype).max)
        return (high - np.clip(features, 0, None) if features.dtype.kind == "u" else features * 2 + 1).astype(
            features.dtype
        )
    if probe == "outliers":
        out = features.copy()
        out.reshape(len(out), -1)[rng.integers(0, len(out), max(1, len(out) // 10))] *= 1000
        return out
    return (features * 1.7 + 3.1 * (1 + np.abs(features))).astype(features.dtype)


def _train_bytes(splits: Splits) -> bytes:
    """The transformed training rows, bit by bit."""
    fitted = splits.fitted()
    assert fitted is not None
    out = np.ascontiguousarray(fitted.transform(splits.train.features))
    return f"{out.dtype}{out.shape}".encode() + out.tobytes()


def _moves(subject: Subject, part: str, before: bytes) -> list[str]:
    """The probes of `part` under which the transformed training rows changed."""
    splits, rows = subject.splits, subject.parts()[part]
    moved = []
    for probe in ("changed", "outliers", "dropped"):
        if probe == "dropped":
            other = rows.take(np.arange(0, len(rows), 2))
        else:
            other = dataclasses.replace(rows, features=changed(rows.features, subject.options.seed, probe))
        if _train_bytes(splits.replace(**{part: other})) != before:
            moved.append(probe)
    return moved


@dataclasses.dataclass(frozen=True)
class FitTrace:
    """A sign that holds over some parts and not over train alone, and in how many columns."""

    sign: str
    columns: np.ndarray


def _more_than_chance(sign: Sign, hits: int, alone: int, asked: int) -> bool:
    """Do `hits` of `asked` columns (of which `alone` hold over train too) say that the sign was made?"""
    from scipy.stats import binom

    if sign.chance is None:  # natural bounds: most measured columns fill them, and not all do so by training rows
        return hits >= 2 and hits >= 0.5 * asked and hits > alone
    return hits > alone and float(binom.sf(hits - alone - 1, asked, sign.chance)) < _CHANCE


def trace_of(
    blocks: dict[str, np.ndarray], scope: Sequence[str], labels: dict[str, np.ndarray] | None
) -> FitTrace | None:
    """The first sign that holds over `scope` and not over train alone; `labels` {part: [n]} where they are numbers."""
    alone = blocks["train"]
    joint = np.concatenate([blocks[part] for part in scope])
    columns = measured(joint)
    for sign in SIGNS:
        asked = sign.asked(joint, columns)
        if not len(asked):
            continue
        over_all, over_train = sign.holds(joint[:, asked]), sign.holds(alone[:, asked])
        if _more_than_chance(sign, int(over_all.sum()), int((over_all & over_train).sum()), sign.tests(len(asked))):
            by_column = len(over_all) == len(asked)
            return FitTrace(sign.name, asked[over_all & ~over_train] if by_column else asked)
    filled = filled_with(joint, alone, columns)
    if len(filled):
        return FitTrace("gaps filled with the mean or median of all rows", filled)
    if labels is not None:
        encoded = encoded_by(joint, np.concatenate([labels[part] for part in scope]), alone, labels["train"])
        if len(encoded):
            return FitTrace("categories coded by the mean label of all rows", encoded)
    return None


def fitted_on_train(block: np.ndarray) -> str | None:
    """The sign of preprocessing that train alone shows, if any."""
    columns = measured(block)
    for sign in SIGNS:
        asked = sign.asked(block, columns)
        if len(asked) and _more_than_chance(sign, int(sign.holds(block[:, asked]).sum()), 0, sign.tests(len(asked))):
            return sign.name
    return None


def _columns(subject: Subject, part: str, group: np.ndarray) -> np.ndarray:
    """Features of a part in the columns of a group: themselves, where the group has all columns."""
    flat = subject.flat(part)
    return flat if len(group) == flat.shape[1] else np.ascontiguousarray(flat[:, group[0] : group[-1] + 1])


def _trace_among(
    subject: Subject, scope: Sequence[str], labels: dict[str, np.ndarray] | None, group: np.ndarray
) -> FitTrace | None:
    """The first sign in a group of neighbouring columns."""
    trace = trace_of({part: _columns(subject, part, group) for part in {"train", *scope}}, scope, labels)
    return None if trace is None else dataclasses.replace(trace, columns=group[trace.columns])


def _scope_from_moments(subject: Subject) -> Outcome:
    """Preprocessing scope of data that came without its preprocessing."""
    if not subject.numeric or any(subject.flat(part).dtype.kind != "f" for part in subject.parts()):
        return not_applicable("no preprocessing object, and the features are no scaled numbers")
    parts = subject.parts()
    n = sum(map(len, parts.values()))
    width, room = subject.flat("train").shape[1], subject.options.memory_bytes() // (48 * n)
    if not room:
        return Outcome(Status.INCONCLUSIVE, f"a column needs more than audit.memory={subject.options.memory}", n)
    if len(subject.train) < 20:
        return not_applicable("no preprocessing object, and too few rows to show one")
    groups = [np.arange(start, min(start + room, width)) for start in range(0, width, room)]
    labels: dict[str, np.ndarray] | None = {part: rows.labels.astype(np.float64) for part, rows in parts.items()}
    if subject.classification and len(np.unique(subject.train.labels)) != 2:
        labels = None
    scopes: list[Sequence[str]] = [("train", "test")]
    if "valid" in parts:
        scopes += [("train", "valid", "test"), ("train", "valid")]
    for scope in scopes:
        trace = next(filter(None, (_trace_among(subject, scope, labels, group) for group in groups)), None)
        if trace is None:
            continue
        last, together = scope[-1], " and ".join(scope)
        names = [subject.feature_names[c] for c in trace.columns[:20]] if subject.columns else []
        finding = Finding(
            kind=Kind("preprocessing_scope"),
            severity=Severity.HIGH if last == "test" else Severity.MEDIUM,
            splits=("train", last),
            count=len(parts[last]),
            fraction=1.0,
            examples=tuple({"column": name} for name in names),
            evidence={"sign": trace.sign, "fit_on": list(scope), "columns": len(trace.columns), "from": "arrays"},
            repair="split the raw data first, then fit the preprocessing on the training rows only",
        )
        return Outcome(Status.FAIL, f"{together} together have {trace.sign}, train alone has not", n, (finding,))
    apart = "" if len(groups) == 1 else f" (signs of several columns were looked for among {room} at a time)"
    sign = next(filter(None, (fitted_on_train(_columns(subject, "train", group)) for group in groups)), None)
    if sign is not None:
        return Outcome(Status.PASS, f"the preprocessing fits the training rows alone ({sign}){apart}", n)
    return not_applicable(f"no preprocessing object: features go to the model as they are, and show no scaling{apart}")


def _planted(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if subject.splits.preprocessor is not None:
        splits = subject.splits.replace(fit_on=("train", "test"))
        yield Planting("its fit on train and test", dataclasses.replace(subject, splits=splits))
        return
    subject = smaller(subject)
    flat = {part: subject.flat(part).astype(np.float64) for part in ("train", "test")}
    joint = np.concatenate(list(flat.values()))
    low, high = np.nanmin(joint, 0), np.nanmax(joint, 0)
    for what, centre, scale in (
        ("standardised on all rows", np.nanmean(joint, 0), np.nanstd(joint, 0)),
        ("ranged on all rows", low, high - low),
    ):
        parts = {
            part: dataclasses.replace(rows, features=(flat[part] - centre) / np.where(scale > 0, scale, 1))
            for part, rows in subject.parts().items()
        }
        yield Planting(what, dataclasses.replace(subject, splits=subject.splits.replace(**parts)))


@check(place=110, planter=_planted)
def preprocessing_scope(subject: Subject) -> Outcome:
    """Does fitted preprocessing of the training rows depend on rows of another part?"""
    splits = subject.splits
    if splits.preprocessor is None:
        return _scope_from_moments(subject)
    n = sum(map(len, subject.parts().values()))
    before = _train_bytes(splits)
    if _train_bytes(splits) != before:
        return Outcome(
            Status.INCONCLUSIVE, "preprocessing fitted twice on the same rows differs: it draws global randomness", n
        )
    findings = []
    for part in subject.parts():
        if part == "train":
            continue
        moved = _moves(subject, part, before)
        if not moved:
            continue
        size = len(subject.parts()[part])
        findings.append(
            Finding(
                kind=Kind("preprocessing_scope"),
                severity=Severity.HIGH if part == "test" else Severity.MEDIUM,
                splits=("train", part),
                count=size,
                fraction=1.0,
                examples=(),
                evidence={"probes_that_moved_train": moved, "fit_on": list(splits.fit_on)},
                repair="fit preprocessing on the training rows only (protocol.fit_on=[train])",
            )
        )
    if not findings:
        return Outcome(Status.PASS, "transformed training rows do not depend on other parts, to the last bit", n)
    parts = " and ".join(f.splits[1] for f in findings)
    return Outcome(
        Status.FAIL,
        f"transformed training rows change when the {parts} rows change: fitted on them too",
        n,
        tuple(findings),
    )
