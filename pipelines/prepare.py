"""Stage `prepare`: build the datasets into data/<slug>/."""

from rich.console import Console

from mlintern.packs.pack import Pack
from mlintern.plan.cell_plan import CellPlan
from mlintern.study.run.session import Session
from pipelines.stage import main


def prepare(pack: Pack, cells: list[CellPlan], console: Console) -> int:
    with Session(pack, cells, console) as session:
        session.prepare()
    return 0


if __name__ == "__main__":
    main(prepare)
