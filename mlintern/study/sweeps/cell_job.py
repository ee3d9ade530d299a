"""The task of a multirun: what runs in whatever process a Hydra launcher gives it.

That process composes the cell again, with the checks, finds data and audits made, and has a worker of its own train
it, started with the determinism level's environment before torch is imported: so the bits are those of any other way
to run the cell. Nothing here imports torch.
"""

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from mlintern.config import Composer
from mlintern.core.errors import UserError
from mlintern.packs.pack import Pack
from mlintern.plan.grid import named_cell, names_a_cell
from mlintern.sandbox import policy
from mlintern.sandbox.policy import Policy


class CellJob:
    """Hydra's task function for one paper; sent to other processes by name and slug alone."""

    def __init__(self, slug: str, sandbox: Policy | None = None):
        """`sandbox`: what the user of the command asked for, which goes with the job to wherever it runs."""
        self.slug, self.sandbox = slug, sandbox or policy.current()
        self.codes: list[int] = []
        """Exit codes of what ran in this process."""

    def __reduce__(self) -> tuple[Any, ...]:
        return CellJob, (self.slug, self.sandbox)

    def __call__(self, config: Any) -> float:
        """Run the job that Hydra is at; returns the validation metric of the chosen checkpoint, for sweepers that
        search. Raises UserError where there is none, which Hydra hands to the sweeper."""
        from hydra.core.hydra_config import HydraConfig

        del config  # composed again, with the checks
        policy.say(self.sandbox)
        overrides = [o for o in HydraConfig.get().overrides.task if not o.lstrip("+").startswith("paper=")]
        console = Console()
        console.rule(" ".join(overrides) or self.slug, style="dim")
        try:
            return self.run(overrides, console)
        except UserError as error:
            print(f"mlintern: {error}", file=sys.stderr)
            self.codes.append(error.exit_code)
            raise

    def run(self, overrides: Sequence[str], console: Console) -> float:
        """Run one cell, or where the overrides name none, the pack's study."""
        from mlintern.study.run.job import run_one, run_paper

        if not names_a_cell(overrides):
            if run_paper(self.slug, overrides, console):
                raise UserError(f"papers/{self.slug}: cells of the study failed; they are listed above")
            return float("nan")
        with Composer(self.slug) as composer:
            cell = named_cell(composer, overrides)
        run = run_one(Pack(self.slug), cell, console, standing=True)
        value = run["selection"]["value"]
        return float("nan") if value is None else float(value)
