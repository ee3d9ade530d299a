"""`hydra/launcher=joblib`: jobs in processes of this machine."""

from collections.abc import Sequence
from typing import Any

from hydra.core.utils import JobReturn

from hydra_plugins.mlintern._job import ThinLauncher, end_with_parent, execute, lost
from mlintern.core.errors import UserError


class JoblibLauncher(ThinLauncher):
    """Hydra's launcher interface over joblib's loky processes."""

    def __init__(self, n_jobs: int = -1):
        self.n_jobs = n_jobs

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Run all jobs; one whose process died comes back as failed, and so do those that loky ended with it."""
        if self.n_jobs == 0:
            raise UserError("hydra.launcher.n_jobs=0: must be at least 1, or -1 for one per core")
        from joblib import Parallel, delayed
        from joblib.externals.loky.process_executor import BrokenProcessPool

        results: dict[int, JobReturn] = {}
        calls = (
            delayed(_execute)(i, payload) for i, payload in enumerate(self.payloads(job_overrides, initial_job_idx))
        )
        try:
            for i, result in Parallel(self.n_jobs, backend="loky", batch_size=1, return_as="generator_unordered")(
                calls
            ):
                results[i] = result
        except BrokenProcessPool as error:  # a worker was killed: joblib ends the others and gives up the rest
            reason = f"a process of joblib ended in the middle of it ({type(error).__name__})"
            return [results.get(i) or lost(given, reason) for i, given in enumerate(job_overrides)]
        return [results[i] for i in range(len(job_overrides))]


def _execute(i: int, payload: tuple[Any, ...]) -> tuple[int, JobReturn]:
    end_with_parent()
    return i, execute(*payload)
