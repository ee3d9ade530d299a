"""The loop's promise: a step depends on nothing but weights, optimizer and step number."""

import lightning
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from mlintern.core.errors import Interrupted, UserError
from mlintern.engine import source
from mlintern.engine.augments import GaussianNoise
from mlintern.engine.feed import Order
from mlintern.engine.trace import FLUSH_EVERY, Trace
from tests.engine import small


def run(**options):
    loop = small.make_loop(**options)
    loop.run()
    return loop


@pytest.fixture(scope="module")
def reference():
    return small.bits(run())


def test_rerun_gives_the_same_bits(reference):
    assert small.bits(run()) == reference


def test_another_seed_gives_other_bits(reference):
    assert small.bits(run(seed=1))[1] != reference[1]


def test_seed_zero_is_used(reference):
    torch.manual_seed(123)
    assert small.bits(run(seed=0)) == reference


def test_validation_changes_no_training_bit(reference):
    assert small.bits(run(validate=False))[:2] == reference[:2]
    assert small.bits(run(eval_every=1))[:2] == reference[:2]


def test_global_draws_between_steps_change_nothing(reference):
    loop = small.make_loop()
    loop.on_progress = lambda step: (torch.rand(step), np.random.rand(step))
    loop.run()
    assert small.bits(loop) == reference


@pytest.mark.parametrize("stop_at", [1, 6, 7, 8, 14, 39, 40])
def test_stop_and_resume_gives_the_same_bits(reference, stop_at, tmp_path):
    """Steps 7 and 14 end an epoch, 40 ends training."""
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Interrupted):
        run(checkpoint=path, stop_at=stop_at)
    resumed = small.make_loop(checkpoint=path)
    resumed.run()
    assert small.bits(resumed) == reference
    assert resumed.state.history == run().state.history


def test_a_kill_between_checkpoints_resumes_to_the_same_bits(reference, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    loop = small.make_loop(checkpoint=path, cadence_s=0.0)

    def die(step):
        if step == 23:
            raise KeyboardInterrupt

    loop.on_progress = die
    with pytest.raises(KeyboardInterrupt):
        loop.run()
    assert path.exists()
    assert small.bits(run(checkpoint=path)) == reference


@pytest.mark.parametrize(("code", "first"), [("as it was", 14), ("other code", 1)])
def test_a_checkpoint_of_other_engine_code_is_not_continued(reference, code, first, tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Interrupted):
        run(checkpoint=path, stop_at=13)
    if code == "other code":
        monkeypatch.setattr(source, "source_hash", lambda: "0" * 64)
    loop, steps = small.make_loop(checkpoint=path), []
    loop.on_progress = steps.append
    loop.run()
    assert steps[0] == first
    assert small.bits(loop) == reference


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True),
        lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True),
        lambda p: torch.optim.RMSprop(p, lr=0.01, centered=True),
        lambda p: torch.optim.Adagrad(p, lr=0.01),
        lambda p: torch.optim.LBFGS(p, lr=0.1, max_iter=3, history_size=4),
    ],
    ids=["sgd", "amsgrad", "rmsprop", "adagrad", "lbfgs"],
)
def test_every_optimizer_resumes(optimizer, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Interrupted):
        run(checkpoint=path, stop_at=13, optimizer=optimizer)
    assert small.bits(run(checkpoint=path, optimizer=optimizer)) == small.bits(run(optimizer=optimizer))


@pytest.mark.parametrize("workers", [1, 2])
def test_loader_workers_change_nothing(workers):
    noisy = GaussianNoise(0.1)
    assert small.bits(run(augment=noisy, workers=workers)) == small.bits(run(augment=noisy, workers=0))


def test_loader_and_tensor_feed_agree(reference):
    assert small.bits(run(workers=0)) == reference


def test_switching_workers_at_a_resume_changes_nothing(tmp_path):
    noisy, path = GaussianNoise(0.1), tmp_path / "checkpoint.safetensors"
    with pytest.raises(Interrupted):
        run(augment=noisy, workers=2, checkpoint=path, stop_at=11)
    assert small.bits(run(augment=noisy, workers=0, checkpoint=path)) == small.bits(run(augment=noisy, workers=0))


def test_augmentation_differs_by_epoch():
    feed = small.make_loop(augment=GaussianNoise(0.1)).feed
    feed.order.kind = "fixed"
    first, again = list(feed.batches(0, 1)), list(feed.batches(7, 8))
    assert torch.equal(first[0].targets, again[0].targets)
    assert not torch.equal(first[0].inputs, again[0].inputs)


def test_the_order_covers_every_row_once_an_epoch():
    order = Order(50, 8, 0, "reshuffled")
    assert order.steps_per_epoch == 7
    epochs = [np.concatenate([order.rows(s) for s in range(7 * e, 7 * e + 7)]) for e in range(2)]
    assert all(sorted(rows) == list(range(50)) for rows in epochs)
    assert not np.array_equal(*epochs)
    assert np.array_equal(Order(50, 8, 0, "fixed").rows(7), np.arange(8))


def test_shards_define_the_run_and_dropout_is_keyed_by_shard():
    assert small.bits(run(shards=2)) == small.bits(run(shards=2))
    assert small.bits(run(shards=2)) != small.bits(run(shards=1))


def test_shards_must_be_a_power_of_two():
    with pytest.raises(UserError, match="trainer.shards=3"):
        run(shards=3)


def test_clipping_bounds_the_gradient():
    loop = small.make_loop(clip_norm=1e-3)
    norms = []
    step = loop.optimizer.step

    def spy(*args, **kwargs):
        norms.append(torch.cat([p.grad.flatten() for p in loop.parameters]).norm().item())
        return step(*args, **kwargs)

    loop.optimizer.step = spy
    loop.run()
    assert max(norms) <= 1e-3 * (1 + 1e-5)


def test_divergence_ends_the_run_with_the_step_it_began():
    loop = small.make_loop(max_steps=600, optimizer=lambda p: torch.optim.SGD(p, lr=1e30))
    state = loop.run()
    assert state.trace.diverged_at is not None
    assert state.step == FLUSH_EVERY


def test_the_chain_tells_the_first_different_loss():
    a, b = Trace(np.array([1, 2, 3, 4], np.float32)), Trace(np.array([1, 2, 3.0000002, 4], np.float32))
    assert [x == y for x, y in zip(a.links, b.links, strict=True)] == [True, True, False, False]


def test_an_optimizer_that_cannot_be_checkpointed_is_named(tmp_path):
    class Odd(torch.optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            self.state[self.param_groups[0]["params"][0]]["odd"] = {"a": 1}

    with pytest.raises(UserError, match="Odd: its state 'odd' is a dict"):
        run(checkpoint=tmp_path / "c", stop_at=3, optimizer=lambda p: Odd(p, lr=0.1))


def test_a_plain_trainer_can_fit_the_module(tmp_path):
    order = Order(50, 8, 0, "reshuffled")
    module = small.make_module(order)
    x, y = torch.from_numpy(small.FEATURES), torch.from_numpy(small.LABELS)
    loaders = [DataLoader(TensorDataset(a, b), batch_size=8) for a, b in ((x[:50], y[:50]), (x[50:], y[50:]))]
    before = module.model.body[0].weight.detach().clone()
    trainer = lightning.Trainer(
        max_steps=10,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, *loaders)
    assert trainer.global_step == 10
    assert not torch.equal(module.model.body[0].weight, before)
    assert "valid_accuracy" in trainer.callback_metrics


class Extragradient(torch.optim.Optimizer):
    """Looks ahead with one gradient, steps with the next: two calls of the closure a step."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure):
        params = [p for group in self.param_groups for p in group["params"]]
        before = [p.clone() for p in params]
        with torch.enable_grad():
            loss = closure()
        for p in params:
            p.add_(p.grad, alpha=-0.1)
        with torch.enable_grad():
            closure()
        for p, old in zip(params, before, strict=True):
            p.copy_(old - 0.1 * p.grad)
        return loss


@pytest.mark.parametrize("shards", [1, 2])
def test_an_optimizer_that_asks_for_a_closure_gets_gradients_at_its_own_points(shards):
    calls = []

    class Counting(Extragradient):
        def step(self, closure):
            return super().step(lambda: calls.append(1) or closure())

    loop = run(optimizer=Counting, shards=shards, max_steps=6)
    assert len(calls) == 12
    assert loop.state.trace.losses()[-1] < loop.state.trace.losses()[0]
    calls.clear()
    assert small.bits(run(optimizer=Counting, shards=shards, max_steps=6)) == small.bits(loop)


def test_a_closure_that_is_never_called_is_said():
    class Idle(Extragradient):
        def step(self, closure):
            return None

    with pytest.raises(UserError, match="Idle.step never called its closure"):
        run(optimizer=Idle, max_steps=1)


def test_a_closure_with_a_default_changes_nothing(reference):
    """Torch's own optimizers take a closure and need none; they are stepped as before."""
    assert not small.make_loop().needs_closure
    assert small.bits(run()) == reference


class OwnZero(torch.optim.SGD):
    """An optimizer that counts how often it is told to drop its gradients."""

    count = 0

    def zero_grad(self, set_to_none=True):
        OwnZero.count += 1
        super().zero_grad(set_to_none)


def test_an_optimizers_own_zero_grad_is_called():
    OwnZero.count = 0
    small.make_loop(max_steps=10, optimizer=lambda p: OwnZero(p, lr=0.1)).run()
    assert OwnZero.count == 10


def test_gradients_do_not_add_up_over_steps():
    loop = small.make_loop(max_steps=3, optimizer=lambda p: torch.optim.SGD(p, lr=0.0))
    loop.run()
    assert all(parameter.grad is None for parameter in loop.model.parameters())
