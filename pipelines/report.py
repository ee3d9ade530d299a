"""Stage `report`: from the records to report.json, report.html, metrics.json and the model card."""

from rich.console import Console

from mlintern.job import index_path, report_folder, report_study
from mlintern.pack import Pack
from mlintern.study.cell_plan import CellPlan
from pipelines.stage import main


def report(pack: Pack, cells: list[CellPlan], console: Console) -> int:
    config = cells[0].config
    report_study(pack, index_path(config, pack.slug, []), report_folder(config, pack.slug, []), console)
    return 0


if __name__ == "__main__":
    main(report)
