"""Probes: what a figure of a paper shows, as one number per test example, measured on the trained model.

A claim that rests on a figure ("the model looks at the lesion") is judged like any other once a probe gives the
quantity that the figure stands for. Probes stand beside the metrics in the configuration (`+probe=…`, or the key
`metrics`), but are measured once, on the chosen checkpoint, and may look inside the model. They see the data's
annotations (a lesion's mask, say), which no model does. What a probe does leaves no trace: the weights are checked.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from mlintern.core.errors import UserError
from mlintern.core.streams import guard, seeding
from mlintern.engine.precision import Precision
from mlintern.engine.protocols import Probe
from mlintern.engine.weights import weights_sha256

DRAWN = 6
"""Test examples whose maps are kept for the report."""


def is_probe(item: Any) -> bool:
    """Is this entry of the key `metrics` a probe?"""
    return callable(getattr(item, "measure", None))


@dataclasses.dataclass(frozen=True)
class Part:
    """One part of the data as a probe is given it, on the model's device."""

    inputs: torch.Tensor
    """[n, ...]"""
    targets: torch.Tensor
    """[n]"""
    annotations: torch.Tensor | None
    """[n, ...], or None where the data have none."""

    def __len__(self) -> int:
        return len(self.inputs)

    def batches(self, size: int) -> Iterator["Part"]:
        """The part in pieces of `size` examples."""
        for at in range(0, len(self), size):
            rows = slice(at, at + size)
            yield Part(
                self.inputs[rows], self.targets[rows], None if self.annotations is None else self.annotations[rows]
            )


def measure(
    probes: Sequence[Probe],
    model: torch.nn.Module,
    part: Part,
    *,
    batch_size: int,
    seed: int,
    step: int,
    precision: Precision,
) -> dict[str, np.ndarray]:
    """{probe: values [n]} of a model in eval mode, batch by batch; it is put back into the mode it was in.

    Raises UserError for a probe that changes the model, gives another shape or something that is not finite.
    """
    before, was_training = weights_sha256(model.state_dict()), model.training
    model.eval()
    found: dict[str, np.ndarray] = {}
    for probe in probes:
        values = []
        with torch.no_grad(), seeding.fork_torch(seed, "evaluation", step), guard.STREAMS.of(seed, "evaluation", step):
            for batch in part.batches(batch_size):
                with precision.context(batch.inputs.device):
                    value = probe.measure(model, precision.cast(batch.inputs), batch.targets, batch.annotations)
                if tuple(value.shape) != (len(batch),) or not torch.isfinite(value).all():
                    raise UserError(
                        f"metrics.{probe.name}: measure() gave {_said(value)} for {len(batch)} examples; "
                        "it must give one finite number each"
                    )
                values.append(value.double().cpu())
        found[probe.name] = torch.cat(values).numpy()
    model.train(was_training)
    for parameter in model.parameters():
        parameter.grad = None
    if weights_sha256(model.state_dict()) != before:
        raise UserError(
            f"metrics: {', '.join(p.name for p in probes)}: measuring changed the model's weights or buffers"
        )
    return found


def maps(
    probes: Sequence[Probe], model: torch.nn.Module, part: Part, *, seed: int, step: int, precision: Precision
) -> dict[str, np.ndarray]:
    """What `DRAWN` examples look like to the probes that draw maps: {"<probe>": [k, height, width]}, with "inputs" and
    "annotations" of the same examples; empty where no probe draws.
    """
    drawing = [probe for probe in probes if callable(getattr(probe, "maps", None))]
    if not drawing:
        return {}
    some = next(part.batches(DRAWN))
    was_training = model.training
    model.eval()
    found = {"inputs": some.inputs.float().cpu().numpy()}
    if some.annotations is not None:
        found["annotations"] = some.annotations.float().cpu().numpy()
    with torch.no_grad(), seeding.fork_torch(seed, "evaluation", step), guard.STREAMS.of(seed, "evaluation", step):
        for probe in drawing:
            with precision.context(some.inputs.device):
                drawn = probe.maps(model, precision.cast(some.inputs), some.targets)  # type: ignore[attr-defined]
            found[probe.name] = drawn.float().cpu().numpy()
    model.train(was_training)
    return found


def _said(value: torch.Tensor) -> str:
    return f"shape {tuple(value.shape)}" + ("" if torch.isfinite(value).all() else " with values that are not finite")


class Brier:
    """Squared distance between predicted probabilities and what was true (Brier, 1950): 0 is best, 2 is worst.

    A proper score of calibration and sharpness together, for models that give logits [n, classes].
    """

    def __init__(self, name: str = "brier"):
        self.name = name

    def measure(
        self, model: torch.nn.Module, inputs: torch.Tensor, targets: torch.Tensor, annotations: torch.Tensor | None
    ) -> torch.Tensor:
        probabilities = model(inputs).double().softmax(dim=1)
        truth = torch.nn.functional.one_hot(targets, probabilities.shape[1])
        return (probabilities - truth).square().sum(dim=1)


class _InRegion:
    """How much more of a map lies inside the annotated region than its area would get by chance.

    1 is chance, 2 twice as much. The region is a mask [n, height, width] (or [n, length]) of the data's annotations.
    """

    def __init__(self, name: str):
        self.name = name

    def maps(self, model: torch.nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Non-negative [n, height, width]."""
        raise NotImplementedError

    def measure(
        self, model: torch.nn.Module, inputs: torch.Tensor, targets: torch.Tensor, annotations: torch.Tensor | None
    ) -> torch.Tensor:
        if annotations is None:
            raise UserError(
                f"metrics.{self.name}: the data have no annotations; let data.source give `annotations`, a mask of the "
                "region for each example"
            )
        shown = self.maps(model, inputs, targets).double()
        region = _resized(annotations.double(), shown.shape[1:])
        area = region.flatten(1).mean(dim=1)
        if not (area > 0).all():
            raise UserError(f"metrics.{self.name}: an example's annotated region is empty")
        inside = (shown * region).flatten(1).sum(dim=1) / shown.flatten(1).sum(dim=1).clamp_min(1e-30)
        return inside / area


def _resized(region: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """A mask [n, height, width] as the share of each place of a grid of `shape` that it covers."""
    if region.shape[1:] == shape:
        return region
    if len(shape) == 1:
        return torch.nn.functional.adaptive_avg_pool1d(region.unsqueeze(1), shape[0]).squeeze(1)
    return torch.nn.functional.adaptive_avg_pool2d(region.unsqueeze(1), (shape[0], shape[1])).squeeze(1)


class AttentionInRegion(_InRegion):
    """Attention to an annotated region, from the weights that a module of the model puts out.

    `module` names a submodule whose output is [n, heads, queries, keys] or [n, queries, keys], as a softmax's is.
    The map is the attention of the first query (a class token) or the mean over queries, over the keys after `prefix`
    tokens that stand for no place; heads are averaged. `grid` is [height, width] of the keys, a square if not given.
    """

    def __init__(
        self,
        module: str,
        prefix: int = 0,
        query: str = "first",
        grid: Sequence[int] | None = None,
        name: str = "attention_in_region",
    ):
        super().__init__(name)
        if query not in ("first", "mean"):
            raise UserError(f"metrics.{name}.query={query}: choose first or mean")
        self.module, self.prefix, self.query, self.grid = module, prefix, query, grid

    def maps(self, model: torch.nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        try:
            watched = model.get_submodule(self.module)
        except AttributeError:
            named = [name for name, _ in model.named_modules() if name]
            raise UserError(f"metrics.{self.name}.module={self.module}: choose one of {', '.join(named)}") from None
        seen: list[torch.Tensor] = []
        handle = watched.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
        try:
            model(inputs)
        finally:
            handle.remove()
        if not seen or not isinstance(seen[-1], torch.Tensor) or seen[-1].ndim not in (3, 4):
            raise UserError(
                f"metrics.{self.name}.module={self.module}: gave no attention [n, (heads,) queries, keys] when the "
                "model ran; name the softmax of its attention"
            )
        weights = seen[-1].double()
        weights = weights.mean(dim=1) if weights.ndim == 4 else weights
        over_keys = weights[:, 0] if self.query == "first" else weights[:, self.prefix :].mean(dim=1)
        over_keys = over_keys[:, self.prefix :]
        keys = over_keys.shape[1]
        side = round(keys**0.5)
        height, width = self.grid or (side, side)
        if height * width != keys:
            raise UserError(
                f"metrics.{self.name}: {keys} keys after prefix={self.prefix} make no grid of {height} x {width}; "
                "give grid=[height, width]"
            )
        return over_keys.reshape(-1, height, width)


class SaliencyInRegion(_InRegion):
    """Sensitivity of the true class's output to an annotated region: the input gradient's absolute value (Simonyan et
    al., 2013, arXiv:1312.6034), summed over channels. For any differentiable model with outputs [n, classes].
    """

    def __init__(self, name: str = "saliency_in_region", spatial: int = 2):
        super().__init__(name)
        self.spatial = spatial

    def maps(self, model: torch.nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            watched = inputs.detach().clone().requires_grad_()
            model(watched).gather(1, targets[:, None]).sum().backward()
        assert watched.grad is not None
        slopes, channels = watched.grad.abs(), watched.ndim - 1 - self.spatial
        return slopes.flatten(1, channels).sum(dim=1) if channels else slopes
