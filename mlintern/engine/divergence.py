"""Why a training's loss ceased to be finite: what came first, told apart by doing the first steps once more.

A step is a function of the weights and its number, so the steps up to the one that went wrong can be had again, and
looked at. Where they were many, only the losses before it are looked at.
"""

import dataclasses
import math
from typing import Any

import numpy as np
import torch

from mlintern.data.group import Data
from mlintern.engine.config import CellConfig
from mlintern.engine.feed import Batch
from mlintern.engine.loop import Loop
from mlintern.engine.trace import FLUSH_EVERY

FEW = FLUSH_EVERY
"""Steps that are done once more at most."""
_GROWN = 100.0


def by_losses(losses: np.ndarray, step: int) -> str:
    """The cause as far as the losses before it tell."""
    before = losses[:step].astype(np.float64)
    return "growth" if len(before) and before[-10:].max() > _GROWN * max(abs(before[0]), 1.0) else "sudden"


class Replay(Loop):
    """A loop that takes down, in each step, whether weights, outputs, loss and gradients are finite."""

    def cause(self, step: int) -> str:
        """What went wrong first, one of `told.CAUSES`, where the loss of `step` is the first that is not finite."""
        start = self._largest()
        self.module.train()
        with self.guarded():
            for batch in self.feed.batches(0, step + 1):
                large = self._largest()
                self.finite = {"update": math.isfinite(large), "outputs": True, "loss": True, "gradients": True}
                if not self.finite["update"]:
                    return "update"
                handle = self.model.register_forward_hook(self._see)
                try:
                    self.finite["loss"] = bool(self.train_step(batch, self.state.step).isfinite().all())
                finally:
                    handle.remove()
                grown = self.state.step > 0 and large > _GROWN * max(start, 1.0)
                self.state.step += 1
                for name in ("outputs", "loss", "gradients"):
                    if not self.finite[name]:
                        return "growth" if grown else name
        return ""

    def gradients(self, batch: Batch) -> torch.Tensor:
        loss = super().gradients(batch)
        found = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        self.finite["gradients"] &= all(bool(gradient.isfinite().all()) for gradient in found)
        return loss

    def _see(self, module: object, inputs: object, outputs: Any) -> None:
        if isinstance(outputs, torch.Tensor):
            self.finite["outputs"] &= not bool(outputs.isnan().any() or outputs.isposinf().any())

    def _largest(self) -> float:
        """The largest weight; not finite where one is not."""
        with torch.no_grad():
            each = [p.abs().max() for p in self.all_parameters if p.numel()]
            return float(torch.stack([one.float().cpu() for one in each]).max()) if each else 0.0


def quiet(config: CellConfig) -> CellConfig:
    """The configuration of a replay: the same bits without processes of its own."""
    return dataclasses.replace(config, data=Data({**config.data, "num_workers": 0}))
