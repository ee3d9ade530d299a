"""More cases of the battery: sound, graphs, program text, pictures in patches, protocols and choices of columns."""

import io
from collections.abc import Callable
from typing import Any

import networkx as nx
import numpy as np
from audit_cases import OPTIONS, Case, halves, subject, table, textures
from PIL import Image
from scipy import ndimage
from sklearn import datasets

from mlintern.audit.inputs.frames import subject_from_anything, subject_from_arrays
from mlintern.data.protocol import EvaluationProtocol

_PLANTED = np.arange(12)


def sounds(rng: np.random.Generator, number: int, length: int) -> np.ndarray:
    """[number, length] clips: a few partials with an envelope each, and coloured noise."""
    time = np.arange(length) / 8000
    clips = ndimage.gaussian_filter1d(rng.normal(size=(number, length)), 1.5, axis=1) * 0.4
    for _ in range(4):
        pitch = rng.uniform(80, 1500, (number, 1))
        decay = rng.uniform(1, 12, (number, 1))
        clips += (
            rng.random((number, 1))
            * np.sin(2 * np.pi * pitch * time + rng.uniform(0, 6, (number, 1)))
            * np.exp(-decay * time)
        )
    return clips


def sound(plant: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None) -> Any:
    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        long = sounds(rng, 300, 3000)
        clips = long[:, 500:2500].copy()
        if plant is not None:
            clips[200:212] = plant(long[:12], rng)
        labels = rng.integers(0, 3, 300)
        made = subject([clips[:200], labels[:200], clips[200:], labels[200:]])
        return made, "near_duplicate" if plant else None, _PLANTED if plant else None

    return make


def networks(plant: bool) -> Any:
    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        graphs = [nx.gnm_random_graph(14, 22, seed=int(rng.integers(2**31))) for _ in range(300)]
        if plant:
            for i in range(12):
                order = rng.permutation(14)
                graphs[200 + i] = nx.empty_graph(14)
                graphs[200 + i].add_edges_from((int(order[a]), int(order[b])) for a, b in graphs[i].edges)
        parts = {"train": (graphs[:200], rng.integers(0, 2, 200)), "test": (graphs[200:], rng.integers(0, 2, 100))}
        made = subject_from_anything(parts, {}, OPTIONS, None)
        return made, "near_duplicate" if plant else None, _PLANTED if plant else None

    return make


def small_trees(seed: int) -> Case:
    """Trees of six nodes: there are six of them, so every test graph has a copy in train, by nature."""
    rng = np.random.default_rng(seed)
    graphs = [nx.from_prufer_sequence(rng.integers(0, 6, 4).tolist()) for _ in range(300)]
    parts = {"train": (graphs[:200], rng.integers(0, 2, 200)), "test": (graphs[200:], rng.integers(0, 2, 100))}
    return subject_from_anything(parts, {}, OPTIONS, None), None, None


def function(rng: np.random.Generator, names: list[str]) -> str:
    """A short function over these names, the same for the same generator whatever the names are."""
    lines = [f"def {names[0]}({names[1]}, {names[2]}):"]
    for _ in range(int(rng.integers(6, 12))):
        a, b, c = (names[int(i)] for i in rng.integers(1, len(names), 3))
        lines.append(
            rng.choice(
                [
                    f"    {a} = {b} {rng.choice(list('+-*'))} {c}",
                    f"    if {a} > {int(rng.integers(9))}:\n        {b} = {c}[{int(rng.integers(9))}]",
                    f"    for {a} in range({b}):\n        {c} += {a}",
                    f"    {a} = len({b}) if {c} else {int(rng.integers(99))}",
                    f"    {a}.append(({b}, {c}))",
                ]
            )
        )
    return "\n".join([*lines, f"    return {names[int(rng.integers(1, len(names)))]}"])


def programs(plant: bool) -> Any:
    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        words = np.array([f"{a}_{b}" for a in "get total item user page row key index".split() for b in "abcdefgh"])
        seeds = rng.integers(0, 2**31, 300)
        if plant:
            seeds[200:212] = seeds[:12]
        rows = [function(np.random.default_rng(s), rng.choice(words, 7, replace=False).tolist()) for s in seeds]
        column = np.array(rows, dtype=object)[:, None]
        labels = rng.integers(0, 2, 300)
        made = subject([column[:200], labels[:200], column[200:], labels[200:]], modality="text")
        return made, "near_duplicate" if plant else None, _PLANTED if plant else None

    return make


def recoded(image: np.ndarray) -> np.ndarray:
    """The picture as a JPEG of middling quality would have it."""
    low, span = image.min(), max(float(np.ptp(image)), 1e-9)
    store = io.BytesIO()
    Image.fromarray((255 * (image - low) / span).astype(np.uint8)).save(store, "JPEG", quality=70)
    return np.asarray(Image.open(store), dtype=float) / 255 * span + low


def encoded(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    images, labels = textures(rng), rng.integers(0, 3, 320)
    images[224:236] = [recoded(image) for image in images[:12]]
    return (
        subject([images[:224], labels[:224], images[224:], labels[224:]], modality="image"),
        "near_duplicate",
        _PLANTED,
    )


def patched(overlap: bool) -> Any:
    """Patches of a few large pictures: cut with overlap and dealt at random, or from pictures of their own."""

    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        large = [ndimage.gaussian_filter(rng.normal(size=(160, 160)), 1.5) for _ in range(12)]
        rows = [
            picture[top : top + 32, left : left + 32]
            for picture in large
            for top, left in rng.integers(0, 128, (26, 2)).tolist()
        ]
        images, labels = np.stack(rows), rng.integers(0, 2, len(rows))
        rows_of = np.repeat(np.arange(12), 26)
        if not overlap:
            held = rows_of >= 9
            parts = [images[~held], labels[~held], images[held], labels[held]]
            return subject(parts, modality="image"), None, None
        train, y, test, y_test = halves(images, labels, rng)
        for i in range(12):  # twelve test patches that share 60 % of a training patch on each axis
            whole = large[i]
            top, left = rng.integers(0, 100, 2)
            train[i], test[i] = whole[top : top + 32, left : left + 32], whole[top + 7 : top + 39, left + 7 : left + 39]
        return subject([train, y, test, y_test], modality="image"), "near_duplicate", _PLANTED

    return make


def conflicting(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    x, y, x_test, y_test = halves(*table("made", seed), rng)
    x_test[:12], y_test[:12] = x[:12], 1 - y[:12]
    return subject([x, y, x_test, y_test]), "label_conflict", _PLANTED


def chosen(on_all: bool, classes: int = 2) -> Any:
    """The columns of noise that go with the labels best: of all rows, or of training rows."""

    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(240, 3000)), rng.integers(0, classes, 240)
        seen = slice(None) if on_all else slice(0, 168)
        target = np.eye(classes)[y[seen]]
        target = target - target.mean(0)
        score = (((x[seen] - x[seen].mean(0)).T @ target) ** 2).sum(1)
        x = x[:, np.argsort(-score)[:25]]
        made = subject([x[:168], y[:168], x[168:], y[168:]])
        return made, "selection_before_split" if on_all else None, None

    return make


def selecting(on: str) -> Any:
    def make(seed: int) -> Case:
        rng = np.random.default_rng(seed)
        x, y = table("made", seed)
        order = rng.permutation(len(x))
        parts = {
            name: (x[order[a:b]], y[order[a:b]])
            for name, a, b in (("train", 0, 500), ("valid", 500, 650), ("test", 650, 900))
        }
        protocol = EvaluationProtocol("made", ("train",), 0.2, on)  # type: ignore[arg-type]
        return subject_from_arrays(parts, OPTIONS, protocol), "selection_on_test" if on == "test" else None, None

    return make


def sorted_file(seed: int) -> Case:
    """A file sorted by class, dealt at random, with each row's place in it still known."""
    x, y = datasets.load_wine(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    rows = {"train": order[:120], "test": order[120:]}
    parts = [x[order[:120]], y[order[:120]], x[order[120:]], y[order[120:]]]
    return subject(parts, positions=rows), "metadata_leak", None


MEDIA: dict[str, Callable[[int], Case]] = {
    "leak: sound louder": sound(lambda long, rng: 0.3 * long[:, 500:2500]),
    "leak: sound shifted": sound(lambda long, rng: long[:, 813:2813]),
    "leak: sound overlapping": sound(lambda long, rng: np.hstack([long[:, 1500:], sounds(rng, 12, 500)])),
    "leak: graphs renumbered": networks(True),
    "leak: code with names changed": programs(True),
    "leak: image encoded again": encoded,
    "leak: patches overlap": patched(True),
    "leak: labels conflict": conflicting,
    "leak: columns chosen on all": chosen(True),
    "leak: columns chosen on all, three classes": chosen(True, 3),
    "leak: checkpoint chosen on test": selecting("test"),
    "leak: file sorted by class": sorted_file,
    "clean: sounds": sound(None),
    "clean: graphs": networks(False),
    "clean: small trees": small_trees,
    "clean: code": programs(False),
    "clean: patches of other pictures": patched(False),
    "clean: columns chosen on train": chosen(False),
    "clean: checkpoint chosen on valid": selecting("valid"),
}
