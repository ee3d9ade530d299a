"""Which records a number may rest on.

A record counts when the plan asked for it, its run finished, and the audit of the very data it was trained on is at
hand (no number reaches a report without the audit it was trained under). Everything else is kept with the reason why it
does not count, so that a mean over two of three seeds says so.
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from mlintern.audit.report.audit_report import AuditReport, Severity
from mlintern.claims.coordinates import base_levels, coordinates
from mlintern.core.records.record import RunRecord, stable_hash
from mlintern.spec.paper_spec import PaperSpec
from mlintern.study.folders.audit_names import name_for

Levels = tuple[tuple[str, Any], ...]
Place = tuple[str, Levels]
"""(variant, levels) with base levels of the factors left out: what seeds are pooled over."""


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """One cell that the study was to run, and what came of it."""

    place: Place
    variant: str
    levels: dict[str, Any]
    seed: int
    cell_id: str | None
    run: RunRecord | None
    failure: str
    """Why there is no record; empty where there is one, or where nobody knows."""
    refused: str
    """Why the run counts for nothing; empty when it counts."""
    marks: tuple[str, ...]
    """`leak:<kind>` for every finding that the run was trained under."""


class Evidence:
    """The records of one study, sorted by what they are good for."""

    def __init__(
        self,
        spec: PaperSpec,
        runs: Sequence[RunRecord],
        audits: Mapping[str, Mapping[str, Any]],
        plan: Sequence[Mapping[str, Any]] | None,
        failures: Mapping[str, str] = MappingProxyType({}),
    ):
        self.bases = base_levels(spec)
        """The level at which a factor counts as not varied."""
        self.audits = {key: AuditReport.from_json(value) for key, value in sorted(audits.items())}
        entries = _from_runs(runs) if plan is None else [dict(entry) for entry in plan]
        by_id = {run["cell_id"]: run for run in runs}
        by_place = {(*self.place(run["variant"], run["levels"]), run["seed"]): run for run in runs}
        self.planned: list[PlannedRun] = []
        for entry in entries:
            cell_id = entry.get("cell_id")
            place = self.place(entry["variant"], entry["levels"])
            run = by_id.get(cell_id) if cell_id is not None else by_place.get((*place, entry["seed"]))
            failure = failures.get(str(cell_id), "") if run is None else ""
            self.planned.append(
                PlannedRun(
                    place=place,
                    variant=entry["variant"],
                    levels=dict(entry["levels"]),
                    seed=entry["seed"],
                    cell_id=cell_id if run is None else run["cell_id"],
                    run=run,
                    failure=failure,
                    refused=f"failed: {failure}" if failure else self._refusal(run),
                    marks=() if run is None else self._marks(run),
                )
            )
        order = [variant.id for variant in spec.variants] + sorted({p.variant for p in self.planned})
        self.planned.sort(key=lambda p: (order.index(p.variant), [(k, _sorted_as(v)) for k, v in p.place[1]], p.seed))

    def place(self, variant: str, levels: Mapping[str, Any]) -> Place:
        """Where a run belongs; a factor at its base level is the same as no factor."""
        kept = {key: level for key, level in levels.items() if self.bases.get(key) != level}
        return variant, tuple(sorted(kept.items()))

    def coordinates(self, variant: str, levels: Mapping[str, Any]) -> dict[str, Any]:
        """Every coordinate that a claim can name, factors that are not varied at their base."""
        return coordinates(variant, levels, (key for p in self.planned for key in p.levels), self.bases)

    def at(self, place: Place) -> list[PlannedRun]:
        """What was planned at a place, by seed."""
        return [planned for planned in self.planned if planned.place == place]

    def counting(self, place: Place) -> list[RunRecord]:
        """The records at a place that count, by seed."""
        return [p.run for p in self.at(place) if p.run is not None and not p.refused]

    @property
    def places(self) -> list[Place]:
        """Every place that the plan has, in order."""
        return list(dict.fromkeys(planned.place for planned in self.planned))

    @property
    def all_counting(self) -> list[RunRecord]:
        """Every record that counts."""
        return [p.run for p in self.planned if p.run is not None and not p.refused]

    def marks(self, place: Place) -> list[str]:
        """The marks of every record that counts at a place."""
        return sorted({mark for p in self.at(place) if not p.refused for mark in p.marks})

    def audit_of(self, levels: Mapping[str, Any]) -> AuditReport | None:
        """The audit of a run's data under its protocol."""
        name = name_for(self.audits, levels)
        return None if name is None else self.audits[name]

    def _refusal(self, run: RunRecord | None) -> str:
        if run is None:
            return "not run"
        if run["status"] != "finished":
            return f"{run['status']}: {run.get('message') or 'no message'}"
        audit = self.audit_of(run["levels"])
        if audit is None or not run.get("audit", {}).get("sha256"):
            return "no audit of its data under its protocol is at hand"
        if any(audit.data.get(part) != fingerprint for part, fingerprint in run["data"].items()):
            return "trained on other data than the audit looked at"
        return ""

    def _marks(self, run: RunRecord) -> tuple[str, ...]:
        audit = self.audit_of(run["levels"])
        kinds = {str(kind) for kind in run.get("audit", {}).get("acknowledged", [])}
        if audit is not None:
            kinds |= {str(finding.kind) for finding in audit.findings if finding.severity > Severity.INFO}
        return tuple(f"leak:{kind}" for kind in sorted(kinds))


def _sorted_as(level: Any) -> tuple[float, str]:
    """Numbers by size and before words, which are sorted as they are spelled."""
    try:
        return float(level), ""
    except (TypeError, ValueError):
        return math.inf, str(level)


def _from_runs(runs: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """A plan read off the records: per variant and levels, the seeds of the commonest configuration.

    Runs whose configuration differs in more than the seed (a shorter run tried by hand, say) are never pooled.
    """
    groups: dict[str, list[tuple[str, RunRecord]]] = {}
    for run in runs:
        config = {key: value for key, value in run["config"].items() if key != "seed"}
        group = stable_hash({"variant": run["variant"], "levels": run["levels"]}, "run.json")
        groups.setdefault(group, []).append((stable_hash(config), run))
    entries = []
    for members in groups.values():
        counts = Counter(config for config, _ in members)
        most = max(counts, key=lambda config: (counts[config], config))
        entries += [
            {"cell_id": run["cell_id"], "variant": run["variant"], "levels": run["levels"], "seed": run["seed"]}
            for config, run in members
            if config == most
        ]
    return entries
