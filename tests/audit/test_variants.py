"""Copies under another look: images, series, texts and code; and their clean twins."""

import numpy as np
import pytest
from scipy import ndimage
from sklearn.datasets import load_digits

from mlintern.audit.checks.augmented_before_split import augmented_before_split
from mlintern.audit.checks.near_duplicate import near_duplicates
from mlintern.audit.inputs.frames import subject_from_arrays
from mlintern.audit.report.audit_report import Status
from mlintern.audit.search.texts import without_names
from mlintern.audit.search.variants import likenesses, series_pairings, series_slid


def cut(rows, border, **side):
    labels = np.arange(len(rows)) % 3
    return subject_from_arrays(
        {"train": (rows[:border], labels[:border]), "test": (rows[border:], labels[border:])}, **side
    )


@pytest.fixture(scope="module")
def textures():
    rng = np.random.default_rng(0)
    return np.stack([ndimage.gaussian_filter(rng.normal(size=(32, 32)), 2) for _ in range(300)])


LOOKS = {
    "flipped": lambda image: image[:, ::-1],
    "turned": np.rot90,
    "negative": lambda image: 1 - image,
    "brighter": lambda image: 1.3 * image + 0.5,
    "shifted": lambda image: np.roll(image, 2, axis=1),
    "tilted": lambda image: ndimage.rotate(image, 10, reshape=False, order=1, mode="nearest"),
    "cropped": lambda image: ndimage.zoom(image[3:-3, 3:-3], 32 / 26, order=1),
}


@pytest.mark.parametrize("look", list(LOOKS))
def test_images_under_another_look_are_named(textures, look):
    images = textures.copy()
    images[220:240] = [LOOKS[look](image) for image in textures[:20]]
    (finding,) = near_duplicates(cut(images, 220, modality="image")).findings
    assert finding.kind == "near_duplicate"
    pairs = {test: train for train, test in finding.evidence["pairs"]}
    assert sum(pairs.get(row) == row for row in range(20)) >= 19


@pytest.mark.parametrize("images", ["textures", "digits"])
def test_other_images_are_no_copies(textures, images):
    rows = textures if images == "textures" else load_digits().images[:700]
    assert near_duplicates(cut(rows, int(0.7 * len(rows)), modality="image")).status is Status.PASS


def test_every_image_flipped_before_the_split_is_an_augmentation(textures):
    both = np.concatenate([textures, textures[:, :, ::-1]])[np.random.default_rng(0).permutation(600)]
    (finding,) = augmented_before_split(cut(both, 400, modality="image")).findings
    assert finding.kind == "augmented_before_split"
    assert finding.fraction > 0.5


@pytest.fixture(scope="module")
def walks():
    return np.cumsum(np.random.default_rng(1).normal(size=(300, 80, 1)), axis=1)


def test_windows_that_overlap_and_other_gains_are_named(walks):
    series = walks.copy()
    series[220:230, :-24] = walks[:10, 24:]
    series[230:240] = 1.7 * walks[10:20]
    (finding,) = near_duplicates(cut(series, 220, modality="series")).findings
    assert set(range(20)) <= set(finding.evidence["rows"]["test"])
    assert finding.count <= 21


def test_other_series_are_no_copies(walks):
    assert near_duplicates(cut(walks, 220, modality="series")).status is Status.PASS


def sentences(rng, number=300, length=50):
    words = np.array([f"word{i}" for i in range(2000)])
    weights = 1 / np.arange(1, 2001)
    return [" ".join(rng.choice(words, length, p=weights / weights.sum())) for _ in range(number)]


def text_subject(texts, border=220):
    return cut(np.array(texts, dtype=object)[:, None], border, modality="text")


def test_edited_texts_are_named_and_boilerplate_is_not():
    rng = np.random.default_rng(2)
    texts = [f"{text} this message is meant for its addressee only" for text in sentences(rng)]
    assert near_duplicates(text_subject(texts)).status is Status.PASS
    for row in range(15):
        words = texts[row].split()
        for place in rng.integers(0, 50, 7):
            words[place] = f"other{rng.integers(99)}"
        texts[220 + row] = " ".join(words)
    (finding,) = near_duplicates(text_subject(texts)).findings
    assert finding.evidence["rows"]["test"] == list(range(15))


def test_code_with_other_names_is_the_same_code():
    one = "def mean(values):\n    total = sum(values)\n    return total / len(values)\n"
    two = "def average(xs):\n    acc = sum(xs)\n    return acc / len(xs)\n"
    assert without_names(one) == without_names(two)
    assert without_names(one) != without_names(one.replace("/", "*"))


@pytest.mark.parametrize("shape", [(61,), (60, 3)])
def test_all_shifts_at_once_are_the_shifts_one_by_one(shape):
    rng = np.random.default_rng(0)
    base, queries = rng.normal(size=(9, *shape)), rng.normal(size=(5, *shape))
    queries[0, : shape[0] // 2] = 0.2 * base[3, 11 : 11 + shape[0] // 2] + 5
    slid = np.max(list(series_slid(queries, base)), axis=0)
    one_by_one = np.max(list(likenesses(series_pairings(queries, base))), axis=0)
    assert slid[0, 3] == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(slid, one_by_one, atol=1e-5)


def test_a_quiet_half_beside_a_loud_one_is_found():
    rng = np.random.default_rng(1)
    long = ndimage.gaussian_filter1d(rng.normal(size=(300, 1500)), 3, axis=1) * np.exp(-np.arange(1500) / 150)
    clips = long[:, :1000].copy()
    loud = ndimage.gaussian_filter1d(rng.normal(size=(12, 500)), 3, axis=1)
    clips[200:212] = np.hstack([long[:12, 500:1000], loud])
    assert set(near_duplicates(cut(clips, 200)).findings[0].evidence["rows"]["test"]) == set(range(12))


def test_code_with_a_name_split_in_two_stays_the_same_elsewhere():
    code = "def f(size):\n    total = size * 2\n    # doubled\n    return total + size - base\n"
    split = "def g(n):\n    t = m * 2\n    return t + m - base\n"
    one, two = without_names(code).split(), without_names(split).split()
    assert len(one) == len(two)
    assert sum(a != b for a, b in zip(one, two, strict=True)) == 1
    assert "doubled" not in without_names(code)


def test_images_that_were_flipped_shifted_and_brightened_are_named(textures):
    images = textures.copy()
    images[220:240] = [1.3 * np.roll(image[:, ::-1], 4, axis=0) + 0.1 for image in textures[:20]]
    assert set(near_duplicates(cut(images, 220)).findings[0].evidence["rows"]["test"]) >= set(range(20))


def test_short_texts_of_common_words_are_no_copies():
    rng = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(200)])
    chance = 1 / np.arange(1, 201)
    texts = [" ".join(rng.choice(words, rng.integers(3, 9), p=chance / chance.sum())) for _ in range(600)]
    assert near_duplicates(cut(np.array(texts, dtype=object), 400)).status is Status.PASS
