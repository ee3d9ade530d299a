"""Cells on several world sizes, in a process with the pins of determinism=strict: `python -m tests.engine.world_runs`.

Arguments: a folder, a model of MODELS, then legs such as `whole:4` (4 processes to the end), `stop9:2` (2 processes,
asked to stop at step 9) or `kill9:2` (kill -9 of rank 0 there, after printing the other ranks' process ids). A
trainer's name in place of the number, `whole:ddp`, takes processes and shards from conf/trainer. Legs with one name
before a `/` share a folder, so that the later continue the earlier. Prints what came out of each.

The batches of 22 rows make shards of 6, 6, 5 and 5; the last batch of an epoch has 16.
"""

import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import numpy as np

from mlintern.config import Composer, Config
from mlintern.core.errors import Interrupted
from mlintern.core.records.record import cell_id
from mlintern.data.splits import Examples, Splits
from mlintern.engine import ENGINE_VERSION
from mlintern.engine.cell import run_cell

sys.path.append(str(Path(__file__).parent))  # where papers/shards/ is
SLUG = "arxiv_2011_14439"
SHORT = ["trainer.max_steps=24", "trainer.eval_every=6", "trainer.batch_size=22", "run.checkpoint_seconds=0"]


MODELS: dict[str, list[str]] = {
    "mlp": [],
    "stack": ["optimizer=adamw", "trainer.clip_norm=1.0"],
    "everything": [
        "augment=gaussian_noise",
        "augment.scale=0.1",
        "data.num_workers=1",
        "trainer.clip_norm=0.5",
    ],
}
"""{name: overrides}: the bundled pack's MLP, blocks in a module list with gradients clipped, and a model of batch
statistics and all, augmented in a loader process, with gradients clipped."""


def compose(model: str, trainer: str) -> Config:
    """`trainer` is a number of processes that share four shards, or the name of a trainer of conf/trainer."""
    if trainer.isdigit():
        world = [f"trainer.devices={trainer}", "trainer.shards=4", f"trainer.accumulate={4 // int(trainer)}"]
    else:
        world = [f"trainer={trainer}"]
    with Composer(SLUG) as composer:
        config, _ = composer.compose(["model=mlp", "seed=3", "determinism=strict", *world, *SHORT, *MODELS[model]])
    if model == "mlp":
        return config
    own = {"_target_": f"papers.shards.modules.{model.capitalize()}"}
    paper, data = {**config.paper, "slug": "shards"}, {**config.data, "source": None}
    return Config.from_plain(config.plain() | {"model": own, "paper": paper, "data": data})


def splits() -> Splits:
    draw = np.random.Generator(np.random.Philox(5))
    features = draw.standard_normal((90, 40))
    labels = features[:, :10].argmax(axis=1)
    ids = np.array([f"row-{i}" for i in range(len(labels))])

    def part(rows: slice) -> Examples:
        return Examples(ids[rows], features[rows], labels[rows])

    return Splits("rows", part(slice(0, 60)), part(slice(75, 90)), part(slice(60, 75)), classes=10)


def leg(text: str, folder: Path, model: str) -> dict | None:
    name, _, rest = text.rpartition("/")
    what, trainer = rest.split(":")
    out = folder / (name or rest.replace(":", "-"))
    out.mkdir(parents=True, exist_ok=True)
    config = compose(model, trainer)
    stop = int(what.removeprefix("stop")) if what.startswith("stop") else None
    kill = int(what.removeprefix("kill")) if what.startswith("kill") else None
    seen = [0]

    def progress(step: int) -> None:
        seen[0] = step
        if step == kill:
            print(json.dumps([other.pid for other in multiprocessing.active_children()]), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    data = splits()
    try:
        run = run_cell(config, data, out, {}, progress, lambda: stop is not None and seen[0] >= stop)
    except Interrupted:
        return None
    assert run is not None
    kept = ("loss_chain_sha256", "weights_sha256", "metrics", "evaluations", "selection", "test_readings", "status")
    identity = cell_id(config.plain(), ENGINE_VERSION, "code", data.fingerprints())
    return {"cell_id": identity, **{key: run[key] for key in kept}}


def main() -> None:
    folder, model, *legs = sys.argv[1:]
    print(json.dumps([leg(text, Path(folder), model) for text in legs]))


if __name__ == "__main__":
    main()
