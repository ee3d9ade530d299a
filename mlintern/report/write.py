"""Writing a report: report.json, report.html, metrics.json and model_card.md, each whole or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlintern.core import files
from mlintern.report.card import render_card
from mlintern.report.cost import COST_FILE
from mlintern.report.model.report import Report
from mlintern.report.model.runs import RunRow
from mlintern.report.page.html import render_html

REPORT_FILE = "report.json"
PAGE_FILE = "report.html"
METRICS_FILE = "metrics.json"
CARD_FILE = "model_card.md"


def write_report(report: Report, folder: Path, circumstances: Mapping[str, Any] | None = None) -> Path:
    """Write every view of `report` into `folder` and return the page's path.

    `circumstances` (when and where, at what cost) go to a file of their own. Everything is rendered before the first
    byte is written. Raises UserError where the folder cannot be written.
    """
    folder = Path(folder)
    page, card = render_html(report), render_card(report)
    if circumstances is not None:
        files.write_json(folder / COST_FILE, circumstances)
    files.write_json(folder / METRICS_FILE, metrics(report))
    files.write_text(folder / CARD_FILE, card)
    files.write_text(folder / PAGE_FILE, page)
    files.write_json(folder / REPORT_FILE, report.model_dump(mode="json"))
    return folder / PAGE_FILE


def metrics(report: Report) -> dict[str, Any]:
    """What a rebuild elsewhere must reach byte for byte: the numbers and bits of every run, and nothing else."""
    return {
        "paper": report.paper.id,
        "cells": {
            key(run): {
                "cell_id": run.cell_id,
                "loss_chain_sha256": run.loss_chain_sha256,
                "metrics": run.metrics,
                "weights_sha256": run.weights_sha256,
            }
            for run in report.runs
            if run.used
        },
    }


def key(run: RunRow) -> str:
    """A run's name that stays when its id does not: `cnn/data=mnist1d/protocol=clean/seed=0`."""
    levels = {"data": run.data, "protocol": run.protocol, **dict(sorted(run.levels.items()))}
    return "/".join([run.variant, *(f"{name}={level}" for name, level in levels.items()), f"seed={run.seed}"])
