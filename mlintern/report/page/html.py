"""The report as one HTML page: self-contained, without scripts, for desk, phone, dark rooms and paper."""

import dataclasses
import string
from collections.abc import Sequence
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mlintern.report import numbers
from mlintern.report.model.report import (
    ClaimRow,
    Contrast,
    NotTested,
    ProtocolDifference,
    Report,
    TableCell,
    TableShape,
    Verdict,
)
from mlintern.report.model.signs import SIGNS
from mlintern.report.page import pictures, plots
from mlintern.report.smells import grouped

_ORDER: tuple[Verdict, ...] = ("contradicted", "inconclusive", "supported")


@dataclasses.dataclass(frozen=True)
class TableView:
    """One results table with its cells in place."""

    shape: TableShape
    places: dict[tuple[str, str], list[TableCell]]
    measured: list[TableCell]
    forest: plots.Forest | None


@dataclasses.dataclass(frozen=True)
class ContrastGroup:
    """The contrasts of a protocol with the main one, or of all levels of a factor with its base."""

    title: str
    lead: str
    base: str
    level: str
    levels: bool
    """Whether rows differ in level, so that each has to name its own."""
    contrasts: list[Contrast]
    settings: list[ProtocolDifference]
    forest: plots.Forest | None


def render_html(report: Report) -> str:
    """The page. The paper's words are escaped wherever they stand; the page loads nothing and runs nothing."""
    environment = Environment(
        loader=PackageLoader("mlintern.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "css": lambda word: word.replace(" ", "-"),
        "sign": lambda word: SIGNS[word],
        "number": numbers.value,
        "ci": lambda item, unit, sign=False: numbers.interval(item.ci_low, item.ci_high, unit, sign=sign),
        "spread": lambda item: numbers.interval(item.low, item.high, "none"),
        "p": numbers.p_value,
        "p_is": lambda p: f" {text[0]} {text[1:]}" if (text := numbers.p_value(p)).startswith("<") else f" = {text}",
        "setting": numbers.setting,
        "pairs": pictures.pairs,
        "stop": lambda text: text if text.endswith((".", "!", "?")) else f"{text}.",
        "where": numbers.where,
        "level": plots.level_of,
    }
    protocol = main_protocol(report)
    groups = contrast_groups(report)
    drawn = [*((c.metric, c.unit) for c in report.curves), *((c.metric, c.unit) for c in report.level_curves)]
    environment.globals |= {"letters": _letters(report.marks), "meanings": report.marks}
    return environment.get_template("report.html.j2").render(
        report=report,
        css=Markup(resources.files("mlintern.report").joinpath("templates/report.css").read_text(encoding="utf-8")),
        source=_source(report),
        protocol=protocol,
        tables=[_table_view(report, table) for table in report.tables],
        ordered_claims=ordered_claims(report.claims),
        contrast_groups=groups,
        smell_groups=grouped(report.smells or []),
        untested=_untested(report),
        example=next((run for run in report.runs if run.used and not run.marks), None),
        panels=plots.panels(report, protocol),
        level_panels=plots.level_panels(report),
        datasets=plots.datasets_drawn(report, protocol),
        curve_units=", ".join(sorted({f"{metric} in {unit}" for metric, unit in drawn})),
        names={variant.id: variant.name for variant in report.variants},
        sections=_sections(report, groups),
        environment=_environment(report),
    )


def main_protocol(report: Report) -> str:
    """The protocol of the table's numbers; without a table, the clean one where it was run."""
    used = sorted({run.protocol for run in report.runs if run.used}, key=lambda name: (name != "clean", name))
    return next((cell.protocol for cell in report.table if cell.protocol), used[0] if used else "")


def ordered_claims(claims: Sequence[ClaimRow]) -> list[ClaimRow]:
    """Those with a verdict, contradicted first; the paper's order within a verdict."""
    judged = [claim for claim in claims if claim.verdict in _ORDER]
    return sorted(judged, key=lambda claim: _ORDER.index(claim.verdict))


def contrast_groups(report: Report) -> list[ContrastGroup]:
    """One group per protocol, then one per factor with all its levels."""
    names = {variant.id: variant.name for variant in report.variants}
    found: dict[tuple[str, ...], list[Contrast]] = {}
    for contrast in sorted(report.contrasts, key=lambda c: c.factor != "protocol"):
        level = contrast.level if contrast.factor == "protocol" else ""
        found.setdefault((contrast.factor, contrast.base, level, contrast.metric), []).append(contrast)
    groups = []
    for (factor, base, level, metric), contrasts in found.items():
        if level:
            title, first = (
                f"What the protocol {level} is worth",
                f"The same cells under the protocols {level} and {base}",
            )
        else:
            title = {"ablation": "Ablations", "probe": "Alternatives to what is assumed", "control": "Controls"}.get(
                factor, f"Ablation: {factor}"
            )
            first = f"Every level against the base ({factor} = {base})"
        groups.append(
            ContrastGroup(
                title=title,
                lead=f"{first}: test {metric}, seed by seed.",
                base=base if level else "base",
                level=level or "ablated",
                levels=not level,
                contrasts=contrasts,
                settings=[row for row in report.protocol_differences if level and row.protocol == level],
                forest=plots.contrast_forest(contrasts, names, levels=not level),
            )
        )
    return groups


def _table_view(report: Report, table: TableShape) -> TableView:
    cells = [cell for cell in report.table if cell.table == table.id]
    measured = [cell for cell in cells if cell.measured is not None]
    return TableView(table, report.cells_by_place(table.id), measured, plots.table_forest(cells))


def _letters(marks: dict[str, str]) -> dict[str, str]:
    """A short sign for every mark: a to z, then aa, ab and so on."""
    alphabet = string.ascii_lowercase
    names = [*alphabet, *(a + b for a in alphabet for b in alphabet)]
    return dict(zip(marks, names, strict=False))


def _source(report: Report) -> Markup | str:
    """The paper's id, linked where it is arXiv's."""
    if not report.paper.slug.startswith("arxiv_"):
        return report.paper.id
    return Markup('<a href="https://arxiv.org/abs/{0}">arXiv:{0}</a>').format(report.paper.id)


def _sections(report: Report, groups: Sequence[ContrastGroup]) -> list[tuple[str, str]]:
    """(anchor, title) of what the page has."""
    rows = [("claims", "Claims")] if report.claims else []
    rows += [("table", "Table")] if report.tables or not report.paper.sections else []
    rows += [("levels", "Levels")] if report.level_curves else []
    rows += [("smells", "Smells" if report.smells is None else f"Smells ({len(report.smells)})")]
    rows += [(f"contrast-{i}", group.title) for i, group in enumerate(groups, 1)]
    rows += [("figures", "Figures")] if report.figures else []
    rows += (
        [("curves", "Curves")] if any(c.protocol == main_protocol(report) and c.points for c in report.curves) else []
    )
    return [
        *rows,
        ("audit", "Audit"),
        ("assumptions", "Assumptions"),
        ("untested", "Not tested"),
        *([("plan", "Not as planned")] if report.plan.trimmed or report.plan.smaller else []),
        ("runs", "Runs"),
        ("environment", "Environment and cost"),
    ]


def _untested(report: Report) -> list[tuple[str, list[NotTested]]]:
    """(reason, what) in the report's order: most of a paper is left out for a few reasons."""
    found: dict[str, list[NotTested]] = {}
    for row in report.not_tested:
        found.setdefault(row.reason, []).append(row)
    return list(found.items())


def _environment(report: Report) -> list[tuple[str, str]]:
    """(name, value) of the environment, what is empty left out, packages that drifted from the lock spelled out."""
    rows = []
    for key, value in report.environment.items():
        if key == "drift" and isinstance(value, list):
            flat = [row for item in value for row in (item if isinstance(item, list) else [item])]
            packages = [f"{row['package']} {row['installed']} (lock: {row['locked']})" for row in flat]
            rows.append(("differs from the lock", ", ".join(dict.fromkeys(packages)) or "nothing"))
        elif value is not None and value not in ([], ""):
            rows.append((key.replace("_", " "), numbers.setting(value)))
    return rows
