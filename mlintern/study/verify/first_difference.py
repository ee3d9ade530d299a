"""Where inside a step two runs part: the first tensor that differs, as the computation goes, and by how much."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlintern.core.errors import Absent
from mlintern.core.records import record
from mlintern.study.verify.bits import Losses, ulp_distances

if TYPE_CHECKING:
    from mlintern.engine.inside import Passed


@dataclasses.dataclass(frozen=True)
class Parting:
    """The first difference inside a step."""

    step: int
    stage: str
    """One of `mlintern.engine.inside.STAGES`."""
    name: str
    """Module path, parameter, setting, or part of the batch."""
    kind: str = ""
    """Class of the module or optimizer."""
    agreeing: int = 0
    """Tensors of the step before it that agree bit for bit."""
    size: int = 0
    """Values that the tensor has."""
    seen: int = 0
    """Values of it that both runs kept, and that could be compared one by one."""
    differing: int = 0
    """How many of `seen` differ."""
    ulp: int | None = None
    """Largest distance among them in units of the last place; None for whole numbers, and where none was kept."""
    largest: float | None = None
    """Largest absolute difference among them."""
    values: tuple[float, float] | None = None
    """The two values of a single number."""
    shapes: tuple[str, str] | None = None
    """Type and shape in both runs, where they are not the same."""
    before: str = ""
    """The tensor just before it, which agrees."""

    def where(self) -> str:
        """What it is, in words."""
        of = f"{self.name} ({self.kind})" if self.kind else self.name
        return {
            "rows": "which examples are in the batch",
            "example": "the batch's examples before augmentation (the same examples with other values)",
            "batch": f"the batch's {self.name} (the same examples with other values)",
            "weight": f"the {'initial value of' if self.step == 0 else 'value before the step of'} {self.name}",
            "setting": f"the optimizer's setting {of}",
            "input": f"the input of {of}, which is computed outside of it",
            "output": f"the output of {of}",
            "loss": "the loss",
            "gradient": f"the gradient at the output of {of}, in the backward pass",
            "weight gradient": f"the gradient of {self.name}",
            "final gradient": f"the gradient of {self.name} as the optimizer gets it (shards summed, clipped)",
            "updated weight": f"{self.name} after the step",
            "optimizer state": f"the optimizer's state {self.name}",
        }[self.stage]

    def how_much(self) -> str:
        """The size of the difference, in words."""
        if self.shapes:
            first, second = self.shapes
            return f"{first} | {second}"
        if self.values:
            text = f"{self.values[0]!r} | {self.values[1]!r}"
            return f"{text} ({self.ulp:,} ulp)" if self.ulp is not None and self.stage != "setting" else text
        if not self.differing:
            return f"its hash differs; the {self.seen} of {self.size:,} values that were kept agree"
        of = f"{self.size:,} values" if self.seen == self.size else f"the {self.seen} values kept of {self.size:,}"
        ulp = f", by at most {self.ulp:,} ulp" if self.ulp is not None else ""
        return f"{self.differing:,} of {of} differ{ulp} (largest difference {self.largest:.3g})"

    def __str__(self) -> str:
        return f"{self.where()}: {self.how_much()}"


def parting(first: Sequence["Passed"], second: Sequence["Passed"], step: int) -> Parting | None:
    """The first difference of two runs inside `step`; None where all that both kept agrees, or nothing was kept."""
    a, b = ([row for row in rows if row.step == step] for rows in (first, second))
    if not a or not b:
        return None
    other = {(row.stage, row.name): row for row in b}
    own = {(row.stage, row.name) for row in a}
    for agreeing, row in enumerate(a):
        before = f"{a[agreeing - 1].stage} {a[agreeing - 1].name}" if agreeing else ""
        twin = other.get((row.stage, row.name))
        if agreeing < len(b) and (extra := b[agreeing]) and (extra.stage, extra.name) not in own:
            return Parting(step, extra.stage, extra.name, extra.kind, agreeing, shapes=("absent", _form(extra)))
        if twin is None:
            return Parting(step, row.stage, row.name, row.kind, agreeing, shapes=(_form(row), "absent"))
        if (row.dtype, row.shape) != (twin.dtype, twin.shape):
            return Parting(step, row.stage, row.name, row.kind, agreeing, shapes=(_form(row), _form(twin)))
        if row.sha != twin.sha:
            return dataclasses.replace(_measured(row, twin), agreeing=agreeing, before=before)
    return None


def passed(folder: Path) -> list["Passed"]:
    """What a run's folder keeps of its steps' insides; empty where an older version made it."""
    from mlintern.engine import inside

    try:
        content = record.beside(folder, record.INSIDE_FILE)
    except Absent:
        return []
    return inside.parse(content, folder / record.INSIDE_FILE)


def first_parting(first: Path, second: Path, losses: Losses) -> Parting | None:
    """The first difference inside the steps that both run folders kept; None where they kept none that differs.

    The learning rate is known of every step.
    """
    a, b = passed(first), passed(second)
    found = None
    for step in sorted({row.step for row in a} & {row.step for row in b}):
        if step < losses.steps and (found := parting(a, b, step)) is not None:
            break
    if losses.rates is not None and (found is None or found.step > losses.rates[0]):
        step, *values = losses.rates
        return Parting(step, "setting", "lr", size=1, seen=1, differing=1, values=(values[0], values[1]))
    return found


def _form(row: "Passed") -> str:
    return f"{row.dtype} {list(row.shape)}"


def _measured(a: "Passed", b: "Passed") -> Parting:
    import numpy as np

    size = int(np.prod(a.shape))
    found = Parting(a.step, a.stage, a.name, a.kind or b.kind, size=size)
    if len(a.values) != len(b.values):  # one run kept all values and the other a sample: take the sample of the first
        every = max(1, -(-size // min(len(a.values), len(b.values))))
        one, two = (row.values[::every] if row.whole else row.values for row in (a, b))
    else:
        one, two = a.values, b.values
    kind: Any = one.dtype.kind
    different = (one.view(f"u{one.itemsize}") != two.view(f"u{two.itemsize}")) if kind != "b" else one != two
    if not different.any():
        return dataclasses.replace(found, seen=len(one))
    ulp = None
    if kind == "f":
        distances = ulp_distances(one[different], two[different], a.dtype)
        ulp = int(distances.max())
    x, y = one[different].astype(np.float64), two[different].astype(np.float64)
    return dataclasses.replace(
        found,
        seen=len(one),
        differing=int(different.sum()),
        ulp=ulp,
        largest=float(np.abs(x - y).max()),
        values=(float(x[0]), float(y[0])) if size == 1 else None,
    )
