"""The report in a terminal: the paper's table beside ours, short, findings one line each, and where the page is."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlintern.report import numbers
from mlintern.report.cost import costs
from mlintern.report.model.report import Report, TableCell, TableShape, Verdict
from mlintern.report.model.signs import SIGNS
from mlintern.report.smells import grouped

_STYLES: dict[Verdict, str] = {
    "supported": "green",
    "contradicted": "bold red",
    "inconclusive": "yellow",
    "not tested": "dim",
}


def print_report(
    report: Report, console: Console, page: Path | None = None, cost: Mapping[str, Any] | None = None
) -> None:
    """Print tables, contradicted and open claims, findings, and the page's path (last, so that it stays in sight)."""
    protocol = next((cell.protocol for cell in report.table if cell.protocol), "")
    for table in report.tables:
        console.print(Text(f"{numbers.plain(report.paper.title)} · {table.label}", style="bold"))
        console.print(_grid(report, table))
        said = (
            f"{table.unit}: our mean under the protocol {protocol}, its 95 % interval over seeds, (the paper's number)"
        )
        console.print(Text(said, style="dim"))
    if report.paper.sections and report.claims:
        console.print(Text("; ".join(report.paper.sections.values()), style="bold"))
        console.print(_claims(report))
    console.print(_sentence(report))
    for line in _lines(report):
        console.print(Padding(line, (0, 0, 0, 2)))
    if cost:
        took = "; ".join(f"{name} {value}" for name, value in costs(cost))
        console.print(Padding(Text(took, style="dim"), (0, 0, 0, 2)))
    if page is not None:
        console.print(Text(f"Report: {page}"), soft_wrap=True)


def _grid(report: Report, table: TableShape) -> Table:
    """Rows and columns as the paper has them; what nobody tested stays out of the terminal."""
    places = report.cells_by_place(table.id)
    rows = [row for row in table.rows if any(_has_number(places.get((row, column), [])) for column in table.columns)]
    columns = [c for c in table.columns if any(_has_number(places.get((row, c), [])) for row in rows)]
    grid = Table()
    grid.add_column("")
    for column in columns:
        grid.add_column(Text(numbers.plain(column)))
    for row in rows:
        cells = [Group(*map(_cell, places.get((row, column), []))) for column in columns]
        grid.add_row(Text(numbers.plain(row)), *cells)
    return grid


def _claims(report: Report) -> Table:
    """The claims of a section, which has no table of the paper's: verdict, effect with its interval, corrected p."""
    grid = Table("verdict", "claim", "effect, 95 % interval", "p")
    for claim in report.claims:
        unit, sign = claim.unit or "none", claim.unit == "points"
        effect = "" if claim.effect is None else numbers.value(claim.effect, unit, sign=sign, suffix=True)
        grid.add_row(
            Text(f"{SIGNS[claim.verdict]} {claim.verdict}", style=_STYLES[claim.verdict]),
            Text(numbers.plain(claim.statement)),
            Text(f"{effect} {numbers.interval(claim.ci_low, claim.ci_high, unit, sign=sign)}".strip()),
            Text(numbers.p_value(claim.p_adjusted)),
        )
    return grid


def _has_number(cells: list[TableCell]) -> bool:
    return any(cell.measured is not None for cell in cells)


def _cell(cell: TableCell) -> Text:
    text = Text(f"{SIGNS[cell.verdict]} ", style=_STYLES[cell.verdict])
    if cell.measured is None:
        return text.append(f"({numbers.plain(cell.paper.raw)})", style="dim")
    text.append(numbers.value(cell.measured.mean, cell.unit) + ("*" if cell.marks else ""), style="bold")
    text.append(f"\n{numbers.interval(cell.measured.ci_low, cell.measured.ci_high, cell.unit)}")
    return text.append(f"\n({numbers.plain(cell.paper.raw)})", style="dim")


def _sentence(report: Report) -> Text:
    sign, style = SIGNS[report.headline.verdict], _STYLES[report.headline.verdict]
    return Text(f"{sign} {numbers.plain(report.headline.sentence)}", style=style)


def _lines(report: Report) -> Iterator[Text]:
    """Details of the headline, then every finding, each on its own line."""
    for detail in report.headline.details:
        yield Text(f"{numbers.plain(detail)}")
    for section in report.audit:
        for finding in section.findings:
            price = finding.get("price")
            worth = f", worth {numbers.value(price['points'], 'points', sign=True)} points" if price else ""
            where = f"{section.data} under {section.protocol}"
            yield Text(f"audit: {finding['kind']} ({finding['severity']}) in {where}{worth}", style="yellow")
    marked = sum(bool(cell.marks) for cell in report.table)
    if marked:
        yield Text(f"* {marked} numbers carry a mark; the report says what it means.", style="yellow")
    for group in grouped(report.smells or []):
        first, more = group.smells[0], len(group.smells) - 1
        said = f"smell: {group.kind} ({group.severity}), {first.where}: {first.evidence}"
        yield Text(numbers.plain(said + (f" (and {more} more)" if more else "")), style="yellow")
