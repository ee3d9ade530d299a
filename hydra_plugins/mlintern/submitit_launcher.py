"""`hydra/launcher=submitit_slurm`: jobs as one Slurm array."""

import importlib.util
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn

from hydra_plugins.mlintern._job import ThinLauncher, execute, lost
from mlintern.core.errors import UserError
from mlintern.core.roots import ROOT

GONE_S = 10.0
"""How long a result may take to be seen on a shared file system after its job has left the queue."""


class SubmititSlurmLauncher(ThinLauncher):
    """Hydra's launcher interface over submitit's Slurm executor."""

    def __init__(
        self,
        folder: str,
        timeout_min: int = 1440,
        cpus_per_task: int = 1,
        mem_gb: float | None = None,
        gpus_per_node: int | None = None,
        partition: str | None = None,
        array_parallelism: int = 256,
        poll_seconds: float = 2.0,
        additional: Mapping[str, Any] | None = None,
    ):
        self.folder, self.poll_seconds = folder, poll_seconds
        options = {
            "timeout_min": timeout_min,
            "cpus_per_task": cpus_per_task,
            "mem_gb": mem_gb,
            "gpus_per_node": gpus_per_node,
            "slurm_partition": partition,
            "slurm_array_parallelism": array_parallelism,
            **(additional or {}),
        }
        self.options = {name: value for name, value in options.items() if value is not None}

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Submit all jobs as an array and wait; one that left the queue without a result comes back as failed."""
        if importlib.util.find_spec("submitit") is None:
            raise UserError(
                "hydra/launcher=submitit_slurm: submitit is not installed; `pip install 'mlintern[slurm]'` or "
                "`make launchers`"
            )
        import submitit

        try:
            executor = submitit.AutoExecutor(folder=self.folder, cluster="slurm")
        except RuntimeError as error:
            raise UserError(f"hydra/launcher=submitit_slurm: {error}; run this where sbatch is") from None
        # submitit writes an srun line into its script, and a job's environment is the submitting shell's
        executor.update_parameters(
            **self.options, slurm_setup=[f'export PYTHONSAFEPATH=1 PYTHONPATH="{ROOT}:${{PYTHONPATH:-}}"']
        )
        try:
            jobs = executor.map_array(execute, *zip(*self.payloads(job_overrides, initial_job_idx), strict=True))
        except submitit.core.utils.FailedJobError as error:
            raise UserError(f"sbatch refused the jobs: {str(error).strip().splitlines()[-1]}") from None
        self._wait(jobs)
        return [self._result(job, given) for job, given in zip(jobs, job_overrides, strict=True)]

    def _wait(self, jobs: Sequence[Any]) -> None:
        """Until every job has its result, or is no longer in the queue.

        squeue and not sacct, which submitit asks: a cluster without an accounting database has no sacct.
        """
        gone_since: dict[str, float] = {}
        while open_jobs := [job for job in jobs if not Path(job.paths.result_pickle).exists()]:
            queued = _in_queue(str(open_jobs[0].job_id).partition("_")[0])
            for job in open_jobs:
                if queued is None or str(job.job_id) in queued:
                    gone_since.pop(job.job_id, None)
                else:
                    gone_since.setdefault(job.job_id, time.monotonic())
            now = time.monotonic()
            if all(now - gone_since.get(job.job_id, now) > GONE_S for job in open_jobs):
                return
            time.sleep(self.poll_seconds)

    def _result(self, job: Any, overrides: Sequence[str]) -> JobReturn:
        import submitit

        if not Path(job.paths.result_pickle).exists():
            return lost(overrides, f"Slurm job {job.job_id} ended without a result; see {job.paths.stderr}")
        try:
            return job.result()
        except submitit.core.utils.FailedJobError as error:
            return lost(overrides, f"Slurm job {job.job_id}: {str(error).strip().splitlines()[-1]}")


def _in_queue(array: str) -> set[str] | None:
    """Ids `<array>_<task>` that Slurm has not ended yet; None where the controller does not answer."""
    command = ["squeue", "--noheader", "--array", "--jobs", array, "--format", "%i"]
    asked = subprocess.run(command, capture_output=True, text=True)
    if asked.returncode:
        return set() if "Invalid job id" in asked.stderr else None
    return set(asked.stdout.split())
