"""Copies of sounds, graphs and patches, planted and absent; and prices by a model of the caller's own."""

import networkx as nx
import numpy as np
import pytest
from scipy import ndimage

from mlintern.audit import audit
from mlintern.audit.checks.near_duplicate import near_duplicates
from mlintern.audit.inputs.frames import subject_from_anything, subject_from_arrays
from mlintern.audit.inputs.graphs import as_text, fingerprint
from mlintern.audit.price.retrained import MODEL
from mlintern.audit.report.audit_report import Status
from mlintern.audit.report.options import AuditOptions
from mlintern.core.errors import UserError

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 160)


def sounds(length):
    return ndimage.gaussian_filter1d(RNG.normal(size=(160, length)), 1.5, axis=1)


def cut(rows, **side):
    return subject_from_arrays({"train": (rows[:110], LABELS[:110]), "test": (rows[110:], LABELS[110:])}, **side)


@pytest.mark.parametrize("plant", ["louder", "shifted", None])
def test_sounds_given_as_a_table_are_searched_as_sounds(plant):
    long = sounds(900)
    rows = long[:, 100:800].copy()
    if plant == "louder":
        rows[110:120] = -0.4 * rows[:10]
    if plant == "shifted":
        rows[110:120] = long[:10, 193:893]
    outcome = near_duplicates(cut(rows))
    if plant is None:
        assert outcome.status is Status.PASS
    else:
        pairs = outcome.findings[0].evidence["pairs"]
        assert [[i, i] for i in range(10)] == [pair for pair in pairs if pair[1] < 10]


def renumbered(graph, order):
    copy = nx.empty_graph(len(graph))
    copy.add_edges_from((order[a], order[b]) for a, b in graph.edges)
    return copy


def test_graphs_renumbered_are_copies_and_small_ones_are_chance():
    graphs = [nx.gnm_random_graph(12, 18, seed=i) for i in range(160)]
    for i in range(10):
        graphs[110 + i] = renumbered(graphs[i], RNG.permutation(12).tolist())
    assert fingerprint(as_text(graphs[0])) == fingerprint(as_text(graphs[110]))
    assert fingerprint(as_text(nx.cycle_graph(6))) != fingerprint(as_text(nx.disjoint_union(*[nx.cycle_graph(3)] * 2)))

    def outcome(items):
        parts = {"train": (items[:110], LABELS[:110]), "test": (items[110:], LABELS[110:])}
        return near_duplicates(subject_from_anything(parts, {}, None, None))

    assert outcome(graphs).findings[0].evidence["rows"]["test"] == list(range(10))
    trees = [nx.from_prufer_sequence(RNG.integers(0, 6, 4).tolist()) for _ in range(160)]
    assert outcome(trees).status is Status.PASS


def test_adjacency_matrices_are_graphs_too():
    arrays = np.stack([nx.to_numpy_array(nx.gnm_random_graph(12, 18, seed=i)) for i in range(160)])
    for i in range(10):
        order = RNG.permutation(12)
        arrays[110 + i] = arrays[i][np.ix_(order, order)]
    subject = cut(arrays)
    assert subject.kind_of_data == "graph"
    assert near_duplicates(subject).findings[0].evidence["rows"]["test"] == list(range(10))


def test_patches_that_overlap_are_copies():
    large = [ndimage.gaussian_filter(RNG.normal(size=(48, 48)), 1.5) for _ in range(160)]
    images = np.stack([picture[:32, :32] for picture in large])
    images[110:120] = [picture[7:39, 6:38] for picture in large[:10]]
    found = near_duplicates(cut(images)).findings[0]
    assert {(i, i) for i in range(10)} <= {tuple(pair) for pair in found.evidence["pairs"]}
    assert found.count <= 12


def test_price_by_model_asks_the_model():
    x, y = RNG.normal(size=(400, 4)), RNG.integers(0, 2, 400)
    x[300:350], y[300:350] = x[:50], y[:50]
    asked = []

    def nearest(train, test):
        asked.append(len(train))
        apart = ((test.features[:, None] - train.features) ** 2).sum(2)
        return train.labels[apart.argmin(1)]

    parts = {"train": (x[:300], y[:300]), "test": (x[300:], y[300:])}
    report = audit(**parts, options=AuditOptions(price="model", canaries=False), fit=nearest)
    (finding,) = [f for f in report.findings if f.kind == "exact_duplicate"]
    assert finding.price.measured_with == MODEL
    assert finding.price.points > 10
    assert asked == [300, 250, 250]
    with pytest.raises(UserError, match="no model to retrain"):
        audit(**parts, options=AuditOptions(price="model"))
