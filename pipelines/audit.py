"""Stage `audit`: look for leaks in every split under every protocol; the reports go to reports/<slug>/audit/."""

from rich.console import Console

from mlintern.packs.pack import Pack
from mlintern.plan.cell_plan import CellPlan
from mlintern.study.run.job import report_folder, write_audits
from mlintern.study.run.session import Session, show_audits
from pipelines.stage import main


def audit(pack: Pack, cells: list[CellPlan], console: Console) -> int:
    with Session(pack, cells, console) as session:
        audits = session.audit()
    show_audits(console, audits)
    write_audits(report_folder(cells[0].config.run.report_dir, pack.slug, []), audits)
    return 0


if __name__ == "__main__":
    main(audit)
