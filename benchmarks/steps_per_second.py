"""Steps per second on the bundled MLP, engine and hand-written loop: `python -m benchmarks.steps_per_second`.

Both train the same model on the same tensors with the same optimizer, in turn, in one process with one thread; the
median over rounds of the ratio is what counts, because machines differ and are shared: by the clock, and by processor
time, which other people's work disturbs less (but in which waiting for a disk does not show). Also shown: the same with
a checkpoint once a second, without the guard over draws and without the digests that every step leaves, and a plain
lightning.Trainer with everything off.
"""

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before torch is imported

import argparse  # noqa: E402
import contextlib  # noqa: E402
import statistics  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import lightning  # noqa: E402
import torch  # noqa: E402
from lightning.fabric import Fabric  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader  # noqa: E402

from mlintern.config import Composer  # noqa: E402
from mlintern.data.protocol import EvaluationProtocol  # noqa: E402
from mlintern.engine import initialise  # noqa: E402
from mlintern.engine.checkpoint import Cadence  # noqa: E402
from mlintern.engine.feed import Order, TensorFeed  # noqa: E402
from mlintern.engine.instantiate import build  # noqa: E402
from mlintern.engine.loop import Loop, Plan  # noqa: E402
from mlintern.engine.methods import Supervised  # noqa: E402
from mlintern.engine.metrics import Accuracy  # noqa: E402
from mlintern.engine.module import CellModule  # noqa: E402
from mlintern.engine.schedules import Constant  # noqa: E402

STEPS = 1500
N, BATCH = 3600, 100
INPUTS, TARGETS = torch.randn(N, 40), torch.randint(0, 10, (N,))


with Composer("arxiv_2011_14439") as composer:
    CONFIG = composer.compose(["model=mlp"])[0].model


def make_model() -> nn.Module:
    model: nn.Module = build(CONFIG, "model")
    return model


def make_optimizer(parameters: object) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.01, fused=True)  # type: ignore[arg-type]


def module(order: Order) -> CellModule:
    model = initialise.build(make_model, 0)
    return CellModule(
        model,
        nn.CrossEntropyLoss(),
        Supervised(),
        [Accuracy()],
        make_optimizer,
        Constant(),
        0,
        order.steps_per_epoch,
        STEPS,
    )


def hand_written() -> None:
    """What one would write for this model alone."""
    model = make_model()
    optimizer, loss_of = make_optimizer(model.parameters()), nn.CrossEntropyLoss()
    losses = []
    for step in range(STEPS):
        if step % (N // BATCH) == 0:
            order = torch.randperm(N)
        rows = order[step % (N // BATCH) * BATCH :][:BATCH]
        loss = loss_of(model(INPUTS[rows]), TARGETS[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())


class Unguarded(Loop):
    """The loop without the guard over draws, to show what that costs."""

    def guarded(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


class Unwatched(Loop):
    """The loop without a digest of the weights after every step, to show what that costs."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.digest = lambda: [0]  # type: ignore[assignment]


def engine(checkpoint: Path | None = None, kind: type[Loop] = Loop) -> None:
    """The engine's loop, with everything it guarantees."""
    order = Order(N, BATCH, 0, "reshuffled")
    plan = Plan(0, STEPS, STEPS, EvaluationProtocol("last", ("train",), 0.0, "last"))
    cadence = Cadence(1.0) if checkpoint else None
    feed = TensorFeed(INPUTS, TARGETS, order)
    kind(Fabric(accelerator="cpu", devices=1), module(order), feed, lambda step: {}, plan, checkpoint, cadence).run()


def plain_trainer() -> None:
    """lightning.Trainer with everything off, over the same batches by index."""
    order = Order(N, BATCH, 0, "reshuffled")
    trainer = lightning.Trainer(
        max_steps=STEPS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    batches = [tuple(batch) for batch in TensorFeed(INPUTS, TARGETS, order).batches(0, STEPS)]
    trainer.fit(module(order), DataLoader(batches, batch_size=None))  # type: ignore[arg-type]


def seconds(run: Callable[[], None]) -> tuple[float, float]:
    """By the clock, and of this process's time on a processor."""
    began, busy = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - began, time.process_time() - busy


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steps_per_second", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    with tempfile.TemporaryDirectory() as folder:
        runs: dict[str, Callable[[], None]] = {
            "hand-written loop": hand_written,
            "engine": engine,
            "engine, checkpoint each second": lambda: engine(Path(folder) / "checkpoint.safetensors"),
            "engine without its guard": lambda: engine(kind=Unguarded),
            "engine without weights' digests": lambda: engine(kind=Unwatched),
            "lightning.Trainer, all off": plain_trainer,
        }
        for run in runs.values():
            run()
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
        for _ in range(rounds):  # in turn, so that a busy moment hits all of them
            for name, run in runs.items():
                (Path(folder) / "checkpoint.safetensors").unlink(missing_ok=True)
                times[name].append(seconds(run))
    base = times["hand-written loop"]
    print(f"{'':<32} {'steps/s':>7}   share of the hand-written loop's: by the clock, by processor time")
    for name, values in times.items():
        shares = [statistics.median(b[i] / v[i] for b, v in zip(base, values, strict=True)) for i in (0, 1)]
        clock = statistics.median(wall for wall, _ in values)
        print(f"{name:<32} {STEPS / clock:7.0f}   {shares[0]:.0%}, {shares[1]:.0%}")


if __name__ == "__main__":
    main()
