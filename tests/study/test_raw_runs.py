"""A printed table beside its raw runs: the wrong spreads are found without being told which list is which."""

import json

import numpy as np
import pytest
from scipy import stats as scipy_stats

from mlintern.core.errors import UserError
from mlintern.paper.read import read
from mlintern.study.account.raw_runs import check_raw_runs, check_table, main, stated_spread
from mlintern.study.account.raw_series import read_series

RNG = np.random.default_rng(0)
SEEDS = {(run, task): [float(x) for x in RNG.integers(1500, 9000, 3)] for run in range(3) for task in ("sum", "ratio")}
SEEDS[0, "sum"] = [2960.0, 1620.0, 2510.0]  # a machine-written paper's, which prints ±215


def t_interval(values):
    return scipy_stats.t.ppf(0.975, len(values) - 1) * scipy_stats.sem(values)


def population_over_n(values):
    return np.std(values) / len(values)


def write_paper(folder, spread, caption="Steps with 95\\% confidence intervals"):
    rows = "".join(
        f"Method {run} & "
        + " & ".join(f"{np.mean(SEEDS[run, task]):.0f} ± {spread(SEEDS[run, task]):.0f}" for task in ("sum", "ratio"))
        + r" \\ "
        for run in range(3)
    )
    text = (
        r"\documentclass{article}\begin{document}\title{Steps}\section{Results}Text.\begin{table}"
        + r"\begin{tabular}{lcc}\toprule Method & sum & ratio \\ \midrule "
        + rows
        + r"\bottomrule\end{tabular}\caption{"
        + caption
        + r"}\end{table}\end{document}"
    )
    path = folder / "paper.tex"
    path.write_text(text)
    return path


def write_runs(folder, recorded=None):
    raw = folder / "raw"
    raw.mkdir()
    for run in range(3):
        content = {}
        for task in ("sum", "ratio"):
            values = SEEDS[run, task]
            content[task] = {
                "means": {"steps_mean": float(np.mean(values))},
                "all": {"steps": values, "curve": [0.5] * 400},
            }
            if recorded:
                content[task]["errors"] = {"steps_stderr": float(recorded(values))}
        (raw / f"run_{run}.json").write_text(json.dumps(content))
    return raw


def test_wrong_intervals_are_a_finding(tmp_path):
    document, series = read(write_paper(tmp_path, population_over_n)), read_series(write_runs(tmp_path))
    [smell] = check_raw_runs(document, series)
    assert (smell.kind, smell.severity, smell.where) == ("printed_interval", "high", "Table 1")
    assert "6 of 6 printed spreads" in smell.evidence
    assert "all of them are population std / n" in smell.evidence
    cells = {cell.name: cell for cell in check_table(document.tables[0], series)}
    assert cells["Method 0, sum"].values == (2960.0, 1620.0, 2510.0)
    assert cells["Method 0, sum"].source == "run_0.json: sum.all.steps"
    assert cells["Method 0, sum"].check.right == pytest.approx(1694.02, abs=0.01)


def test_right_intervals_are_none(tmp_path):
    document = read(write_paper(tmp_path, t_interval))
    series = read_series(write_runs(tmp_path, recorded=scipy_stats.sem))
    assert len(check_table(document.tables[0], series)) == 6
    assert check_raw_runs(document, series) == []


def test_one_wrong_cell_among_right_ones(tmp_path):
    document = read(write_paper(tmp_path, lambda v: 215 if v[0] == 2960 else t_interval(v)))
    [smell] = check_raw_runs(document, read_series(write_runs(tmp_path)))
    assert "1 of 6 printed spreads" in smell.evidence
    assert "printed ±215 for the 95% interval of 3 seeds; the t interval is ±1694" in smell.evidence
    assert "no one formula gives all 6" in smell.evidence


@pytest.mark.parametrize(
    ("caption", "spread", "found"),
    [
        ("Mean and standard deviation", lambda v: np.std(v, ddof=1), False),
        ("Mean and standard deviation", t_interval, True),
        ("Mean and standard error", scipy_stats.sem, False),
        ("Mean and standard error", population_over_n, True),
        ("Steps needed", lambda v: np.std(v, ddof=1), False),
        ("Steps needed", t_interval, False),
        ("Steps needed", population_over_n, True),
    ],
)
def test_a_spread_is_held_to_what_the_caption_calls_it(tmp_path, caption, spread, found):
    document = read(write_paper(tmp_path, spread, caption))
    assert bool(check_raw_runs(document, read_series(write_runs(tmp_path)))) is found


def test_recorded_errors_are_held_to_their_keys(tmp_path):
    series = read_series(write_runs(tmp_path, recorded=population_over_n))
    [smell] = check_raw_runs(read(write_paper(tmp_path, t_interval)), series)
    assert smell.kind == "recorded_spread"
    assert "6 of 6 spreads recorded" in smell.evidence
    assert "all of them are population std / n" in smell.evidence


def test_cells_without_raw_numbers_are_left_alone(tmp_path):
    series = read_series(write_runs(tmp_path))
    document = read(write_paper(tmp_path, lambda v: 1))
    moved = [type(one)(one.file, one.path, tuple(v + 7 for v in one.values)) for one in series]
    assert check_raw_runs(document, moved) == []


def test_series_are_seeds_and_not_curves(tmp_path):
    names = [series.name for series in read_series(write_runs(tmp_path, recorded=np.std))]
    assert names[:2] == ["run_0.json: sum.all.steps", "run_0.json: ratio.all.steps"]
    assert len(names) == 6


def test_what_captions_call_their_spread():
    assert stated_spread("95% Confidence Intervals for steps") == "ci95"
    assert stated_spread("Accuracy (mean ± standard deviation)") == "std"
    assert stated_spread("Standard error over three runs") == "standard_error"
    assert stated_spread("Accuracy") == "unknown"
    assert stated_spread("Standard deviation; the 95% CI is in the appendix") == "unknown"


def test_bad_input_is_one_line(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        read_series(tmp_path / "none")
    with pytest.raises(UserError, match="no JSON file"):
        read_series(tmp_path)
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(UserError, match="broken.json: not readable as JSON"):
        read_series(tmp_path)


def test_the_command_prints_its_findings(tmp_path, capsys):
    paper, raw = write_paper(tmp_path, population_over_n), write_runs(tmp_path)
    assert main([str(paper), str(raw)]) == 0
    assert "Table 1: printed_interval (high)" in capsys.readouterr().out
    write_paper(tmp_path, t_interval)
    assert main([str(paper), str(raw)]) == 0
    assert "is what it is called" in capsys.readouterr().out
