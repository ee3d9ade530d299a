"""The audit's result: checks with a status, findings with their evidence, price and repair.

`to_json()` is the audit.json of DESIGN.md. `examples` and `evidence` carry example ids and zero-based row numbers, so
that every finding can be looked up in the user's own files.
"""

import dataclasses
import enum
import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlintern.audit.report.kinds import Kind, kinds_of
from mlintern.core import files
from mlintern.core.errors import Damaged, UserError
from mlintern.core.plain import MOST_JSON_BYTES, parse_json, read_plain
from mlintern.core.records.record import stable_hash

SEAL = "sha256"


class Status(enum.StrEnum):
    """What a check came to. INCONCLUSIVE is never read as PASS."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_APPLICABLE = "NOT_APPLICABLE"


@functools.total_ordering
class Severity(enum.Enum):
    """How much a finding matters, ordered: info < low < medium < high."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    def __lt__(self, other: object) -> bool:
        order = list(Severity)
        return order.index(self) < order.index(other) if isinstance(other, Severity) else NotImplemented

    def __str__(self) -> str:
        return self.value

    @classmethod
    def of(cls, value: "Severity | str") -> "Severity":
        """The severity of that name; raises UserError that lists the names."""
        try:
            return cls(value)
        except ValueError:
            raise UserError(f"audit.fail_on={value}: choose {', '.join(s.value for s in cls)}") from None


@dataclasses.dataclass(frozen=True)
class Check:
    """One check that was run, or was not, and why."""

    name: str
    status: Status
    reason: str
    """One line: what was seen, or why nothing could be seen."""
    n: int
    """Rows (or probes) looked at."""
    seconds: float
    """Wall-clock time; left out of the report's hash."""


@dataclasses.dataclass(frozen=True)
class Price:
    """What a leak is worth in the score, in points (hundredths of accuracy or of R²)."""

    points: float
    low: float
    """Lower end of the 95 % paired bootstrap interval."""
    high: float
    metric: str
    with_leak: float
    """Score of the test rows as the split stands."""
    without_leak: float
    """Score of the same test rows (or of the repaired split) without the leak."""
    measured_with: str
    """What was trained: `probe: …` or `model: …`."""
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Finding:
    """One leak."""

    kind: Kind
    severity: Severity
    splits: tuple[str, ...]
    """The parts it connects, ("train", "test") mostly."""
    count: int
    """Affected rows of the last part in `splits` (or columns, where the evidence names columns)."""
    fraction: float
    """`count` as a share of that part."""
    examples: tuple[dict[str, Any], ...]
    """The first affected pairs or rows, by example id: {"train": id, "test": id}."""
    evidence: dict[str, Any]
    """Numbers behind the finding; `rows` holds zero-based row numbers per part."""
    price: Price | None = None
    repair: str = ""
    """One line: what to do."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", Kind(self.kind))
        object.__setattr__(self, "severity", Severity.of(self.severity))

    def to_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "kind": str(self.kind),
            "severity": self.severity.value,
            "splits": list(self.splits),
            "examples": list(self.examples),
            "price": None if self.price is None else dataclasses.asdict(self.price),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Finding":
        fields = {**value, "splits": tuple(value["splits"]), "examples": tuple(value["examples"])}
        if fields["price"] is not None:
            fields["price"] = Price(**fields["price"])
        return cls(**fields)


@dataclasses.dataclass(frozen=True)
class Ceiling:
    """The highest accuracy that the nearest neighbours leave room for; see `mlintern.audit.price.ceiling`."""

    accuracy: float
    """In (0, 1)."""
    nearest: float
    """Error of the nearest neighbour on the test rows, with all training rows looked at."""
    extrapolated: float
    """The same for endless training rows."""
    dimension: float
    """Intrinsic dimension of the training rows."""
    train: int
    test: int
    """Rows looked at."""


@dataclasses.dataclass(frozen=True)
class AuditReport:
    """Everything the audit of one split came to."""

    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]
    data: dict[str, str]
    """{part: sha256} of the raw data that was audited."""
    ceiling: Ceiling | None = None
    """What the test rows' nearest neighbours leave room for; None where they say nothing."""

    @property
    def clean(self) -> bool:
        """No check failed and none was inconclusive; findings of severity `info` (chance level) leave it clean."""
        return all(check.status in (Status.PASS, Status.NOT_APPLICABLE) for check in self.checks) and all(
            finding.severity == Severity.INFO for finding in self.findings
        )

    def blocking(self, fail_on: Severity | str = Severity.HIGH, acknowledge: Iterable[str] = ()) -> list[Finding]:
        """The findings at or above `fail_on` whose kind is not acknowledged: those that training is refused for.

        A shift warns and never blocks; nor does a check that was INCONCLUSIVE, which has no finding.
        """
        limit, known = Severity.of(fail_on), kinds_of(acknowledge)
        return [f for f in self.findings if f.severity >= limit and f.kind not in known and not f.kind.only_warns]

    def summary(self) -> str:
        """One line. It never says "clean" over an inconclusive check."""
        unsure = [check.name for check in self.checks if check.status is Status.INCONCLUSIVE]
        real = [f for f in self.findings if f.severity > Severity.INFO]
        tail = f"; {len(unsure)} inconclusive ({', '.join(unsure)})" if unsure else ""
        if real:
            names = ", ".join(f"{f.kind} ({f.severity})" for f in sorted(real, key=lambda f: f.severity, reverse=True))
            return f"{len(real)} finding{'s' if len(real) > 1 else ''}: {names}{tail}"
        passed = sum(check.status is Status.PASS for check in self.checks)
        if unsure:
            return f"no leak found by {passed} checks{tail}"
        if not self.clean:
            failed = ", ".join(check.name for check in self.checks if check.status is Status.FAIL)
            return f"failed: {failed}"
        return f"clean: {passed} checks passed"

    def to_json(self) -> dict[str, Any]:
        """The audit.json of DESIGN.md, with the ceiling where there is one."""
        value = {
            "clean": self.clean,
            "checks": [{**dataclasses.asdict(check), "status": check.status.value} for check in self.checks],
            "findings": [finding.to_json() for finding in self.findings],
            "data": dict(self.data),
        }
        return value if self.ceiling is None else {**value, "ceiling": dataclasses.asdict(self.ceiling)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "AuditReport":
        """The report of an audit.json; raises UserError where a key is missing or unknown."""
        try:
            checks = tuple(Check(**{**check, "status": Status(check["status"])}) for check in value["checks"])
            ceiling = Ceiling(**value["ceiling"]) if value.get("ceiling") else None
            return cls(checks, tuple(map(Finding.from_json, value["findings"])), dict(value["data"]), ceiling)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"audit.json: not an audit report ({error}); run the audit again") from None

    @classmethod
    def read(cls, path: Path, sealed: bool = False) -> "AuditReport":
        """The report at `path`; raises Damaged, which names the file, where it is not as it was written.

        `sealed`: nor where an earlier version wrote it, without its hash.
        """
        mend = "run the audit again"
        value = parse_json(read_plain(path, MOST_JSON_BYTES, mend=mend), path, mend)
        try:
            report = cls.from_json(value)
            said = {"clean": report.clean, SEAL: report.sha256()}
        except (UserError, AttributeError, TypeError) as error:
            raise Damaged(f"{path}: not an audit report ({error}); {mend}") from None
        if any(value.get(name, None if sealed else said[name]) != said[name] for name in said):
            raise Damaged(f"{path}: was changed after it was written; {mend}")
        return report

    def write(self, path: Path) -> None:
        """Write it with its hash, which `read` checks."""
        files.write_json(path, {**self.to_json(), SEAL: self.sha256()})

    def sha256(self) -> str:
        """Hash of what was found on which data: equal for equal audits, however long they took."""
        value = self.to_json()
        for check in value["checks"]:
            del check["seconds"]
        return stable_hash(value, "audit")
