"""A small cell for engine tests: 60 examples, a model with dropout and a normalisation, built in this process."""

from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import nn

from mlintern.data.protocol import EvaluationProtocol
from mlintern.engine import initialise
from mlintern.engine.checkpoint import Cadence
from mlintern.engine.evaluate import evaluate
from mlintern.engine.feed import LoaderFeed, Order, TensorFeed
from mlintern.engine.loop import Loop, Plan
from mlintern.engine.methods import Supervised
from mlintern.engine.metrics import Accuracy
from mlintern.engine.module import CellModule
from mlintern.engine.schedules import WarmupCosine
from mlintern.engine.shards import Shards
from mlintern.engine.weights import weights_sha256

FEATURES = np.random.RandomState(0).randn(62, 8).astype(np.float32)
LABELS = (FEATURES[:, 0] > 0).astype(np.int64) + (FEATURES[:, 1] > 0)
CLEAN = EvaluationProtocol("clean", ("train",), 0.1, "valid")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3))

    def forward(self, x):
        return self.body(x)


def make_module(order, seed=0, max_steps=40, optimizer=None):
    return CellModule(
        initialise.build(Net, seed),
        nn.CrossEntropyLoss(),
        Supervised(),
        [Accuracy()],
        optimizer or (lambda p: torch.optim.AdamW(p, lr=0.01, fused=True)),
        WarmupCosine(warmup_steps=5),
        seed,
        order.steps_per_epoch,
        max_steps,
    )


def make_loop(
    seed=0,
    max_steps=40,
    eval_every=7,
    augment=None,
    workers=None,
    checkpoint: Path | None = None,
    stop_at: int | None = None,
    cadence_s=float("inf"),
    shards=1,
    optimizer=None,
    validate=True,
    clip_norm=None,
):
    """A loop over rows 0-49 as train and 50-61 as valid, in batches of 8 (the last one is short)."""
    order = Order(50, 8, seed, "reshuffled")
    module = make_module(order, seed, max_steps, optimizer)
    x, y = torch.from_numpy(FEATURES), torch.from_numpy(LABELS)
    if augment is None and workers is None:
        feed = TensorFeed(x[:50], y[:50], order)
    else:
        feed = LoaderFeed(FEATURES[:50], LABELS[:50], order, seed, augment, workers or 0)

    def score(step):
        if not validate:
            return {}
        options = dict(batch_size=5, seed=seed, step=step)
        return {"valid": evaluate(module.model, x[50:], y[50:], module.criterion, module.metrics, **options)}

    seen = [0]

    def count(step):
        seen[0] = step

    plan = Plan(seed, max_steps, eval_every, CLEAN, clip_norm, Shards(shards))
    return Loop(
        Fabric(accelerator="cpu", devices=1),
        module,
        feed,
        score,
        plan,
        checkpoint,
        Cadence(cadence_s),
        count,
        should_stop=lambda: stop_at is not None and seen[0] >= stop_at,
    )


def bits(loop):
    """What must be equal: the loss chain, the final weights, the chosen weights."""
    state = loop.state
    chosen = weights_sha256(state.selected) if state.selected is not None else None
    return state.trace.link.hex(), weights_sha256(loop.model.state_dict()), chosen
