"""Metrics: one number per test example; the reported value is their mean in double precision.

Each says whether higher is better, and refuses outputs and labels that it would otherwise compare by broadcasting.
"""

import copy

import torch
from torch import nn

from mlintern.core.errors import UserError
from mlintern.engine import losses
from mlintern.engine.protocols import Loss


class Accuracy:
    """Share of examples that are given their label; ties go to the lowest class index.

    Classes: the highest of the outputs [n, classes, places...] against class indices [n, places...], the mean over an
    example's places. One output an example against two labels (0 and 1, or -1 and 1): above `threshold` says yes.
    Many yes-or-no labels [n, k]: an example counts when all of its labels are right. `threshold` is 0, as for logits,
    or 0.5 beside a loss over probabilities, and is to be given beside a loss over numbers; beside a cross entropy,
    labels [n, classes] are class probabilities.
    """

    name = "accuracy"
    higher_is_better = True

    def __init__(self, threshold: float | None = None):
        self.threshold = threshold
        self.criterion: Loss | None = None
        self.over_classes = False
        self.ignored: int | None = None

    def beside(self, criterion: Loss) -> "Accuracy":
        """This metric beside the loss whose outputs it is given."""
        inner = criterion.inner if isinstance(criterion, losses.Aligned) else criterion
        made = copy.copy(self)
        made.criterion = inner
        made.over_classes = isinstance(inner, nn.CrossEntropyLoss | nn.NLLLoss | nn.MultiMarginLoss)
        made.ignored = getattr(inner, "ignore_index", None) if made.over_classes else None
        return made

    def per_example(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Outputs and labels of a batch to the share [n] of each example's labels that are right."""
        if outputs.ndim < 1 or len(outputs) != len(targets):
            raise self.unfit(outputs, targets)
        if outputs.ndim > 1 and outputs.shape[1] > 1:
            if outputs.shape == targets.shape:
                return self._same_shape(outputs, targets)
            if (labels := self._places(outputs, targets)) is not None:
                right = (outputs.argmax(dim=1) == labels).to(torch.float64)
                if right.ndim == 1:
                    return right * self._counted(labels).double() if self.ignored is not None else right
                counted = self._counted(labels).double()
                return (right * counted).flatten(1).sum(dim=1) / counted.flatten(1).sum(dim=1).clamp_min(1)
        elif outputs.numel() == targets.numel() == len(outputs):
            return (self._yes(outputs.flatten()) == self._true(targets.flatten())).to(torch.float64)
        raise self.unfit(outputs, targets)

    def weights(self, targets: torch.Tensor) -> torch.Tensor:
        """[n] how many labels of each example count: those that the loss does not ignore."""
        return self._counted(targets).double().reshape(len(targets), -1).sum(dim=1)

    def check_labels(self, outputs: torch.Tensor, targets: torch.Tensor, part: str) -> None:
        """Refuse labels of a part that one output, or several, cannot say yes or no to."""
        as_classes = outputs.ndim > 1 and outputs.shape[1] > 1 and outputs.shape[1:] != targets.shape[1:]
        if as_classes:
            kept = targets[self._counted(targets)]
            top = int(kept.max()) if kept.numel() else 0
            if top >= outputs.shape[1] or (kept.numel() and kept.min() < 0) or (kept != kept.round()).any():
                raise UserError(
                    f"metrics.{self.name}: labels of {part} {losses.shape(targets)} are no class indices below "
                    f"{outputs.shape[1]}, the number of outputs {losses.shape(outputs)}; for numbers use "
                    "metrics=squared_error"
                )
        elif not (outputs.ndim > 1 and outputs.shape[1] > 1 and self.over_classes):
            values = torch.unique(targets).tolist()
            if not ({*values} <= {0, 1} or {*values} <= {-1, 1}):
                raise UserError(
                    f"metrics.{self.name}: outputs {losses.shape(outputs)} say yes or no, and the labels of {part} "
                    f"{losses.shape(targets)} are not 0 and 1, nor -1 and 1; for numbers use metrics=squared_error, "
                    "for classes give the model one output each (model.*)"
                )
            if self._limit(outputs) is None:
                raise UserError(
                    f"metrics.{self.name}: nothing tells above which number outputs {losses.shape(outputs)} say yes, "
                    f"beside loss {type(self.criterion).__name__}; say +metrics.{self.name}.threshold=0.5 where they "
                    "are brought to 0 and 1, 0 for -1 and 1 and for logits, or use a loss over classes"
                )

    def unfit(self, outputs: torch.Tensor, targets: torch.Tensor) -> UserError:
        """What is said where the two have no right reading."""
        return UserError(
            f"metrics.{self.name}: outputs {losses.shape(outputs)} and labels {losses.shape(targets)} do not fit; it "
            "wants outputs [n, classes, places...] and class indices [n, places...], or one output for each label; "
            "change the model's outputs (model.*), data.source's labels or the metric (metrics=squared_error)"
        )

    def _counted(self, labels: torch.Tensor) -> torch.Tensor:
        return torch.ones_like(labels, dtype=torch.bool) if self.ignored is None else labels != self.ignored

    def _limit(self, outputs: torch.Tensor | None = None) -> float | None:
        return losses.threshold(self.criterion, outputs) if self.threshold is None else self.threshold

    def _yes(self, outputs: torch.Tensor) -> torch.Tensor:
        return outputs > (self._limit() or 0.0)

    def _true(self, targets: torch.Tensor) -> torch.Tensor:
        if not ((targets == 0) | (targets.abs() == 1)).all():
            raise UserError(
                f"metrics.{self.name}: outputs that say yes or no beside labels {losses.shape(targets)} that are not 0 "
                "and 1, nor -1 and 1; for numbers use metrics=squared_error"
            )
        return targets > 0

    def _same_shape(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self.over_classes:
            right = (outputs.argmax(dim=1) == targets.argmax(dim=1)).to(torch.float64)
            return right if right.ndim == 1 else right.flatten(1).mean(dim=1)
        return (self._yes(outputs) == self._true(targets)).flatten(1).all(dim=1).to(torch.float64)

    @staticmethod
    def _places(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor | None:
        """The labels in the shape of the outputs' places, where that is a matter of axes of one place alone."""
        places = (len(outputs), *outputs.shape[2:])
        if targets.shape == places:
            return targets
        bare = [size for size in targets.shape[1:] if size != 1]
        return targets.reshape(places) if bare == [size for size in places[1:] if size != 1] else None


class SquaredError:
    """Squared difference per example, averaged over output dimensions (their mean is the MSE)."""

    name = "squared_error"
    higher_is_better = False

    def per_example(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Outputs [n, ...] and targets of the same shape, axes of one place aside, to squared errors [n]."""
        targets = losses.paired(outputs, targets, f"metrics.{self.name}")
        difference = outputs.reshape(len(outputs), -1).double() - targets.reshape(len(targets), -1).double()
        return difference.square().mean(dim=1)
