"""More texts than are compared pair by pair: screened through an index over all of them, with its recall stated."""

import numpy as np
import pytest

from mlintern.audit.checks.near_duplicate import near_duplicates
from mlintern.audit.inputs.frames import subject_from_arrays
from mlintern.audit.report.audit_report import Status
from mlintern.audit.report.options import AuditOptions
from mlintern.audit.search.texts import sharing, shingled

WORDS = np.array([f"word{i}" for i in range(3000)], dtype=object)


def lines(rng, number, length=25):
    return WORDS[rng.zipf(1.3, (number, length)) % len(WORDS)]


def subject(rows, border):
    texts = np.array([" ".join(row) for row in rows], dtype=object)[:, None]
    labels = np.arange(len(rows)) % 2
    parts = {"train": (texts[:border], labels[:border]), "test": (texts[border:], labels[border:])}
    return subject_from_arrays(parts, AuditOptions(max_rows=400), modality="text")


@pytest.mark.parametrize("boilerplate", [False, True])
def test_edited_copies_among_many_texts_are_named(boilerplate):
    rng = np.random.default_rng(0)
    rows = lines(rng, 3000)
    rows[2000:2100] = rows[:100]
    rows[2000:2100, [3, 17]] = "edited"
    if boilerplate:
        tail = np.tile(np.array("this message is meant for its addressee only".split(), dtype=object), (3000, 1))
        rows = np.hstack([rows, tail])
    outcome = near_duplicates(subject(rows, 2000))
    (finding,) = outcome.findings
    pairs = {b: a for a, b in finding.evidence["pairs"]}
    assert sum(pairs.get(i) == i for i in range(100)) >= 95
    assert len(pairs) <= 102
    assert "% of edited copies" in outcome.reason


@pytest.mark.parametrize("seed", range(3))
def test_many_texts_of_one_vocabulary_are_no_copies(seed):
    outcome = near_duplicates(subject(lines(np.random.default_rng(seed), 3000), 2000))
    assert outcome.status is Status.PASS
    assert "all texts screened" in outcome.reason
    assert not outcome.findings


def test_equal_texts_are_left_to_exact_duplicates():
    rows = lines(np.random.default_rng(1), 3000)
    rows[2000:2050] = rows[:50]
    assert not near_duplicates(subject(rows, 2000)).findings


def test_program_text_with_new_names_is_screened_too():
    rng = np.random.default_rng(3)

    def function(seed, names):
        draw = np.random.default_rng(seed)
        body = [f"    {names[draw.integers(1, 6)]} = {names[draw.integers(1, 6)]} + {draw.integers(10**4)};\n"
                f"    if ({names[draw.integers(1, 6)]} == {draw.integers(10**4)}) {{ return {names[1]}; }}"
                for _ in range(5)]  # fmt: skip
        return f"def {names[0]}({names[1]}):\n" + "\n".join(body)

    seeds = rng.integers(0, 2**31, 1500)
    seeds[1000:1060] = seeds[:60]
    rows = [[function(s, [f"v{n}" for n in rng.integers(0, 10**6, 6)])] for s in seeds]
    found = subject(rows, 1000)
    (finding,) = near_duplicates(found).findings
    assert np.isin(range(60), finding.evidence["rows"]["test"]).mean() >= 0.95


def test_sharing_finds_the_pairs_that_comparing_all_of_them_finds():
    rng = np.random.default_rng(5)
    rows = lines(rng, 400)
    rows[300:320] = rows[:20]
    rows[300:320, 5] = "edited"
    texts = [" ".join(row) for row in rows]

    def shingles(text):
        words = text.split()
        return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}

    sets = [shingles(text) for text in texts]
    spread = {}
    for held in sets:
        for shingle in held:
            spread[shingle] = spread.get(shingle, 0) + 1
    rare = [{s for s in held if spread[s] <= 12} for held in sets]
    expected = {
        (i, j)
        for i in range(400)
        for j in range(i + 1, 400)
        if (n := len(rare[i] & rare[j])) >= 3 and 3 * n >= min(len(rare[i]), len(rare[j]))
    }
    assert set(map(tuple, sharing(texts).tolist())) == expected
    assert {(i, 300 + i) for i in range(20)} <= expected


def test_shingles_are_weighted_by_rarity_as_scikit_learn_does():
    from sklearn.feature_extraction.text import TfidfVectorizer

    rng = np.random.default_rng(0)
    texts = [" ".join(WORDS[rng.zipf(1.3, rng.integers(0, 30)) % 200]) for _ in range(200)] + ["", "One, two. ONE!"]
    train, test = shingled(texts[:150], texts[150:])
    vectors = TfidfVectorizer(ngram_range=(1, 3), token_pattern=r"\w+", sublinear_tf=True).fit(texts)
    expected = (vectors.transform(texts[:150]) @ vectors.transform(texts[150:]).T).toarray()
    np.testing.assert_allclose((train @ test.T).toarray(), expected, atol=1e-6)
