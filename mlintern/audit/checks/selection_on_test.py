"""`selection_on_test`: permute the test labels; the chosen checkpoint must not change.

The project's own selection rule is run on checkpoints of a probe (softmax or ridge regression under gradient descent,
at several steps and learning rates), scored on every part. The rule is not read but run: a choice that follows the
permuted test labels uses them.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mlintern.audit.inputs.subject import Outcome, Subject, not_applicable
from mlintern.audit.planting import Planting
from mlintern.audit.randomness import generator
from mlintern.audit.registry import check
from mlintern.audit.report.audit_report import Finding, Kind, Severity, Status
from mlintern.core.errors import UserError
from mlintern.data.protocol import EvaluationProtocol

_CANDIDATES = 12
_ROWS = 2000


def candidate_scores(inputs: Mapping[str, np.ndarray], labels: np.ndarray, seed: int) -> list[dict[str, np.ndarray]]:
    """Predicted class scores (or values) per part, [n, classes] each, of `_CANDIDATES` checkpoints of a linear probe.

    Candidates differ in strength: each continues the last with another learning rate, from none to a good fit.
    """
    rng = generator(seed, "selection", "probe")
    width = inputs["train"].shape[1]
    classes = labels.shape[1]
    weights = rng.normal(0, 0.5, (width + 1, classes))
    with_one = {part: np.hstack([x, np.ones((len(x), 1))]) for part, x in inputs.items()}
    out = []
    for step in range(_CANDIDATES):
        out.append({part: x @ weights for part, x in with_one.items()})
        scores = with_one["train"] @ weights
        if classes > 1:
            scores = np.exp(scores - scores.max(1, keepdims=True))
            scores /= scores.sum(1, keepdims=True)
        gradient = with_one["train"].T @ (scores - labels) / len(labels)
        rate = 0.5 if classes > 1 else 0.1 / width
        weights = weights - rate * gradient + rng.normal(0, 0.05 / (step + 1), weights.shape)
    return out


def _history(
    scores: list[dict[str, np.ndarray]], targets: Mapping[str, np.ndarray], protocol: EvaluationProtocol
) -> list[dict[str, Any]]:
    """A learning curve in the engine's form; the metric is accuracy (or minus the squared error), signed for `mode`."""
    sign = 1.0 if protocol.direction == "max" else -1.0
    rows: list[dict[str, Any]] = []
    for step, predictions in enumerate(scores, start=1):
        for part, values in predictions.items():
            if values.shape[1] > 1:
                quality = float((values.argmax(1) == targets[part]).mean())
            else:
                quality = -float(((values[:, 0] - targets[part]) ** 2).mean())
            rows.append({"step": step, "split": part, "loss": -quality, protocol.metric: sign * quality})
    return rows


def _planted(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if subject.protocol is not None:
        protocol = dataclasses.replace(subject.protocol, select_on="test")
        yield Planting("a choice by the test score", dataclasses.replace(subject, protocol=protocol))


@check(place=130, planter=_planted, draws="selection")
def selection_on_test(subject: Subject) -> Outcome:
    """Does the protocol's choice of a checkpoint depend on the test labels? At least five permutations."""
    from mlintern.engine.selection import choose

    protocol = subject.protocol
    if protocol is None:
        return not_applicable("no evaluation protocol was given")
    if protocol.select_on == "valid" and subject.splits.valid is None:
        return Outcome(Status.INCONCLUSIVE, "the protocol selects on valid, and these splits have no valid part")
    if not subject.numeric:
        return Outcome(Status.INCONCLUSIVE, "features are no numbers, so no probe could be trained")
    seed = subject.options.seed
    inputs: dict[str, np.ndarray] = {}
    targets: dict[str, np.ndarray] = {}
    transformed = subject.splits.transformed()
    rows = {part: subject.sample(part, _ROWS, "selection") for part in subject.parts()}
    base = transformed["train"].reshape(len(transformed["train"]), -1)[rows["train"]].astype(np.float64)
    centre, scale = np.nanmean(base, 0), np.nanstd(base, 0)
    scale[~(scale > 0)] = 1.0
    for name, block in transformed.items():
        flat = block.reshape(len(block), -1)[rows[name]].astype(np.float64)
        inputs[name] = np.nan_to_num((flat - centre) / scale, nan=0.0, posinf=0.0, neginf=0.0)
    if subject.classification:
        names = np.unique(np.concatenate([part.labels for part in subject.parts().values()]))
        for name, part in subject.parts().items():
            targets[name] = np.searchsorted(names, part.labels[rows[name]])
        one_hot = np.eye(len(names))[targets["train"]]
    else:
        mean, spread = float(np.mean(subject.train.labels)), float(np.std(subject.train.labels)) or 1.0
        for name, part in subject.parts().items():
            targets[name] = (part.labels[rows[name]] - mean) / spread
        one_hot = targets["train"][:, None]
    scores = candidate_scores(inputs, one_hot, seed)
    try:
        chosen = choose(_history(scores, targets, protocol), protocol)
        permutations = max(5, subject.options.permutations)
        changed = 0
        for index in range(permutations):
            rng = generator(seed, "selection", "permutation", index)
            shuffled = {**targets, "test": rng.permutation(targets["test"])}
            changed += choose(_history(scores, shuffled, protocol), protocol) != chosen
    except UserError as error:
        return Outcome(Status.INCONCLUSIVE, f"the selection rule refused the probe's checkpoints: {error}")
    n = len(subject.test)
    if not changed:
        return Outcome(
            Status.PASS, f"the chosen checkpoint stayed through {permutations} permutations of test labels", n
        )
    finding = Finding(
        kind=Kind("selection_on_test"),
        severity=Severity.HIGH,
        splits=("test",),
        count=n,
        fraction=1.0,
        examples=(),
        evidence={
            "permutations": permutations,
            "choices_changed": int(changed),
            "candidates": _CANDIDATES,
            "select_on": protocol.select_on,
        },
        repair="hold a validation part out of train and select on it (protocol.select_on=valid)",
    )
    reason = f"the chosen checkpoint changed in {changed} of {permutations} permutations of the test labels"
    return Outcome(Status.FAIL, reason, n, (finding,))
