"""What happened inside chosen steps: the batch, every module's inputs and outputs, gradients, and the update.

Two runs that part at a step part somewhere in it. The record keeps enough of a few steps to say where: of every tensor
that passes, in the order of the computation, a hash, its type and shape, and a few of its values; a live comparison
keeps all values of the step that it looks into. Steps 0 to 3 are kept, because most causes show at once, and then every
power of two, so that the cost of a long run does not grow with it.

Looking changes nothing: hooks read, copy and return nothing.
"""

import contextlib
import dataclasses
import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlintern.core import files, plain
from mlintern.core.errors import Damaged
from mlintern.core.records import packed

VALUES = 32
"""How many values of a tensor a record keeps, evenly spaced."""

MOST_BYTES = 4 << 30
_MEND = "delete it and train the cell again"
_TYPES = {
    "bfloat16": "float32",
    **{name: name for name in ("float16", "float32", "float64", "complex64", "complex128", "bool")},
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
"""Types of tensors, with those that their values are kept in."""

STAGES = (
    "rows",
    "example",
    "batch",
    "weight",
    "setting",
    "input",
    "output",
    "loss",
    "gradient",
    "weight gradient",
    "final gradient",
    "updated weight",
    "optimizer state",
)
"""In the order of the computation: the first that differs is where two runs part."""


@dataclasses.dataclass(frozen=True)
class Passed:
    """One tensor that passed in a step."""

    step: int
    stage: str
    name: str
    """Module path, parameter, or part of the batch; `#2` after it for a module's second call in the step."""
    kind: str
    """Class of the module, where there is one."""
    shape: tuple[int, ...]
    dtype: str
    sha: str
    values: np.ndarray
    """All values, or `VALUES` of them evenly spaced; flat."""

    @property
    def whole(self) -> bool:
        """Are all values kept?"""
        return len(self.values) == int(np.prod(self.shape))


def chosen(step: int) -> bool:
    """Is this step one whose inside every record keeps?"""
    return step < 4 or step & (step - 1) == 0


class Inside:
    """Takes down what passes in the chosen steps of one run."""

    def __init__(self, whole: int | None = None):
        """`whole` is a step of which all values are kept, chosen or not."""
        self.whole = whole
        self.passed: list[Passed] = []
        self._step = 0
        self._calls: Counter[tuple[str, str]] = Counter()

    def wanted(self, step: int) -> bool:
        return chosen(step) or step == self.whole

    def note(self, stage: str, name: str, tensor: torch.Tensor | np.ndarray, kind: str = "") -> None:
        """Take down one tensor."""
        held = torch.from_numpy(np.ascontiguousarray(tensor)) if isinstance(tensor, np.ndarray) else tensor
        held = held.detach().cpu().contiguous()
        flat = held.reshape(-1)
        digest = hashlib.sha256(flat.view(torch.uint8).numpy().data).hexdigest()[:16] if flat.numel() else ""
        if self._step != self.whole:
            flat = flat[:: max(1, -(-flat.numel() // VALUES))]
        values = flat.float() if held.dtype == torch.bfloat16 else flat
        dtype = str(held.dtype).removeprefix("torch.")
        row = Passed(self._step, stage, name, kind, tuple(held.shape), dtype, digest, values.numpy().copy())
        self.passed.append(row)

    def note_all(self, stage: str, name: str, value: Any, kind: str = "") -> None:
        """Take down every tensor of a module's inputs or outputs."""
        call = self._calls[stage, name] = self._calls[stage, name] + 1
        for path, tensor in _tensors(value):
            self.note(stage, f"{name or '(model)'}{path}{f'#{call}' if call > 1 else ''}", tensor, kind)

    def _note_state(self, stage: str, model: torch.nn.Module) -> None:
        for name, tensor in model.state_dict().items():
            if isinstance(tensor, torch.Tensor):
                self.note(stage, name, tensor)

    @contextlib.contextmanager
    def watching(
        self,
        step: int,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        on: Callable[[], bool],
    ) -> Iterator[None]:
        """Take down what passes in `model` and `optimizer` during the block: one training step.

        `on()` says whether a forward pass is to be taken down: of a step in several shards, the first shard's is.
        """
        self._step = step
        self._calls.clear()
        self.passed = [row for row in self.passed if row.step != step]  # a step is taken down once
        names: dict[torch.Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
        self._note_state("weight", model)
        handles: list[Any] = []

        def on_gradient(name: str, kind: str) -> Callable[[torch.Tensor], None]:
            return lambda gradient: self.note("gradient", name, gradient, kind)

        def before(name: str) -> Callable[..., None]:
            def hook(module: torch.nn.Module, args: Any, kwargs: Any) -> None:
                if on():
                    self.note_all("input", name, (*args, kwargs) if kwargs else args, type(module).__name__)

            return hook

        def after(name: str) -> Callable[..., None]:
            def hook(module: torch.nn.Module, args: Any, output: Any) -> None:
                if not on():
                    return
                kind, first = type(module).__name__, len(self.passed)
                self.note_all("output", name, output, kind)
                for row, (_, tensor) in zip(self.passed[first:], _tensors(output), strict=True):
                    if tensor.requires_grad:
                        handles.append(tensor.register_hook(on_gradient(row.name, kind)))

            return hook

        def weight_gradient(parameter: torch.Tensor) -> None:
            if on() and parameter.grad is not None:
                self.note("weight gradient", names[parameter], parameter.grad)

        def settings(taking: torch.optim.Optimizer, *_: Any) -> None:
            for index, group in enumerate(taking.param_groups):
                for name in sorted(group):
                    if isinstance(group[name], (int, float, bool, tuple)):
                        place = name if len(taking.param_groups) == 1 else f"{name} of group {index}"
                        self.note("setting", place, np.asarray(group[name], dtype=np.float64), type(taking).__name__)
            for parameter, name in names.items():
                if parameter.grad is not None:
                    self.note("final gradient", name, parameter.grad)

        for name, module in model.named_modules():
            handles += [
                module.register_forward_pre_hook(before(name), with_kwargs=True),
                module.register_forward_hook(after(name)),
            ]
        handles += [p.register_post_accumulate_grad_hook(weight_gradient) for p in names if p.requires_grad]
        handles.append(optimizer.register_step_pre_hook(settings))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
        self._note_state("updated weight", model)
        for parameter, entries in optimizer.state.items():
            for key, value in entries.items():
                if isinstance(value, torch.Tensor):
                    self.note("optimizer state", f"{names.get(parameter, '?')} {key}", value)

    def rows(self) -> list[Passed]:
        """Everything taken down: by step, and within one in the order of the computation."""
        return sorted(self.passed, key=lambda row: (row.step, STAGES.index(row.stage) if _fixed(row.stage) else 5))

    def sha256(self) -> str:
        """Hash of all that was taken down, in any order."""
        digest = hashlib.sha256()
        for row in sorted(self.passed, key=lambda row: (row.step, row.stage, row.name)):
            said = [row.step, row.stage, row.name, row.kind, row.shape, row.dtype, row.sha]
            digest.update(repr(said).encode() + np.ascontiguousarray(row.values).tobytes())
        return digest.hexdigest()

    def write(self, path: Path) -> None:
        """Write `rows()` as one table, whole or not at all."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = self.rows()
        columns = {name: [getattr(row, name) for row in rows] for name in ("step", "stage", "name", "kind", "dtype")}
        columns["sha"] = [row.sha for row in rows]
        columns["shape"] = [list(row.shape) for row in rows]
        columns["values"] = [row.values.tobytes() for row in rows]
        schema = pa.schema(
            [
                ("step", pa.int64()),
                *((name, pa.string()) for name in ("stage", "name", "kind", "dtype", "sha")),
                ("shape", pa.list_(pa.int64())),
                ("values", pa.binary()),
            ]
        )
        with files.atomic_path(path) as draft:
            pq.write_table(pa.table(columns, schema=schema), draft, compression="zstd")

    def restore(self, path: Path, before: int, sha256: str | None) -> None:
        """Take up what an interrupted run had written, as far as step `before`, where its hash is `sha256` (None where
        the run kept nothing); raises Damaged where it is not.

        A run that was killed before it could save has more steps in the file than it saved.
        """
        self.passed = [] if sha256 is None else [row for row in read(path) if row.step < before]
        if sha256 is not None and self.sha256() != sha256:
            self.passed = []
            raise Damaged(f"{path}: was changed after it was written")


def read(path: Path) -> list[Passed]:
    """The rows of a file that `Inside.write` wrote; raises Damaged that names it where it cannot be read."""
    return parse(plain.read_plain(path, MOST_BYTES, mend=_MEND), path)


def parse(content: bytes, path: Path) -> list[Passed]:
    """`read` of the bytes of the file at `path`."""
    columns = {name: "int" if name == "step" else "str" for name in ("step", "stage", "name", "kind", "dtype", "sha")}
    rows = packed.table(content, path, _MEND, {**columns, "shape": "any", "values": "any"}).to_pylist()
    try:
        return [_passed(row) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"{path}: not readable ({error}); {_MEND}") from None


def _passed(row: dict[str, Any]) -> Passed:
    """One row, whose values are what its type says; raises ValueError or TypeError."""
    if row["dtype"] not in _TYPES or row["stage"] not in STAGES:
        raise ValueError(f"a tensor of type {row['dtype']!r} in stage {row['stage']!r}")
    values = np.frombuffer(row["values"], dtype=_TYPES[row["dtype"]])
    shape = tuple(int(side) for side in row["shape"])
    size = math.prod(shape)
    if len(values) > size or (not len(values)) != (not size):
        raise ValueError(f"{len(values)} values of a tensor of shape {shape}")
    stage, name, kind, sha = (str(row[column]) for column in ("stage", "name", "kind", "sha"))
    return Passed(int(row["step"]), stage, name, kind, shape, row["dtype"], sha, values)


def _fixed(stage: str) -> bool:
    """Inputs and outputs keep the order in which they came; every other stage has its place."""
    return stage not in ("input", "output")


def _tensors(value: Any, path: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor in nested tuples, lists, mappings and dataclasses, with its place where there are several."""
    if isinstance(value, torch.Tensor):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _tensors(item, f"{path}[{key}]")
    elif isinstance(value, (tuple, list)):
        for index, item in enumerate(value):
            yield from _tensors(item, f"{path}[{index}]" if len(value) > 1 else path)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _tensors(getattr(value, field.name), f"{path}.{field.name}")
