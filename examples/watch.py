"""The same on real data: exercises told from a watch's sensors, where windows of one person sit on both sides.

seglearn (BSD licence) ships 140 recordings of a smartwatch, ten people doing seven exercises. Cut into windows of 100
samples and dealt at random, a small network seems to know the exercises; asked about a person it has not seen it knows
them much less well. The audit is not told who wore the watch: it gets windows in random parts, each with its place in
the file, as a table's index keeps it.

    python -m venv .watch && .watch/bin/pip install --no-deps seglearn==1.2.5   # its data only; it is never imported
    python examples/watch.py --data .watch
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np

WINDOW = 100
_FILE = "seglearn/data/watch_dataset.npy"


def find_data(folder: Path) -> Path:
    """The data file below `folder`; exits with one line where it is not there."""
    found = sorted(folder.rglob(_FILE))
    if not found:
        sys.exit(f"{folder}: no {_FILE} below it; pip install --no-deps seglearn==1.2.5 there first")
    return found[0]


def windows(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and deviation per channel of each window [n, 12], its exercise [n] and its wearer [n], in file order."""
    # a pickle inside an npy: read it only from the package you installed yourself
    record = np.load(path, allow_pickle=True).item()
    features, labels, people = [], [], []
    for recording, exercise, person in zip(record["X"], record["y"], record["subject"], strict=True):
        number = len(recording) // WINDOW
        cut = np.asarray(recording)[: number * WINDOW].reshape(number, WINDOW, -1)
        features.append(np.hstack([cut.mean(1), cut.std(1)]))
        labels.append(np.full(number, exercise))
        people.append(np.full(number, person))
    return np.vstack(features).astype(np.float32), np.concatenate(labels), np.concatenate(people)


def accuracy(x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    """Test accuracy of a network with two hidden layers of 64 units, scaled on its training rows."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is stopped after a fixed number of epochs
        network = make_pipeline(StandardScaler(), MLPClassifier((64, 64), max_iter=200, random_state=0))
        network.fit(x[train], y[train])
    return float(network.score(x[test], y[test]))


def replay(x: np.ndarray, y: np.ndarray, people: np.ndarray, seed: int = 0) -> dict[str, float | bool]:
    """The whole story; prints it and returns its numbers."""
    from mlintern.audit.inputs.frames import subject_from_arrays
    from mlintern.audit.price.repair import pooled_examples, reassigned
    from mlintern.audit.report.options import AuditOptions
    from mlintern.audit.run import audit_subject

    order = np.random.default_rng(seed).permutation(len(x))
    border = int(0.75 * len(x))
    rows = {"train": np.sort(order[:border]), "test": np.sort(order[border:])}
    published = accuracy(x, y, rows["train"], rows["test"])
    print(f"random split of {len(x)} windows: the network scores {published:.3f}")

    parts = {name: (x[chosen], y[chosen]) for name, chosen in rows.items()}
    subject = subject_from_arrays(parts, AuditOptions(seed=seed), positions=rows)
    report = audit_subject(subject)
    print(f"audit: {report.summary()}")
    found = [finding for finding in report.blocking() if finding.kind == "latent_group"]
    for finding in found:
        print(f"  refused: {finding.kind}: {finding.evidence['how']}")
        if finding.price is not None:
            price = finding.price
            print(f"  price: {price.points:+.1f} points ({price.low:.1f} to {price.high:.1f}), {price.measured_with}")

    assignment = reassigned(subject, report)
    place = np.concatenate([rows["train"], rows["test"]])
    assert len(place) == len(pooled_examples(subject.splits))
    repaired = accuracy(x, y, place[assignment.part == "train"], place[assignment.part == "test"])
    moved = int((assignment.origin != assignment.part).sum())
    print(f"repaired by inferred groups ({moved} rows moved): the network scores {repaired:.3f}")

    held_out = [accuracy(x, y, np.flatnonzero(people != p), np.flatnonzero(people == p)) for p in np.unique(people)]
    print(f"each person held out in turn, as one would who knew them: {np.mean(held_out):.3f}")
    return {
        "random": published,
        "refused": bool(found),
        "points": found[0].price.points if found and found[0].price else float("nan"),
        "repaired": repaired,
        "by_person": float(np.mean(held_out)),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A split of watch recordings that leaks people.")
    parser.add_argument("--data", type=Path, default=Path(sys.prefix), help="where seglearn was installed")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    replay(*windows(find_data(arguments.data)), arguments.seed)
