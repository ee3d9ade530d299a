"""Losses: how labels are read beside outputs, and what a batch weighs in the loss of a whole part.

torch broadcasts [n, 1] against [n] to [n, n], takes [n, k] labels for class probabilities whatever they sum to, and
divides a mean by weights that differ from batch to batch. So for each of torch's losses this file says which one
reading outputs and labels have (`read`), which values labels may take (`check_labels`), and by what a batch counts
(`weight`). What has no right reading is refused in a line that names both shapes and the key to change. A loss of a
pack's own is called as it is; `trial` finds out what it is.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import nn

from mlintern.core.errors import UserError
from mlintern.engine.instantiate import build
from mlintern.engine.protocols import Loss

Kind = Literal["mean", "weighted", "sum", "unknown"]
"""The mean over examples; a mean by weights that a batch's labels tell; a sum; or what only calling it can tell."""

_PAIRED = (
    *(nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.PoissonNLLLoss, nn.KLDivLoss),
    *(nn.SoftMarginLoss, nn.HingeEmbeddingLoss, nn.BCELoss, nn.BCEWithLogitsLoss, nn.MultiLabelSoftMarginLoss),
)
"""A number of the labels for every output."""
_INDEXED = (nn.CrossEntropyLoss, nn.NLLLoss, nn.MultiMarginLoss)
"""A class index for every place of the outputs [n, classes, places...]."""
_BINARY = (nn.BCELoss, nn.BCEWithLogitsLoss)
_SIGNED = (nn.SoftMarginLoss, nn.HingeEmbeddingLoss)
_SUMS_TO_ONE = 1e-3
_ROUNDED = 0.02
"""How far a model's probabilities may be from a sum of 1; in bfloat16 they are not exact."""


def make(config: Mapping[str, Any]) -> Loss:
    """The loss of a composed config; lists of weights become tensors."""
    given = {
        key: torch.tensor(value, dtype=torch.get_default_dtype())
        if key in ("weight", "pos_weight") and isinstance(value, list | tuple)
        else value
        for key, value in config.items()
    }
    if config.get("reduction") not in (None, "mean", "sum") and str(config.get("_target_")).startswith("torch.nn."):
        raise UserError(
            f"loss.reduction={config['reduction']}: a step needs one number; choose mean (each example counts alike) "
            "or sum"
        )
    criterion: Loss = build(given, "loss")
    return criterion


def kind(criterion: Loss) -> Kind:
    """What is known of a loss without calling it."""
    if isinstance(criterion, Aligned):
        return kind(criterion.inner)
    if callable(getattr(criterion, "weight_of", None)):
        return "weighted"
    if type(criterion) not in (*_PAIRED, *_INDEXED, nn.MultiLabelMarginLoss):
        return "unknown"
    if criterion.reduction == "sum":  # type: ignore[attr-defined]
        return "sum"
    return "weighted" if type(criterion) in (nn.CrossEntropyLoss, nn.NLLLoss) else "mean"


def weight(criterion: Loss, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor | int:
    """What a batch counts in the mean over a part, in examples: `len(targets)` for a mean over examples.

    Of `outputs` [batch, ...] only shape and type are looked at; `targets` are as `read` gave them.
    """
    if isinstance(criterion, Aligned):
        return weight(criterion.inner, outputs, criterion.read(outputs, targets))
    own = getattr(criterion, "weight_of", None)
    if callable(own):
        return torch.as_tensor(own(targets)).double()
    if type(criterion) not in (nn.CrossEntropyLoss, nn.NLLLoss) or targets.is_floating_point():
        return len(targets)
    by_class: torch.Tensor | None = criterion.weight  # type: ignore[attr-defined]
    counted = targets != criterion.ignore_index  # type: ignore[attr-defined]
    if by_class is None:
        each = counted.double()
    else:
        each = torch.where(counted, by_class.to(targets.device).double()[targets.where(counted, 0)], 0.0)
    return each.sum() / max(1, targets[:1].numel())


def read(criterion: Loss, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The labels as one of torch's losses reads them beside such outputs; a loss of a pack's own gets them as they are.

    Raises UserError where there is no one right reading.
    """
    if type(criterion) in _PAIRED:
        return paired(outputs, targets, "loss").to(outputs.dtype)
    if type(criterion) is nn.MultiLabelMarginLoss:
        return paired(outputs, targets, "loss").long()
    if type(criterion) in _INDEXED:
        return _indexed(criterion, outputs, targets)
    return targets.to(outputs.dtype) if targets.is_floating_point() else targets


def paired(outputs: torch.Tensor, targets: torch.Tensor, where: str) -> torch.Tensor:
    """Labels in the shape of outputs that have as many numbers for each example, axes of one place aside."""
    if outputs.shape == targets.shape:
        return targets
    if outputs.ndim and targets.ndim and len(outputs) == len(targets) and _bare(outputs) == _bare(targets):
        return targets.reshape(outputs.shape)
    raise UserError(
        f"{where}: the model's outputs {shape(outputs)} and the labels {shape(targets)} are not a number for each "
        f"number{_advice(outputs, targets)}"
    )


def _advice(outputs: torch.Tensor, targets: torch.Tensor) -> str:
    wanted = math.prod(targets.shape[1:])
    if targets.ndim == 1 and not targets.is_floating_point() and outputs.ndim == 2:
        return "; labels that are classes want a loss over classes (loss=cross_entropy), or a model with one output"
    return f"; give the model {wanted} output{'s' * (wanted > 1)} an example (model.*), or change data.source's labels"


def _bare(tensor: torch.Tensor) -> list[int]:
    """The shape of an example without axes of one place."""
    return [size for size in tensor.shape[1:] if size != 1]


def _indexed(criterion: Loss, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Class indices [n, places...] as whole numbers, or, for a cross entropy, class probabilities [n, classes, ...]."""
    name = type(criterion).__name__
    if outputs.ndim < 2 or outputs.shape[1] == 1:
        raise UserError(
            f"loss: {name} over outputs {shape(outputs)} beside labels {shape(targets)} has one class to choose from; "
            "for one output an example use loss._target_=torch.nn.BCEWithLogitsLoss with ~loss.label_smoothing (two "
            "classes) or loss=mse (a number), or give the model one output for each class (model.*)"
        )
    if type(criterion) is nn.CrossEntropyLoss and outputs.shape == targets.shape:
        return targets.to(outputs.dtype)
    places = (len(outputs), *outputs.shape[2:])
    if targets.shape != places:
        if len(targets) != len(outputs) or _bare(targets) != [size for size in places[1:] if size != 1]:
            raise UserError(
                f"loss: {name} reads outputs as [n, classes, places...] and wants labels {list(places)} for outputs "
                f"{shape(outputs)}; these labels are {shape(targets)}{_classes_last(outputs, targets)}"
            )
        targets = targets.reshape(places)
    return targets.long()


def _classes_last(outputs: torch.Tensor, targets: torch.Tensor) -> str:
    if outputs.shape[:-1] == targets.shape:
        return "; the classes come second: let the model give outputs.movedim(-1, 1)"
    if targets.ndim == 2 and outputs.ndim == 2:
        return (
            "; for many labels an example use loss._target_=torch.nn.BCEWithLogitsLoss with ~loss.label_smoothing, and "
            f"a model with {targets.shape[1]} outputs (model.*)"
        )
    return "; change the shape of the model's outputs (model.*) or of the labels (data.source)"


def check_labels(criterion: Loss, outputs: torch.Tensor, targets: torch.Tensor, part: str, key: str) -> None:
    """Refuse labels that a loss of torch's would take for something else, or that are no classes of the model's.

    `targets` are all of a part, as they are in the data; `outputs` is any batch of the model's, and `key` the place in
    the configuration that sets the number of outputs.
    """
    if targets.is_floating_point() and not torch.isfinite(targets).all():
        raise UserError(f"data.source: labels of {part} are NaN or infinite; drop these examples in the source")
    if kind(criterion) == "unknown" or isinstance(criterion, Aligned):
        return
    as_read = read(criterion, outputs[:1].expand(len(targets), *outputs.shape[1:]), targets)
    low, high = as_read.min().item(), as_read.max().item()
    if type(criterion) in _INDEXED and as_read.is_floating_point():
        _check_probabilities(as_read, targets, part)
    elif type(criterion) in _INDEXED:
        _check_classes(criterion, outputs, targets, as_read, part, key)
    elif type(criterion) in _BINARY and (low < 0 or high > 1):
        raise UserError(
            f"loss: {type(criterion).__name__} reads labels as probabilities, and those of {part} go from {low:g} to "
            f"{high:g}; for classes use loss=cross_entropy, for numbers loss=mse"
        )
    elif type(criterion) in (nn.PoissonNLLLoss, nn.KLDivLoss) and low < 0 and not getattr(criterion, "log_target", 0):
        wants = "counts" if type(criterion) is nn.PoissonNLLLoss else "probabilities"
        raise UserError(
            f"loss: {type(criterion).__name__} reads labels as {wants}, and those of {part} go down to {low:g}; for "
            "numbers use loss=mse"
        )
    elif type(criterion) in _SIGNED and not ((as_read == 1) | (as_read == -1)).all():
        raise UserError(
            f"loss: {type(criterion).__name__} reads labels as -1 and 1, and those of {part} go from {low:g} to "
            f"{high:g}; for labels 0 and 1 use loss._target_=torch.nn.BCEWithLogitsLoss"
        )
    elif type(criterion) is nn.MultiLabelMarginLoss and (low < -1 or high >= outputs.shape[-1]):
        raise UserError(f"loss: class indices of {part} go from {low} to {high}, outputs are {shape(outputs)}; {key}")
    by_class = getattr(criterion, "weight", None)
    if type(criterion) in _INDEXED and by_class is not None and len(by_class) != outputs.shape[1]:
        raise UserError(
            f"loss.weight: {len(by_class)} weights for outputs {shape(outputs)}; give one for each of the "
            f"{outputs.shape[1]} classes"
        )


def check_classes(criterion: Loss, outputs: torch.Tensor, classes: int, key: str) -> None:
    """Refuse a model with fewer outputs than the data have classes, whether or not training meets them all."""
    if type(criterion) in _INDEXED and outputs.shape[1] < classes:
        raise UserError(
            f"{key}: the model gives {outputs.shape[1]} outputs an example {shape(outputs)}, and the data have "
            f"{classes} classes; give it as many"
        )


def check_outputs(criterion: Loss, outputs: torch.Tensor) -> None:
    """Refuse outputs that a loss of torch's takes for logarithms of probabilities, and that are none."""
    inner = criterion.inner if isinstance(criterion, Aligned) else criterion
    if type(inner) not in (nn.NLLLoss, nn.KLDivLoss) or outputs.ndim < 2 or outputs.shape[1] < 2:
        return
    sums = outputs.double().exp().sum(dim=1 if type(inner) is nn.NLLLoss else -1)
    if (sums - 1).abs().max() > _ROUNDED:
        instead = "loss=cross_entropy over logits" if type(inner) is nn.NLLLoss else "outputs.log_softmax(-1)"
        raise UserError(
            f"loss: {type(inner).__name__} reads outputs {shape(outputs)} as logarithms of class probabilities, and "
            f"their probabilities sum to {sums.flatten()[0].item():.3g}; use {instead}, or end the model in log_softmax"
        )


def notes(criterion: Loss, outputs: torch.Tensor) -> list[str]:
    """Notes on outputs that one of torch's losses may not read as they are meant."""
    inner = criterion.inner if isinstance(criterion, Aligned) else criterion
    found, given = [], f"{type(inner).__name__} takes logits, and outputs {shape(outputs)}"
    low, high = outputs.min().item(), outputs.max().item()
    sums = outputs.double().sum(dim=1) if outputs.ndim > 1 else outputs
    if type(inner) is nn.CrossEntropyLoss and low >= 0 and (sums - 1).abs().max() <= _SUMS_TO_ONE:
        found.append(f"{given} are probabilities that sum to 1; where that is not meant, leave the softmax out")
    if type(inner) is nn.BCEWithLogitsLoss and 0 <= low < high <= 1:
        found.append(
            f"{given} all lie from 0 to 1, as probabilities do; where that is not meant, leave the sigmoid out"
        )
    if type(inner) in _INDEXED and outputs.ndim > 2 and outputs.shape[1] == outputs.shape[-1]:
        found.append(
            f"outputs {shape(outputs)} are read as [n, classes, places...], and their last axis is as long as that of "
            "the classes; where the classes come last, give outputs.movedim(-1, 1)"
        )
    return [f"loss: {note}" for note in found]


def _check_probabilities(as_read: torch.Tensor, targets: torch.Tensor, part: str) -> None:
    off = (as_read.sum(dim=1) - 1).abs().max().item()
    if as_read.min() < 0 or off > _SUMS_TO_ONE:
        raise UserError(
            f"loss: CrossEntropyLoss reads labels {shape(targets)} as class probabilities, and those of {part} do not "
            "sum to 1; for many labels an example use loss._target_=torch.nn.BCEWithLogitsLoss with "
            "~loss.label_smoothing"
        )


def _check_classes(
    criterion: Loss, outputs: torch.Tensor, targets: torch.Tensor, as_read: torch.Tensor, part: str, key: str
) -> None:
    ignored = getattr(criterion, "ignore_index", None)
    kept = as_read if ignored is None else as_read[as_read != ignored]
    if targets.is_floating_point() and (targets != targets.round()).any():
        raise UserError(
            f"loss: {type(criterion).__name__} wants class indices, and the labels of {part} {shape(targets)} are "
            "numbers with fractions; for a regression use loss=mse metrics=squared_error"
        )
    if not kept.numel():
        raise UserError(f"data.source: every label of {part} is loss.ignore_index={ignored}: nothing counts")
    low, high = int(kept.min()), int(kept.max())
    if low < 0:
        raise UserError(
            f"data.source: class indices of {part} go from {low} to {high}; number the classes from 0, or name the one "
            f"that is left out (loss.ignore_index={low})"
        )
    if high >= outputs.shape[1]:
        raise UserError(
            f"{key}: the model gives {outputs.shape[1]} outputs an example {shape(outputs)}, and labels of {part} "
            f"{shape(targets)} go up to {high}; it needs {high + 1}"
        )


class Aligned(nn.Module):
    """A loss that is given its labels as it reads them, where the data have them otherwise."""

    def __init__(self, inner: Loss):
        super().__init__()
        self.inner = inner

    def read(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The labels in the reading of one of torch's losses, or in the shape of the outputs."""
        if kind(self.inner) == "unknown":
            return paired(outputs, targets, "loss").to(outputs.dtype)
        return read(self.inner, outputs, targets)

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss of outputs [batch, ...] and labels as the data have them."""
        return self.inner(outputs, self.read(outputs, targets))


_NUMBERS = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.PoissonNLLLoss, nn.KLDivLoss)
"""Losses that bring outputs to the labels themselves, 0 and 1 or -1 and 1 as they are."""


def threshold(criterion: Loss | None, outputs: torch.Tensor | None = None) -> float | None:
    """Above which a single output says yes: 0.5 beside a loss over probabilities, 0 for logits; None where nothing
    tells, as beside a loss over numbers and one of a pack's own whose `outputs` may be probabilities.
    """
    inner = criterion.inner if isinstance(criterion, Aligned) else criterion
    own = inner is not None and type(inner) not in (*_PAIRED, *_INDEXED, nn.MultiLabelMarginLoss)
    if type(inner) in _NUMBERS or (own and outputs is not None and 0 <= outputs.min() < outputs.max() <= 1):
        return None
    return 0.5 if type(inner) is nn.BCELoss else 0.0


def shape(tensor: torch.Tensor) -> str:
    """`[50, 2]`"""
    return str(list(tensor.shape))
