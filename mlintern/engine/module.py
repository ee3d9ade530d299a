"""CellModule: a variant, its loss, method and optimizer as an ordinary LightningModule.

The engine's loop runs it over Fabric; a plain `lightning.Trainer` can fit it as well (with Trainer's guarantees, which
are weaker).
"""

from collections.abc import Callable
from typing import Any

import lightning
import torch

from mlintern.engine.protocols import Loss, Method, Metric, Schedule, StepContext
from mlintern.engine.shards import Share, by_examples


class CellModule(lightning.LightningModule):
    """One cell's training as a LightningModule; batches are (inputs [batch, ...], targets [batch])."""

    def __init__(
        self,
        model: torch.nn.Module,
        criterion: Loss,
        method: Method,
        metrics: list[Metric],
        make_optimizer: Callable[..., torch.optim.Optimizer],
        schedule: Schedule,
        seed: int,
        steps_per_epoch: int,
        max_steps: int,
    ):
        super().__init__()
        self.model = model
        self.criterion = criterion
        self.method = method
        self.metrics = metrics
        self.make_optimizer = make_optimizer
        self.schedule = schedule
        self.seed = seed
        self.steps_per_epoch = steps_per_epoch
        self.max_steps = max_steps
        self.share: Share = by_examples
        """What a shard's loss counts in its batch's; a loss that is no mean over examples has its own."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs [batch, ...] to outputs [batch, ...]."""
        return self.model(inputs)

    def training_step(self, batch: Any, step: int, shard: int = 0) -> torch.Tensor:
        """Scalar loss of one batch; `step` counts from the start of training."""
        context = StepContext(self.seed, step, step // self.steps_per_epoch, shard)
        return self.method.loss(self.model, self.criterion, batch[0], batch[1], context)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Logs loss and metrics; used by a plain Trainer only (the engine's loop evaluates by itself)."""
        outputs = self(batch[0])
        self.log("valid_loss", self.criterion(outputs, batch[1]))
        for metric in self.metrics:
            self.log(f"valid_{metric.name}", metric.per_example(outputs, batch[1]).mean().float())

    def configure_optimizers(self) -> Any:
        """The optimizer, with the schedule as a LambdaLR for a plain Trainer."""
        optimizer = self.make_optimizer(self.model.parameters())
        factor = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: self.schedule.factor(step, self.max_steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": factor, "interval": "step"}}
