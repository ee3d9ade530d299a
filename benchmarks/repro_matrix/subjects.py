"""What is trained: three subjects on one dataset, and one configuration of each side that every row varies."""

import functools
import sys
from pathlib import Path
from typing import Any

from mlintern.config import Composer, Config
from mlintern.data.splits import Splits

HERE = Path(__file__).parent
if str(HERE) not in sys.path:
    sys.path.append(str(HERE))  # where papers/repro_matrix/ is

SLUG = "repro_matrix"
SUBJECTS = {"mlp": "MLP", "cnn": "CNN", "transformer": "Transformer"}
"""{subject: its class}. All have dropout; the CNN has batch norms; all are augmented with noise."""
SEED, STEPS, BATCH, RATE, NOISE = 5, 33, 32, 0.003, 0.1
"""330 rows are held to train on: eleven batches an epoch, the last of ten rows; three epochs."""


@functools.cache
def base() -> dict[str, Any]:
    """The engine's configuration, composed as for any run; the subject's own parts are put in by `config`."""
    with Composer("arxiv_2011_14439") as composer:
        composed, _ = composer.compose(["model=mlp", f"seed={SEED}", "augment=gaussian_noise", "determinism=strict"])
    return composed.plain()


def config(subject: str, **options: Any) -> Config:
    """The composed configuration of one run; see `ours.Options` for what may vary."""
    module = f"papers.{SLUG}.modules"
    start = base()
    data = {"name": "waves", "source": {"_target_": f"{module}.Waves"}, "view": None, "classes": 6}
    preprocess = {"_target_": "mlintern.data.preprocess.Standardise", "per_feature": False}
    choice = {} if options.get("metrics", True) else {"metric": "loss", "mode": "min"}
    changed = {
        "paper": {**start["paper"], "slug": SLUG},
        "model": {"_target_": f"{module}.{SUBJECTS[subject]}", "unused": options.get("unused")},
        "data": {**data, "preprocess": preprocess, "num_workers": options.get("workers", 0)},
        "optimizer": {**start["optimizer"], "lr": RATE},
        "augment": {**start["augment"], "scale": NOISE},
        "metrics": start["metrics"] if options.get("metrics", True) else {},
        "protocol": {**start["protocol"], **choice, "valid_fraction": 0.2, "select_on": "last"},
        "trainer": {
            **start["trainer"],
            "max_steps": STEPS,
            "batch_size": BATCH,
            "eval_every": options.get("eval_every", 11),
            "order": "reshuffled",
            "devices": options.get("devices", 1),
            "shards": options.get("shards", 1),
        },
        "logger": options.get("logger", {"kind": "none"}),
        "run": {**start["run"], "checkpoint_seconds": 0.0},
    }
    return Config.from_plain(start | changed)


def prepare(folder: Path) -> None:
    """Build the dataset once; every run of either side reads it from here."""
    from papers.repro_matrix.modules import Waves

    from mlintern.data.prepare import prepare as build

    build(Waves(), folder)


def splits(folder: Path) -> Splits:
    """The dataset as both sides see it: standardised on train, a fifth of train held out."""
    from mlintern.data.prepare import load_parts, make_splits
    from mlintern.data.preprocess import Standardise
    from mlintern.data.protocol import EvaluationProtocol

    protocol = EvaluationProtocol("matrix", ("train",), 0.2, "last")
    return make_splits("waves", load_parts(folder), protocol, preprocessor=Standardise(per_feature=False), classes=6)
