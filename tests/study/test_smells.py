"""Every smell in both directions: it is found where it was planted, and a healthy study stays silent."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from mlintern.report.model.report import PrintedNumber, TableCell
from mlintern.spec.paper_spec import PaperSpec, ResultTable
from mlintern.study.account.contrasts import measured
from mlintern.study.account.smells.all_smells import SeedGroup, _directions, find_smells
from mlintern.study.account.smells.of_curves import (
    SeedCurve,
    flat_from_start,
    leaps,
    loss_spikes,
    saturates_at_start,
    still_improving,
)
from mlintern.study.account.smells.of_examples import (
    Predicted,
    above_label_ceiling,
    above_neighbour_ceiling,
    below_constant_guess,
    not_its_examples,
)
from mlintern.study.account.smells.of_scores import (
    above_train,
    better_than_paper,
    examples_behind,
    hangs_on_one_seed,
    read_again,
    train_test_gap,
    zero_variance,
)

EXAMPLES, CLASSES, STEPS = 500, 5, 2000
NOTHING = {"table": (), "audits": {}, "outcomes": {}.get, "steps": {}.get}
SPEC = PaperSpec.model_validate(
    {
        "schema_version": 1,
        "paper": {"id": "0000.00001", "slug": "arxiv_0000_00001", "title": "A study"},
        "datasets": [{"id": "toy", "description": "toy"}],
        "variants": [{"id": name, "name": name, "description": name} for name in ("small", "large")],
        "settings": [],
        "tables": [],
        "claims": [],
        "scale": {"published": "a minute"},
    }
)


def sha(*parts):
    return hashlib.sha256(repr(parts).encode()).hexdigest()


class Study:
    """A healthy study, drawn: two variants, two ablation levels, three seeds; tests plant one fault each."""

    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.targets = np.arange(EXAMPLES) % CLASSES
        self.groups, self.outcomes, self.steps = [], {}, {}
        for variant, level, skill in (("small", "base", 0.7), ("small", "wide", 0.74), ("large", "base", 0.82)):
            self.groups.append([self.run(variant, level, run_seed, skill) for run_seed in range(3)])

    def run(self, variant, level, seed, skill):
        cell = f"{variant}-{level}-{seed}"
        right = self.rng.random(EXAMPLES) < skill + self.rng.normal(0, 0.01)
        guess = np.where(right, self.targets, (self.targets + self.rng.integers(1, CLASSES, EXAMPLES)) % CLASSES)
        ids = [f"toy/{i:04d}" for i in range(EXAMPLES)]
        self.outcomes[cell] = pd.DataFrame(
            {"id": ids, "target": self.targets, "prediction": guess, "accuracy": right.astype(float)}
        )
        x = np.arange(STEPS)
        losses = 0.3 + 1.3 * np.exp(-x / 200) + self.rng.normal(0, 0.08, STEPS)
        self.steps[cell] = pd.DataFrame({"step": x, "loss": losses.astype(np.float32), "lr": 0.01})
        curve = [
            {"step": step, "split": "valid", "accuracy": round(400 * value) / 400}
            for step in range(100, STEPS + 1, 100)
            for value in [0.2 + (skill - 0.2) * (1 - np.exp(-step / 200)) + self.rng.normal(0, 0.008)]
        ]
        return {
            "cell_id": cell,
            "variant": variant,
            "levels": {"data": "toy", "protocol": "clean", "width": level},
            "seed": seed,
            "metrics": {
                "train": {"accuracy": min(1.0, skill + 0.15), "loss": 0.2},
                "valid": {"accuracy": round(400 * skill) / 400, "loss": 0.5},
                "test": {"accuracy": float(right.mean()), "loss": 0.5 + float(self.rng.normal(0, 0.01))},
            },
            "evaluations": curve,
            "selection": {"split": "valid", "metric": "accuracy", "mode": "max", "step": 1500, "value": skill},
            "weights_sha256": sha("weights", cell),
            "loss_chain_sha256": sha("chain", cell),
            "test_readings": 1,
            "audit": {"acknowledged": []},
        }

    def find(self, **more):
        return find_smells(
            SPEC, self.groups, **{**NOTHING, "outcomes": self.outcomes.get, "steps": self.steps.get, **more}
        )

    def kinds(self, **more):
        return {smell.kind for smell in self.find(**more)}


@pytest.mark.parametrize("seed", range(12))
def test_healthy_studies_do_not_smell(seed):
    assert Study(seed).find(audits={"toy__clean": {"findings": []}}) == []


def test_seed_that_is_not_wired():
    study = Study()
    for run in study.groups[0]:
        run["weights_sha256"] = "same"
        run["metrics"]["test"] = dict(study.groups[0][0]["metrics"]["test"])
    found = [smell for smell in study.find() if smell.kind == "zero_variance"]
    assert [(smell.severity, smell.where) for smell in found] == [("high", "small · toy · clean · width=base")]
    assert "weights" in found[0].evidence


def test_zero_variance_knows_a_ceiling_from_a_broken_seed():
    assert zero_variance("w", "accuracy", [1.0] * 3, [0.01, 0.02, 0.03], ["a", "b", "c"], 1.0).severity == "low"
    assert zero_variance("w", "accuracy", [0.7] * 3, [0.5, 0.6, 0.7], ["a", "b", "c"], 1.0).severity == "medium"
    assert zero_variance("w", "accuracy", [0.7] * 3, [0.5] * 3, ["a", "b", "c"], 1.0).severity == "high"
    # On a thousand examples two seeds agree by chance; one run has no variance at all.
    assert zero_variance("w", "accuracy", [0.7] * 2, [0.5, 0.6], ["a", "b"], 1.0) is None
    assert zero_variance("w", "accuracy", [0.7, 0.71, 0.72], [0.5, 0.6, 0.7], ["a", "b", "c"], 1.0) is None
    assert zero_variance("w", "accuracy", [0.7], [0.5], ["a"], 1.0) is None


def test_ablation_that_changes_nothing():
    study = Study()
    for base, wide in zip(study.groups[0], study.groups[1], strict=True):
        wide["loss_chain_sha256"] = base["loss_chain_sha256"]
        wide["metrics"] = base["metrics"]
    found = [smell for smell in study.find() if smell.kind == "changes_nothing"]
    assert len(found) == 1
    assert "width base and width wide" in found[0].evidence
    for run in study.groups[1]:  # the same function from another chain, after a factor that draws but does not act
        run["loss_chain_sha256"] = sha("other", run["seed"])
    assert "changes_nothing" in study.kinds()
    # The same training with another score (an ablation at test time) is wired.
    for run in study.groups[1]:
        run["metrics"] = {**run["metrics"], "test": {"accuracy": 0.5, "loss": 1.0}}
    assert "changes_nothing" not in study.kinds()
    # Two protocols that differ in the choice of a checkpoint may train and choose alike.
    study = Study()
    twins = [{**run, "levels": {**run["levels"], "protocol": "last"}} for run in study.groups[0]]
    study.groups.append(twins)
    assert "changes_nothing" not in study.kinds()


def test_classes_that_training_never_met():
    study = Study()
    for run in study.groups[0]:
        run["unseen_labels"] = {"test": {"labels": [3], "rows": 4, "of": EXAMPLES}}
    (smell,) = [smell for smell in study.find() if smell.kind == "never_trained_on"]
    assert smell.where == "toy · test"
    assert f"4 of {EXAMPLES} examples of test have labels that no training example has (3)" in smell.evidence


def drawn(score, targets, rng, seeds=3, constant=False):
    right = rng.random((seeds, len(targets))) < score
    predictions = np.where(right, targets, -1)
    if constant:
        predictions = np.zeros_like(predictions)
        right = np.tile(targets == 0, (seeds, 1))
    return Predicted(right.astype(float), targets, predictions)


def test_majority_baseline():
    rng = np.random.default_rng(1)
    targets = (rng.random(400) < 0.2).astype(int)
    below = below_constant_guess("w", "accuracy", drawn(0.7, targets, rng), True)
    assert below.severity == "high"
    assert "0.7" in below.evidence
    short = np.array([0] * 48 + [1] * 12)
    right = np.array([[1.0] * 51 + [0.0] * 9])  # 0.85 against 0.8 on 60 examples
    within = below_constant_guess("w", "accuracy", Predicted(right, short, right), True)
    assert within.severity == "medium"
    assert "within chance" in within.evidence
    assert below_constant_guess("w", "accuracy", drawn(0.95, targets, rng), True) is None
    collapsed = below_constant_guess("w", "accuracy", drawn(0.0, targets, rng, constant=True), True)
    assert collapsed.severity == "high"
    assert "one class is predicted for 100%" in collapsed.evidence
    assert below_constant_guess("w", "perplexity", drawn(0.1, targets, rng), True) is None


def test_constant_guess_of_a_regression():
    rng = np.random.default_rng(2)
    targets = rng.normal(0, 1, 300)
    good, bad = (rng.normal(0, spread, (2, 300)) ** 2 for spread in (0.5, 1.5))
    assert below_constant_guess("w", "squared_error", Predicted(good, targets, good), False) is None
    assert below_constant_guess("w", "squared_error", Predicted(bad, targets, bad), False).severity == "high"


def test_majority_is_found_through_the_records():
    study = Study()
    for run in study.groups[2]:
        examples = study.outcomes[run["cell_id"]].assign(prediction=0)
        examples["accuracy"] = (examples["target"] == 0).astype(float)
        study.outcomes[run["cell_id"]] = examples
        run["metrics"]["test"]["accuracy"] = float(examples["accuracy"].mean())
    found = {smell.kind: smell for smell in study.find()}
    assert found["below_constant_guess"].where == "large · toy · clean · width=base"


def test_gap_between_train_and_test():
    assert train_test_gap("w", "accuracy", [1.0, 1.0], [0.4, 0.42], 0.1).kind == "train_test_gap"
    assert train_test_gap("w", "accuracy", [1.0, 1.0], [0.68, 0.66], 0.1) is None  # an MLP on a hard toy task
    assert train_test_gap("w", "accuracy", [1.0, 1.0], [0.4, 0.8], 0.1) is None  # not at every seed
    assert train_test_gap("w", "squared_error", [0.1, 0.1], [0.9, 0.8], 1.0).kind == "train_test_gap"
    assert train_test_gap("w", "squared_error", [0.4, 0.4], [0.5, 0.5], 1.0) is None
    assert train_test_gap("w", "accuracy", [0.1, 0.1], [0.1, 0.1], 0.1) is None


def test_held_out_above_train():
    assert above_train("w", "accuracy", "valid", [0.7, 0.7], [0.8, 0.82], 400).severity == "high"
    assert above_train("w", "accuracy", "valid", [0.7, 0.7], [0.72, 0.73], 400) is None
    assert above_train("w", "accuracy", "valid", [0.7, 0.7], [0.8, 0.82], 20) is None
    study = Study()
    for run in study.groups[0]:
        run["metrics"]["train"]["accuracy"] = 0.5
    found = [smell for smell in study.find() if smell.kind == "above_train"]
    assert {smell.where for smell in found} == {"small · toy · clean · width=base"}
    assert any("400 examples" in smell.evidence for smell in found)


def test_number_of_examples_behind_accuracies():
    rng = np.random.default_rng(3)
    for n in (37, 400, 1000, 54_321):
        assert examples_behind([int(k) / n for k in rng.integers(1, n, 20)]) == n
    assert examples_behind([0.123456789123, 0.3]) is None
    assert examples_behind([1.0, 0.0]) is None


def test_better_than_the_paper():
    assert better_than_paper("w", 56.0, 2.0, 0.5, [60.9, 61.4, 61.1], True).kind == "better_than_paper"
    assert better_than_paper("w", 56.0, 2.0, 0.5, [57.0, 57.4, 57.1], True) is None  # within the spread
    assert better_than_paper("w", 56.0, 2.0, 0.5, [50.0, 50.1, 50.2], True) is None  # worse
    assert better_than_paper("w", 56.0, 2.0, 0.5, [54.0, 60.0, 66.0], True) is None  # not beyond our own chance
    assert better_than_paper("w", 0.30, 0.02, 0.005, [0.21, 0.22, 0.2], False).kind == "better_than_paper"
    assert better_than_paper("w", 56.0, 2.0, 0.5, [59.0], True) is None
    assert better_than_paper("w", 56.0, 2.0, 0.5, [63.0], True).kind == "better_than_paper"


def cell(values, mean=56.0, bound=None):
    return TableCell.model_construct(  # type: ignore[call-arg]
        metric="accuracy",
        better="higher",
        variant="small",
        data="toy",
        protocol="clean",
        levels={},
        paper=PrintedNumber(raw="56 ± 2", mean=mean, std=2.0, n=3, bound=bound),
        measured=measured(values, [0, 1, 2]),
        others=[],
    )


def test_better_than_the_paper_from_the_table():
    assert "better_than_paper" in Study().kinds(table=[cell([60.9, 61.4, 61.1])])
    assert "better_than_paper" not in Study().kinds(table=[cell([56.9, 55.4, 56.1])])
    # ">50" is a bound: to be above it is what the paper says.
    assert "better_than_paper" not in Study().kinds(table=[cell([60.9, 61.4, 61.1], mean=50.0, bound=">")])


def test_one_seed_carries_the_mean():
    calm = {f"g{i}": {s: 0.7 + 0.003 * ((s + i) % 3) for s in range(3)} for i in range(5)}
    assert hangs_on_one_seed(calm, "accuracy") == []
    odd = {**calm, "g0": {0: 0.70, 1: 0.703, 2: 0.93}}
    found = hangs_on_one_seed(odd, "accuracy")
    assert [smell.where for smell in found] == ["g0"]
    assert "without seed 2 the mean is 0.7015" in found[0].evidence
    assert hangs_on_one_seed({"alone": {0: 0.1, 1: 0.9}}, "accuracy") == []


@pytest.mark.parametrize(("widest", "bound"), [(0.3, 0.025), (2.0, 0.07)])
def test_one_seed_false_alarms_are_rare(widest, bound):
    rng = np.random.default_rng(4)
    alarms = 0
    for _ in range(300):
        spreads = rng.uniform(0.3, widest, 8)
        study = {f"g{i}": dict(enumerate(rng.normal(70, spread, 3))) for i, spread in enumerate(spreads)}
        alarms += bool(hangs_on_one_seed(study, "accuracy"))
    assert alarms / 300 < bound


def test_test_read_more_than_once():
    study = Study()
    study.groups[0][1]["test_readings"] = 20
    found = [smell for smell in study.find() if smell.kind == "test_read_again"]
    assert [smell.severity for smell in found] == ["high"]
    assert "1 of 9 cells" in found[0].evidence
    study.groups[0][1]["audit"]["acknowledged"] = ["selection_on_test"]
    assert [smell.severity for smell in study.find()] == ["low"]
    assert read_again("w", [1, 1], False) is None


def test_metric_that_is_not_the_mean_of_its_examples():
    study = Study()
    record = study.groups[0][0]["metrics"]
    record["valid"]["accuracy"] = record["test"]["accuracy"]
    record["test"]["accuracy"] = 0.9
    found = [smell for smell in study.find() if smell.kind == "not_the_stated_metric"]
    assert [smell.where for smell in found] == ["small · toy · clean · width=base · seed 0"]
    assert "that is the valid score" in found[0].evidence
    targets, outcomes = np.array([0] * 90 + [1] * 10), np.array([1.0] * 90 + [0.0] * 10)
    macro = not_its_examples("w", "accuracy", {"test": 0.5}, outcomes, targets)
    assert "mean over classes" in macro.evidence
    assert not_its_examples("w", "accuracy", {"test": 0.9}, outcomes, targets) is None


def test_score_above_the_label_ceiling():
    right = np.ones((3, 500))
    right[:, :5] = 0
    assert above_label_ceiling("w", "accuracy", right, 1.0, 0.1).severity == "high"
    assert above_label_ceiling("w", "accuracy", right, 0.2, 0.01) is None
    assert above_label_ceiling("w", "accuracy", right, 1.0, 0.0) is None
    study = Study()
    audit = {"findings": [{"kind": "label_conflict", "severity": "medium", "fraction": 0.6}]}
    assert "above_label_ceiling" in study.kinds(audits={"toy__clean": audit})
    audit["findings"][0]["severity"] = "info"
    assert "above_label_ceiling" not in study.kinds(audits={"toy__clean": audit})


def test_score_above_the_neighbours_ceiling():
    right = np.ones((3, 500))
    right[:, :50] = 0
    ceiling = {"accuracy": 0.8, "nearest": 0.31, "extrapolated": 0.3, "dimension": 2.0, "train": 4000, "test": 500}
    assert "0.9 on test" in above_neighbour_ceiling("w", "accuracy", right, ceiling).evidence
    assert above_neighbour_ceiling("w", "accuracy", right, {**ceiling, "accuracy": 0.88}) is None
    assert above_neighbour_ceiling("w", "squared_error", right, ceiling) is None
    study = Study()
    audit = {"findings": [], "ceiling": {**ceiling, "accuracy": 0.3}}
    assert "above_neighbour_ceiling" in study.kinds(audits={"toy__clean": audit})
    assert "above_neighbour_ceiling" not in study.kinds(audits={"toy__clean": {"findings": []}})


def losses(rng, tau=200.0, noise=0.08, steps=2000, low=0.3):
    x = np.arange(steps)
    return low + 1.3 * np.exp(-x / tau) + rng.normal(0, noise, steps)


def test_flat_from_the_start():
    rng = np.random.default_rng(5)
    flat = [2.3 + rng.normal(0, 0.1, 2000) for _ in range(3)]
    assert flat_from_start("w", flat).severity == "high"
    assert flat_from_start("w", [np.linspace(1, 2, 500)]).severity == "high"
    for tau in (3, 50, 1000):  # learnt at once, soon, slowly
        assert flat_from_start("w", [losses(rng, tau)]) is None
    assert flat_from_start("w", [flat[0], losses(rng)]) is None  # one seed learns
    assert flat_from_start("w", [np.ones(20)]) is None
    assert flat_from_start("w", []) is None


def test_loss_that_climbs_back():
    rng = np.random.default_rng(6)
    spiked = losses(rng)
    spiked[1200:1400] += 0.8
    assert "step 1200" in loss_spikes("w", [(7, spiked)]).evidence
    assert "seed 7" in loss_spikes("w", [(7, spiked), (8, losses(rng))]).evidence
    single = losses(rng)
    single[1200] = 50.0  # one bad batch
    noisy = losses(rng, noise=0.5, low=0.02)
    tiny = losses(rng, noise=0.0, low=0.0)
    tiny[1500:1600] += 0.01  # a ripple near zero
    bumpy = losses(rng, low=0.05)
    bumpy[1300:1350] += 0.2  # Adam at a high rate, on its way
    for quiet in (losses(rng), bumpy, single, np.abs(noisy), tiny, np.full(2000, 2.3)):
        assert loss_spikes("w", [(0, quiet)]) is None


def curve(value, steps=6000, every=250, seed=0, noise=0.006, rng=None):
    rng = rng or np.random.default_rng(seed)
    at = tuple(range(every, steps + 1, every))
    return SeedCurve(seed, at, tuple(value(step / steps) + rng.normal(0, noise) for step in at))


def approach(share):
    return lambda t: 0.1 + 0.8 * (1 - np.exp(-t / share))


def test_still_improving_at_the_end():
    slow = [curve(approach(0.6), seed=s) for s in range(3)]
    found = still_improving("w", "accuracy", "valid", slow, True)
    assert found.kind == "still_improving"
    assert "trainer.max_steps=12000" in found.next_experiment
    falling = [curve(lambda t: 2.0 * np.exp(-t / 0.6), seed=s) for s in range(3)]
    assert "falls" in still_improving("w", "loss", "valid", falling, False).evidence
    for share in (0.05, 0.15, 0.25):
        assert (
            still_improving("w", "accuracy", "valid", [curve(approach(share), seed=s) for s in range(3)], True) is None
        )
    worse = [curve(lambda t: 0.9 - 0.3 * t, seed=s) for s in range(3)]
    assert still_improving("w", "accuracy", "valid", worse, True) is None
    assert still_improving("w", "accuracy", "valid", [curve(approach(0.6), every=1000)], True) is None
    # Seeds that end far apart say more about chance than the last quarter does about time.
    apart = [curve(lambda t, s=s: 0.3 * s + 0.08 * t + 0.1, seed=s) for s in range(3)]
    assert still_improving("w", "accuracy", "valid", apart, True) is None


def test_saturated_at_the_first_evaluation():
    known = SeedCurve(0, (0, 100, 200, 300), (0.93, 0.94, 0.95, 0.94))
    assert saturates_at_start("w", "accuracy", "valid", [known], 0.2, True).severity == "high"
    learnt = SeedCurve(1, (0, 100, 200, 300), (0.2, 0.94, 0.95, 0.94))
    late = SeedCurve(0, (50, 100, 200, 300), (0.93, 0.94, 0.95, 0.94))
    nothing = SeedCurve(0, (0, 100, 200, 300), (0.2, 0.19, 0.18, 0.2))
    assert saturates_at_start("w", "accuracy", "valid", [known, learnt], 0.2, True) is None
    assert saturates_at_start("w", "accuracy", "valid", [late], 0.2, True) is None
    assert saturates_at_start("w", "accuracy", "valid", [nothing], 0.2, True) is None
    error = SeedCurve(0, (0, 100, 200, 300), (0.12, 0.11, 0.1, 0.1))
    assert saturates_at_start("w", "squared_error", "valid", [error], 1.0, False) is not None
    study = Study()
    for run in study.groups[0]:
        run["evaluations"].append({"step": 0, "split": "valid", "accuracy": 0.7})
    found = [smell for smell in study.find() if smell.kind == "saturates_at_start"]
    assert [smell.where for smell in found] == ["small · toy · clean · width=base"]


def test_still_improving_rarely_cries_wolf():
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(200):
        wandering = [
            SeedCurve(
                s, tuple(range(1, 25)), tuple(0.7 + np.cumsum(rng.normal(0, 0.004, 24)) - 0.6 * np.exp(-np.arange(24)))
            )
            for s in range(3)
        ]
        alarms += still_improving("w", "accuracy", "valid", wandering, True) is not None
    assert alarms / 200 <= 0.02


def test_curve_that_jumps():
    grokking = curve(lambda t: 0.1 if t < 0.6 else 0.95)
    assert "before step 3750" in leaps("w", "accuracy", "valid", [grokking], [None]).evidence
    collapse = curve(lambda t: 0.9 if t < 0.7 else 0.1)
    start = SeedCurve(0, collapse.steps, (0.1, 0.6, *collapse.values[2:]))
    assert leaps("w", "accuracy", "valid", [start], [None]).kind == "curve_jumps"
    for share in (0.05, 0.3, 0.8):
        assert leaps("w", "accuracy", "valid", [curve(approach(share))], [None]) is None
    dip = curve(approach(0.1))
    dipped = SeedCurve(0, dip.steps, tuple(v - 0.12 * (i == 12) for i, v in enumerate(dip.values)))
    assert leaps("w", "accuracy", "valid", [dipped], [None]) is None
    # Nearly all was learnt before the first evaluation: what is left of the range is noise.
    rng = np.random.default_rng(8)
    for seed in range(40):
        plateau = curve(lambda t: 0.53, noise=0.02, seed=seed, rng=rng)
        assert leaps("w", "accuracy", "valid", [plateau], [None]) is None
    # The schedule's own step is no surprise.
    rate = np.where(np.arange(6000) < 3600, 0.1, 0.01)
    assert leaps("w", "accuracy", "valid", [grokking], [rate]) is None
    assert leaps("w", "accuracy", "valid", [SeedCurve(0, (1, 2, 3), (0.1, 0.1, 0.9))], [None]) is None
    flat = SeedCurve(0, tuple(range(20)), (0.5,) * 20)
    assert leaps("w", "accuracy", "valid", [flat], [None]) is None


def test_missing_files_are_not_looked_at():
    study = Study()
    study.outcomes.clear()
    study.steps.clear()
    assert study.find() == []
    assert find_smells(SPEC, [], **NOTHING) == []


def test_worst_first():
    study = Study()
    study.groups[0][0]["metrics"]["test"]["accuracy"] = 0.9
    study.groups[0][1] |= {"test_readings": 3, "audit": {"acknowledged": ["test_reuse"]}}
    order = [smell.severity for smell in study.find()]
    assert order == sorted(order, key=["high", "medium", "low"].index)
    assert len(set(order)) > 1


def test_a_metric_s_own_direction_counts_and_not_the_paper_s():
    """The engine's is its own whatever a table of the paper was read as; a pack's is as it was chosen on."""
    run = {"metrics": {"test": {"accuracy": 0.5, "loss": 1.0, "perplexity": 3.0, "bleu": 1.0}}}
    config = {
        "metrics": {
            "accuracy": {"_target_": "mlintern.engine.metrics.Accuracy"},
            "perplexity": {"_target_": "papers.x.modules.Perplexity"},
        },
        "protocol": {"metric": "perplexity", "mode": "min"},
    }
    table = ResultTable.model_construct(metric="accuracy", better="lower")  # type: ignore[call-arg]
    spec = SPEC.model_copy(update={"tables": [table]})
    assert _directions(spec, [SeedGroup(({**run, "config": config},))]) == {"accuracy": True, "perplexity": False}
    chosen = {**run, "selection": {"metric": "bleu", "mode": "max"}}
    assert _directions(spec, [SeedGroup((chosen,))]) == {"accuracy": False, "bleu": True}
    assert _directions(SPEC, [SeedGroup((run,))]) == {"accuracy": True}
