"""deepchecks in its own environment: folder of cases in, {case: kinds and whether a condition failed} out.

Each check runs with the condition that deepchecks' own suites give it. A group column is passed as a categorical
feature is not: deepchecks has no check of groups, so it is left out; a time column is named as the dataset's datetime.
Cases of more than 128 columns (pixels, samples) are left out: its predictive power score fits a tree per column.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from deepchecks.tabular import Dataset, checks

KINDS = {
    "TrainTestSamplesMix": "exact_duplicate",
    "ConflictingLabels": "label_conflict",
    "DateTrainTestLeakageDuplicates": "temporal_overlap",
    "DateTrainTestLeakageOverlap": "temporal_overlap",
    "FeatureLabelCorrelation": "target_leak",
    "FeatureLabelCorrelationChange": "target_leak",
    "MultivariateDrift": "shift",
}


def asked(timed: bool) -> list:
    """The checks, with their suites' conditions; those of two datasets first."""
    made = [
        checks.TrainTestSamplesMix().add_condition_duplicates_ratio_less_or_equal(),
        checks.FeatureLabelCorrelationChange().add_condition_feature_pps_difference_less_than()
        .add_condition_feature_pps_in_train_less_than(),
        checks.MultivariateDrift().add_condition_overall_drift_value_less_than(),
    ]  # fmt: skip
    if timed:
        made += [
            checks.DateTrainTestLeakageDuplicates().add_condition_leakage_ratio_less_or_equal(),
            checks.DateTrainTestLeakageOverlap().add_condition_leakage_ratio_less_or_equal(),
        ]
    return made


def single(classes: bool) -> list:
    """The checks of one dataset; deepchecks compares labels of equal rows only where they are classes."""
    made = [checks.FeatureLabelCorrelation().add_condition_feature_pps_less_than()]
    if classes:
        made.append(checks.ConflictingLabels().add_condition_ratio_of_conflicting_labels_less_or_equal())
    return made


def judged(path: Path) -> dict:
    """One case."""
    data = np.load(path)
    if data["x_train"].shape[1] > 128:
        return {"kinds": [], "blocks": False}
    frames, timed = {}, "times_train" in data
    for part in ("train", "test"):
        frame = pd.DataFrame(data[f"x_{part}"], columns=[f"f{i}" for i in range(data[f"x_{part}"].shape[1])])
        frame["label"] = data[f"y_{part}"]
        if timed:
            frame["when"] = pd.to_datetime(data[f"times_{part}"])
        frames[part] = Dataset(
            frame,
            label="label",
            label_type="multiclass" if int(data["classes"]) else "regression",
            cat_features=[],
            **({"datetime_name": "when"} if timed else {}),
        )
    both = pd.concat([frames["train"].data, frames["test"].data], ignore_index=True)
    joint = frames["train"].copy(both)
    kinds, failed = set(), False
    for check, given in [(c, (frames["train"], frames["test"])) for c in asked(timed)] + [
        (c, (joint,)) for c in single(bool(int(data["classes"])))
    ]:
        name = type(check).__name__
        for outcome in check.run(*given).conditions_results:
            if outcome.category.value in ("FAIL", "WARN"):
                kinds.add(KINDS[name])
                failed |= outcome.category.value == "FAIL" and KINDS[name] != "shift"
    return {"kinds": sorted(kinds), "blocks": failed}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps({path.stem: judged(path) for path in sorted(Path(sys.argv[1]).glob("*.npz"))}))
