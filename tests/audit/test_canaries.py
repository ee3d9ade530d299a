"""Canaries of every kind of data: a PASS says how many planted copies the check names there."""

import re

import networkx as nx
import numpy as np
import pytest

from mlintern.audit.canaries import with_recall
from mlintern.audit.duplicates import exact_duplicates
from mlintern.audit.frames import subject_from_anything, subject_from_arrays
from mlintern.audit.graphs import as_text, fingerprint, renumbered
from mlintern.audit.near import near_duplicates
from mlintern.audit.options import AuditOptions
from mlintern.audit.report import Kind

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
@pytest.mark.parametrize(
    ("kind", "check"), [(Kind.EXACT_DUPLICATE, exact_duplicates), (Kind.NEAR_DUPLICATE, near_duplicates)]
)
def test_most_planted_copies_are_named(make, kind, check):
    subject = make(np.random.default_rng(0))
    reason = with_recall(subject, kind, check, check(subject)).reason
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
