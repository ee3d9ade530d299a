"""cleanlab's Datalab in its own environment: folder of cases in, {case: kinds and whether it blocks} out.

Datalab knows no split: near-duplicate sets (its default distance and threshold) that hold rows of both parts are
duplicates across the split, exact where their rows are equal. Its non-iid test stands for latent groups. It blocks
where at least 1 % of the test rows have such a twin.
"""

import contextlib
import io
import json
import sys
import warnings
from pathlib import Path

import numpy as np
from cleanlab import Datalab


def judged(path: Path) -> dict:
    """One case."""
    data = np.load(path)
    x = np.nan_to_num(np.concatenate([data["x_train"], data["x_test"]]).astype(float))
    y = np.concatenate([data["y_train"], data["y_test"]])
    border, classes = len(data["x_train"]), int(data["classes"])
    scaled = (x - x.mean(0)) / np.where(x.std(0) > 0, x.std(0), 1)
    with contextlib.redirect_stdout(io.StringIO()):
        lab = Datalab({"y": y}, label_name="y", task="classification" if classes else "regression")
        lab.find_issues(features=scaled, issue_types={"near_duplicate": {}, "non_iid": {}})
    table = lab.get_issues("near_duplicate")
    exact, near = 0, 0
    for row in np.flatnonzero(table["is_near_duplicate_issue"].to_numpy()):
        mates = np.asarray(table["near_duplicate_sets"].iloc[row], dtype=int)
        if row < border or not (mates < border).any():
            continue
        same = (x[mates[mates < border]] == x[row]).all(1).any()
        exact, near = exact + bool(same), near + (not same)
    kinds = [name for name, count in (("exact_duplicate", exact), ("near_duplicate", near)) if count]
    if len(x) > border and bool(lab.get_issues("non_iid")["is_non_iid_issue"].any()):
        kinds.append("latent_group")
    return {"kinds": kinds, "blocks": exact + near >= 0.01 * (len(x) - border)}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps({path.stem: judged(path) for path in sorted(Path(sys.argv[1]).glob("*.npz"))}))
