from pathlib import Path

import pytest

from mlintern.report.model.report import Report
from mlintern.study.account.analyse import analyse, read_outcomes
from tests.report import fake_runs


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of a study as large as the bundled paper's: 8 cells x 3 seeds clean, 4 x 3 as published."""
    return make(tmp_path_factory.mktemp("runs"))


def make(folder: Path, **changes: object) -> Report:
    """A report of the generated study; `changes` replace arguments of `analyse`."""
    runs = fake_runs.runs()
    fake_runs.write_runs(folder, runs)
    given = {
        "spec": fake_runs.spec(),
        "runs": runs,
        "audits": fake_runs.audits(),
        "plan": fake_runs.plan(runs),
        "cost": fake_runs.cost(),
        **fake_runs.NO_FILES,
        "outcomes": read_outcomes(folder),
    }
    return analyse(**{**given, **changes})
