"""More rows than are compared pair by pair: an index over all of them, its recall stated, finds what pairs find."""

import dataclasses

import numpy as np
import pytest
from sklearn.datasets import make_classification

from mlintern.audit.checks.augmented_before_split import augmented_before_split
from mlintern.audit.checks.latent_group import latent_groups
from mlintern.audit.checks.near_duplicate import near_duplicates
from mlintern.audit.inputs.frames import subject_from_arrays
from mlintern.audit.report.audit_report import Status
from mlintern.audit.report.options import AuditOptions
from mlintern.audit.search.index import cells_of
from mlintern.audit.search.neighbours import nearest


def cut(x, y, border, **options):
    parts = {"train": (x[:border], y[:border]), "test": (x[border:], y[border:])}
    return subject_from_arrays(parts, AuditOptions(**options))


def jitter(rows, rng):
    return rows + 0.01 * rng.normal(size=rows.shape)


def one_cell(rows, rng):
    rows = rows.copy()
    rows[np.arange(len(rows)), rng.integers(0, rows.shape[1], len(rows))] += 2
    return rows


def table(seed, change=None):
    rng = np.random.default_rng(seed)
    x, y = make_classification(4000, 15, n_informative=8, random_state=seed)
    if change is not None:
        x[3000:3100] = change(x[:100], rng)
    return x, y


@pytest.mark.parametrize("change", [jitter, one_cell])
def test_copies_are_named_as_if_all_pairs_were_compared(change):
    x, y = table(0, change)
    by_index, by_pairs = (near_duplicates(cut(x, y, 3000, max_rows=limit)) for limit in (500, 4000))
    named = {b: a for a, b in by_index.findings[0].evidence["pairs"]}
    assert sum(named.get(i) == i for i in range(100)) >= 97
    assert len(set(named) ^ {b for _, b in by_pairs.findings[0].evidence["pairs"]}) <= 5
    assert "% of planted copies" in by_index.reason
    assert "index" not in by_pairs.reason
    assert by_index.n == 1000


@pytest.mark.parametrize("seed", range(3))
def test_a_clean_table_has_no_copies_by_index(seed):
    subject = cut(*table(seed), 3000, max_rows=500)  # type: ignore[call-arg]
    for check in (near_duplicates, augmented_before_split):
        assert check(subject).status is Status.PASS
        assert "drawn at random" not in check(subject).reason


@pytest.mark.parametrize("city_block", [True, False])
def test_all_cells_together_are_brute_force(city_block):
    base = np.random.default_rng(1).random((300, 6), dtype=np.float32)
    cells, own = cells_of(base, 0), np.arange(300)
    found = dataclasses.replace(cells, probes=len(cells.centres), city_block=city_block).search(base, 5, own)
    true = nearest(base, base, 5, itself=True, city_block=city_block)
    np.testing.assert_allclose(found[0], true[0], atol=1e-6)
    assert not (found[1] == own[:, None]).any()


def test_too_few_neighbours_in_reach_repeat_the_last():
    base = np.random.default_rng(0).random((40, 3), dtype=np.float32)
    distances, rows = cells_of(base, 0).search(base[:4], 39, np.arange(4))
    assert np.isfinite(distances).all()
    assert not (rows == np.arange(4)[:, None]).any()


@pytest.fixture(scope="module")
def many_people():
    rng = np.random.default_rng(1)
    who, ill = np.repeat(np.arange(2500), 8), np.arange(2500) % 2
    x = (rng.normal(size=(2500, 24)) + 0.4 * (2 * ill[:, None] - 1))[who] + 0.4 * rng.normal(size=(len(who), 24))
    return x.astype(np.float32), ill[who], who


def test_small_groups_among_many_rows_are_found_in_a_region(many_people):
    x, y, _ = many_people
    order = np.random.default_rng(0).permutation(len(x))
    outcome = latent_groups(cut(x[order], y[order], 16_000))
    assert outcome.status is Status.FAIL, outcome.reason
    assert "in a region of" in outcome.reason
    assert outcome.findings[0].price.low > 0


def test_small_groups_kept_apart_do_not_block(many_people):
    x, y, who = many_people
    rng = np.random.default_rng(0)
    order = np.argsort(rng.permutation(2500)[who], kind="stable")
    assert latent_groups(cut(x[order], y[order], 12_000)).status is not Status.FAIL


def test_many_rows_without_groups_have_none():
    x, y = make_classification(12_000, 15, n_informative=8, random_state=2)
    outcome = latent_groups(cut(x, y, 9000))
    assert outcome.status is Status.INCONCLUSIVE
    assert "region grown among all rows" in outcome.reason


def test_rows_that_do_not_fit_the_memory_are_drawn_and_never_in_silence():
    subject = cut(*table(0), 3000, max_rows=500, memory="1MB")  # type: ignore[call-arg]
    near = near_duplicates(subject)
    assert near.status is Status.INCONCLUSIVE
    assert "of 3000 train rows" in near.reason
    assert "drawn at random: audit.memory" in near.reason
    x, y = make_classification(9000, 15, n_informative=8, random_state=2)
    assert "with audit.memory=1MB no region grown" in latent_groups(cut(x, y, 6000, memory="1MB")).reason
