"""Copies near but not equal: planted in data that ships with scikit-learn, and absent from clean splits."""

import numpy as np
import pytest
from sklearn import datasets

from mlintern.audit.checks.augmented_before_split import augmented_before_split
from mlintern.audit.checks.near_duplicate import near_duplicates
from mlintern.audit.checks.resampled_before_split import resampled_before_split
from mlintern.audit.inputs.frames import subject_from_arrays
from mlintern.audit.report.audit_report import Severity, Status

LOADERS = {name: getattr(datasets, f"load_{name}") for name in ("iris", "wine", "breast_cancer", "digits", "diabetes")}


def cut(x, y, seed=0, share=0.7):
    order = np.random.default_rng(seed).permutation(len(x))
    border = int(share * len(x))
    return (x[order[:border]], y[order[:border]]), (x[order[border:]].copy(), y[order[border:]].copy())


def subject(train, test):
    return subject_from_arrays({"train": train, "test": test})


@pytest.mark.parametrize("name", list(LOADERS))
@pytest.mark.parametrize("seed", range(2))
def test_real_tables_split_at_random_have_none(name, seed):
    x, y = LOADERS[name](return_X_y=True)
    found = subject(*cut(x.astype(float), y, seed))
    for check in (near_duplicates, augmented_before_split, resampled_before_split):
        outcome = check(found)
        assert outcome.status in (Status.PASS, Status.NOT_APPLICABLE), outcome.reason


def jitter(rows, spread, rng):
    return rows + 0.01 * spread * rng.normal(size=rows.shape)


def rounded(rows, spread, rng):
    return np.round(rows / spread, 2) * spread


def one_cell(rows, spread, rng):
    rows = rows.copy()
    column = rng.integers(0, rows.shape[1], len(rows))
    rows[np.arange(len(rows)), column] += 2 * spread[column]
    return rows


@pytest.mark.parametrize("change", [jitter, rounded, one_cell])
@pytest.mark.parametrize("name", ["breast_cancer", "diabetes"])
def test_copies_are_named_with_their_twins(change, name):
    x, y = LOADERS[name](return_X_y=True)
    train, test = cut(x, y)
    rng = np.random.default_rng(1)
    twins = rng.permutation(len(train[0]))[:12]
    test[0][:12] = change(train[0][twins], x.std(0), rng)
    (finding,) = near_duplicates(subject(train, test)).findings
    assert finding.kind == "near_duplicate"
    assert finding.severity is Severity.HIGH
    pairs = {b: a for a, b in finding.evidence["pairs"]}
    assert len(pairs) >= 11
    assert all(pairs[row] == twins[row] for row in pairs)


def test_a_cell_edited_beyond_all_training_values_is_no_exact_duplicate():
    x, y = datasets.make_classification(600, 12, n_informative=8, random_state=3)
    train, test = cut(x, y)
    twins = train[0].argmax(0)[:8]  # the largest value of a column, made larger still
    test[0][:8] = train[0][twins]
    test[0][np.arange(8), np.arange(8)] += 1
    (finding,) = near_duplicates(subject(train, test)).findings
    assert {b: a for a, b in finding.evidence["pairs"]} == dict(enumerate(twins.tolist()))


@pytest.mark.parametrize("seed", range(5))
def test_one_measured_column_among_codes_is_no_copy(seed):
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.integers(0, 2, (1200, 8)), rng.normal(size=1200)])
    assert near_duplicates(subject(*cut(x, rng.integers(0, 2, 1200), seed))).status is Status.PASS


def test_jittered_copies_of_everything_are_an_augmentation_before_the_split():
    x, y = datasets.make_classification(500, 12, n_informative=8, random_state=0)
    rng = np.random.default_rng(0)
    copies = np.vstack([x] + [x + 0.02 * x.std(0) * rng.normal(size=x.shape) for _ in range(2)])
    found = subject(*cut(copies, np.tile(y, 3)))
    (finding,) = augmented_before_split(found).findings
    assert finding.kind == "augmented_before_split"
    assert finding.fraction > 0.8
    assert near_duplicates(found).status is Status.PASS


def test_jittered_copies_in_train_alone_are_no_leak():
    x, y = datasets.make_classification(500, 12, n_informative=8, random_state=0)
    rng = np.random.default_rng(0)
    train, test = cut(x, y)
    more = np.vstack([train[0], train[0] + 0.02 * x.std(0) * rng.normal(size=train[0].shape)])
    found = subject((more, np.tile(train[1], 2)), test)
    for check in (near_duplicates, augmented_before_split, resampled_before_split):
        assert check(found).status is Status.PASS


def smote(x, y, number, rng):
    """Rows between neighbours of the rarer class."""
    rare = np.bincount(y).argmin()
    rows = x[y == rare]
    near = np.argsort(((rows[:, None] - rows) ** 2).sum(2), axis=1)[:, 1:6]
    a = rng.integers(0, len(rows), number)
    b = near[a, rng.integers(0, 5, number)]
    return rows[a] + rng.random((number, 1)) * (rows[b] - rows[a]), np.full(number, rare)


@pytest.mark.parametrize("before", [True, False])
def test_interpolated_rows_leak_only_when_made_before_the_split(before):
    x, y = datasets.make_classification(800, 10, n_informative=6, weights=[0.8], random_state=0)
    rng = np.random.default_rng(2)
    if before:
        made, tags = smote(x, y, 300, rng)
        joint = np.vstack([x, made])
        order = rng.permutation(len(joint))
        labels = np.concatenate([y, tags])[order]
        found = subject((joint[order[:770]], labels[:770]), (joint[order[770:]], labels[770:]))
        (finding,) = resampled_before_split(found).findings
        made_in_test = np.flatnonzero(order[770:] >= 800)
        assert np.isin(made_in_test, finding.evidence["rows"]["test"]).mean() > 0.8
    else:
        train, test = cut(x, y)
        made, tags = smote(*train, 200, rng)  # type: ignore[call-arg]
        found = subject((np.vstack([train[0], made]), np.concatenate([train[1], tags])), test)
        assert resampled_before_split(found).status is Status.PASS
    assert near_duplicates(found).status is Status.PASS


def test_copies_with_a_quarter_of_their_cells_edited_are_found_among_many_rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6000, 8))
    x[5000:5020] = x[:20]
    for row in range(5000, 5020):
        x[row, rng.choice(8, 2, replace=False)] += rng.normal(size=2)
    labels = rng.integers(0, 2, 6000)
    subject = subject_from_arrays({"train": (x[:5000], labels[:5000]), "test": (x[5000:], labels[5000:])})
    found = near_duplicates(subject).findings[0].evidence["rows"]["test"]
    assert set(range(20)) <= set(found)
    assert len(found) <= 22


def test_sentences_of_few_words_are_near_by_chance_as_often_in_train():
    rng = np.random.default_rng(0)
    following = np.stack([rng.permutation(20)[:8] for _ in range(20)])
    chances = np.cumsum(rng.dirichlet(np.ones(8), 20), axis=1)
    words = np.zeros((8000, 12), np.int64)
    words[:, 0] = rng.integers(0, 20, 8000)
    for place in range(1, 12):
        before = words[:, place - 1]
        words[:, place] = following[before, (rng.random(8000)[:, None] > chances[before]).sum(1).clip(0, 7)]
    words = np.unique(words, axis=0)
    words = words[rng.permutation(len(words))]
    border, labels = len(words) - 1000, rng.integers(0, 2, len(words))

    def named(rows):
        subject = subject_from_arrays(
            {"train": (rows[:border], labels[:border]), "test": (rows[border:], labels[border:])}
        )
        return near_duplicates(subject).findings

    assert named(words) == ()
    words[border : border + 60] = words[:60]
    words[np.arange(border, border + 60), rng.integers(0, 12, 60)] = 25  # one word of each is another
    found = named(words)[0]
    assert found.severity is Severity.HIGH
    assert len(set(range(60)) & set(found.evidence["rows"]["test"])) > 40  # the others say too little to be told apart
