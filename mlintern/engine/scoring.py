"""Scoring: a loss and a metric over a whole part, whose batches end where they may.

What a batch says of a loss that is no mean over examples, or of a metric that looks at the batch, depends on where the
batches end. Here the first is taken over the part, and the second refused.
"""

import math
from typing import Any

import torch

from mlintern.core.errors import UserError
from mlintern.engine import losses
from mlintern.engine.protocols import Loss, Metric


def beside(metric: Metric, criterion: Loss) -> Metric:
    """A metric that knows which loss its outputs are trained by, where it asks (`beside`)."""
    told = getattr(metric, "beside", None)
    return told(criterion) if callable(told) else metric


def weights_of(metric: Any, targets: torch.Tensor) -> torch.Tensor:
    """How much each example of a batch counts in a metric that says so (`weights`), [n]; raises UserError for others
    than one number an example, none below 0."""
    weights = metric.weights(targets)
    if isinstance(weights, torch.Tensor) and tuple(weights.shape) == (len(targets),) and not weights.is_complex():
        if weights.isfinite().all() and (weights >= 0).all():
            return weights
    said = losses.shape(weights) if isinstance(weights, torch.Tensor) else f"a {type(weights).__name__}"
    raise UserError(
        f"metrics.{metric.name}: weights gave {said} for labels {losses.shape(targets)}; it must give one finite "
        f"number an example, [{len(targets)}], and none below 0"
    )


class PartLoss:
    """The loss of a whole part, taken batch by batch.

    A mean over examples is summed as one; torch's weighted means, sums and means over what is not ignored by what each
    batch weighs. What a pack's loss is, only calling it on the whole part can tell: the part is kept, and where the
    mean over batches is not the loss of the whole, the whole's it is.
    """

    LARGEST = 1 << 30
    """Bytes of a part that are kept for a loss of a pack's own; beyond that its batches are held against their halves.
    """
    AGREE = 1e-5
    """Two roundings of one float32 mean are no further apart, relatively."""

    def __init__(self, criterion: Loss):
        self.criterion = criterion.inner if isinstance(criterion, losses.Aligned) else criterion
        self.kind = losses.kind(criterion)
        self.rows = 0
        self._values: list[torch.Tensor] = []
        self._weights: list[torch.Tensor] = []
        self._kept: list[tuple[torch.Tensor, torch.Tensor]] | None = [] if self.kind == "unknown" else None
        self._bytes = 0

    def add(self, outputs: torch.Tensor, targets: torch.Tensor) -> None:
        """Take up the next batch: outputs [batch, ...] and targets [batch, ...]."""
        y = as_read(self.criterion, outputs, targets)
        value = scalar(self.criterion(outputs, y)).double()
        if self.kind == "sum":
            self._values.append(value)
        else:
            weight = torch.as_tensor(losses.weight(self.criterion, outputs, y), dtype=torch.float64)
            weight = weight.to(value.device)
            self._weights.append(weight)
            self._values.append(torch.where(weight > 0, value * weight, 0.0))
        self.rows += len(y)
        if self.kind == "unknown":
            self._keep(outputs, targets)

    def value(self) -> float:
        """The loss of everything taken up so far."""
        total = torch.stack(self._values).cpu().sum()
        if self.kind == "sum":
            return float(total)
        if self.kind != "unknown":
            return float(total / torch.stack(self._weights).cpu().sum())
        mean = float(total / self.rows)
        if not self._kept:
            return mean
        whole = self._whole(self._kept)
        return mean if agree(mean, whole) else whole

    @torch.no_grad()
    def _whole(self, kept: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
        outputs, targets = (torch.cat(tensors) for tensors in zip(*kept, strict=True))
        return float(scalar(self.criterion(outputs, as_read(self.criterion, outputs, targets))))

    def _keep(self, outputs: torch.Tensor, targets: torch.Tensor) -> None:
        """Keep a batch while there is room; where there is none left, hold each against its halves."""
        if self._kept is not None:
            self._kept.append((outputs, targets))
            self._bytes += outputs.nbytes + targets.nbytes
            if self._bytes <= self.LARGEST:
                return
            waiting, self._kept = self._kept, None
        else:
            waiting = [(outputs, targets)]
        for x, y in waiting:
            half = len(x) // 2
            parts = [(x[:half], y[:half]), (x[half:], y[half:])] if half else [(x, y)]
            mean = sum(self._whole([part]) * len(part[0]) for part in parts) / len(x)
            if not agree(mean, self._whole([(x, y)])):
                raise UserError(
                    f"loss: {type(self.criterion).__name__} is no mean over examples, and outputs of more than "
                    f"{self.LARGEST >> 20} MiB are too many to score at once; give it weight_of(targets), the sum of "
                    "what its examples weigh, or fewer examples to the data"
                )


class Companies:
    """One metric's values, checked: [n] a batch, and the same for an example in whichever batch it stands."""

    CHECKED = 8
    """Batches of a part in which a metric of a pack's own is held against another batching."""

    def __init__(self, metric: Metric):
        self.metric = metric
        self.own = not type(metric).__module__.startswith("mlintern.engine.")
        self._last: tuple[torch.Tensor, torch.Tensor] | None = None
        self._left = self.CHECKED if self.own else 0

    def values(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """[n] of a batch; halves and brackets are numpy's to average, so they become double precision."""
        values = self._called(outputs, targets)
        if self._left:
            self._left -= 1
            self._compare(outputs, targets, values)
            self._last = outputs[-1:], targets[-1:]
        return values

    def _called(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        values = self.metric.per_example(outputs, targets)
        name, n = self.metric.name, len(targets)
        if not isinstance(values, torch.Tensor) or tuple(values.shape) != (n,) or values.is_complex():
            said = losses.shape(values) if isinstance(values, torch.Tensor) else f"a {type(values).__name__}"
            raise UserError(
                f"metrics.{name}: per_example gave {said} for outputs {losses.shape(outputs)} and labels "
                f"{losses.shape(targets)}; it must give one real number an example, [{n}]"
            )
        return values.double() if values.dtype in (torch.float16, torch.bfloat16) else values

    def _compare(self, outputs: torch.Tensor, targets: torch.Tensor, values: torch.Tensor) -> None:
        half = len(values) // 2
        others = []
        if half:
            others.append((self._called(outputs[half:], targets[half:]), values[half:]))
        if self._last is not None:
            before, labels = self._last
            others.append((self._called(torch.cat([before, outputs]), torch.cat([labels, targets]))[1:], values))
        if not all(alike(a, b) for a, b in others):
            raise self.dependent()

    def dependent(self) -> UserError:
        """What is said of a metric that looks at the batch."""
        return UserError(
            f"metrics.{self.metric.name}: gives an example another value in another batch, so that its mean would hang "
            "on trainer.eval_batch_size; per_example must look at each example alone"
        )


def alike(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Are two tensors the same to the rounding of another order of the sums?"""
    return torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-6, equal_nan=True)


def agree(a: float, b: float) -> bool:
    """Are two numbers one float32 mean, rounded twice? What is not finite agrees with itself."""
    return math.isclose(a, b, rel_tol=PartLoss.AGREE, abs_tol=1e-7) or (not math.isfinite(a) and not math.isfinite(b))


def scalar(value: torch.Tensor) -> torch.Tensor:
    """A loss's value; raises UserError where it is not one number."""
    if not isinstance(value, torch.Tensor) or value.numel() != 1:
        said = losses.shape(value) if isinstance(value, torch.Tensor) else f"a {type(value).__name__}"
        raise UserError(f"loss: gave {said} for a batch; a step needs one number (reduction=mean)")
    return value.reshape(())


def as_read(criterion: Loss, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The labels as they are to be given to a loss beside such outputs."""
    chosen = settled(criterion, outputs, targets)
    return chosen.read(outputs, targets) if isinstance(chosen, losses.Aligned) else targets


def settled(criterion: Loss, outputs: torch.Tensor, targets: torch.Tensor) -> Loss:
    """The loss as it is to be called on such outputs and labels: itself, or `Aligned`.

    torch's own are read by their kind. A pack's own loss that is given [n, 1] and [n] may bring them together itself,
    or have them broadcast to [n, n]: then several examples do not score the mean of each alone. Raises UserError where
    no reading gives that.
    """
    if isinstance(criterion, losses.Aligned):
        return criterion
    if losses.kind(criterion) != "unknown":
        read = losses.read(criterion, outputs, targets)
        return criterion if (read.shape, read.dtype) == (targets.shape, targets.dtype) else losses.Aligned(criterion)
    if outputs.shape == targets.shape or outputs.numel() != targets.numel() or len(outputs) < 2:
        return criterion
    order = targets.flatten(1)[:, 0].argsort() if targets.ndim > 1 else targets.argsort()
    rows = order[torch.linspace(0, len(order) - 1, min(SOME, len(order)), device=order.device).long()]
    some, labels = outputs[rows], targets[rows]
    apart = torch.linspace(-1, 1, some.numel(), dtype=some.dtype, device=some.device).reshape(some.shape)
    for candidate in (criterion, losses.Aligned(criterion)):
        # constant outputs would hide what broadcasting does
        if _each_alone(candidate, some, labels) and _each_alone(candidate, some + apart, labels) is not False:
            return candidate
    raise UserError(
        f"loss: {type(criterion).__name__} on outputs {losses.shape(outputs)} and labels {losses.shape(targets)} is "
        "not the mean over its examples, as when the two are broadcast against each other; bring them to one shape in "
        "the model (outputs.squeeze(1)), in data.source's labels (labels[:, None]) or in the loss"
    )


SOME = 8
"""Examples on which a loss is held against each of them alone."""


def _each_alone(criterion: Loss, outputs: torch.Tensor, targets: torch.Tensor) -> bool | None:
    """Is the loss of a few examples the mean, or the sum, of each one's? None where it cannot be called on them."""
    try:
        together = float(scalar(criterion(outputs, targets)))
        alone = [float(scalar(criterion(outputs[i : i + 1], targets[i : i + 1]))) for i in range(len(targets))]
    except (RuntimeError, ValueError, IndexError, TypeError, UserError):
        return None
    if not math.isfinite(together):
        return None
    return agree(together, sum(alone) / len(alone)) or agree(together, sum(alone))
