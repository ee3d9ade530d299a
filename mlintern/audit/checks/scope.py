"""`preprocessing_scope` by non-interference: whatever happens to the test rows, the training rows must not move.

Preprocessing is fitted again after the raw test rows were changed (and once after half of them were dropped); the
transformed training rows must come out the same to the last bit. No knowledge of the preprocessing is needed, and a
pass is no matter of a threshold. The validation rows are probed likewise.
"""

import numpy as np

from mlintern.audit.checks.moments import scope_from_moments
from mlintern.audit.inputs.subject import Outcome, Subject
from mlintern.audit.randomness import generator
from mlintern.audit.report.report import Finding, Kind, Severity, Status
from mlintern.data.splits import Examples, Splits


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


def _with(splits: Splits, part: str, rows: Examples) -> Splits:
    return splits.replace(**{part: rows})


def _train_bytes(splits: Splits) -> bytes:
    """The transformed training rows, bit by bit."""
    fitted = splits.fitted()
    assert fitted is not None
    out = np.ascontiguousarray(fitted.transform(splits.train.features))
    return f"{out.dtype}{out.shape}".encode() + out.tobytes()


def _moves(subject: Subject, part: str, before: bytes) -> list[str]:
    """The probes of `part` under which the transformed training rows changed."""
    import dataclasses

    splits, rows = subject.splits, subject.parts()[part]
    moved = []
    for probe in ("changed", "outliers", "dropped"):
        if probe == "dropped":
            other = rows.take(np.arange(0, len(rows), 2))
        else:
            other = dataclasses.replace(rows, features=changed(rows.features, subject.options.seed, probe))
        if _train_bytes(_with(splits, part, other)) != before:
            moved.append(probe)
    return moved


def preprocessing_scope(subject: Subject) -> Outcome:
    """Does fitted preprocessing of the training rows depend on rows of another part?"""
    splits = subject.splits
    if splits.preprocessor is None:
        return scope_from_moments(subject)
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
                kind=Kind.PREPROCESSING_SCOPE,
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
