"""Options of an audit (config group `audit`): how hard to look, what to price, and what stops training."""

import dataclasses
import re
from typing import Annotated, ClassVar, Literal

from mlintern.audit.report.audit_report import Severity
from mlintern.audit.report.kinds import kinds_of
from mlintern.core.errors import UserError
from mlintern.core.ranges import COUNT, NOT_NEGATIVE, Range
from mlintern.core.schema import AtLeastOne, Group, Number, Whole

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


@dataclasses.dataclass(frozen=True)
class AuditOptions(Group):
    """How an audit is run. The three levels `quick`, `standard` and `thorough` stand in conf/audit/."""

    KEY: ClassVar[str] = "audit"
    IF_SAID: ClassVar[frozenset[str]] = frozenset({"ledger"})

    fail_on: str = "high"
    """Training is refused for findings at or above this severity."""
    acknowledge: tuple[str, ...] = ()
    """Kinds that were seen and accepted; results then carry the mark."""
    price: Literal["none", "probe", "model"] = "probe"
    """Retrain to say what a leak is worth: not at all, a quick probe, or the pack's own model in the engine."""
    canaries: bool = True
    """Plant copies in a copy of the data and report what share of them the duplicate checks name."""
    memory: str = "4GiB"
    """Bound for what an audit holds of a table beside some hundred MB: larger tables are streamed, and a check that
    would need more looks at rows drawn at random, or at fewer columns at a time, and says so."""
    backend: Literal["local", "ray"] = "local"
    """Where shards of the large checks are computed: in this process, or by Ray Data (an extra). Findings agree."""
    seed: Annotated[Whole, COUNT] = 0
    """Seed of the audit's own generators (Philox): permutations, probes, canaries."""
    permutations: Annotated[Whole, Range(5, whole=True)] = 19
    """Permutations of a permutation test; p-values are at least 1 / (permutations + 1)."""
    max_rows: Annotated[Whole, Range(100, whole=True)] = 20_000
    """Rows per part that are compared pair by pair. Beyond it tables and texts are searched through an index, whose
    recall is measured and stated; images, series and graphs are sampled, and the check says so."""
    horizon: Annotated[Number, NOT_NEGATIVE] = 0.0
    """Length of the forecast horizon, in the unit of the time column: train must end this long before test begins."""
    independent_rows: bool = False
    """Declares that no two rows share a source (a generator drew each afresh, one row per patient): without it, and
    without a group column, a split of shuffled rows is INCONCLUSIVE as to latent groups."""
    ledger: str = ""
    """File of JSON lines, or folder of run records, that says how often this test part was read before."""
    threads: AtLeastOne = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        Severity.of(self.fail_on)
        kinds_of(self.acknowledge)
        self.memory_bytes()

    def memory_bytes(self) -> int:
        """`memory` in bytes; raises UserError where it is not a size."""
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?i?B)?\s*", str(self.memory), re.IGNORECASE)
        if not match:
            raise UserError(f"audit.memory={self.memory}: not a size; write 4GiB or 500MB, say")
        return int(float(match[1]) * _UNITS[(match[2] or "").upper()])
