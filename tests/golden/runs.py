"""Short training runs whose bits are kept: `python -m tests.golden.runs` prints them as JSON.

Run it in a process of its own with the pins of determinism=portable in the environment (`bits` below does), because
they must be set before torch is imported. The data come from whole numbers, so that no libm has a say in them.
"""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
STEPS = 30
SEED = 7


def pins() -> dict[str, str]:
    """The environment of determinism=portable, from its config group."""
    from mlintern.engine.determinism import Determinism

    return Determinism(**yaml.safe_load((ROOT / "conf/determinism/portable.yaml").read_text())).pins()


def bits() -> dict:
    """What the runs give in a fresh interpreter: {"torch": version, "runs": {name: {"losses", "weights_sha256"}}}."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    argv = [sys.executable, "-m", "tests.golden.runs"]
    done = subprocess.run(argv, cwd=ROOT, env={**kept, **pins()}, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    import numpy as np
    import torch
    from lightning.fabric import Fabric
    from torch import nn

    from mlintern.data.protocol import EvaluationProtocol
    from mlintern.engine import initialise
    from mlintern.engine.augments import CircularShift
    from mlintern.engine.determinism import Determinism
    from mlintern.engine.feed import LoaderFeed, Order, TensorFeed
    from mlintern.engine.loop import Loop, Plan
    from mlintern.engine.methods import Mixup, Supervised
    from mlintern.engine.metrics import Accuracy
    from mlintern.engine.module import CellModule
    from mlintern.engine.schedules import Constant, WarmupCosine
    from mlintern.engine.shards import Shards
    from mlintern.engine.weights import weights_sha256
    from tests.golden.models import CNN, GRU, MLP
    from tests.golden.transformer import Transformer

    level = Determinism(**yaml.safe_load((ROOT / "conf/determinism/portable.yaml").read_text()))
    level.check_pins()
    level.apply()
    draw = np.random.Generator(np.random.Philox(SEED))
    features = (draw.integers(-1024, 1025, (130, 40)) / 512).astype(np.float32)
    labels = (features[:, :10]).argmax(axis=1).astype(np.int64)

    def run(make, optimizer, *, method=None, schedule=None, clip=None, shards=1, augment=None):
        order = Order(len(features), 32, SEED, "reshuffled")  # the last batch of an epoch holds two rows
        module = CellModule(
            initialise.build(make, SEED),
            nn.CrossEntropyLoss(),
            method or Supervised(),
            [Accuracy()],
            optimizer,
            schedule or Constant(),
            SEED,
            order.steps_per_epoch,
            STEPS,
        )
        feed = (
            LoaderFeed(features, labels, order, SEED, augment, 0)
            if augment
            else TensorFeed(torch.from_numpy(features), torch.from_numpy(labels), order)
        )
        protocol = EvaluationProtocol("last", ("train",), 0.0, "last")
        plan = Plan(SEED, STEPS, STEPS, protocol, clip, Shards(shards))
        loop = Loop(Fabric(accelerator="cpu", devices=1), module, feed, lambda step: {}, plan)
        state = loop.run()
        losses = [struct.pack(">f", value).hex() for value in state.trace.losses()]
        return {"losses": losses, "weights_sha256": weights_sha256(loop.model.state_dict())}

    def adam(parameters):
        return torch.optim.Adam(parameters, lr=0.01, fused=True)

    def adamw(parameters):
        return torch.optim.AdamW(parameters, lr=0.003, fused=True)

    def sgd(parameters):
        return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True)

    runs = {
        "mlp": run(MLP, adam),
        "mlp_mixup_shards": run(MLP, adam, method=Mixup(0.2), shards=2),
        "cnn_shift": run(CNN, sgd, augment=CircularShift(3)),
        "gru": run(GRU, adam, clip=1.0),
        "transformer_dropout": run(Transformer, adamw, schedule=WarmupCosine(5), clip=1.0),
    }
    print(json.dumps({"torch": torch.__version__.split("+")[0], "runs": runs}))


if __name__ == "__main__":
    main()
