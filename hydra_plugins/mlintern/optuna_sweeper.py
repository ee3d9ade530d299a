"""`hydra/sweeper=optuna`: searches values for the best validation metric.

The published hydra-optuna-sweeper needs optuna<3 (2022) and lets pip choose Hydra 1.4 release candidates.
"""

from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from mlintern.core.errors import UserError


class OptunaSweeper(Sweeper):
    """Hydra's sweeper interface over `mlintern.study.sweeps.search`; works with any launcher."""

    def __init__(self, n_trials: int = 20, n_jobs: int = 1, seed: int = 0):
        self.n_trials, self.n_jobs, self.seed = n_trials, n_jobs, seed

    launcher: Launcher

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.task_function = task_function
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run the search to its end; what came out is the task's `codes`."""
        from mlintern.study.sweeps.cell_job import CellJob
        from mlintern.study.sweeps.search import search

        if not isinstance(self.task_function, CellJob):
            raise UserError("hydra/sweeper=optuna: searches mlintern's own jobs only; choose another sweeper here")
        return search(self.task_function, arguments, self.launcher.launch, self.n_trials, self.n_jobs, self.seed)
