"""`metadata_leak`: what merely describes a row (file name, id, time stamp, place in the file) predicts the label.

A model that never reads these is not helped by them, so a finding does not block by itself; a running number among the
features is read, and does.
"""

import dataclasses
import re
from collections.abc import Iterator

import numpy as np

from mlintern.audit.inputs.order import as_numbers, places
from mlintern.audit.inputs.subject import Outcome, Subject, id_like, not_applicable
from mlintern.audit.planting import Planting, smaller
from mlintern.audit.randomness import generator
from mlintern.audit.registry import check
from mlintern.audit.report.audit_report import Finding, Kind, Severity, Status
from mlintern.audit.search.quick_model import fitted_trees

_ROWS = 3000
_TELLS = 0.5  # share of the errors of guessing that the metadata alone removes
_TOKENS = 64


def numbers_of(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A metadata column as numbers: a time or number as it is; a string as its first numbers and its frequent words."""
    if train.dtype.kind in "Mfiub":
        return as_numbers(train)[:, None], as_numbers(test)[:, None]
    words: dict[str, int] = {}
    for value in train.tolist():
        for word in set(re.findall(r"[^\W\d_]+", str(value).lower())):
            words[word] = words.get(word, 0) + 1
    kept = sorted(words, key=lambda w: (-words[w], w))[:_TOKENS]
    place = {word: index for index, word in enumerate(kept)}

    def encode(values: np.ndarray) -> np.ndarray:
        out = np.full((len(values), len(kept) + 4), -1.0)
        out[:, 4:] = 0
        for row, value in enumerate(values.tolist()):
            text = str(value)
            for column, number in enumerate(re.findall(r"\d+", text)[:3]):
                out[row, column] = float(number[:15])
            out[row, 3] = len(text)
            for word in re.findall(r"[^\W\d_]+", text.lower()):
                if word in place:
                    out[row, 4 + place[word]] = 1
        return out

    return encode(train), encode(test)


def _columns(subject: Subject) -> Iterator[tuple[str, np.ndarray, np.ndarray, Severity]]:
    """(what it is, training values, test values, severity if it tells)."""
    train, test = subject.train, subject.test
    for name, values in subject.metadata.get("train", {}).items():
        if name in subject.metadata.get("test", {}):
            yield str(name), np.asarray(values), np.asarray(subject.metadata["test"][name]), Severity.MEDIUM
    if train.sources is not None and test.sources is not None and not subject.metadata.get("train"):
        yield "source", train.sources, test.sources, Severity.MEDIUM
    made_up = tuple(f"{part}{mark}" for part in ("train", "test") for mark in "/-")
    if not str(train.ids[0]).startswith(made_up):
        yield "id", train.ids, test.ids, Severity.MEDIUM
    where = places(subject)
    if where is not None and subject.positions is not None:
        yield "place in the file", where["train"], where["test"], Severity.LOW
    if subject.numeric and subject.kind_of_data == "tabular":
        for column in np.flatnonzero(id_like(subject)):
            name = f"feature {subject.feature_names[column]} (a running number)"
            yield name, subject.flat("train")[:, column], subject.flat("test")[:, column], Severity.HIGH


def _planted(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    subject = smaller(subject)
    labels = {part: subject.parts()[part].labels for part in ("train", "test")}
    names = np.unique(np.concatenate(list(labels.values())))
    codes = {part: np.searchsorted(names, values) for part, values in labels.items()}
    numbers = {part: rng.integers(0, 10**6, len(values)) for part, values in codes.items()}
    words = {
        part: np.array(
            [f"{chr(97 + c % 26)}{c}_{i}.png" for c, i in zip(codes[part], numbers[part], strict=True)], object
        )
        for part in codes
    }
    for what, planted in (
        ("file names that hold the label", words),
        ("running numbers in its order", {part: codes[part] * 10.0**6 + numbers[part] for part in codes}),
    ):
        metadata = {part: {**subject.metadata.get(part, {}), "planted": planted[part]} for part in codes}
        yield Planting(what, dataclasses.replace(subject, metadata=metadata))


@check(place=100, planter=_planted, draws="metadata")
def metadata_leak(subject: Subject) -> Outcome:
    """A forest on each metadata column alone, trained on train, asked about test, against permuted labels."""
    if not subject.classification:
        return not_applicable("labels are numbers, not classes")
    rows = {part: subject.sample(part, _ROWS, "metadata") for part in ("train", "test")}
    y, truth = (subject.parts()[part].labels[rows[part]] for part in ("train", "test"))
    names, counts = np.unique(y, return_counts=True)
    blind = float((truth == names[counts.argmax()]).mean())
    findings, seen, n = [], [], len(truth)
    for name, train, test, severity in _columns(subject):
        a, b = numbers_of(train[rows["train"]], test[rows["test"]])
        a, b = np.nan_to_num(a, nan=-1.0), np.nan_to_num(b, nan=-1.0)
        seen.append(name)
        hit = float((fitted_trees(a, y, True, 0, 30).predict(b) == truth).mean())
        shuffled = y[generator(subject.options.seed, "metadata", name).permutation(len(y))]
        null = float((fitted_trees(a, shuffled, True, 0, 30).predict(b) == truth).mean())
        spread = np.sqrt(max(blind * (1 - blind), 0.01) / n)
        skill = (hit - blind) / max(1 - blind, 1e-9)
        if skill < _TELLS or hit < max(null, blind) + 4 * spread:
            continue
        findings.append(
            Finding(
                kind=Kind("metadata_leak"),
                severity=severity,
                splits=("train", "test"),
                count=n,
                fraction=1.0,
                examples=({"column": name},),
                evidence={"column": name, "accuracy": round(hit, 4), "commonest_class": round(blind, 4)},
                repair=f"keep {name} from the model and from anything that is computed on rows in order; "
                "find out why it goes with the label",
            )
        )
    if not seen:
        return not_applicable("rows carry no path, id, time or place beside their features")
    if not findings:
        return Outcome(Status.PASS, f"nothing that describes a row predicts the label ({', '.join(seen)})", n)
    told = "; ".join(f"{f.evidence['column']} alone predicts {100 * f.evidence['accuracy']:.0f} %" for f in findings)
    return Outcome(Status.FAIL, f"{told} of the test labels", n, tuple(findings))
