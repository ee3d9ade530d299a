"""Canaries of every kind of data: a PASS says how many planted copies the check names there."""

import dataclasses
import re

import networkx as nx
import numpy as np
import pytest
from sklearn.datasets import make_classification

from mlintern.audit.inputs.frames import subject_from_anything, subject_from_arrays
from mlintern.audit.inputs.graphs import as_text, fingerprint, renumbered
from mlintern.audit.inputs.subject import Outcome, Subject
from mlintern.audit.price.canaries import with_recall
from mlintern.audit.registry import detector
from mlintern.audit.report.audit_report import Status
from mlintern.audit.report.kinds import Kind
from mlintern.audit.report.options import AuditOptions
from mlintern.data.protocol import EvaluationProtocol

LABELS = np.arange(240) % 2


def texts(rng):
    words = np.array([f"word{i}" for i in range(1500)], dtype=object)
    rows = np.array([" ".join(words[rng.integers(0, 1500, 30)]) for _ in range(240)], dtype=object)[:, None]
    return subject_from_arrays({"train": (rows[:160], LABELS[:160]), "test": (rows[160:], LABELS[160:])})


def series(rng):
    rows = np.cumsum(rng.normal(size=(240, 60, 1)), axis=1)
    parts = {"train": (rows[:160], LABELS[:160]), "test": (rows[160:], LABELS[160:])}
    return subject_from_arrays(parts, modality="series")


def graphs(rng):
    made = [nx.gnm_random_graph(14, 24, seed=int(rng.integers(2**31))) for _ in range(240)]
    parts = {"train": (made[:160], LABELS[:160]), "test": (made[160:], LABELS[160:])}
    return subject_from_anything(parts, {}, AuditOptions(), None)


@pytest.mark.parametrize("make", [texts, series, graphs])
@pytest.mark.parametrize("kind", ["exact_duplicate", "near_duplicate"])
def test_most_planted_copies_are_named(make, kind):
    subject, check = make(np.random.default_rng(0)), detector(Kind(kind))
    reason = with_recall(subject, check, check.look(subject)).reason
    planted, named = map(int, re.search(r"of (\d+) copies planted in these data it names (\d+)", reason).groups())
    assert planted == 20
    assert named >= 18


def test_renumbered_graphs_keep_their_fingerprint_and_change_their_text():
    rng = np.random.default_rng(1)
    graph = nx.gnm_random_graph(12, 18, seed=3)
    nx.set_node_attributes(graph, {node: "abc"[node % 3] for node in graph}, "atom")
    text = as_text(graph)
    other = renumbered(text, rng)
    assert other != text
    assert fingerprint(other) == fingerprint(text)
    matrix = nx.to_numpy_array(graph)
    assert fingerprint(renumbered(matrix, rng)) == fingerprint(matrix)


def planted(subject, kind):
    """(planted, named) as the reason of the check says, which has to pass without canaries."""
    check = detector(Kind(kind))
    outcome = check.look(subject)
    assert outcome.status is Status.PASS, outcome.reason
    reason = with_recall(subject, check, outcome).reason
    return tuple(map(int, re.search(r"of (\d+) .* it names (\d+)$", reason).groups()))


def rows(seed=0, n=900, **side):
    rng = np.random.default_rng(seed)
    x, y = make_classification(n, 12, n_informative=6, flip_y=0.1, random_state=seed)
    border = 2 * n // 3
    columns = {"train": {}, "test": {}}
    for name, values in side.items():
        columns["train"][name], columns["test"][name] = values[:border], values[border:]
    order = np.arange(n) if side else rng.permutation(n)
    x, y = x[order], y[order]
    parts = {"train": (x[:border], y[:border]), "test": (x[border:], y[border:])}
    return subject_from_arrays(parts, AuditOptions(independent_rows=True), columns=columns)


@pytest.mark.parametrize("kind", [
    "label_conflict", "augmented_before_split", "resampled_before_split", "target_leak", "shift",
    "selection_before_split", "latent_group",
])  # fmt: skip
def test_a_pass_on_a_table_says_what_it_is_worth(kind):
    number, named = planted(rows(), kind)
    assert number >= 1
    assert named >= 0.9 * number


def test_side_columns_have_canaries_too():
    place = np.arange(900)
    assert planted(rows(groups=(place // 10).astype(str)), "group_overlap") == (20, 20)
    assert planted(rows(times=place.astype(float)), "temporal_overlap") == (20, 20)
    assert planted(rows(sources=np.array([f"{i * 7919 % 900}.png" for i in place])), "metadata_leak") == (2, 2)


def test_a_fit_on_train_alone_and_a_choice_on_valid_have_canaries(clean_splits):
    protocol = EvaluationProtocol("clean", ("train",), 0.1, "valid")
    subject = Subject(clean_splits, protocol=protocol)
    assert planted(subject, "preprocessing_scope") == (1, 1)
    assert planted(subject, "selection_on_test") == (1, 1)


def test_columns_scaled_on_train_have_canaries():
    subject = rows()
    mean, spread = subject.train.features.mean(0), subject.train.features.std(0)
    scaled = {p: ((part.features - mean) / spread, part.labels) for p, part in subject.parts().items()}
    assert planted(subject_from_arrays(scaled), "preprocessing_scope") == (2, 2)


def test_two_columns_of_noise_make_a_pass_worth_little():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(900, 2)), rng.integers(0, 2, 900)
    subject = subject_from_arrays({"train": (x[:600], y[:600]), "test": (x[600:], y[600:])})
    number, named = planted(subject, "near_duplicate")
    assert named < 0.5 * number


def test_what_has_no_canary_says_why():
    outcome = Outcome(Status.PASS, "the ledger has 1 reading")
    assert "no canary: it counts" in with_recall(rows(), detector(Kind("test_reuse")), outcome).reason
    outcome = Outcome(Status.PASS, "no row stands in two parts")
    unplanted = dataclasses.replace(detector(Kind("exact_duplicate")), planter=None)
    assert "no canary: nothing plants exact_duplicate yet" in with_recall(rows(), unplanted, outcome).reason
    few = rows(n=60)
    assert "no canary: too few rows" in with_recall(few, detector(Kind("exact_duplicate")), outcome).reason
