"""`hydra/launcher=ray`: jobs as Ray tasks, on a cluster of this machine's own or one that is up."""

import importlib.util
import os
from collections.abc import Sequence

from hydra.core.utils import JobReturn

from hydra_plugins.mlintern._job import ThinLauncher, execute, lost
from mlintern.core.errors import UserError
from mlintern.core.roots import ROOT


class RayLauncher(ThinLauncher):
    """Hydra's launcher interface over `ray.remote`."""

    def __init__(
        self,
        address: str | None = None,
        num_cpus: int | None = None,
        cpus_per_job: float = 1,
        gpus_per_job: float = 0,
    ):
        self.address, self.num_cpus = address, num_cpus
        self.resources = {"num_cpus": cpus_per_job, "num_gpus": gpus_per_job}

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[JobReturn]:
        """Run all jobs; one whose worker or node died comes back as failed (the sweep starts it again)."""
        if importlib.util.find_spec("ray") is None:
            raise UserError(
                "hydra/launcher=ray: Ray is not installed; `pip install 'mlintern[ray]'` or `make launchers`"
            )
        import ray

        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        options = {"address": self.address} if self.address else {"num_cpus": self.num_cpus, "include_dashboard": False}
        ray.init(
            runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}},
            logging_level="error",
            **options,
        )
        try:
            # a retry by Ray would be a second start that the sweep knows nothing of
            remote = ray.remote(max_retries=0, **self.resources)(execute)
            running = [remote.remote(*payload) for payload in self.payloads(job_overrides, initial_job_idx)]
            results = []
            for given, reference in zip(job_overrides, running, strict=True):
                try:
                    results.append(ray.get(reference))
                except ray.exceptions.RayError as error:
                    first = str(error).strip().splitlines()[0]
                    results.append(lost(given, f"its Ray worker was lost ({type(error).__name__}: {first})"))
            return results
        finally:
            ray.shutdown()
