"""What the launchers share: their setup, and one job as a function of things that can be sent to another process.

The published launchers are not used: hydra-joblib-launcher, -submitit-launcher and -ray-launcher ask for
`hydra-core>=1.1.0.dev7` and the like, which lets pip choose Hydra 1.4 release candidates; the Ray one needs
cloudpickle<3 as well; and all of them lose every result of a sweep when one process of it is killed.
"""

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

WATCH_EVERY_S = 0.2


class ThinLauncher(Launcher):
    """A launcher that sends `execute` and its arguments to where the jobs run."""

    config: DictConfig
    hydra_context: HydraContext
    task_function: TaskFunction

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def payloads(self, job_overrides: Sequence[Sequence[str]], first: int) -> list[tuple[Any, ...]]:
        """The arguments of `execute` for every job."""
        setup_globals()
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        shared = (self.hydra_context, self.config, self.task_function, Singleton.get_state(), os.getcwd())
        return [(first + i, list(overrides), *shared) for i, overrides in enumerate(job_overrides)]


def execute(
    number: int,
    overrides: list[str],
    hydra_context: HydraContext,
    config: DictConfig,
    task_function: TaskFunction,
    singletons: Any,
    folder: str,
) -> JobReturn:
    """Run one job here, as Hydra's own launcher would, in the folder that the command was given in."""
    with contextlib.suppress(FileNotFoundError):  # another machine may not have it; paths are then the node's own
        os.chdir(folder)
    setup_globals()
    Singleton.set_state(singletons)
    job_config = hydra_context.config_loader.load_sweep_config(config, overrides)
    with open_dict(job_config):
        job_config.hydra.job.id = f"{job_config.hydra.job.name}_{number}"
        job_config.hydra.job.num = number
    HydraConfig.instance().set_config(job_config)
    return run_job(
        hydra_context=hydra_context,
        config=job_config,
        task_function=task_function,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )


def lost(overrides: Sequence[str], reason: str) -> JobReturn:
    """What a launcher returns for a job of which nothing came back."""
    result = JobReturn(overrides=list(overrides), status=JobStatus.FAILED)
    result.return_value = RuntimeError(reason)
    return result


_watched = threading.Event()


def end_with_parent() -> None:
    """End this process when the one that started it is gone, however that died: an orphan would train on unseen."""
    if _watched.is_set():
        return
    _watched.set()
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_EVERY_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
