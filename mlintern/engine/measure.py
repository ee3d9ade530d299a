"""Measuring: what only the pack's own code can say of its predictions, asked last and believed as its word.

A loss or metric of the pack's own, and every probe (which looks inside the model), needs the model and the targets in
one process. It runs when the weights are sealed and what was predicted blind is scored, and answers with numbers alone:
one per example, and the loss of a part. The record says which numbers came this way.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from mlintern.core.streams import guard
from mlintern.engine import losses, probes
from mlintern.engine.evaluate import evaluate
from mlintern.engine.frames import Sender
from mlintern.engine.instantiate import build
from mlintern.engine.predict import Sealed
from mlintern.engine.rows import Rows
from mlintern.engine.trusted import is_trusted


def measure(sealed: Sealed, rows: Mapping[str, Rows], step: int, sender: Sender) -> None:
    """Send what has to be measured of each part: `{"part", "name"}` and float64 [n], of a loss [1]; maps at the end."""
    config = sealed.config
    built = {name: build(item, f"metrics.{name}") for name, item in config.metrics.items()}
    asked = [item for item in built.values() if probes.is_probe(item)]
    own = [built[name] for name, item in config.metrics.items() if not is_trusted(item) and built[name] not in asked]
    loss = losses.make(config.loss)
    options: dict[str, Any] = {"seed": sealed.seed, "step": step, "precision": sealed.precision}
    with guard.on(sealed.model, loss, *own, *asked):
        for part, of in rows.items():
            whole = _part(of, sealed.device)
            if own or not is_trusted(config.loss):
                found = evaluate(
                    sealed.model, whole.inputs, whole.targets, loss, own, batch_size=sealed.batch_size, **options
                )
                if not is_trusted(config.loss):
                    sender.send(np.array([found.loss]), part=part, name="loss")
                for name, values in found.per_example.items():
                    sender.send(values.astype(np.float64), part=part, name=name)
            if asked and part != "train":
                values_of = probes.measure(asked, sealed.model, whole, batch_size=sealed.batch_size, **options)
                for name, values in values_of.items():
                    sender.send(values.astype(np.float64), part=part, name=name)
        if asked:
            for name, drawn in probes.maps(asked, sealed.model, _part(rows["test"], sealed.device), **options).items():
                sender.send(drawn.astype(np.float32), map=name)


def _part(rows: Rows, device: torch.device) -> probes.Part:
    """One part as probes get it."""
    notes = None if rows.annotations is None else torch.from_numpy(np.ascontiguousarray(rows.annotations)).to(device)
    return probes.Part(torch.from_numpy(rows.inputs).to(device), torch.from_numpy(rows.targets).to(device), notes)
