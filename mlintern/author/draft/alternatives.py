"""The alternatives to what a draft assumes, tried in the sandbox: what cannot be composed or trained is taken out.

A language model lists other values for what a paper leaves unsaid before any code is written. Some of them cannot
train: a loss that does not fit the targets, a level that nothing takes. `study.probe_assumptions=true` would lose those
cells, so the spec keeps only values that a few steps of the engine bear out, and says of the others why they went.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlintern.author.draft.vetting import planned_cells
from mlintern.config import Composer
from mlintern.core.errors import UserError
from mlintern.plan.sensitivity import cells_with
from mlintern.sandbox.limits import Backend
from mlintern.spec.paper_spec import PaperSpec
from mlintern.spec.sourced import AssumedSetting, Value
from mlintern.vet.run import rehearse


def without_dead(pack: Path, spec: PaperSpec, backend: Backend = "auto") -> tuple[PaperSpec, list[str]]:
    """(`spec` without alternatives that do not train in the draft `pack`, a line for each with the reason)."""
    dead: dict[tuple[int, str], str] = {}
    jobs: dict[str, tuple[tuple[int, str], dict[str, Any]]] = {}
    with Composer(pack.name, pack.parent) as drafts:
        cells, problems = planned_cells(drafts)
        if problems:
            return spec, []
        for number, setting, value in _alternatives(spec):
            place = (number, str(value))
            try:
                cell = next(cells_with(drafts, setting, value, cells), None)  # None: it changes nothing
            except UserError as error:
                dead[place] = str(error).removeprefix(f"study.probe_assumptions: {setting.key}={value}: ")
            else:
                if cell is not None:
                    name = f"alternative {len(jobs)}"
                    jobs[name] = (place, {"name": name, "config": cell.config, "overfit": False, "alone": True})
    found = [work for _, work in jobs.values()]
    for check in rehearse(found, project=pack.resolve().parent.parent, pack=pack.resolve(), backend=backend):
        if check.status == "FAIL" and check.subject in jobs:
            dead.setdefault(jobs[check.subject][0], check.reason)
    return _pruned(spec, dead)


def _alternatives(spec: PaperSpec) -> Iterator[tuple[int, AssumedSetting, Value]]:
    for number, setting in enumerate(spec.settings):
        if isinstance(setting, AssumedSetting) and setting.in_config:
            yield from ((number, setting, value) for value in setting.locator.probe_range)


def _pruned(spec: PaperSpec, dead: dict[tuple[int, str], str]) -> tuple[PaperSpec, list[str]]:
    settings, lines = [], []
    for number, setting in enumerate(spec.settings):
        listed = setting.locator.probe_range if isinstance(setting, AssumedSetting) else []
        gone = {str(value): dead[number, str(value)] for value in listed if (number, str(value)) in dead}
        if isinstance(setting, AssumedSetting) and gone:
            kept = [value for value in listed if str(value) not in gone]
            said = [f"{setting.key}={value} does not train here: {_line(why)}" for value, why in gone.items()]
            lines += said
            locator = setting.locator.model_copy(update={"probe_range": kept})
            note = " ".join(filter(None, [setting.note, f"Not tried: {'; '.join(said)}"]))
            setting = setting.model_copy(update={"locator": locator, "note": note})
        settings.append(setting)
    return spec.model_copy(update={"settings": settings}), lines


def _line(reason: str) -> str:
    return " ".join(reason.removeprefix("UserError: ").split())[:200]
