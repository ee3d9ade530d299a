"""The trial: before the first step, a cell's model, loss, metrics and labels are tried together on real batches.

A copy of the model runs in eval mode on a full batch, on the shortest that will come, and on one that evaluation takes;
random streams are put back. What torch would broadcast, read otherwise or only fail at in the middle of training ends
here in one line that names both shapes and the key to change. A loss that is no mean over its examples is found by
holding examples against parts of them, and a metric that looks at the batch by giving an example other company.
"""

import contextlib
import copy
import dataclasses
import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from mlintern.core.errors import UserError
from mlintern.core.streams import guard, seeding
from mlintern.engine import losses, reach
from mlintern.engine.methods import Mixup, Supervised
from mlintern.engine.precision import Precision, readable
from mlintern.engine.protocols import Loss, Method, Metric, StepContext
from mlintern.engine.scoring import Companies, agree, alike, as_read, beside, scalar, settled, weights_of
from mlintern.engine.shards import ByWeight, Share, by_examples, whole_share

ROWS = 48
"""Examples on which losses and metrics are held against parts of them."""
LOOKED_AT = 4096
"""Training examples among which one of each class is looked for."""
_MISFITS = (RuntimeError, ValueError, IndexError, TypeError)
"""What torch raises where shapes or types do not fit."""
_RAISED = (*_MISFITS, LookupError, AttributeError, ArithmeticError, AssertionError)
"""What the code of a method may raise beside."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """What is tried: one cell's parts, its data as tensors on the model's device, and the sizes of its batches."""

    model: nn.Module
    criterion: Loss
    method: Method
    metrics: Sequence[Metric]
    inputs: Mapping[str, torch.Tensor]
    """{part: [n, ...]}"""
    targets: Mapping[str, torch.Tensor]
    batch_size: int
    last_batch: int
    """Examples in the shortest batch that training comes to."""
    eval_batch_size: int
    shards: int
    precision: Precision
    seed: int
    device: torch.device
    config: Mapping[str, Any]
    """The composed key `model`, to name what sets its outputs."""
    classes: int = 0
    """How many classes the data have, by what they say (`data.classes`) and by the labels of all parts."""

    @torch.no_grad()
    def run(self) -> "Fitted":
        """How training is to call the loss; raises UserError for what does not fit."""
        check_names(self.metrics)
        if isinstance(self.method, Mixup) and not self.inputs["train"].is_floating_point():
            raise UserError(
                f"method=mixup: mixes inputs, and {losses.shape(self.inputs['train'])} of type "
                f"{self.inputs['train'].dtype} (token ids) cannot be mixed; use method=supervised"
            )
        parts = (self.model, self.criterion, self.method, *self.metrics)
        with (
            guard.on(*parts),
            seeding.fork_torch(self.seed, "trial"),
            guard.STREAMS.of(self.seed, "trial", 0),
        ):
            return dataclasses.replace(self, criterion=_copied(self.criterion))._tried(self.criterion)

    def _tried(self, original: Loss) -> "Fitted":
        check_dropout(self.model)
        model = self._copy()
        sample = self._sample()
        outputs = self._outputs(model, sample)
        labels = self.targets["train"][sample]
        losses.check_labels(self.criterion, outputs, labels, "train", self._outputs_key(outputs))
        losses.check_classes(self.criterion, outputs, self.classes, self._outputs_key(outputs))
        losses.check_outputs(self.criterion, outputs)
        chosen = settled(self.criterion, outputs, self.precision.cast(labels))
        check_pairs(chosen, outputs, self.precision.cast(labels))
        self._outputs(model, torch.arange(1))  # a part may leave one example for its last batch
        notes = self._check_outputs_alone(model, sample, outputs)
        for rows in self._rows():
            self._fit_batch(chosen, self._outputs(model, rows), self.targets["train"][rows])
        self._check_parts(outputs)
        share = self._share(outputs, labels)
        self._check_company(outputs, labels)
        self._train_smallest(model)
        notes += [*losses.notes(self.criterion, outputs), *self._step(model, chosen)]
        return Fitted(losses.Aligned(original) if isinstance(chosen, losses.Aligned) else original, share, notes)

    def _copy(self) -> nn.Module:
        """A copy to try, in the weights' format, so that nothing is left in the model itself."""
        model = _copied(self.model).eval().to(self.device)
        return model if self.precision.dtype == torch.float32 else model.to(self.precision.dtype)

    def _rows(self) -> list[torch.Tensor]:
        """Rows of a full batch, of the shortest that comes, and of one that evaluation takes."""
        n = len(self.targets["train"])
        short = [len(part) % self.eval_batch_size or self.eval_batch_size for part in self.targets.values()]
        evaluated = min(self.eval_batch_size, max(map(len, self.targets.values())))
        sizes = dict.fromkeys(min(n, size) for size in (self.batch_size, min(self.last_batch, *short), evaluated))
        return [torch.arange(size) for size in sizes]

    def _sample(self) -> torch.Tensor:
        """Some training rows, evenly spaced and then the first of each class, so that few are of one kind alone."""
        rows = torch.linspace(0, len(self.targets["train"]) - 1, min(ROWS, len(self.targets["train"]))).long().unique()
        labels = self.targets["train"][:LOOKED_AT]
        if labels.is_floating_point() and labels.unique().numel() > ROWS:
            return rows
        flat = labels.reshape(len(labels), -1)
        firsts = [int((flat == value).any(dim=1).int().argmax()) for value in labels.unique()[:ROWS].tolist()]
        return torch.cat([rows, torch.tensor(firsts)]).unique()

    def _outputs(self, model: nn.Module, rows: torch.Tensor) -> torch.Tensor:
        """The model's outputs [rows, ...] for some training examples, no more at a time than a step or an evaluation
        has: memory that is enough for these is enough for a trial."""
        most = max(-(-self.batch_size // self.shards), self.eval_batch_size)
        return torch.cat([self._outputs_at_once(model, some) for some in rows.split(most)])

    def _outputs_at_once(self, model: nn.Module, rows: torch.Tensor) -> torch.Tensor:
        x = self.precision.cast(self.inputs["train"][rows].to(self.device))
        what = f"model: {type(self.model).__name__} cannot take inputs {losses.shape(x)}: they"
        with self._explained(what, "model.*, data.preprocess or data.view"), self.precision.context(x.device):
            outputs = model(x)
        if not isinstance(outputs, torch.Tensor):
            raise UserError(
                f"model: {type(self.model).__name__} gives a {type(outputs).__name__}; forward must return one tensor "
                "of outputs [n, ...]"
            )
        if outputs.ndim == 0 or len(outputs) != len(x):
            raise UserError(
                f"model: {type(self.model).__name__} gives outputs {losses.shape(outputs)} for inputs "
                f"{losses.shape(x)}; the first axis must stay the batch, with one example too (squeeze(1), not "
                "squeeze())"
            )
        if not outputs.is_floating_point():
            raise UserError(f"model: gives outputs of type {outputs.dtype}; a loss needs real numbers")
        self._check_finite(x, outputs, "in eval mode")
        return readable(outputs).cpu()

    def _check_finite(self, x: torch.Tensor, outputs: torch.Tensor, mode: str) -> None:
        """Outputs at the initial weights are numbers; an infinity may mask a class, and is for the loss to say."""
        if not outputs.isnan().any():
            return
        if x.is_floating_point() and not x.isfinite().all():
            raise UserError(
                "data: inputs of train are NaN or infinite; fill or drop them in data.source or data.preprocess"
            )
        raise UserError(
            f"model: {type(self.model).__name__} gives NaN at its initial weights for inputs that are finite ({mode}); "
            "guard its logarithms, roots and divisions (clamp, eps)"
        )

    def _check_loss(self, loss: torch.Tensor, outputs: torch.Tensor, y: torch.Tensor, what: str, mode: str) -> None:
        """The loss at the initial weights is a number, unless no label of the batch counts in it."""
        if loss.isfinite().all() or not self._counts(outputs, y):
            return
        of = "outputs that are finite" if outputs.isfinite().all() else "outputs that are infinite"
        fix = "the loss" if outputs.isfinite().all() else "the model, or mask by a large negative number"
        raise UserError(
            f"{what} is {loss.item():g} at the initial weights, of {of} ({mode}); guard the logarithms, roots and "
            f"divisions of {fix} (clamp, eps)"
        )

    def _counts(self, outputs: torch.Tensor, y: torch.Tensor) -> bool:
        """Does a label of the batch count in the loss?"""
        try:
            return bool(losses.weight(self.criterion, outputs, losses.read(self.criterion, outputs, y)) > 0)
        except (UserError, *_MISFITS):  # a method's own way to call the model
            return True

    def _check_outputs_alone(self, model: nn.Module, sample: torch.Tensor, before: torch.Tensor) -> list[str]:
        """The model gives an example the same outputs after another batch and in another, but for the rounding of other
        sums; one that draws when it is evaluated (Monte-Carlo dropout) does where it draws the same, and that is noted.
        """
        name, half = type(self.model).__name__, len(sample) // 2
        rounding = 0.05 if "bf16" in self.precision.name else 1e-3

        def given(rows: torch.Tensor) -> torch.Tensor:
            with seeding.fork_torch(self.seed, "trial", 1), guard.STREAMS.of(self.seed, "trial", 1):
                return self._outputs(model, rows).double()

        def apart(a: torch.Tensor, b: torch.Tensor) -> bool:
            return bool((a - b).abs().max() > rounding * a.abs().max())

        outputs = given(sample)
        if apart(outputs, given(sample)):
            raise UserError(
                f"model: {name} gives the same examples other outputs a second time, in eval mode and with the same "
                "draws, so that scores would hang on what it was given before; keep nothing from one call of forward "
                "to the next (a hidden state, a generator of its own) outside of buffers that change in training alone"
            )
        if apart(outputs, before.double()):
            return [
                f"model: {name} draws at evaluation too, so that its scores are those of one draw; where that is not "
                "meant, guard what it draws with self.training (F.dropout(x, p, self.training))"
            ]
        if half and apart(outputs[half:], given(sample[half:])):
            raise UserError(
                f"model: {name} gives an example other outputs in another batch, in eval mode too, so that scores "
                "would hang on trainer.eval_batch_size and on the other examples; compute over axes after the first "
                "(dim=1, not dim=0), and keep running statistics in batch norms"
            )
        return []

    def _train_smallest(self, model: nn.Module) -> None:
        """One example alone, in train mode, where training meets it: a batch norm has no statistics over it."""
        if self.last_batch >= 2 * self.shards or not any(isinstance(m, _BatchNorm) for m in model.modules()):
            return
        x = self.precision.cast(self.inputs["train"][:1].to(self.device))
        model.train()
        try:
            with self.precision.context(x.device):
                model(x)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            one = "the last batch of an epoch" if self.shards == 1 else f"one shard of a batch of {self.last_batch}"
            raise UserError(
                f"trainer.shards={self.shards}, trainer.batch_size={self.batch_size}: {one} has one example, over "
                "which a batch norm has no statistics; choose trainer.batch_size so that every batch, the last of an "
                "epoch too, has at least two examples a shard, or use fewer shards"
            ) from None

    def _step(self, model: nn.Module, criterion: Loss) -> list[str]:
        """A training step's loss and gradients by the method, on one shard of a full batch and of the shortest; what is
        to be said of the gradients."""
        method = _copied(self.method)
        if model is self.model or (method is self.method and type(method) not in (Supervised, Mixup)):
            return []  # of what cannot be copied, a step would leave its traces
        name, context = type(method).__name__, StepContext(self.seed, 0, 0)
        trained = frozenset(key for key, _ in self.model.named_parameters(remove_duplicate=False))
        never = reach.without_gradient(model)
        model.train()
        for size in dict.fromkeys(-(-size // self.shards) for size in (self.batch_size, self.last_batch)):
            rows = torch.arange(size)  # a copy, as a batch is: a model may write into it
            x = self.precision.cast(self.inputs["train"][rows].to(self.device))
            y = self.precision.cast(self.targets["train"][rows].to(self.device))
            given = f"inputs {losses.shape(x)} and labels {losses.shape(y)}"
            with torch.enable_grad(), _Explained(f"method: {name} with {given}: they", "method or model.*", _RAISED):
                with self.precision.context(x.device), _seen(model) as outputs:
                    loss = method.loss(model, criterion, x, y, context)
                if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
                    found = losses.shape(loss) if isinstance(loss, torch.Tensor) else f"a {type(loss).__name__}"
                    raise UserError(
                        f"method: {name} gives {found} for {given}; loss must return one number, the mean over the "
                        "batch (.mean())"
                    )
                if not loss.requires_grad:
                    raise UserError(
                        f"method: {name} gives a loss without a gradient; compute it from model(inputs), without "
                        "detach(), item() or no_grad(), and leave some parameter to train"
                    )
                reach.check(loss, model, trained, criterion, method)
                loss.backward()
            for some in outputs:
                self._check_finite(x, some, "in train mode")
            if outputs:
                self._check_loss(loss.detach(), outputs[0], y, f"method: {name}: the loss", "in train mode")
            if loss.isfinite():
                self._check_gradients(model)
            never &= reach.without_gradient(model)
            model.zero_grad(set_to_none=True)
        return reach.notes(never)

    def _check_gradients(self, model: nn.Module) -> None:
        """Gradients at the initial weights are numbers, where the loss is."""
        named = [name for name, p in model.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
        if named:
            raise UserError(
                f"model: the gradient of {named[0]}{' and others' * (len(named) > 1)} is NaN or infinite at the "
                "initial weights though the loss is finite, as that of a root or a norm at 0 is; add a small number "
                "below the root, in the model or the loss"
            )

    def _fit_batch(self, criterion: Loss, outputs: torch.Tensor, targets: torch.Tensor) -> None:
        """A batch as training and evaluation have it: the loss is one number, each metric one an example."""
        y = targets.to(outputs.dtype) if targets.is_floating_point() else targets
        what = f"loss: {type(self.criterion).__name__} of outputs {losses.shape(outputs)} and labels {losses.shape(y)}"
        with (
            self._explained(what, "loss, the model's outputs (model.*) or data.source's labels"),
            _unchanged(f"loss: {type(self.criterion).__name__}", outputs, y),
        ):
            loss = scalar(criterion(outputs, y))
        self._check_loss(loss, outputs, y, f"loss: {type(self.criterion).__name__}", "in eval mode")
        for metric in self.metrics:
            told = beside(metric, self.criterion)
            what = f"metrics.{metric.name}: outputs {losses.shape(outputs)} and labels {losses.shape(y)}"
            with (
                self._explained(what, "the metric, the model's outputs (model.*) or data.source's labels"),
                _unchanged(f"metrics.{metric.name}", outputs, y),
            ):
                values = Companies(told).values(outputs, y)
                if callable(getattr(told, "weights", None)):
                    weights_of(told, y)
            if not torch.isfinite(values).all() and torch.isfinite(outputs).all():
                raise UserError(
                    f"metrics.{metric.name}: per_example gave values that are not finite for outputs "
                    f"{losses.shape(outputs)} and labels {losses.shape(y)}; each example needs a finite number"
                )

    def _check_parts(self, outputs: torch.Tensor) -> None:
        """Every part's labels are such as loss and metrics read."""
        key, shape = self._outputs_key(outputs), self.targets["train"].shape[1:]
        for part, targets in self.targets.items():
            if targets.shape[1:] != shape or targets.is_floating_point() != self.targets["train"].is_floating_point():
                raise UserError(
                    f"data.source: labels of train are {losses.shape(self.targets['train'])} "
                    f"{self.targets['train'].dtype} and those of {part} {losses.shape(targets)} {targets.dtype}; give "
                    "every part the same"
                )
            losses.check_labels(self.criterion, outputs, targets, part, key)
            for metric in self.metrics:
                told = beside(metric, self.criterion)
                if callable(check := getattr(told, "check_labels", None)):
                    check(outputs, targets, part)

    def _share(self, outputs: torch.Tensor, labels: torch.Tensor) -> Share:
        """What a shard counts in its batch; raises UserError where several shards would not add up to the batch."""
        if self.shards == 1:
            return by_examples
        known, name = losses.kind(self.criterion), type(self.criterion).__name__
        if known == "unknown":
            known = self._adds_up(outputs, labels)
        if known == "unknown":
            raise UserError(
                f"trainer.shards={self.shards}: loss {name} is no mean over examples, and what a shard of a batch "
                "weighs in it is not known; give it weight_of(targets), the sum of what its examples weigh, use "
                "torch.nn.CrossEntropyLoss with loss.weight=[…], or trainer.shards=1"
            )
        if known == "mean" or (known == "weighted" and not self._weighs_unevenly(outputs)):
            return by_examples
        if type(self.method) not in (Supervised, Mixup):
            raise UserError(
                f"trainer.shards={self.shards}: loss {name} is no mean over examples, and what method "
                f"{type(self.method).__name__} adds to it cannot be weighed with it; use trainer.shards=1, or a mean "
                "without class weights"
            )
        if known == "sum":
            return whole_share
        return ByWeight(self.criterion, tuple(outputs.shape[1:]))

    def _weighs_unevenly(self, outputs: torch.Tensor) -> bool:
        """Do training examples weigh other than alike in a loss whose weights are known?"""
        if callable(getattr(self.criterion, "weight_of", None)) or getattr(self.criterion, "weight", None) is not None:
            return True
        targets = self.targets["train"]
        like = outputs[:1].expand(len(targets), *outputs.shape[1:])
        return float(losses.weight(self.criterion, like, losses.read(self.criterion, like, targets))) != len(targets)

    def _adds_up(self, outputs: torch.Tensor, targets: torch.Tensor) -> losses.Kind:
        """What a loss of a pack's own is, from calling it on examples and on two parts of them."""
        order = targets.reshape(len(targets), -1).double().mean(dim=1).argsort()
        cut = max(1, len(order) // 3)
        pieces = [rows for rows in (order[:cut], order[cut:]) if len(rows)]
        can: set[losses.Kind] = {"mean", "sum"}
        for some in _varied(outputs):
            try:
                whole, *parts = [
                    float(scalar(self.criterion(some[rows], as_read(self.criterion, some[rows], targets[rows]))))
                    for rows in (order, *pieces)
                ]
            except _MISFITS:
                continue
            mean = sum(len(rows) * value for rows, value in zip(pieces, parts, strict=True)) / len(order)
            can -= {"mean"} if not agree(whole, mean) else set()
            can -= {"sum"} if not agree(whole, sum(parts)) else set()
        return next((kind for kind in ("mean", "sum") if kind in can), "unknown")

    def _check_company(self, outputs: torch.Tensor, targets: torch.Tensor) -> None:
        """Each metric of a pack's own gives an example one value, whatever else is in its batch."""
        y = targets.to(outputs.dtype) if targets.is_floating_point() else targets
        turned = torch.arange(len(y) - 1, -1, -1)
        for metric in self.metrics:
            if type(metric).__module__.startswith("mlintern.engine."):
                continue
            for some in _varied(outputs):
                try:
                    company = Companies(metric)
                    values = company.values(some, y)
                    again = company.values(some[turned], y[turned])[turned]
                except _MISFITS:
                    continue  # made-up outputs may be none (probabilities, say); real ones were tried
                if not alike(values, again):
                    raise company.dependent()

    def _outputs_key(self, outputs: torch.Tensor) -> str:
        """The key of `model` that sets how many outputs there are, as far as its name and value tell."""
        width = outputs.shape[1] if outputs.ndim > 1 else 1
        try:
            known = {name: p.default for name, p in inspect.signature(type(self.model)).parameters.items()}
        except (TypeError, ValueError):
            known = {}
        known |= {key: value for key, value in self.config.items() if key != "_target_"}
        named = [k for k, v in known.items() if v == width and any(w in k for w in ("class", "out", "label"))]
        if len(named) != 1:
            return "model.*"
        return f"model.{named[0]}" if named[0] in self.config else f"+model.{named[0]}"

    def _explained(self, what: str, change: str) -> "_Explained":
        return _Explained(what, change)


@dataclasses.dataclass(frozen=True)
class Fitted:
    """What a trial found."""

    criterion: Loss
    """The loss as training is to call it."""
    share: Share
    """What a shard counts in its batch."""
    notes: list[str] = dataclasses.field(default_factory=list)
    """What is no mistake for certain, and may not be what was meant."""


@contextlib.contextmanager
def _seen(model: nn.Module) -> Iterator[list[torch.Tensor]]:
    """The outputs that a model gives within the block."""
    found: list[torch.Tensor] = []
    handle = model.register_forward_hook(
        lambda module, inputs, outputs: found.append(outputs.detach()) if isinstance(outputs, torch.Tensor) else None
    )
    try:
        yield found
    finally:
        handle.remove()


@contextlib.contextmanager
def _unchanged(what: str, *given: torch.Tensor) -> Iterator[None]:
    """Refuses what changes its arguments in place: evaluation hands out views of the data."""
    before = [tensor.clone() for tensor in given]
    yield
    if not all(torch.equal(a, b) or (a != a).any() for a, b in zip(before, given, strict=True)):
        raise UserError(f"{what} changes the outputs or labels that it is given; let it work on a copy (clone())")


class _Explained:
    """Turns what torch raises where shapes or types do not fit into one line."""

    def __init__(self, what: str, change: str, kinds: tuple[type[Exception], ...] = _MISFITS):
        self.what, self.change, self.kinds = what, change, kinds

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from mlintern.engine.memory import is_out_of_memory

        if isinstance(error, self.kinds) and not is_out_of_memory(error):
            first = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise UserError(f"{self.what} do not fit ({type(error).__name__}: {first}); change {self.change}") from None


def check_pairs(criterion: Loss, outputs: torch.Tensor, targets: torch.Tensor) -> None:
    """Refuse a loss of a pack's own that hangs on the labels, and not on which example has which.

    That is what is left where [n] and [n, 1] are broadcast against each other inside the loss.
    """
    if losses.kind(criterion) != "unknown" or len(outputs) < 4:
        return
    order = torch.arange(len(targets)).roll(len(targets) // 3)
    tried = False
    for some in _varied(outputs):
        if torch.equal(some, some[order]) or torch.equal(targets, targets[order]):
            continue  # all alike: there is nothing to take for another
        try:
            said, turned, other = [
                float(scalar(criterion(some.clone(), as_read(criterion, some, labels).clone())))
                for labels in (targets, targets[order], targets[:1].expand_as(targets))
            ]
        except _MISFITS:
            continue
        if not agree(said, turned) or agree(said, other) or not math.isfinite(said):
            return
        tried = True
    if not tried:
        return
    raise UserError(
        f"loss: {type(criterion).__name__} on outputs {losses.shape(outputs)} and labels {losses.shape(targets)} is "
        "the same whichever label an example has, as when [n] and [n, 1] are broadcast against each other; bring the "
        "two to one shape in the loss (outputs.flatten(), targets.flatten())"
    )


def check_dropout(model: nn.Module) -> None:
    """Refuse layers that drop everything: what is below them learns nothing, and nothing says so."""
    for name, module in model.named_modules():
        share = module.p if isinstance(module, _DropoutNd) else getattr(module, "dropout", 0)
        if isinstance(share, int | float) and share >= 1:
            where = f"{name} ({type(module).__name__})" if name else type(module).__name__
            raise UserError(f"model: {where} drops everything in training (dropout {share:g}); give less than 1")


def check_names(metrics: Sequence[Metric]) -> None:
    """Metrics have names of their own: two of one name would be one number, and so would one called loss."""
    names = [metric.name for metric in metrics]
    for name in names:
        if names.count(name) > 1 or name in ("loss", "step", "split", "id", "target", "prediction"):
            raise UserError(f"metrics: {name} is taken; give each metric a name of its own")


def _copied(value: Any) -> Any:
    """A copy, so that trying leaves no trace; of what has none (it holds a lock, say), itself."""
    try:
        return copy.deepcopy(value)
    except (RuntimeError, TypeError):
        return value


def _varied(outputs: torch.Tensor) -> list[torch.Tensor]:
    """The outputs as they are, and others of their kind: an untrained model's may all be alike, which hides much."""
    found = [outputs]
    probabilities = bool(outputs.min() >= 0 and outputs.max() <= 1)
    over_classes = outputs.ndim > 1 and outputs.shape[1] > 1
    spread = outputs.std(correction=0).item()
    centred = (outputs - outputs.mean(dim=0)) / (spread if math.isfinite(spread) and spread > 0 else 1.0)
    for turn in range(2):
        noise = torch.randn(outputs.shape, generator=seeding.torch_generator(0, "trial", turn)).to(outputs)
        if probabilities:
            found.append((2 * noise).softmax(dim=1) if over_classes else noise.sigmoid())
        else:
            found.append(max(1.0, spread if math.isfinite(spread) else 1.0) * (centred + noise))
    return found
