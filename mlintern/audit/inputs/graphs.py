"""Graphs: one text per graph, and a fingerprint that renumbering the nodes does not change.

The fingerprint is colour refinement (Weisfeiler & Leman 1968) that starts from each node's label, degree and numbers of
closed walks, until the colours stop splitting. Isomorphic graphs have equal fingerprints; other graphs have equal ones
only where all of that agrees, which small or very regular graphs do by chance: the training half says how often.
"""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from mlintern.core.errors import UserError

_WALKS = 6
_ROUNDS = 8
_DENSE = 2000  # nodes up to which closed walks are counted


def is_graph(value: Any) -> bool:
    """A networkx graph, or a record with edge_index as graph libraries for torch have it."""
    return (hasattr(value, "nodes") and hasattr(value, "edges")) or hasattr(value, "edge_index")


def as_text(value: Any) -> str:
    """`nodes;a-b,…;label|…` of one graph: nodes numbered in the order they come, edges undirected and sorted."""
    if hasattr(value, "edge_index"):
        pairs = np.asarray(value.edge_index).T.tolist()
        nodes = int(value.num_nodes)
        given = getattr(value, "x", None)
        labels = [] if given is None else [str(row) for row in np.asarray(given).tolist()]
    else:
        number = {node: i for i, node in enumerate(value.nodes)}
        pairs = [(number[a], number[b]) for a, b in value.edges()]
        nodes = len(number)
        labels = [str(sorted(data.items(), key=str)) for _, data in value.nodes(data=True) if data]
    edges = sorted({(min(a, b), max(a, b)) for a, b in pairs})
    told = "|".join(label.replace("|", "/").replace(";", ",") for label in labels) if len(labels) == nodes else ""
    return f"{nodes};{','.join(f'{a}-{b}' for a, b in edges)};{told}"


def as_column(graphs: Iterable[Any], where: str) -> np.ndarray:
    """[n, 1] texts of graphs; raises UserError where one is no graph."""
    texts = []
    for index, graph in enumerate(graphs):
        if not is_graph(graph):
            raise UserError(f"{where}: item {index} is a {type(graph).__name__} among graphs; give graphs throughout")
        texts.append(as_text(graph))
    return np.array(texts, dtype=object)[:, None]


def are_adjacencies(features: np.ndarray) -> bool:
    """[n, k, k] arrays that are all symmetric, with few distinct values: graphs, and no pictures."""
    if features.ndim != 3 or features.shape[1] != features.shape[2] or features.dtype.kind not in "fiub":
        return False
    head = features[:200]
    return bool((head == head.transpose(0, 2, 1)).all()) and len(np.unique(head)) <= 8


def _adjacency(graph: Any) -> tuple[np.ndarray, list[str]]:
    if isinstance(graph, np.ndarray):
        used = np.flatnonzero((graph != 0).any(0))  # rows of zeros pad smaller graphs
        return graph[np.ix_(used, used)].astype(np.float64), []
    nodes, edges, labels = str(graph).split(";", 2)
    matrix = np.zeros((int(nodes), int(nodes)))
    for edge in filter(None, edges.split(",")):
        a, b = map(int, edge.split("-"))
        matrix[a, b] = matrix[b, a] = 1
    return matrix, labels.split("|") if labels else []


def renumbered(graph: Any, rng: np.random.Generator) -> Any:
    """The same graph with its nodes in another order; `graph` as a one-cell row [1] of a text, a text, or a matrix."""
    if isinstance(graph, np.ndarray) and graph.dtype.kind == "O":
        return np.array([renumbered(cell, rng) for cell in graph.tolist()], dtype=object)
    if isinstance(graph, np.ndarray):
        order = rng.permutation(len(graph))
        return graph[np.ix_(order, order)]
    nodes, edges, labels = str(graph).split(";", 2)
    order = rng.permutation(int(nodes)).tolist()
    pairs = [sorted(order[int(node)] for node in edge.split("-")) for edge in filter(None, edges.split(","))]
    moved = [""] * int(nodes)
    for place, label in zip(order, labels.split("|") if labels else [], strict=False):
        moved[place] = label
    return f"{nodes};{','.join(f'{a}-{b}' for a, b in sorted(pairs))};{'|'.join(moved) if labels else ''}"


def fingerprint(graph: Any) -> str:
    """The same for every numbering of the nodes; `graph` is a text of this module or an adjacency matrix."""
    matrix, labels = _adjacency(graph)
    n = len(matrix)
    counts = [matrix.sum(1)]
    if 0 < n <= _DENSE:
        power = matrix @ matrix
        for _ in range(2, _WALKS):
            power = power @ matrix
            counts.append(np.round(np.diagonal(power), 6))
    colours = [hash_of(labels[i] if labels else "", *(float(c[i]) for c in counts)) for i in range(n)]
    neighbours = [np.flatnonzero(row) for row in matrix]
    for _ in range(min(_ROUNDS, n)):
        fresh = [hash_of(colours[i], *sorted(f"{colours[j]}{matrix[i, j]:g}" for j in neighbours[i])) for i in range(n)]
        done = len(set(fresh)) == len(set(colours))
        colours = fresh
        if done:
            break
    return hash_of(n, *sorted(colours))


def hash_of(*values: Any) -> str:
    return hashlib.blake2b(repr(values).encode(), digest_size=12).hexdigest()
