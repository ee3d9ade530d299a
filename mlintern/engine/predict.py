"""Predicting: sealed weights and a table of inputs, in a process that has nothing else; the outputs go down a pipe.

The model is built anew from the config, so that all it can bring from its training are its weights. What it is given of
an example is its inputs alone: no id, no target, no place in the published part (see `mlintern.engine.tables`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlintern.core.errors import UserError
from mlintern.core.streams import guard
from mlintern.core.targets.check import check_targets
from mlintern.engine import initialise, weights
from mlintern.engine.config import CellConfig
from mlintern.engine.evaluate import outputs_of
from mlintern.engine.frames import Sender
from mlintern.engine.instantiate import allowed_prefixes, build
from mlintern.engine.precision import Precision


class Sealed:
    """A cell's model with its chosen weights, on its device, ready to be asked."""

    def __init__(self, config: CellConfig, state: Mapping[str, torch.Tensor], sizes: Mapping[str, Any] | None):
        check_targets(config.plain(), allowed_prefixes(config.slug))
        config.determinism.check_pins()
        config.determinism.apply()
        trainer, self.seed = config.trainer, config.seed
        self.config, self.batch_size = config, trainer.eval_batch_size
        self.precision = Precision(trainer.precision)
        self.device = torch.device("cuda:0" if trainer.accelerator == "cuda" else "cpu")
        model = initialise.build(lambda: build(config.model, "model", **(sizes or {})), self.seed)
        if self.precision.name.endswith("-true") and not self.precision.plain:
            model.to(self.precision.dtype)  # as Fabric does to the model that is trained
        try:
            model.load_state_dict(dict(state))
        except (RuntimeError, ValueError, TypeError) as error:
            raise UserError(
                f"model: the weights that training left are not this model's ({str(error).splitlines()[-1].strip()})"
            ) from None
        self.model = model.to(self.device).eval()

    def send(self, part: str, inputs: np.ndarray, step: int, sender: Sender) -> None:
        """Send the outputs for inputs [n, ...], batch by batch."""
        given = torch.from_numpy(inputs).to(self.device)
        options: dict[str, Any] = {"batch_size": self.batch_size, "seed": self.seed, "step": step}
        with guard.on(self.model):
            for outputs in outputs_of(self.model, given, precision=self.precision, **options):
                if not isinstance(outputs, torch.Tensor):
                    raise UserError(f"model: forward gave a {type(outputs).__name__}; it must give a tensor")
                sender.send(outputs.detach().cpu().numpy(), part=part)


def predict(
    config: CellConfig,
    weights_file: Path,
    inputs: Mapping[str, Path],
    sizes: Mapping[str, Any] | None,
    step: int,
    sender: Sender,
) -> None:
    """Send the outputs of a cell's chosen weights for tables of inputs, part by part in the order given."""
    state, _ = weights.load_tensors(weights_file)
    sealed = Sealed(config, state, sizes)
    for part, path in inputs.items():
        sealed.send(part, np.load(path, mmap_mode="c", allow_pickle=False), step, sender)
