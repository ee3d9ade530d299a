"""A search over values with Optuna: the validation metric of each trial's cell is what it maximises (or minimises).

Trials are cells like any other: a finished one is never trained again. The sampler is seeded and told results in the
order of the trials, so the same command asks for the same values: killed, it goes on where it was.
"""

import importlib.util
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep, Transformer
from rich.console import Console

from mlintern.config import Composer
from mlintern.core import files
from mlintern.core.errors import UserError
from mlintern.core.ranges import Range
from mlintern.core.records import record
from mlintern.plan.grid import named_cell, names_a_cell
from mlintern.study.sweeps.cell_job import CellJob
from mlintern.study.sweeps.sweep import Launch, Sweep


def search(
    task: CellJob, arguments: Sequence[str], launch: Launch, n_trials: int, n_jobs: int, seed: int
) -> dict[str, Any]:
    """Search what the arguments sweep; the exit code goes to `task.codes`. Returns the best trial."""
    try:
        best = run(task.slug, arguments, launch, n_trials, n_jobs, seed, Console())
    except UserError as error:
        print(f"mlintern: {error}", file=sys.stderr)
        task.codes.append(error.exit_code)
        return {}
    task.codes[:] = [0 if best else 1]
    return best


def run(
    slug: str, arguments: Sequence[str], launch: Launch, n_trials: int, n_jobs: int, seed: int, console: Console
) -> dict[str, Any]:
    """The search; {"overrides", "value", "cell_id"} of the best trial, empty where every trial failed."""
    Range(1, whole=True).check("hydra.sweeper.n_trials", n_trials)
    Range(1, whole=True).check("hydra.sweeper.n_jobs", n_jobs)
    Range(0, 2**32 - 1, whole=True).check("hydra.sweeper.seed", seed)
    if importlib.util.find_spec("optuna") is None:
        raise UserError("hydra/sweeper=optuna: Optuna is not installed; `pip install 'mlintern[optuna]'`")
    import optuna

    parsed = OverridesParser.create().parse_overrides(list(arguments))
    parsed = [o for o in parsed if not (o.input_line or "").lstrip("+").startswith("paper=")]
    space = {o.get_key_element(): distribution(o, optuna) for o in parsed if o.is_sweep_override()}
    fixed = [o.input_line or "" for o in parsed if not o.is_sweep_override()]
    if not space:
        raise UserError("hydra/sweeper=optuna: nothing to search; give a value as interval(a,b), range(n) or a,b,c")
    with Composer(slug) as composer:
        # a search is over cells: where no coordinate is named, over the pack's default one
        named = names_a_cell([*fixed, *(f"{key}=" for key in space)])
        fixed = fixed if named else [*fixed, "seed=0"]
        config, _ = composer.compose(fixed)
    protocol = config.protocol
    if protocol.select_on == "test":
        raise UserError(
            f"hydra/sweeper=optuna: protocol={protocol.name} selects on test, and a search must not look at test; "
            "choose a protocol that holds a validation part out"
        )
    if protocol.mode is None:
        raise UserError(
            f"hydra/sweeper=optuna: nothing says whether higher is better for protocol.metric={protocol.metric}; "
            "add `higher_is_better = True` (or False) to the metric's class"
        )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(direction="maximize" if protocol.mode == "max" else "minimize", sampler=sampler)
    sweep = Sweep(slug, launch, console)
    ran: list[dict[str, Any]] = []
    while len(ran) < n_trials:
        trials = [study.ask(space) for _ in range(min(n_jobs, n_trials - len(ran)))]
        chosen = [[*fixed, *(f"{key}={_text(value)}" for key, value in trial.params.items())] for trial in trials]
        with Composer(slug) as composer:
            cells = [named_cell(composer, overrides) for overrides in chosen]
        by_cell = sweep.run_cells(cells)
        for trial, overrides, (cell_id, value) in zip(trials, chosen, by_cell, strict=True):
            good = value is not None and math.isfinite(value)
            study.tell(trial, value if good else None, None if good else optuna.trial.TrialState.FAIL)
            ran.append({"overrides": overrides, "value": value if good else None, "cell_id": cell_id})
    finished = [row for row in ran if row["value"] is not None]
    better = max if protocol.mode == "max" else min
    best = better(finished, key=lambda row: row["value"]) if finished else {}
    name = f"search-{record.stable_hash([sorted(arguments), n_trials, n_jobs, seed], 'arguments')[:8]}.json"
    path = Path(config.run.dir) / slug / name
    files.write_json(path, {"metric": protocol.metric, "mode": protocol.mode, "best": best, "trials": ran})
    said = f"best {protocol.metric} on {protocol.select_on} {best['value']:.4g}: {' '.join(best['overrides'])}"
    console.print(f"{len(ran)} trials, [bold]{said if best else 'all failed'}[/]\nTrials: {path}", highlight=False)
    return best


def distribution(override: Override, optuna: Any) -> Any:
    """The Optuna distribution for one swept override; raises UserError for what has none."""
    value, name = override.value(), override.get_key_element()
    if isinstance(value, IntervalSweep):
        low, high, log = value.start, value.end, "log" in value.tags
        if low is None or high is None or not low < high:
            raise UserError(f"{name}: an interval needs two ends, the lower first")
        if log and not low > 0:
            raise UserError(f"{name}: a logarithmic interval starts above 0")
        whole = isinstance(low, int) and isinstance(high, int)
        make = optuna.distributions.IntDistribution if whole else optuna.distributions.FloatDistribution
        return make(low, high, log=log)
    if isinstance(value, RangeSweep | ChoiceSweep) or override.is_choice_sweep():
        options = [_plain(option) for option in override.sweep_iterator(transformer=Transformer.encode)]
        return optuna.distributions.CategoricalDistribution(options)
    raise UserError(f"{name}: cannot be searched; give interval(a,b), range(n) or a,b,c")


def _plain(option: Any) -> Any:
    return option if isinstance(option, bool | int | float | str) or option is None else str(option)


def _text(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
