"""Groups without a column: the incident replayed, its clean twins, price and repair."""

import importlib.util
import pathlib

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine

from mlintern.audit.checks.latent_group import latent_groups, runs, stable_groups
from mlintern.audit.command import main
from mlintern.audit.inputs.frames import subject_from_arrays
from mlintern.audit.inputs.units import Units
from mlintern.audit.price.repair import Assignment, reassigned, repaired_subject, units_of_pairs
from mlintern.audit.price.retrained import price_of
from mlintern.audit.report.audit_report import Severity, Status
from mlintern.audit.report.options import AuditOptions
from mlintern.audit.run import audit_subject

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples" / "incident.py"


def load_example():
    spec = importlib.util.spec_from_file_location("incident", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cut(x, y, test, **side):
    return subject_from_arrays({"train": (x[~test], y[~test]), "test": (x[test], y[test])}, **side)


@pytest.fixture(scope="module")
def patients():
    return load_example().patients(0)


def test_the_incident_is_refused_priced_and_repaired(capsys):
    story = load_example().replay(seed=2)
    assert story["refused"]
    assert 15 < story["points"] < 40
    assert story["random"] > 0.9
    assert story["repaired"] < story["random"] - 0.12
    assert story["after"] == "PASS"
    assert not story["blocking_after"]
    assert "refused: latent_group" in capsys.readouterr().out


def test_a_split_by_patient_keeps_the_groups_apart(patients):
    x, y, patient = patients
    held_out = np.isin(patient, np.random.default_rng(1).permutation(80)[:20])
    outcome = latent_groups(cut(x, y, held_out))
    assert outcome.status is Status.PASS, outcome.reason
    assert "apart" in outcome.reason


def test_faint_groups_are_found_by_the_order_of_rows_and_by_nothing_else():
    rng = np.random.default_rng(3)
    patient = np.repeat(np.arange(80), 18)
    ill = np.arange(80) % 2
    x = (rng.normal(size=(80, 48)) + 0.35 * ill[:, None])[patient] + 1.5 * rng.normal(size=(1440, 48))
    order = rng.permutation(1440)
    test = np.zeros(1440, bool)
    test[order[:360]] = True
    rows = {"train": np.flatnonzero(~test), "test": np.flatnonzero(test)}
    outcome = latent_groups(cut(x, ill[patient], test, positions=rows))
    assert outcome.status is Status.FAIL
    assert outcome.findings[0].evidence["neighbours_nearby"] > 3 * outcome.findings[0].evidence["expected"]
    # runs are cut between patients, so that a repair by them leaves no patient on both sides
    units = outcome.findings[0].evidence["units"]
    run = np.concatenate([units["train"], units["test"]])[np.argsort(np.concatenate([rows["train"], rows["test"]]))]
    whole = [len(set(run[patient == person])) == 1 for person in range(80)]
    assert np.mean(whole) > 0.8
    # parts that keep the file's order still show it; shuffled ones do not
    kept = latent_groups(cut(x, ill[patient], test))
    assert kept.status is Status.FAIL
    assert "if the parts keep its order" in kept.reason
    mixed = rng.permutation(1440)
    shuffled = latent_groups(cut(x[mixed], ill[patient][mixed], test[mixed]))
    assert shuffled.status is Status.INCONCLUSIVE


def test_a_few_tight_kinds_of_rows_are_not_held_to_be_sources():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 12, 1200)
    x = (5 * rng.normal(size=(12, 8)))[kind] + 0.3 * rng.normal(size=(1200, 8))
    assert latent_groups(cut(x, kind % 3, np.arange(1200) >= 840)).status is Status.INCONCLUSIVE


def test_runs_are_cut_where_no_links_cross():
    sizes = np.random.default_rng(0).integers(10, 30, 40)
    source = np.repeat(np.arange(40), sizes)
    one, two = np.nonzero(source[:, None] == source)
    found = runs(one, two, len(source), 40)
    assert all(len(set(found[source == group])) == 1 for group in range(40))
    assert len(set(found)) >= 15


@pytest.mark.parametrize("loader", [load_wine, pytest.param(load_breast_cancer, marks=pytest.mark.slow)])
def test_shuffled_rows_without_a_group_column_are_inconclusive_and_do_not_block(loader):
    x, y = loader(return_X_y=True)
    test = np.random.default_rng(0).random(len(x)) < 0.3
    report = audit_subject(cut(x, y, test))
    assert {c.name: c.status for c in report.checks}["latent_group"] is Status.INCONCLUSIVE
    assert not report.clean
    assert not report.blocking("info")
    declared = audit_subject(cut(x, y, test, options=AuditOptions(independent_rows=True)))
    assert declared.clean, declared.summary()


def test_random_labels_with_strong_groups_are_all_leak():
    rng = np.random.default_rng(5)
    patient = np.repeat(np.arange(80), 20)
    x = rng.normal(size=(80, 48))[patient] + 0.8 * rng.normal(size=(1600, 48))
    y = rng.integers(0, 2, 80)[patient]
    (finding,) = latent_groups(cut(x, y, rng.random(1600) < 0.25)).findings
    assert finding.severity is Severity.HIGH
    assert "the score is all leak" in finding.price.note


def test_smooth_data_have_no_stable_groups():
    rng = np.random.default_rng(0)
    for points in (rng.normal(size=(800, 10)), rng.random((800, 2)), rng.standard_t(3, size=(800, 5))):
        assert stable_groups(points.astype(np.float32))[1] < 0.25


def test_price_of_copies_that_teach_nothing_is_nothing():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(700, 5)), rng.integers(0, 2, 700)
    test = np.arange(700) >= 500
    leak_free = Units(np.arange(500) % 50, np.arange(200) % 50)
    price = price_of(cut(x, y, test), leak_free, "test")
    assert price.low <= 0 <= price.high


def test_price_of_memorised_copies_is_their_share():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(700, 5)), rng.integers(0, 2, 700)
    x[500:600], y[500:600] = x[:100], y[:100]
    pairs = zip(range(100), range(100), strict=True)
    price = price_of(cut(x, y, np.arange(700) >= 500), units_of_pairs(pairs, 500, 200), "test")
    assert 15 < price.points < 35  # half of the test rows, right half of the time by luck
    assert price.low > 5


def test_repair_keeps_components_whole_sizes_and_classes(patients):
    x, y, patient = patients
    test = np.random.default_rng(1).random(len(x)) < 0.25
    tags = {part: {"groups": patient[mask].astype(str)} for part, mask in (("train", ~test), ("test", test))}
    subject = cut(x, y, test, columns=tags, options=AuditOptions(price="none"))
    report = audit_subject(subject)
    assert "group_overlap" in {f.kind for f in report.findings}
    splits = reassigned(subject, report).apply(subject.splits)
    assert not np.intersect1d(splits.train.groups, splits.test.groups).size
    assert abs(len(splits.test) - test.sum()) <= 18
    assert abs(splits.test.labels.mean() - 0.5) < 0.08


def test_columns_of_metadata_go_with_their_rows_and_keep_their_order():
    names = ["path", "id", "written", "site", "device", "batch"]
    metadata = {
        part: {name: np.array([f"{part} {name} {i}" for i in range(2)]) for name in names} for part in ("train", "test")
    }
    x, y = np.arange(8.0).reshape(4, 2), np.array([0, 1, 0, 1])
    subject = cut(x, y, np.arange(4) >= 2, metadata=metadata)
    part = np.array(["test", "train", "train", "test"])
    moved = repaired_subject(subject, Assignment(np.array(["train"] * 2 + ["test"] * 2), np.array([0, 1, 0, 1]), part))
    assert list(moved.metadata["train"]) == list(moved.metadata["test"]) == names
    assert moved.metadata["train"]["id"].tolist() == ["train id 1", "test id 0"]
    assert moved.test.features.tolist() == [[0.0, 1.0], [6.0, 7.0]]
    taken = subject.take(np.array([1]), np.array([0]))
    assert taken.metadata["train"]["site"].tolist() == ["train site 1"] and list(taken.metadata["test"]) == names


def test_command_repairs_an_npz_and_writes_a_certificate(tmp_path, capsys):
    import json

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(600, 6)), rng.integers(0, 2, 600)
    x[400:430], y[400:430] = x[:30], y[:30]
    np.savez(tmp_path / "d.npz", x_train=x[:400], y_train=y[:400], x_test=x[400:], y_test=y[400:])
    assert main([str(tmp_path / "d.npz"), "--price", "none", "--repair", str(tmp_path / "out")]) == 1
    assert "30 rows moved" in capsys.readouterr().out
    assert main([str(tmp_path / "out" / "repaired.npz"), "--price", "none"]) == 0
    paper = json.loads((tmp_path / "out" / "certificate.json").read_text())
    assert paper["rows_moved"] == 30
    assert {c["name"]: c["status"] for c in paper["after"]["checks"]}["exact_duplicate"] == "PASS"
