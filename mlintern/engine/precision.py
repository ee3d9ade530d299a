"""Precision: the number format in which a model computes, `trainer.precision`.

The names are Lightning's. What Fabric's plugins do inside a module that they wrap, the loop does by itself around its
own call, because with one device per process Fabric wraps nothing.
"""

import contextlib
import dataclasses
from collections.abc import Iterator

import torch

from mlintern.engine.config import PrecisionName

_DTYPES = {"32": torch.float32, "64": torch.float64, "bf16": torch.bfloat16}


@dataclasses.dataclass(frozen=True)
class Precision:
    """What `trainer.precision` asks for."""

    name: PrecisionName = "32-true"

    @property
    def plain(self) -> bool:
        """Is there nothing to cast, and no context to enter?"""
        return self.name == "32-true"

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights and of what the model is given; a mixed precision keeps float32 there."""
        return torch.float32 if self.name.endswith("mixed") else _DTYPES[self.name.split("-")[0]]

    def cast(self, values: torch.Tensor) -> torch.Tensor:
        """Real numbers in the weights' format; whole numbers as they are."""
        return values.to(self.dtype) if values.is_floating_point() else values

    @contextlib.contextmanager
    def context(self, device: torch.device) -> Iterator[None]:
        """Within it the model computes in this format, and new tensors of real numbers have it."""
        if self.name.endswith("mixed"):
            with torch.autocast(device.type, torch.bfloat16):
                yield
            return
        before = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


def readable(outputs: torch.Tensor) -> torch.Tensor:
    """bfloat16, which numpy does not know, as float32; anything else as it is."""
    return outputs.float() if outputs.dtype == torch.bfloat16 else outputs
