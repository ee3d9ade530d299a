import numpy as np
import pytest

from mlintern.audit.checks.exact_duplicate import exact_duplicates
from mlintern.audit.checks.label_conflict import label_conflicts
from mlintern.audit.inputs.frames import subject_from_arrays
from mlintern.audit.inputs.subject import Subject
from mlintern.audit.report.audit_report import Severity, Status
from mlintern.audit.search.chance import equal_texts_by_chance, matches, without_dummies
from tests.audit.conftest import splits


def planted(table, change=lambda rows: rows):
    """30 test rows replaced by (changed) training rows 100..129."""
    x, y = table
    train, test = x[:400].copy(), x[400:].copy()
    test[50:80] = train[100:130]
    labels = y[400:].copy()
    labels[50:80] = y[100:130]
    return (train, y[:400]), (change(test), labels)


@pytest.mark.parametrize(
    "change",
    [lambda rows: rows, lambda rows: rows.astype(np.float32), np.asfortranarray],
    ids=["as is", "another float type", "another memory order"],
)
def test_every_planted_row_is_found(table, change):
    outcome = exact_duplicates(Subject(splits(*planted(table, change))))
    assert outcome.status is Status.FAIL
    (finding,) = outcome.findings
    assert finding.severity is Severity.HIGH
    assert finding.evidence["rows"] == {"train": list(range(100, 130)), "test": list(range(50, 80))}
    assert finding.examples[0] == {"train": "train/100", "test": "test/50"}


def test_zero_signs_nan_bits_and_id_columns_do_not_hide_a_row(table):
    x, y = table
    x = np.hstack([x, np.arange(600)[:, None]])
    train, test = x[:400].copy(), x[400:].copy()
    test[7, :8] = train[9, :8] = [0.0, np.nan, 1, 2, 3, 4, 5, 6]
    test[7, 0], train[9, 0] = -0.0, 0.0
    outcome = exact_duplicates(Subject(splits((train, y[:400]), (test, y[400:]))))
    assert [f.evidence["rows"] for f in outcome.findings] == [{"train": [9], "test": [7]}]


def test_clean_table_has_none(table):
    x, y = table
    assert exact_duplicates(Subject(splits((x[:400], y[:400]), (x[400:], y[400:])))).status is Status.PASS


@pytest.mark.parametrize("seed", range(5))
def test_low_cardinality_is_at_chance_level(seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, (900, 6))
    y = (x[:, 0] ^ (rng.random(900) < 0.2)).astype(int)
    outcome = exact_duplicates(Subject(splits((x[:600], y[:600]), (x[600:], y[600:]))))
    assert outcome.status is Status.PASS
    assert all(f.severity is Severity.INFO for f in outcome.findings)


@pytest.mark.parametrize("seed", range(10))
def test_natural_duplicate_of_iris_does_not_block(seed):
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    order = np.random.default_rng(seed).permutation(150)
    x, y = x[order], y[order]
    outcome = exact_duplicates(Subject(splits((x[:100], y[:100]), (x[100:], y[100:]))))
    assert outcome.status is Status.PASS


def test_one_hot_of_one_category_is_at_chance_level():
    rng = np.random.default_rng(0)
    x = np.eye(10)[rng.integers(0, 10, 500)]
    y = rng.integers(0, 2, 500)
    outcome = exact_duplicates(Subject(splits((x[:300], y[:300]), (x[300:], y[300:]))))
    assert outcome.status is Status.PASS


def test_labels_of_twins_are_compared(table):
    train, (test, labels) = planted(table)
    assert label_conflicts(Subject(splits(train, (test, labels)))).status is Status.PASS
    labels = labels.copy()
    labels[50:55] = 1 - labels[50:55]
    outcome = label_conflicts(Subject(splits(train, (test, labels))))
    assert outcome.status is Status.FAIL
    assert outcome.findings[0].kind == "label_conflict"
    assert outcome.findings[0].evidence["rows"]["test"] == [50, 51, 52, 53, 54]


def test_matches_names_every_row_once_per_side():
    a = np.array([5, 1, 5, 2, 9], dtype=np.uint64)
    b = np.array([5, 5, 3, 2], dtype=np.uint64)
    rows_a, rows_b = matches(a, b)
    assert set(rows_a) == {0, 2, 3}
    assert set(rows_b) == {0, 1, 3}
    assert (a[rows_a] == b[rows_b]).all()


def test_copies_are_no_chance_because_others_had_one_code_drawn_anew():
    """Half of the copies kept their site by chance; that rows agree in all measured columns is none."""
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=(900, 6)), rng.integers(0, 2, 900)])
    x[600:660, :6] = x[:60, :6]
    parts = {"train": (x[:600], np.arange(600) % 2), "test": (x[600:], np.arange(300) % 2)}
    (finding,) = exact_duplicates(subject_from_arrays(parts)).findings
    assert finding.severity is Severity.HIGH
    assert finding.evidence["expected_by_chance"] < 1


def cut(rows, border):
    labels = np.arange(len(rows)) % 2
    return subject_from_arrays({"train": (rows[:border], labels[:border]), "test": (rows[border:], labels[border:])})


def survey(rng, rows):
    """Answers that hang together: two traits behind eight coarse questions."""
    traits = rng.normal(size=(rows, 2))
    return np.clip(np.round(traits[:, [0, 0, 0, 0, 1, 1, 1, 1]] + 0.7 * rng.normal(size=(rows, 8))), -2, 2)


def test_people_who_answer_alike_are_at_chance_level_and_copied_ones_are_not():
    rng = np.random.default_rng(0)
    answers = survey(rng, 2500)
    clean = exact_duplicates(cut(answers, 1750)).findings[0]
    assert clean.count > 20
    assert clean.severity is Severity.INFO
    answers[1750:1900] = answers[:150]
    copied = exact_duplicates(cut(answers, 1750)).findings[0]
    assert copied.severity is Severity.HIGH


def test_dummies_of_a_code_count_as_one_column():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 5, (1500, 6))
    dummies = np.hstack([np.eye(5)[codes[:, i]] for i in range(6)])
    merged, rest = without_dummies(dummies[:1000], dummies[1000:])
    assert merged.shape == (1000, 6)
    assert rest.shape == (500, 6)
    assert exact_duplicates(cut(dummies, 1000)).findings[0].severity is Severity.INFO


def test_short_texts_repeat_by_chance_and_long_ones_do_not():
    rng = np.random.default_rng(0)
    words = np.array(["yes", "no", "maybe", "later", "never", "often"])
    short = [" ".join(rng.choice(words, 2)) for _ in range(400)]
    assert equal_texts_by_chance(short[:300], short[300:]) > 50
    long = [" ".join(rng.choice(words, 30)) for _ in range(400)]
    assert equal_texts_by_chance(long[:300], long[:100]) < 0.01
