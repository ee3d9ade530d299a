"""One run of a plain Lightning Trainer, set up as its documentation recommends for reproducible results.

`seed_everything(seed, workers=True)`, `Trainer(deterministic=True)`, persistent loader workers as its performance hints
ask for, a ModelCheckpoint with `save_last` at every step, and `fit(ckpt_path="last")` to go on after a kill. A last
checkpoint that a kill left unreadable is deleted, so that the run starts over. Same models, data, batch size and rate.
"""

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.repro_matrix import subjects


def train(job: dict[str, Any], started: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Train (or go on training) in `job["folder"]`; `started` is called after the first step."""
    import logging

    import lightning
    import numpy as np
    import torch
    from lightning.pytorch.callbacks import ModelCheckpoint
    from papers.repro_matrix import modules
    from torch.utils.data import DataLoader, Dataset, TensorDataset
    from torchmetrics.classification import MulticlassAccuracy

    from mlintern.engine.weights import weights_sha256

    warnings.filterwarnings("ignore")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    options = job.get("options", {})
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    lightning.seed_everything(subjects.SEED, workers=True, verbose=False)
    splits = subjects.splits(Path(job["data"]))
    inputs = {part: torch.from_numpy(x.astype(np.float32)) for part, x in splits.transformed().items()}
    targets = {part: torch.from_numpy(examples.labels.astype(np.int64)) for part, examples in splits.parts().items()}

    class Noisy(Dataset):
        def __len__(self) -> int:
            return len(inputs["train"])

        def __getitem__(self, row: int) -> Any:
            x = inputs["train"][row]
            return x + subjects.NOISE * torch.randn_like(x), targets["train"][row]

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = getattr(modules, subjects.SUBJECTS[job["subject"]])(unused=options.get("unused"))
            self.criterion = torch.nn.CrossEntropyLoss()
            self.losses: list[float] = []
            if options.get("metrics", True):
                self.accuracy = MulticlassAccuracy(modules.CLASSES)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.criterion(self.model(batch[0]), batch[1])
            self.losses.append(float(loss))
            self.log("train_loss", loss)
            return loss

        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            started()
            if self.trainer.global_step == options.get("stop"):
                self.trainer.should_stop = True

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            outputs = self.model(batch[0])
            self.log("valid_loss", self.criterion(outputs, batch[1]))
            if options.get("metrics", True):
                self.accuracy(outputs, batch[1])
                self.log("valid_accuracy", self.accuracy)

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=subjects.RATE)

    devices, accumulate = options.get("devices", 1), options.get("accumulate", 1)
    workers = options.get("workers", 0)
    loader = DataLoader(
        Noisy(),
        batch_size=subjects.BATCH // (devices * accumulate),
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )
    checkpoint = ModelCheckpoint(folder, save_last=True, every_n_train_steps=1)
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=devices,
        strategy="ddp_fork" if devices > 1 else "auto",
        accumulate_grad_batches=accumulate,
        deterministic=True,
        max_steps=subjects.STEPS,
        default_root_dir=folder,
        logger=logger(options.get("logger"), folder),
        callbacks=[checkpoint] if job.get("checkpoint") else [],
        enable_checkpointing=bool(job.get("checkpoint")),
        enable_progress_bar=options.get("progress", False),
        enable_model_summary=False,
        **options.get("trainer", {}),
    )
    module = Module()
    validation = DataLoader(TensorDataset(inputs["valid"], targets["valid"]), batch_size=subjects.BATCH)
    last = folder / "last.ckpt"
    resuming = last.exists()
    if resuming:
        try:
            torch.load(last, weights_only=False)
        except (RuntimeError, EOFError, OSError, ValueError):
            last.unlink()
            resuming = False
    trainer.fit(module, loader, validation, ckpt_path="last" if resuming else None, weights_only=False)
    if trainer.global_step < subjects.STEPS:
        return {}
    whole = not resuming and devices == 1 and accumulate == 1
    losses = np.array(module.losses, np.float32).tobytes()
    kept = {name: t for name, t in module.model.state_dict().items() if not name.startswith("unused.")}
    return {"losses": hashlib.sha256(losses).hexdigest() if whole else None, "weights": weights_sha256(kept)}


def logger(kind: str | None, folder: Path) -> Any:
    """Lightning's own logger of that kind."""
    from lightning.pytorch import loggers

    if kind == "csv":
        return loggers.CSVLogger(folder)
    if kind == "tensorboard":
        return loggers.TensorBoardLogger(folder)
    if kind == "wandb":
        return loggers.WandbLogger(save_dir=folder, offline=True, project="matrix")
    return False
