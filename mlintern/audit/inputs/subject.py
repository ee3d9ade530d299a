"""What an audit looks at: the splits, and what else is known about their rows."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import numpy as np

from mlintern.audit.inputs.graphs import are_adjacencies
from mlintern.audit.report.audit_report import Finding, Status
from mlintern.audit.report.options import AuditOptions
from mlintern.data.protocol import EvaluationProtocol
from mlintern.data.splits import Examples, Splits

Modality = Literal["tabular", "image", "series", "text", "graph"]
_ALIKE = 0.5  # correlation of neighbouring columns from which they are samples or pixels …
_APART = 0.2  # … if it is this much above that of columns drawn at random


Fit = Callable[[Examples, Examples], np.ndarray]
"""Trains a model on the first rows and returns its predictions [n] for the second: a pack's own, under its protocol."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What one check came to."""

    status: Status
    reason: str
    n: int = 0
    findings: tuple[Finding, ...] = ()


def not_applicable(reason: str) -> Outcome:
    return Outcome(Status.NOT_APPLICABLE, reason)


@dataclasses.dataclass(
    frozen=True, eq=False
)  # one subject is equal to itself alone, so checks can cache what they share
class Subject:
    """Splits with the side information that only some inputs have. Checks read it and change nothing."""

    splits: Splits
    options: AuditOptions = dataclasses.field(default_factory=AuditOptions)
    protocol: EvaluationProtocol | None = None
    columns: tuple[str, ...] | None = None
    """Names of the feature columns, where the input had names."""
    texts: Mapping[str, np.ndarray] | None = None
    """{part: [n] str} of the text column, if there is one."""
    metadata: Mapping[str, Mapping[str, np.ndarray]] = dataclasses.field(default_factory=dict)
    """{part: {column: [n]}}: columns that describe a row and are no features (path, id, time of writing)."""
    positions: Mapping[str, np.ndarray] | None = None
    """{part: [n]} each row's place in the file the parts were cut from, if it survived the split."""
    fit: Fit | None = None
    """The model that price=model retrains."""
    whole_labels: Mapping[str, np.ndarray] | None = None
    """{part: [n, k]} all labels of rows that have many; the splits' labels then stand in for them (labels.py)."""
    modality: Modality | None = None
    """Stated by the caller; None infers it from the shape."""
    drawn: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict, init=False, repr=False)
    """{purpose: {part: rows}}: where a check drew rows instead of looking at all; the report says so."""

    @property
    def train(self) -> Examples:
        return self.splits.train

    @property
    def test(self) -> Examples:
        return self.splits.test

    def parts(self) -> dict[str, Examples]:
        return self.splits.parts()

    @functools.cached_property
    def kind_of_data(self) -> Modality:
        """Modality of the features: stated, or by shape ([n, h, w] and [n, h, w, c]: images, [n] strings: text,
        [n, k, k] symmetric with few values: graphs)."""
        if self.modality is not None:
            return self.modality
        features = self.train.features
        if features.dtype.kind in "OUS":
            return "text"
        if are_adjacencies(features):
            return "graph"
        if features.ndim >= 4 or (features.ndim == 3 and min(features.shape[1:]) >= 8):
            return "image"
        return "series" if features.ndim == 3 else "tabular"

    @functools.cached_property
    def laid_out(self) -> Modality | None:
        """What the columns of a table are laid out like: samples of a series, pixels of a square image, or neither."""
        if self.kind_of_data != "tabular" or not self.numeric:
            return None
        block = self.flat("train")[:1000].astype(np.float64)
        width = block.shape[1]
        if width < 32 or len(block) < 40 or self.columns is not None or not np.isfinite(block).all():
            return None
        varying = block.std(0) > 0
        together = np.atleast_2d(np.corrcoef(block[:, varying].T))
        place = np.flatnonzero(varying)
        at = np.full(width, -1)
        at[place] = np.arange(len(place))

        def alike(step: int) -> float:
            one, two = at[: width - step], at[step:]
            both = (one >= 0) & (two >= 0)
            return float(np.median(np.abs(together[one[both], two[both]]))) if both.sum() >= 8 else 0.0

        everywhere = float(np.median(np.abs(together[np.triu_indices(len(together), 1)]))) if len(place) > 1 else 1.0
        if alike(1) < _ALIKE or alike(1) < everywhere + _APART:
            return None
        side = int(np.sqrt(width))
        if side * side == width and side >= 8 and alike(side) >= max(0.6 * alike(1), everywhere + _APART / 2):
            return "image"
        return "series"

    @property
    def is_recording(self) -> bool:
        """Columns that are samples or pixels and too many to be anything else: none of them is asked by itself."""
        return self.laid_out is not None and self.flat("train").shape[1] > 512

    def laid_out_as(self, kind: str, part: str, rows: np.ndarray) -> np.ndarray:
        """Rows of a part as images or series; a table's columns are put into their layout."""
        features = self.parts()[part].features[rows]
        if kind == "image" and features.ndim == 2:
            side = int(np.sqrt(features.shape[1]))
            return features.reshape(len(features), side, side)
        return features

    @functools.cached_property
    def numeric(self) -> bool:
        """True where the features are numbers."""
        return all(part.features.dtype.kind in "fiub" for part in self.parts().values())

    @functools.cached_property
    def classification(self) -> bool:
        """True where labels are classes: stated by the splits, or integers (or few distinct values)."""
        if self.splits.classes is not None:
            return True
        labels = self.train.labels
        if labels.dtype.kind in "OUSb":
            return True
        return labels.dtype.kind in "iu" and len(np.unique(labels)) <= max(20, int(0.05 * len(labels)))

    def flat(self, part: str) -> np.ndarray:
        """Raw numeric features of a part as [n, d], in their own type."""
        features = self.parts()[part].features
        return features.reshape(len(features), -1)

    def dealt(self, splits: Splits, deal: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]) -> "Subject":
        """The subject with these splits; `deal` does to a column {part: [n]} of the parts what made them."""
        parts, sides = tuple(splits.parts()), ("texts", "positions", "whole_labels")
        tagged: dict[str, dict[str, np.ndarray]] = {part: {} for part in parts}
        for name in self.metadata.get("train", {}):
            if all(name in self.metadata.get(part, {}) for part in parts):
                for part, values in deal({part: np.asarray(self.metadata[part][name]) for part in parts}).items():
                    tagged[part][name] = values
        given = {side: columns for side in sides if (columns := getattr(self, side)) is not None}
        dealt: dict[str, Any] = {side: deal(columns) for side, columns in given.items()}
        return dataclasses.replace(self, splits=splits, metadata=tagged, **dealt)

    def take(self, train: np.ndarray, test: np.ndarray) -> "Subject":
        """The subject with these rows of train and test, and no validation rows."""
        rows = {"train": train, "test": test}
        cut = {part: self.parts()[part].take(chosen) for part, chosen in rows.items()}
        splits = self.splits.replace(valid=None, **cut)
        return self.dealt(splits, lambda columns: {part: columns[part][rows[part]] for part in rows})

    def blocks(self, part: str) -> Iterator[tuple[slice, np.ndarray]]:
        """(rows, float64 features [m, d]) of a part, block by block, so that no second copy of a table is held."""
        features = self.flat(part)
        step = max(1, self.options.memory_bytes() // 32 // max(1, 8 * features.shape[1]))
        for start in range(0, len(features), step):
            rows = slice(start, min(start + step, len(features)))
            yield rows, features[rows].astype(np.float64)

    @functools.cached_property
    def feature_names(self) -> tuple[str, ...]:
        width = self.flat("train").shape[1]
        return self.columns if self.columns is not None else tuple(f"column {i}" for i in range(width))

    def sample(self, part: str, limit: int, *purpose: str | int) -> np.ndarray:
        """Sorted row numbers of a part, at most `limit` of them, drawn with the audit's own generator."""
        from mlintern.audit.randomness import drawn

        rows = drawn(len(self.parts()[part]), limit, self.options.seed, "sample", part, *purpose)
        if len(rows) < len(self.parts()[part]):
            self.drawn.setdefault(str(purpose[0]), {})[part] = limit
        return rows


def pair_examples(
    subject: Subject, part_a: str, rows_a: np.ndarray, part_b: str, rows_b: np.ndarray, limit: int = 20
) -> tuple[dict[str, str], ...]:
    """The first pairs by example id, for a finding's `examples`."""
    ids_a, ids_b = subject.parts()[part_a].ids, subject.parts()[part_b].ids
    return tuple(
        {part_a: str(ids_a[i]), part_b: str(ids_b[j])} for i, j in zip(rows_a[:limit], rows_b[:limit], strict=False)
    )


def row_numbers(rows: np.ndarray, limit: int = 100_000) -> list[int]:
    """Row numbers as plain integers for a finding's evidence (the first `limit`; `count` always holds the total)."""
    return [int(row) for row in np.unique(rows)[:limit]]


def pair_numbers(rows_a: np.ndarray, rows_b: np.ndarray, limit: int = 100_000) -> list[list[int]]:
    """Pairs of row numbers (first part, last part) for a finding's evidence; pricing and repair read them."""
    return [[int(a), int(b)] for a, b in zip(rows_a[:limit], rows_b[:limit], strict=True)]


def id_like(subject: Subject) -> np.ndarray:
    """[d] bool: integer-valued columns that never repeat over all parts; a copied row gets a new number there."""
    blocks = [subject.flat(part) for part in subject.parts()]
    width = blocks[0].shape[1]
    found = np.zeros(width, bool)
    if width < 3 or width > 10_000:
        return found
    for column in range(width):
        head = blocks[0][:200, column]
        if not np.all(np.isfinite(head)) or np.any(head != np.floor(head)) or len(np.unique(head)) < len(head):
            continue
        values = np.concatenate([block[:, column] for block in blocks])
        if not np.all(np.isfinite(values)) or np.any(values != np.floor(values)):
            continue
        found[column] = len(np.unique(values)) == len(values) and np.ptp(values) <= 100 * len(values)
    return found if found.sum() <= width - 2 else np.zeros(width, bool)
