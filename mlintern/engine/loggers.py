"""Loggers (config group `logger`): csv, TensorBoard, W&B. They are told numbers and can change none."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from mlintern.errors import UserError


class Logger(Protocol):
    """Takes the learning curve as it comes."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Note {name: value} at `step`."""
        ...

    def close(self, metrics: Mapping[str, Mapping[str, float]]) -> None:
        """Note the final {split: {name: value}} and finish."""
        ...


class Silent:
    """No logger: the record holds the curve anyway."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        pass

    def close(self, metrics: Mapping[str, Mapping[str, float]]) -> None:
        pass


class Csv:
    """`curve.csv` with the columns step, name, value; a resumed run appends."""

    def __init__(self, folder: Path):
        self.handle = open(folder / "curve.csv", "a", newline="")  # noqa: SIM115 - closed in close()
        self.writer = csv.writer(self.handle)
        if self.handle.tell() == 0:
            self.writer.writerow(["step", "name", "value"])

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.writer.writerows([step, name, repr(value)] for name, value in values.items())
        self.handle.flush()

    def close(self, metrics: Mapping[str, Mapping[str, float]]) -> None:
        self.handle.close()


class TensorBoard:
    """Event files in `tensorboard/`."""

    def __init__(self, folder: Path):
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(str(folder / "tensorboard"))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self, metrics: Mapping[str, Mapping[str, float]]) -> None:
        self.writer.close()


class WandB:
    """Weights & Biases; `mode` is online, offline or disabled. A cell is one run, named by its id."""

    def __init__(self, folder: Path, project: str, mode: str):
        import wandb

        self.run = wandb.init(
            project=project,
            mode=mode,  # type: ignore[arg-type]
            dir=str(folder),
            id=folder.name[:32],
            resume="allow",
            settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def close(self, metrics: Mapping[str, Mapping[str, float]]) -> None:
        self.run.summary.update({f"final/{part}/{k}": v for part, row in metrics.items() for k, v in row.items()})
        self.run.finish()


def make(config: Mapping[str, Any], folder: Path) -> Logger:
    """The logger that the config names."""
    kind = config["kind"]
    if kind == "none":
        return Silent()
    if kind == "csv":
        return Csv(folder)
    if kind == "tensorboard":
        return TensorBoard(folder)
    if kind == "wandb":
        if config["mode"] not in ("online", "offline", "disabled"):
            raise UserError(f"logger.mode={config['mode']}: choose online, offline or disabled")
        return WandB(folder, config["project"], config["mode"])
    raise UserError(f"logger.kind={kind}: choose none, csv, tensorboard or wandb")
