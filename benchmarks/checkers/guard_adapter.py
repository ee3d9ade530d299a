"""dataleak-guard in its own environment: folder of cases in, {case: kinds and whether it blocks} out.

A finding of severity CRITICAL or HIGH blocks; its categories are mapped to our kinds.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from dataleak_guard.detector import audit

KINDS = {
    "Target Leakage": "target_leak",
    "Row Contamination": "exact_duplicate",
    "Preprocessing Leakage": "preprocessing_scope",
    "Feature Engineering": "metadata_leak",
    "Distribution Shift": "shift",
    "Target Split": "shift",
}


def judged(path: Path) -> dict:
    """One case."""
    data = np.load(path)
    report = audit(data["x_train"], data["x_test"], data["y_train"], data["y_test"])
    heavy = [f for f in report.findings if f.severity.value in ("CRITICAL", "HIGH")]
    return {"kinds": sorted({KINDS.get(f.category, f.category) for f in report.findings}), "blocks": bool(heavy)}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps({path.stem: judged(path) for path in sorted(Path(sys.argv[1]).glob("*.npz"))}))
