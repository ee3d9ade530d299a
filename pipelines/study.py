"""Stage `study`: train every cell that is not finished; the index of what came out goes to runs/<slug>/study.json."""

import time

from rich.console import Console

from mlintern.job import index_path, write_cost, write_index
from mlintern.pack import Pack
from mlintern.study.budget import plan_path
from mlintern.study.plan import CellPlan
from mlintern.study.run import run_cells
from pipelines.stage import main


def study(pack: Pack, cells: list[CellPlan], console: Console) -> int:
    began = time.monotonic()
    index = index_path(cells[0].config, pack.slug, [])
    planned, _, seconds, failed = run_cells(pack, cells, console, plan_path(index))
    write_index(index, pack, planned, cells[0].config["study"]["sections"])
    write_cost(index, {**seconds, "total": time.monotonic() - began}, failed)
    return 1 if failed else 0


if __name__ == "__main__":
    main(study)
