"""The cases of the battery (audit_battery.py): planted leaks and clean splits, each a function of a seed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage
from sklearn import datasets

from mlintern.audit.inputs.frames import subject_from_arrays, subject_from_frames
from mlintern.audit.inputs.subject import Subject
from mlintern.audit.report.options import AuditOptions

Case = tuple[Subject, str | None, np.ndarray | None]  # subject, kind or None, planted test rows if rows were planted
OPTIONS = AuditOptions(price="none", canaries=False)  # neither changes what is found


def table(name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    if name == "made":
        x, y = datasets.make_classification(900, 15, n_informative=7, n_redundant=3, flip_y=0.1, random_state=seed)
        return x, y
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return x.astype(float), y


def halves(x: Any, y: Any, rng: np.random.Generator, share: float = 0.7) -> list[np.ndarray]:
    order = rng.permutation(len(x))
    border = int(share * len(x))
    return [x[order[:border]].copy(), y[order[:border]].copy(), x[order[border:]].copy(), y[order[border:]].copy()]


def subject(parts: list[np.ndarray], **side: Any) -> Subject:
    x, y, x_test, y_test = parts
    return subject_from_arrays({"train": (x, y), "test": (x_test, y_test)}, OPTIONS, **side)


def copies(name: str, change: Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray], kind: str) -> Any:
    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        x, y, x_test, y_test = halves(*table(name, seed), rng)
        number = max(8, len(x_test) // 15)
        twins = rng.permutation(len(x))[:number]
        x_test[:number], y_test[:number] = change(x[twins], x.std(0), rng), y[twins]
        return subject([x, y, x_test, y_test]), kind, np.arange(number)

    return make


def one_cell(rows: np.ndarray, spread: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    rows = rows.copy()
    column = rng.integers(0, rows.shape[1], len(rows))
    rows[np.arange(len(rows)), column] += 1.5 * spread[column]
    return rows


def with_columns(make: Callable[[np.ndarray, np.random.Generator], list[np.ndarray]], kind: str | None) -> Any:
    def build(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        x, y = table("made", seed)
        return subject(halves(np.column_stack([x, *make(y, rng)]), y, rng)), kind, None

    return build


def masked(y: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    mask = rng.integers(0, 2, len(y))
    return [mask, mask ^ y]


def differing(y: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    base = 5 * rng.normal(size=len(y))
    return [base, base + 0.1 * y + 0.01 * rng.normal(size=len(y))]


def bent(y: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    return [np.where(y == 1, rng.choice([-1, 1], len(y)) * (2 + rng.random(len(y))), 0.4 * rng.normal(size=len(y)))]


def scaled(fit: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], on_all: bool) -> Any:
    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        x, y, x_test, y_test = halves(*table("made", seed), rng)
        move, width = fit(np.concatenate([x, x_test]) if on_all else x)
        parts = [(x - move) / width, y, (x_test - move) / width, y_test]
        return subject(parts), "preprocessing_scope" if on_all else None, None

    return make


def smote(x: np.ndarray, y: np.ndarray, number: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    rare = np.bincount(y).argmin()
    rows = x[y == rare]
    near = np.argsort(((rows[:, None] - rows) ** 2).sum(2), axis=1)[:, 1:6]
    a = rng.integers(0, len(rows), number)
    b = near[a, rng.integers(0, 5, number)]
    return np.vstack([x, rows[a] + rng.random((number, 1)) * (rows[b] - rows[a])]), np.r_[y, np.full(number, rare)]


def oversampled(name: str, before: bool) -> Any:
    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        x, y = table(name, seed)
        if before:
            return subject(halves(*smote(x, y, len(x) // 3, rng), rng)), "resampled_before_split", None
        parts = halves(x, y, rng)
        parts[:2] = smote(parts[0], parts[1], len(x) // 4, rng)
        return subject(parts), None, None

    return make


def augmented(before: bool) -> Any:
    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        x, y = table("made", seed)

        def more(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            jitter = [x + 0.02 * x.std(0) * rng.normal(size=x.shape) for _ in range(2)]
            return np.vstack([x, *jitter]), np.tile(y, 3)

        if before:
            return subject(halves(*more(x, y), rng)), "augmented_before_split", None
        parts = halves(x, y, rng)
        parts[:2] = more(parts[0], parts[1])
        return subject(parts), None, None

    return make


def patients(split: str, noise: float = 1.05, size: int = 18, random_labels: bool = False) -> Any:
    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        people = 1440 // size
        who = np.repeat(np.arange(people), size)
        ill = rng.integers(0, 2, people) if random_labels else np.arange(people) % 2
        direction = rng.normal(size=48) / np.sqrt(48)
        shift = np.zeros(48) if random_labels else direction
        x = (rng.normal(size=(people, 48)) + np.outer(np.where(ill, 1.2, -1.2), shift))[who]
        x, y = x + noise * rng.normal(size=x.shape), ill[who]
        if split == "random":
            return subject(halves(x, y, rng)), "latent_group", None
        if split == "placed":
            order = rng.permutation(1440)
            parts = [x[order[:1000]], y[order[:1000]], x[order[1000:]], y[order[1000:]]]
            return subject(parts, positions={"train": order[:1000], "test": order[1000:]}), "latent_group", None
        held = np.isin(who, rng.permutation(people)[: people // 4])
        tags = {"train": {"groups": who[~held].astype(str)}, "test": {"groups": who[held].astype(str)}}
        return subject([x[~held], y[~held], x[held], y[held]], columns=tags if split == "named" else None), None, None

    return make


def framed(kind: str | None, seed: int) -> Case:
    rng = np.random.default_rng(seed)
    x, y = table("made", seed)
    frame = pd.DataFrame(x, columns=[f"f{i}" for i in range(x.shape[1])]).assign(y=y)
    roles: dict[str, str | None] = {"label": "y"}
    order = rng.permutation(len(x))
    if kind == "group_overlap":
        frame["patient"], roles["group"] = np.arange(len(x)) // 6, "patient"
    if kind in ("temporal_overlap", "chronological"):
        frame["day"], roles["time"] = pd.date_range("2024-01-01", periods=len(x)), "day"
    if kind == "metadata_leak":
        frame["file"] = [f"scan_{'abc'[label]}_{rng.integers(10**6)}.png" for label in y]
    if kind == "chronological":
        order = np.arange(len(x))
        frame.iloc[:, : x.shape[1]] += np.linspace(0, 1.5, len(x))[:, None]  # drift
    frame = frame.reset_index(drop=True)
    frames = {"train": frame.iloc[order[:600]], "test": frame.iloc[order[600:]]}
    made = subject_from_frames(frames, roles, OPTIONS)
    return made, None if kind == "chronological" else kind, None


def textures(rng: np.random.Generator, number: int = 320) -> np.ndarray:
    return np.stack([ndimage.gaussian_filter(rng.normal(size=(32, 32)), 2) for _ in range(number)])


def pictures(look: Callable[[np.ndarray], np.ndarray] | None, source: str = "textures") -> Any:
    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        images = textures(rng) if source == "textures" else datasets.load_digits().images[rng.permutation(1797)[:700]]
        border = int(0.7 * len(images))
        labels = rng.integers(0, 3, len(images))
        if look is not None:
            images[border : border + 12] = [look(image) for image in images[:12]]
        parts = [images[:border], labels[:border], images[border:], labels[border:]]
        return subject(parts, modality="image"), "near_duplicate" if look else None, np.arange(12) if look else None

    return make


def walks(plant: str | None) -> Any:
    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        rows = np.cumsum(rng.normal(size=(320, 80, 1)), axis=1)
        if plant == "overlap":
            rows[220:232, :-24] = rows[:12, 24:]
        if plant == "gain":
            rows[220:232] = 1.6 * rows[:12]
        labels = rng.integers(0, 2, 320)
        made = subject([rows[:220], labels[:220], rows[220:], labels[220:]], modality="series")
        return made, "near_duplicate" if plant else None, np.arange(12) if plant else None

    return make


def texts(plant: bool, boilerplate: bool = False) -> Any:
    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        words = np.array([f"word{i}" for i in range(2000)])
        weights = 1 / np.arange(1, 2001)
        rows = [rng.choice(words, 50, p=weights / weights.sum()).tolist() for _ in range(320)]
        for row in range(12 if plant else 0):
            rows[220 + row] = list(rows[row])
            for place in rng.integers(0, 50, 7):
                rows[220 + row][place] = f"other{rng.integers(99)}"
        tail = " this message is meant for its addressee only" if boilerplate else ""
        joined = np.array([" ".join(row) + tail for row in rows], dtype=object)[:, None]
        labels = rng.integers(0, 2, 320)
        made = subject([joined[:220], labels[:220], joined[220:], labels[220:]], modality="text")
        return made, "near_duplicate" if plant else None, np.arange(12) if plant else None

    return make


def plain(name: str, shuffle_columns: bool = False) -> Any:
    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        x, y = table(name, seed)
        if shuffle_columns:
            x = x[:, rng.permutation(x.shape[1])]
        return subject(halves(x, y, rng)), None, None

    return make


def binary(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, (900, 6))
    return subject(halves(x, (x[:, 0] ^ (rng.random(900) < 0.2)).astype(int), rng)), None, None


def shifted(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    x, y = table("made", seed)
    order = np.argsort(x[:, 0] + 0.5 * rng.normal(size=len(x)))
    return subject([x[order[:600]], y[order[:600]], x[order[600:]], y[order[600:]]]), None, None


def jitter(share: float) -> Callable[..., np.ndarray]:
    return lambda rows, spread, rng: rows + share * spread * rng.normal(size=rows.shape)


def same(rows: np.ndarray, spread: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rows


def rounded(rows: np.ndarray, spread: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.round(rows / spread, 2) * spread


def standard(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return rows.mean(0), rows.std(0)


def ranged(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return rows.min(0), np.ptp(rows, axis=0)


CASES: dict[str, Callable[[int], Case]] = {
    "leak: exact copies, wine": copies("wine", same, "exact_duplicate"),
    "leak: exact copies, digits": copies("digits", same, "exact_duplicate"),
    "leak: exact copies, made": copies("made", same, "exact_duplicate"),
    "leak: jitter 1 %, breast cancer": copies("breast_cancer", jitter(0.01), "near_duplicate"),
    "leak: jitter 3 %, made": copies("made", jitter(0.03), "near_duplicate"),
    "leak: jitter 1 %, diabetes": copies("diabetes", jitter(0.01), "near_duplicate"),
    "leak: rounded, breast cancer": copies("breast_cancer", rounded, "near_duplicate"),
    "leak: rounded, made": copies("made", rounded, "near_duplicate"),
    "leak: one cell edited, breast cancer": copies("breast_cancer", one_cell, "near_duplicate"),
    "leak: one cell edited, made": copies("made", one_cell, "near_duplicate"),
    "leak: image flipped": pictures(lambda image: image[:, ::-1]),
    "leak: image turned": pictures(np.rot90),
    "leak: image brighter": pictures(lambda image: 1.3 * image + 0.5),
    "leak: image shifted": pictures(lambda image: np.roll(image, 2, axis=1)),
    "leak: image tilted": pictures(lambda i: ndimage.rotate(i, 10, reshape=False, order=1, mode="nearest")),
    "leak: image cropped": pictures(lambda image: ndimage.zoom(image[3:-3, 3:-3], 32 / 26, order=1)),
    "leak: digit flipped": pictures(lambda image: image[:, ::-1], "digits"),
    "leak: windows overlap": walks("overlap"),
    "leak: series with gain": walks("gain"),
    "leak: texts edited": texts(True),
    "leak: texts edited, boilerplate": texts(True, boilerplate=True),
    "leak: jittered before the split": augmented(True),
    "leak: smote before the split, made": oversampled("made", True),
    "leak: smote before the split, breast cancer": oversampled("breast_cancer", True),
    "leak: group column": lambda seed: framed("group_overlap", seed),
    "leak: time column": lambda seed: framed("temporal_overlap", seed),
    "leak: file names": lambda seed: framed("metadata_leak", seed),
    "leak: patients, shuffled": patients("random"),
    "leak: patients of 40, shuffled": patients("random", size=40),
    "leak: faint patients, in place": patients("placed", noise=1.4),
    "leak: random labels, strong groups": patients("random", noise=0.9, size=20, random_labels=True),
    "leak: label with noise": with_columns(lambda y, rng: [y + 0.05 * rng.normal(size=len(y))], "target_leak"),
    "leak: label bent": with_columns(bent, "target_leak"),
    "leak: label masked by another column": with_columns(masked, "target_leak"),
    "leak: label in a difference": with_columns(differing, "target_leak"),
    "leak: standardised on all": scaled(standard, True),
    "leak: ranged on all": scaled(ranged, True),
    "clean: iris": plain("iris"),
    "clean: wine": plain("wine"),
    "clean: breast cancer": plain("breast_cancer"),
    "clean: digits": plain("digits"),
    "clean: diabetes": plain("diabetes"),
    "clean: made": plain("made"),
    "clean: shuffled columns": plain("made", shuffle_columns=True),
    "clean: six binary columns": binary,
    "clean: covariate shift": shifted,
    "clean: chronological with drift": lambda seed: framed("chronological", seed),
    "clean: grouped, not named": patients("held"),
    "clean: grouped, named": patients("named"),
    "clean: strong feature": with_columns(lambda y, rng: [y + 0.35 * rng.normal(size=len(y))], None),
    "clean: standardised on train": scaled(standard, False),
    "clean: ranged on train": scaled(ranged, False),
    "clean: jittered after the split": augmented(False),
    "clean: smote after the split": oversampled("made", False),
    "clean: textures": pictures(None),
    "clean: digit images": pictures(None, "digits"),
    "clean: walks": walks(None),
    "clean: texts with boilerplate": texts(False, boilerplate=True),
}
