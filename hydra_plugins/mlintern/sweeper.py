"""`hydra/sweeper=mlintern`, the default: cells out of a pack, or out of what the command line sweeps."""

from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from mlintern.core.errors import UserError


class MlinternSweeper(Sweeper):
    """Hydra's sweeper interface over `mlintern.study.sweeps.sweep`; works with any launcher."""

    launcher: Launcher

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.task_function = task_function
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep to its end; what came out is the task's `codes`."""
        from mlintern.study.sweeps.cell_job import CellJob
        from mlintern.study.sweeps.sweep import sweep

        if not isinstance(self.task_function, CellJob):
            raise UserError("hydra/sweeper=mlintern: sweeps mlintern's own jobs only; choose another sweeper here")
        return sweep(self.task_function, arguments, self.launcher.launch)
