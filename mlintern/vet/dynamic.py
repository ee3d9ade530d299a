"""Runs a pack's models and sees whether they behave: `python -m mlintern.vet.dynamic`, inside the sandbox only.

A job (see `mlintern.vet.checks`) comes in on stdin, `{"checks": [...]}` goes out on stdout. These checks find honest
mistakes: code that means harm runs in this very process and could report what it likes, which is why the static policy
comes first and the sandbox holds, whoever has read the pack.
"""

import dataclasses
import functools
import importlib
import io
import json
import math
import os
import random
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import nn

from mlintern.core import uncached
from mlintern.core.errors import UserError
from mlintern.vet import observe
from mlintern.vet.checks import BATCH_SIZES, CheckedModel, LevelChange, ModelCheck, Models, Status

_SEED = 20_240_517  # any fixed number: a check must say the same thing twice
_OVERFIT_BATCH = 8
_OVERFIT_SHARE = 0.1  # a batch counts as overfitted when the loss, or the distance to its floor, fell to this share
_LEARNING_RATES = (1e-2, 1e-3)
Outcome = tuple[Status, str]
USER_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    UserError,
    ValueError,
)


def main(checks_of: Callable[[dict[str, Any]], list[ModelCheck]]) -> int:
    """Reads the job from stdin, writes the checks to stdout."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the modules print is no part of the answer
    job = json.load(sys.stdin)
    sys.path[:0] = job["paths"]
    torch.set_num_threads(1)
    json.dump({"checks": [dataclasses.asdict(check) for check in checks_of(job)]}, answer)
    answer.close()
    return 0


def of_models(job: dict[str, Any]) -> list[ModelCheck]:
    """Every check on every model and ablation level."""
    models = TypeAdapter(Models).validate_python(job)
    checks = [check for variant in models.variants for check in check_variant(variant)]
    return checks + [run_check(factor.name, "factor", functools.partial(_factor, factor)) for factor in models.factors]


def check_variant(variant: CheckedModel) -> list[ModelCheck]:
    """Every check on one model; when it cannot be built, that one check."""
    built = run_check(variant.name, "build", lambda: _build_outcome(variant))
    if built.status == "FAIL":
        return [built]
    checks: dict[str, Callable[[CheckedModel], Outcome]] = {
        "forward": _forward,
        "gradients": _gradients,
        "parameters": _parameters,
        "batch_independence": _batch_independence,
        "eval_deterministic": _eval_deterministic,
        "eval_random": _eval_random,
        "shared_state": _shared_state,
        "state_dict": _state_dict,
        "device": _device,
        "overfit": _overfit,
    }
    done = [run_check(variant.name, name, functools.partial(check, variant)) for name, check in checks.items()]
    return [built, *done]


def run_check(subject: str, name: str, check: Callable[[], Outcome]) -> ModelCheck:
    """One check, with what a pack's code may raise turned into its reason."""
    try:
        status, reason = check()
    except USER_FAULTS as error:
        situation = "".join(f"{note}: " for note in getattr(error, "__notes__", []))
        message = " ".join(str(error).split())[:400]
        status, reason = "FAIL", f"{situation}{type(error).__name__}: {message}{_where(error)}"
    return ModelCheck(subject, name, status, reason)


def _where(error: BaseException) -> str:
    """The last line of the pack's own code that the error came through."""
    trace, last = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "papers" in file or "modules" in os.path.basename(file):
            last = f" (at {os.path.basename(file)}:{trace.tb_lineno})"
        trace = trace.tb_next
    return last


def _locate(target: str) -> Any:
    uncached.install()
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _build(variant: CheckedModel) -> nn.Module:
    torch.manual_seed(_SEED)
    model: nn.Module = _locate(variant.target)(**variant.kwargs)
    return model


def _build_outcome(variant: CheckedModel) -> Outcome:
    model = _build(variant)
    if not isinstance(model, nn.Module):
        return "FAIL", f"{variant.target} builds a {type(model).__name__}, not an nn.Module"
    return "PASS", f"{sum(1 for _ in model.modules())} modules"


def _batch(variant: CheckedModel, size: int, seed: int = _SEED) -> list[torch.Tensor]:
    """Inputs of `size` examples, each [size, *shape]; the first examples do not depend on `size`."""
    found = []
    for number, example in enumerate(variant.inputs):
        rows = []
        for row in range(size):
            generator = torch.Generator().manual_seed(seed + 1000 * number + row)
            dtype = getattr(torch, example.dtype)
            if dtype.is_floating_point:
                rows.append(torch.randn(example.shape, generator=generator).to(dtype))
            else:
                rows.append(torch.randint(0, example.high, example.shape, generator=generator).to(dtype))
        found.append(torch.stack(rows))
    return found


def _output(model: nn.Module, inputs: list[torch.Tensor]) -> torch.Tensor:
    output = model(*inputs)
    while isinstance(output, (tuple, list)):
        output = output[0]
    if not isinstance(output, torch.Tensor):
        raise TypeError(f"forward returns a {type(output).__name__}, not a tensor or a tuple that begins with one")
    return output


def _loss(variant: CheckedModel, output: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator().manual_seed(_SEED + 1)
    if variant.loss == "own":
        return output.float().square().mean()  # any function of all outputs shows which parameters they hang on
    if variant.loss == "cross_entropy":
        logits = output.movedim(1, -1) if output.ndim > 2 else output  # [batch, classes, positions], as torch has it
        classes = logits.shape[-1]
        logits = logits.reshape(-1, classes)
        targets = torch.randint(0, classes, (logits.shape[0],), generator=generator)
        return nn.functional.cross_entropy(logits, targets)
    targets = torch.randn(output.shape, generator=generator)
    if variant.loss == "bce":
        return nn.functional.binary_cross_entropy_with_logits(output, (targets > 0).float())
    losses = {"mse": nn.functional.mse_loss, "l1": nn.functional.l1_loss}
    if variant.loss not in losses:
        raise ValueError(f"unknown loss {variant.loss!r}; use cross_entropy, mse, bce or l1")
    return losses[variant.loss](output, targets)


def _forward(variant: CheckedModel) -> Outcome:
    shapes = []
    for mode in ("eval", "train"):
        for size in BATCH_SIZES:
            if mode == "train" and size == 1 and _has_batch_norm(variant):
                continue  # one example has no batch statistics
            try:
                output = _output(_build(variant).train(mode == "train"), _batch(variant, size))
            except USER_FAULTS as error:
                error.add_note(f"a batch of {size} in {mode} mode")
                raise
            if output.ndim == 0 or output.shape[0] != size:
                return "FAIL", f"a batch of {size} gives an output of shape {tuple(output.shape)}; keep the batch first"
            if not torch.isfinite(output).all():
                return "FAIL", f"a batch of {size} gives values that are not finite"
            shapes.append(tuple(output.shape[1:]))
    if len(set(shapes)) > 1:
        return "FAIL", f"the output's shape depends on the batch size or the mode: {sorted(set(shapes))}"
    return "PASS", f"{shapes[0]} per example for batches of {', '.join(str(size) for size in BATCH_SIZES)}"


def _has_batch_norm(variant: CheckedModel) -> bool:
    return any(isinstance(module, nn.modules.batchnorm._NormBase) for module in _build(variant).modules())


def _gradients(variant: CheckedModel) -> Outcome:
    model = _build(variant).train()
    trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if not trainable:
        return "FAIL", "no parameter requires a gradient"
    _loss(variant, _output(model, _batch(variant, 7))).backward()
    return of_gradients(trainable, "no gradient reaches")


def of_gradients(trainable: Mapping[str, nn.Parameter], none: str) -> Outcome:
    """Does every parameter have a finite gradient? `none` begins the sentence about those that have none."""
    silent = [name for name, parameter in trainable.items() if parameter.grad is None]
    if silent:
        return "FAIL", f"{none} {some(silent)}; use it in forward or remove it"
    broken = [n for n, p in trainable.items() if p.grad is not None and not torch.isfinite(p.grad).all()]
    if broken:
        return "FAIL", f"the gradient of {some(broken)} is not finite"
    return "PASS", f"{len(trainable)} parameters"


def some(names: list[str]) -> str:
    """The first few of `names`, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _parameters(variant: CheckedModel) -> Outcome:
    count = _count(variant)
    if variant.parameters is None:
        return "NOT_APPLICABLE", f"{count:,}; the paper states none"
    if abs(count - variant.parameters) <= variant.parameters_tolerance * variant.parameters:
        return "PASS", f"{count:,}, as stated ({variant.parameters:,})"
    return "FAIL", f"{count:,} parameters, the paper states {variant.parameters:,}; a component is missing or too large"


def _count(variant: CheckedModel) -> int:
    """Parameters of the model at its published size, which is built without memory for its weights where it can be."""
    published = dataclasses.replace(variant, kwargs={**variant.kwargs, **variant.published})
    try:
        with torch.device("meta"):
            model = _build(published)
    except USER_FAULTS:  # a constructor that computes with values
        model = _build(published)
    return sum(parameter.numel() for parameter in model.parameters())


def _batch_independence(variant: CheckedModel) -> Outcome:
    """In eval mode the first example's output must not change with its neighbours (nor with how many there are)."""
    model = _build(variant)
    with torch.no_grad():
        model.train()
        _output(model, _batch(variant, 7, seed=7))  # so that running statistics are not their initial ones
        model.eval()
        together = _output(model, _batch(variant, 7))[0]
        others = [first[:1] for first in _batch(variant, 7)]
        strangers = [
            torch.cat([own, far[1:]]) for own, far in zip(others, _batch(variant, 7, seed=_SEED + 99), strict=True)
        ]
        worst = 0.0
        for batch in (others, strangers):
            worst = max(worst, (_output(model, batch)[0] - together).abs().max().item())
    scale = max(1.0, together.abs().max().item())
    if not math.isfinite(worst) or worst > 1e-4 * scale:
        return (
            "FAIL",
            f"an example's output moves by {worst:.3g} with its neighbours in eval mode; normalise per example",
        )
    return "PASS", f"moves by {worst:.1g} at most"


def _eval_deterministic(variant: CheckedModel) -> Outcome:
    model = _build(variant).eval()
    batch = _batch(variant, 2)
    with torch.no_grad():
        outputs = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            outputs.append(_output(model, [part.clone() for part in batch]))
    if not torch.equal(outputs[0], outputs[1]):
        return "FAIL", "two evaluations of one batch differ; draw nothing and keep no state in eval mode"
    return "PASS", "two evaluations agree bit for bit"


def _eval_random(variant: CheckedModel) -> Outcome:
    model = _build(variant).eval()
    before = (torch.get_rng_state(), random.getstate(), np.random.get_state())  # noqa: NPY002
    with torch.no_grad():
        _output(model, _batch(variant, 2))
    after = (torch.get_rng_state(), random.getstate(), np.random.get_state())  # noqa: NPY002
    moved = []
    if not torch.equal(before[0], after[0]):
        moved.append("torch's")
    if before[1] != after[1]:
        moved.append("random's")
    if repr(before[2]) != repr(after[2]):
        moved.append("numpy's")
    if moved:
        return "FAIL", f"evaluation draws from {' and '.join(moved)} global stream; guard it with self.training"
    return "PASS", "no global stream moves"


def _shared_state(variant: CheckedModel) -> Outcome:
    """Training one model must leave no trace in its module's globals and classes, where evaluation could find it."""
    model = _build(variant)
    packages = {type(module).__module__ for module in model.modules()}
    own = sorted(name for name in packages if name.split(".")[0] not in ("torch", "builtins"))
    before = dict(observe.shared_state(own))
    model.train()
    _loss(variant, _output(model, _batch(variant, 7))).backward()
    model.eval()
    with torch.no_grad():
        _output(model, _batch(variant, 2))
    after = dict(observe.shared_state(own))
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changed:
        return "FAIL", f"{some(changed)} changed while the model ran; keep state on self"
    return "PASS", f"{len(before)} shared values stay as they are"


def _state_dict(variant: CheckedModel) -> Outcome:
    model = _build(variant).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)  # so that a copy which ignores the state cannot agree by its seed
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    copy = _build(variant).eval()
    copy.load_state_dict(torch.load(buffer, weights_only=True))
    batch = _batch(variant, 2)
    with torch.no_grad():
        if not torch.equal(_output(model, batch), _output(copy, batch)):
            return "FAIL", "a copy with the same state_dict answers differently; register what it needs as a buffer"
    return "PASS", "a copy with the same state_dict answers alike"


def _device(variant: CheckedModel) -> Outcome:
    """On the meta device every tensor that forward makes elsewhere shows itself by a device mismatch."""
    model = _build(variant).eval().to("meta")
    batch = [part.to("meta") for part in _batch(variant, 2)]
    try:
        output = _output(model, batch)
    except NotImplementedError as error:
        return "NOT_APPLICABLE", f"an operation has no meta version: {' '.join(str(error).split())[:120]}"
    except RuntimeError as error:
        if "Tensor.item() cannot be called on meta" in str(error):
            return "NOT_APPLICABLE", "forward reads values, which the meta device has none of"
        raise
    if output.device.type != "meta":
        return "FAIL", f"the output is on {output.device}, not on the input's device"
    return "PASS", "every tensor follows the input's device"


def _overfit(variant: CheckedModel) -> Outcome:
    if variant.loss == "own":
        return "NOT_APPLICABLE", "the pack brings its own loss or method; the rehearsal tries it on its data"
    best = math.inf
    start = math.inf
    for rate in _LEARNING_RATES:
        model = _build(variant).train()
        for module in model.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.p = 0.0
        batch = _batch(variant, _OVERFIT_BATCH)
        optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=rate)
        for step in range(variant.overfit_steps):
            loss = _loss(variant, _output(model, batch))
            value = loss.item()
            if step == 0:
                start = value
            best = min(best, value)
            if best <= _OVERFIT_SHARE * start:
                return "PASS", f"loss {start:.3g} falls to {best:.3g} within {step} steps"
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    fell = (
        f"loss {start:.3g} only falls to {best:.3g} in {variant.overfit_steps} steps on one batch of {_OVERFIT_BATCH}"
    )
    if variant.loss == "cross_entropy" and _output(_build(variant), batch).ndim > 2:
        # positions may hang on one another, and then no model fits labels drawn for each
        return "NOT_APPLICABLE", f"{fell} with random labels at each position; the rehearsal tries real ones"
    return "FAIL", fell


def _factor(factor: LevelChange) -> Outcome:
    """The level must change the module tree."""
    base, changed = observe.module_tree(_build(factor.base)), observe.module_tree(_build(factor.changed))
    differing = sorted(name for name in base.keys() | changed.keys() if base.get(name) != changed.get(name))
    if not differing:
        return "FAIL", "the module tree is the same; the level changes nothing that is built"
    return "PASS", f"changes {some(differing)}"


if __name__ == "__main__":
    sys.exit(main(of_models))
