"""Stage `report`: from the records to report.json, report.html, metrics.json and the model card."""

from rich.console import Console

from mlintern.packs.pack import Pack
from mlintern.plan.cell_plan import CellPlan
from mlintern.study.run.job import index_path, report_folder, report_study
from pipelines.stage import main


def report(pack: Pack, cells: list[CellPlan], console: Console) -> int:
    config = cells[0].config
    report_study(
        pack, index_path(config.run.dir, pack.slug, []), report_folder(config.run.report_dir, pack.slug, []), console
    )
    return 0


if __name__ == "__main__":
    main(report)
