"""The incident, replayed: a random split over patients scores some twenty-five points more than it should.

80 patients with 18 images each, as vectors of 48 numbers. Every patient has a look of their own, and images of one
patient are alike. A random split puts each patient on both sides, so that a network may recognise the patient instead
of the disease. Nothing in the data names the patients.

    python examples/incident.py

The audit refuses the split, says why, says what the leak is worth, deals the rows out again by the groups it inferred,
and the same network is trained to the honest number.
"""

import argparse
import warnings

import numpy as np

PATIENTS, IMAGES, WIDTH = 80, 18, 48
SHIFT, NOISE = 1.2, 1.05


def patients(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features [1440, 48], labels [1440] and the patient of each row [1440], which the audit is not shown."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=WIDTH)
    direction /= np.linalg.norm(direction)
    ill = np.arange(PATIENTS) % 2
    centres = rng.normal(size=(PATIENTS, WIDTH)) + np.outer(np.where(ill, SHIFT, -SHIFT), direction)
    patient = np.repeat(np.arange(PATIENTS), IMAGES)
    features = centres[patient] + NOISE * rng.normal(size=(len(patient), WIDTH))
    return features.astype(np.float32), ill[patient], patient


def accuracy(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], seed: int) -> float:
    """Test accuracy of a network with one hidden layer of 256 units."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it is stopped after a fixed number of epochs
        network = MLPClassifier((256,), max_iter=40, random_state=seed).fit(*train)
    return float(network.score(*test))


def replay(seed: int = 0) -> dict[str, float | bool | str]:
    """The whole story; prints it and returns its numbers."""
    from mlintern.audit.inputs.frames import subject_from_arrays
    from mlintern.audit.price.repair import reassigned, repaired_subject
    from mlintern.audit.report.options import AuditOptions
    from mlintern.audit.run import audit_subject

    x, y, patient = patients(seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(x))
    rows = {"train": order[360:], "test": order[:360]}
    parts = {name: (x[chosen], y[chosen]) for name, chosen in rows.items()}
    published = accuracy(parts["train"], parts["test"], seed)
    print(f"random split: the network scores {published:.3f}")

    subject = subject_from_arrays(parts, AuditOptions(seed=seed))
    report = audit_subject(subject)
    refused = report.blocking()
    print(f"audit: {report.summary()}")
    for finding in refused:
        print(f"  refused: {finding.kind}: {finding.evidence.get('how', '')}")
        if finding.price is not None:
            price = finding.price
            print(f"  price: {price.points:+.1f} points ({price.low:.1f} to {price.high:.1f}), {price.measured_with}")

    assignment = reassigned(subject, report)
    repaired = repaired_subject(subject, assignment)
    after = audit_subject(repaired)
    train, test = repaired.train, repaired.test
    honest = accuracy((train.features, train.labels), (test.features, test.labels), seed)
    groups = next(check for check in after.checks if check.name == "latent_group")
    print(f"repaired by inferred groups: {int((assignment.origin != assignment.part).sum())} rows moved")
    print(f"  audited again: {groups.name} {groups.status.value}: {groups.reason}")
    print(f"  the network scores {honest:.3f}")

    held_out = np.isin(patient, rng.permutation(PATIENTS)[: PATIENTS // 4])
    known = accuracy((x[~held_out], y[~held_out]), (x[held_out], y[held_out]), seed)
    print(f"a quarter of the patients held out, as one would who knew them: {known:.3f}")
    found = [finding for finding in refused if finding.kind == "latent_group"]
    return {
        "random": published,
        "refused": bool(found),
        "points": found[0].price.points if found and found[0].price else float("nan"),
        "repaired": honest,
        "by_patient": known,
        "after": groups.status.value,
        "blocking_after": bool(after.blocking()),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Replay the incident: a split that leaks patients.")
    parser.add_argument("--seed", type=int, default=0)
    replay(parser.parse_args().seed)
