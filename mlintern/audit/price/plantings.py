"""Leaks of every kind, planted in a copy of a subject's data for the canaries (canaries.py).

Rows that are copies, interpolations, mates or late are planted in test, and the check should name them; what concerns
columns, preprocessing or a choice is planted as a whole, one way after the other. Where a check is costly, the copy has
some rows of the data, drawn at random.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from mlintern.audit.inputs.graphs import renumbered
from mlintern.audit.inputs.subject import Subject
from mlintern.audit.report.report import Kind
from mlintern.audit.search.neighbours import nearest
from mlintern.audit.search.texts import reworded

_PLANTED = 20
_FEWEST = 40  # test rows below which nothing is planted
_JITTER = 0.01  # of a column's deviation
_ROWS = 2000, 1000  # training and test rows of a smaller copy
_FEW = 200  # test rows of one where each costs much
_CANDIDATES, _PICKED = 500, 20  # columns of noise, of which the best are picked
_SOURCE = 12  # rows of a planted source
_FAR = (0.2, 0.4, 0.6)  # by which its rows differ, in deviations of a column


@dataclasses.dataclass(frozen=True)
class Planting:
    """A copy of the subject with a leak in it."""

    what: str
    subject: Subject
    rows: np.ndarray | None = None
    """The planted test rows; None where the leak is one of the whole split."""


Planter = Callable[[Subject, np.random.Generator], Iterator[Planting]]


def _smaller(subject: Subject, rows: tuple[int, int] = _ROWS) -> Subject:
    """The subject with at most these numbers of training and test rows."""
    train, test = (subject.sample(part, limit, "canaries") for part, limit in zip(("train", "test"), rows, strict=True))
    return subject.take(train, test)


def _fits(subject: Subject) -> bool:
    """A text beside other columns is no row by itself, and a small part has no room for planted rows."""
    return subject.texts is None and len(subject.test) >= _FEWEST


def _places(subject: Subject, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows of test that are replaced, and rows of train that they are made of."""
    number = min(_PLANTED, len(subject.test) // 4, len(subject.train) // 4)
    places = np.sort(rng.choice(len(subject.test), number, replace=False))
    return places, rng.choice(len(subject.train), number, replace=False)


def _put(subject: Subject, part: str, places: np.ndarray, rows: np.ndarray, **columns: np.ndarray) -> Subject:
    """The subject with other features, and other values of `columns`, in some rows of a part."""
    old = subject.parts()[part]
    kept = rows.dtype.kind in "OUS"  # strings of a fixed length would be cut
    features = old.features.astype(object if kept else np.result_type(old.features, rows), copy=True)
    features[places] = rows
    changed = {}
    for name, values in columns.items():
        changed[name] = np.array(getattr(old, name))
        changed[name][places] = values
    splits = subject.splits.replace(**{part: dataclasses.replace(old, features=features, **changed)})
    return dataclasses.replace(subject, splits=splits)


def disguised(subject: Subject, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Training rows as near copies: mirrored, louder, renumbered, reworded or jittered, by kind of data."""
    features = subject.train.features[rows]
    if subject.kind_of_data == "image":
        axis = 2 if features.ndim == 3 or features.shape[1] not in (1, 3, 4) else 3
        return np.flip(features, axis=axis)
    if subject.kind_of_data == "series":
        return (features * 1.5).astype(features.dtype)
    if subject.kind_of_data == "graph":
        return np.array([renumbered(graph, rng) for graph in features], dtype=features.dtype)
    if subject.kind_of_data == "text":
        texts = [reworded(str(text), rng) for text in features.ravel().tolist()]
        return np.array(texts, dtype=object).reshape(features.shape)
    if features.dtype.kind not in "fiu":
        return features
    sample = subject.train.features[subject.sample("train", subject.options.max_rows, "canaries", "spread")]
    spread = np.nanstd(sample.astype(np.float64), axis=0)
    coded = np.array([len(np.unique(column)) <= 20 for column in subject.flat("train")[:2000].T]).reshape(
        features.shape[1:]
    )  # codes stay what they are
    moved = features + np.where(coded, 0, _JITTER * spread) * rng.normal(size=features.shape)
    return moved.astype(np.float64)


def _exact(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if _fits(subject):
        places, twins = _places(subject, rng)
        yield Planting("copies", _put(subject, "test", places, subject.train.features[twins]), places)


def _conflicting(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    names = np.unique(subject.train.labels)
    if _fits(subject) and len(names) > 1:
        places, twins = _places(subject, rng)
        other = names[(np.searchsorted(names, subject.train.labels[twins]) + 1) % len(names)]
        copy = _put(subject, "test", places, subject.train.features[twins], labels=other)
        yield Planting("copies with another label", copy, places)


def _near(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if not _fits(subject):
        return
    if len(subject.test) > subject.options.max_rows:  # all training rows, as in the check; not all test rows again
        test = subject.sample("test", max(_FEWEST, subject.options.max_rows // 10), "canaries", "near")
        subject = subject.take(np.arange(len(subject.train)), test)
    places, twins = _places(subject, rng)
    yield Planting("copies", _put(subject, "test", places, disguised(subject, twins, rng)), places)


def _augmented(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if not _fits(subject):
        return
    subject = _smaller(subject, (_ROWS[0], _FEW))
    order = rng.permutation(len(subject.train))
    half = len(order) // 2
    copy = _put(subject, "train", order[half : 2 * half], disguised(subject, order[:half], rng))
    places, _ = _places(subject, rng)
    twins = order[rng.choice(half, len(places), replace=False)]
    copy = _put(copy, "test", places, disguised(subject, twins, rng))
    yield Planting("variants (of rows with variants in train too)", copy, places)


def _interpolated(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if not _fits(subject):
        return
    subject = _smaller(subject, (_ROWS[0], _FEW))
    block = np.nan_to_num(subject.flat("train").astype(np.float64))
    spread = block.std(0)
    points = (block / np.where(spread > 0, spread, 1)).astype(np.float32)
    labels = subject.train.labels
    places, ends = _places(subject, rng)
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
    yield Planting("interpolations", _put(subject, "test", places, between, labels=labels[ends]), places)


def _mates(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if _fits(subject) and subject.train.groups is not None:
        places, others = _places(subject, rng)
        groups = np.array(subject.train.groups, dtype=object)
        test = dataclasses.replace(subject.test, groups=np.array(subject.test.groups, dtype=object))
        copy = dataclasses.replace(subject, splits=subject.splits.replace(test=test))
        yield Planting("mates", _put(copy, "test", places, test.features[places], groups=groups[others]), places)


def _late(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if _fits(subject) and subject.train.times is not None:
        places, others = _places(subject, rng)
        times = subject.train.times[others]
        yield Planting(
            "rows of training times", _put(subject, "test", places, subject.test.features[places], times=times), places
        )


def _grouped(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if len(subject.test) < _FEWEST:
        return
    subject = dataclasses.replace(_smaller(subject, (_ROWS[0], _ROWS[1] // 2)), positions=None)
    flat = subject.flat("train").astype(np.float64)
    sources = rng.choice(len(flat), max(1, (len(flat) + len(subject.test)) // _SOURCE))
    for far in _FAR:
        copy = subject
        for part, rows in subject.parts().items():
            drawn = sources[rng.integers(0, len(sources), len(rows))]
            made = flat[drawn] + far * np.nanstd(flat, 0) * rng.normal(size=(len(rows), flat.shape[1]))
            labels = subject.train.labels[drawn]
            copy = _put(copy, part, np.arange(len(rows)), made.reshape(rows.features.shape), labels=labels)
        yield Planting(f"sources whose rows differ by {100 * far:.0f} % of a deviation", copy)


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


def _telling(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    subject = _smaller(subject)
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


def _named(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    subject = _smaller(subject)
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


def _fitted_on_all(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if subject.splits.preprocessor is not None:
        splits = subject.splits.replace(fit_on=("train", "test"))
        yield Planting("its fit on train and test", dataclasses.replace(subject, splits=splits))
        return
    subject = _smaller(subject)
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


def _picked(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    from mlintern.audit.checks.selected_columns import orthonormal

    subject = _smaller(subject)
    joint = np.nan_to_num(np.concatenate([subject.flat(part) for part in ("train", "test")]).astype(np.float64))
    labels = np.concatenate([subject.parts()[part].labels for part in ("train", "test")])
    targets = orthonormal(labels, np.unique(labels) if subject.classification else None)
    border = len(subject.train)
    for time in ("once", "again", "a third time"):
        noise = np.column_stack([rng.permutation(joint[:, rng.integers(joint.shape[1])]) for _ in range(_CANDIDATES)])
        noise = (noise - noise.mean(0)) / np.maximum(noise.std(0), 1e-300)
        best = noise[:, np.argsort(-((targets.T @ noise) ** 2).sum(0))[:_PICKED]]
        parts = {
            "train": dataclasses.replace(subject.train, features=best[:border]),
            "test": dataclasses.replace(subject.test, features=best[border:]),
        }
        copy = dataclasses.replace(subject, splits=subject.splits.replace(**parts), columns=None)
        yield Planting(f"shuffled columns picked on all rows {time}", copy)


def _chosen_on_test(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    if subject.protocol is not None:
        protocol = dataclasses.replace(subject.protocol, select_on="test")
        yield Planting("a choice by the test score", dataclasses.replace(subject, protocol=protocol))


def _moved(subject: Subject, rng: np.random.Generator) -> Iterator[Planting]:
    subject = _smaller(subject)
    flat = subject.flat("test").astype(np.float64)
    moved = np.arange(0, flat.shape[1], 3)
    flat[:, moved] += 0.5 * np.nanstd(subject.flat("train")[:, moved].astype(np.float64), 0)
    rows = flat.reshape(subject.test.features.shape)
    yield Planting("every third column moved by half a deviation", _put(subject, "test", np.arange(len(rows)), rows))


PLANTERS: dict[Kind, Planter] = {
    Kind.EXACT_DUPLICATE: _exact,
    Kind.LABEL_CONFLICT: _conflicting,
    Kind.NEAR_DUPLICATE: _near,
    Kind.AUGMENTED_BEFORE_SPLIT: _augmented,
    Kind.RESAMPLED_BEFORE_SPLIT: _interpolated,
    Kind.GROUP_OVERLAP: _mates,
    Kind.LATENT_GROUP: _grouped,
    Kind.TEMPORAL_OVERLAP: _late,
    Kind.TARGET_LEAK: _telling,
    Kind.METADATA_LEAK: _named,
    Kind.PREPROCESSING_SCOPE: _fitted_on_all,
    Kind.SELECTION_BEFORE_SPLIT: _picked,
    Kind.SELECTION_ON_TEST: _chosen_on_test,
    Kind.SHIFT: _moved,
}
"""By kind of finding; what has none is said in canaries.py."""
