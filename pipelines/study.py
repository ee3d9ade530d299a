"""Stage `study`: train every cell that is not finished; the index of what came out goes to runs/<slug>/study.json, the
cells to runs/<slug>/study/, when and where they were trained to runs/<slug>/study.cost.json."""

import time

from rich.console import Console

from mlintern.packs.pack import Pack
from mlintern.plan.cell_plan import CellPlan
from mlintern.study.folders import kept
from mlintern.study.run.budget import plan_path
from mlintern.study.run.job import index_path, write_cost, write_index
from mlintern.study.run.session import run_cells
from pipelines.stage import main


def study(pack: Pack, cells: list[CellPlan], console: Console) -> int:
    began = time.monotonic()
    index = index_path(cells[0].config.run.dir, pack.slug, [])
    planned, _, seconds, failed = run_cells(pack, cells, console, plan_path(index))
    write_index(index, pack, planned, cells[0].config.study.sections, failed)
    seconds = {**seconds, "total": time.monotonic() - began}
    write_cost(index, seconds, failed, kept.keep(index, [item.cell_id for item in planned]))
    return 1 if failed else 0


if __name__ == "__main__":
    main(study)
