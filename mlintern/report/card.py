"""The model card: what was trained, on what, how well it does, and what nobody has shown."""

import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from mlintern.report import numbers
from mlintern.report.model.report import Report
from mlintern.report.model.runs import RunRow


def render_card(report: Report) -> str:
    """The card as Markdown; deterministic, and the paper's words cannot form Markdown or HTML of their own."""
    environment = Environment(
        loader=PackageLoader("mlintern.report"),
        autoescape=False,  # Markdown: every text of the paper goes through `md`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": escape, "setting": numbers.setting}
    return environment.get_template("model_card.md.j2").render(report=report, rows=_rows(report))


def escape(text: Any) -> str:
    """Text that Markdown shows as it stands: one line, markup characters escaped."""
    return re.sub(r"([\\`*_\[\]<>|#!{}])", r"\\\1", numbers.plain(str(text)))


def _rows(report: Report) -> list[dict[str, Any]]:
    """One row per variant, data, protocol and levels."""
    names = {variant.id: variant.name for variant in report.variants}
    groups: dict[tuple[str, ...], list[RunRow]] = {}
    for run in report.runs:
        if run.used:
            groups.setdefault((run.variant, run.data, run.protocol, numbers.where(run.levels)), []).append(run)
    return [
        {
            "name": names.get(variant, variant) + (f" ({levels})" if levels else ""),
            "parameters": f"{runs[0].parameters:,}" if runs[0].parameters else "",
            "data": data,
            "protocol": protocol,
            "seeds": len(runs),
            "result": _result(runs),
        }
        for (variant, data, protocol, levels), runs in groups.items()
    ]


def _result(runs: list[RunRow]) -> str:
    """Mean over seeds of every test metric, as the records have it, and the marks."""
    names = sorted({name for run in runs for name in run.metrics.get("test", {})})
    texts = []
    for name in names:
        values = [run.metrics["test"][name] for run in runs if name in run.metrics.get("test", {})]
        texts.append(f"{name} {sum(values) / len(values):.4g}")
    marks = sorted({mark for run in runs for mark in run.marks})
    return ", ".join(texts) + (f" [{', '.join(marks)}]" if marks else "")
