"""The statistics of a study: the public face of the modules beside it. No LLM computes, rounds or reports a number.

- estimates, `region_test`: one estimate, one test for all claims (`estimates.py`)
- intervals over seeds, of one run's accuracy, over test examples (`intervals.py`)
- correction over the family of claims (`correction.py`)
- power, the smallest visible effect, seeds needed (`power.py`)
- our seeds beside a printed number (`printed.py`), a printed interval beside its raw seeds (`printed_interval.py`)
"""

from mlintern.study.correction import benjamini_hochberg, holm
from mlintern.study.estimates import (
    Estimate,
    RegionTest,
    mean_estimate,
    paired_estimate,
    region_test,
    welch_estimate,
)
from mlintern.study.intervals import Interval, bootstrap_interval, mean_interval, proportion_interval
from mlintern.study.power import region_power, seeds_needed, smallest_effect
from mlintern.study.printed import PrintedComparison, compare_printed, compare_rows
from mlintern.study.printed_interval import PrintedIntervalCheck, check_printed_interval, common_formula
from mlintern.study.printed_value import PrintedValue

__all__ = [
    "Estimate",
    "Interval",
    "PrintedComparison",
    "PrintedIntervalCheck",
    "PrintedValue",
    "RegionTest",
    "benjamini_hochberg",
    "bootstrap_interval",
    "check_printed_interval",
    "common_formula",
    "compare_printed",
    "compare_rows",
    "holm",
    "mean_estimate",
    "mean_interval",
    "paired_estimate",
    "proportion_interval",
    "region_power",
    "region_test",
    "seeds_needed",
    "smallest_effect",
    "welch_estimate",
]
