"""Generated code draws from the engine's streams or not at all, however it got hold of the drawing function."""

import os
import random
import secrets
import sys
import types
import uuid

import numpy as np
import pytest
import torch
from torch import nn

from mlintern.core.errors import Interrupted, UserError
from mlintern.core.streams import guard, seeding
from mlintern.engine import initialise
from mlintern.engine.augments import GaussianNoise
from tests.engine import small

TORCH_DRAWS = {
    "rand": "torch.rand(x.shape)",
    "randn": "torch.randn(x.shape)",
    "randint": "torch.randint(0, 5, x.shape).float()",
    "randperm": "torch.randperm(x.shape[1]).float()",
    "rand_like": "torch.rand_like(x)",
    "randn_like": "torch.randn_like(x)",
    "normal": "torch.normal(0.0, 1.0, x.shape)",
    "bernoulli": "torch.bernoulli(torch.full(x.shape, 0.5))",
    "multinomial": "torch.multinomial(torch.ones(x.shape[1]), x.shape[1]).float()",
    "poisson": "torch.poisson(torch.ones(x.shape))",
    "normal_": "torch.empty(x.shape).normal_()",
    "uniform_": "torch.empty(x.shape).uniform_()",
    "bernoulli_": "torch.empty(x.shape).bernoulli_(0.5)",
    "exponential_": "torch.empty(x.shape).exponential_()",
    "random_": "torch.empty(x.shape).random_(9)",
    "a distribution": "torch.distributions.Normal(0.0, 1.0).rsample(x.shape)",
    "gumbel": "torch.nn.functional.gumbel_softmax(x)",
    "imported by name": "randn_like(x)",
    "renamed": "noise(x)",
}
REFUSED = {
    "numpy.random.rand": "np.random.rand()",
    "numpy.random.randn": "np.random.randn(2).sum()",
    "numpy.random.normal": "np.random.normal()",
    "numpy.random.shuffle": "np.random.shuffle([1, 2]) or 0",
    "numpy.random.seed": "np.random.seed(0) or 0",
    "numpy.random.default_rng": "np.random.default_rng().normal()",
    "random.random": "random.random()",
    "random.gauss": "random.gauss(0, 1)",
    "random.shuffle": "random.shuffle([1, 2]) or 0",
    "os.urandom": "os.urandom(1)[0]",
    "uuid.uuid4": "uuid.uuid4().int % 7",
    "secrets.randbelow": "secrets.randbelow(7)",
    "secrets.token_bytes": "secrets.token_bytes(1)[0]",
    "torch.manual_seed": "torch.manual_seed(0).initial_seed()",
    "numpy.random.rand by name": "rand()",
    "random.random by name": "uniform_python()",
}


def written(expression: str, name: str = "generated_for_a_test") -> type[nn.Module]:
    """A module as a pack would bring it: it evaluates `expression` in its forward pass, before its dropout."""
    source = (
        "import os, random, secrets, uuid\n"
        "import numpy as np\n"
        "import torch\n"
        "from torch import randn_like\n"
        "from torch import randn_like as noise\n"
        "from numpy.random import rand\n"
        "from random import random as uniform_python\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.first, self.last = torch.nn.Linear(8, 16), torch.nn.Linear(16, 3)\n"
        "        self.dropout = torch.nn.Dropout(0.3)\n"
        "    def forward(self, x):\n"
        f"        drawn = {expression}\n"
        "        self.drawn = drawn\n"
        "        return self.last(self.dropout(self.first(x)))\n"
    )
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, f"{name}.py", "exec"), vars(module))
    return module.Net


def loop_of(net: type[nn.Module], **options):
    before, small.Net = small.Net, net
    try:
        return small.make_loop(max_steps=20, **options)
    finally:
        small.Net = before


@pytest.fixture(scope="module")
def undisturbed():
    loop = loop_of(written("0"))
    loop.run()
    return small.bits(loop)


@pytest.mark.parametrize("expression", TORCH_DRAWS.values(), ids=TORCH_DRAWS.keys())
def test_a_draw_of_torch_does_not_shift_dropout(expression, undisturbed):
    net = written(expression)
    loop = loop_of(net)
    loop.run()
    assert small.bits(loop) == undisturbed
    first, state = loop.model.drawn, torch.default_generator.get_state()
    again = loop_of(net)
    torch.manual_seed(99)
    again.run()
    assert torch.equal(again.model.drawn, first), "a draw is a function of seed, step and its turn"
    torch.default_generator.set_state(state)


def test_without_the_guard_it_would(undisturbed, monkeypatch):
    loop = loop_of(written("torch.rand(3)"))
    monkeypatch.setattr(loop, "parts", ())
    monkeypatch.setattr(guard, "_TORCH", ())
    loop.run()
    assert small.bits(loop) != undisturbed


def test_draws_differ_by_step_and_by_turn():
    net = written("(torch.rand(1).item(), torch.rand(1).item())")
    loop, seen = loop_of(net), []
    loop.on_progress = lambda step: seen.extend(loop.model.drawn)
    loop.run()
    assert len(set(seen)) == len(seen) == 40


def test_a_model_that_draws_resumes_to_the_same_bits(tmp_path):
    net = written("x.add_(torch.randn_like(x))")
    whole = loop_of(net)
    whole.run()
    path = tmp_path / "checkpoint"
    with pytest.raises(Interrupted):
        loop_of(net, checkpoint=path, stop_at=11).run()
    resumed = loop_of(net, checkpoint=path)
    resumed.run()
    assert small.bits(resumed) == small.bits(whole)


@pytest.mark.parametrize(("name", "expression"), REFUSED.items(), ids=REFUSED.keys())
def test_what_no_run_can_repeat_is_refused_by_name(name, expression):
    loop = loop_of(written(expression))
    with pytest.raises(UserError, match=rf"generated_for_a_test.py:14: {name.split(' ')[0]} is no function"):
        loop.run()


def test_a_seeded_generator_is_not_refused():
    loop_of(written("np.random.default_rng(3).normal()")).run()


def test_a_constructor_that_draws_from_numpy_is_refused():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.from_numpy(np.random.randn(3)))

    with pytest.raises(UserError, match=r"numpy\.random\.randn is no function"):
        initialise.build(Net, 0)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_augmentation_draws_from_its_generator(workers):
    class Stray(GaussianNoise):
        def __call__(self, features, generator):
            return features * np.float32(np.random.rand())

    with pytest.raises(UserError, match=r"numpy\.random\.rand"):
        small.make_loop(augment=Stray(0.1), workers=workers).run()


def test_between_steps_and_after_the_run_everything_is_as_it_was():
    before = torch.rand, torch.Tensor.normal_, np.random.rand, random.random, os.urandom, secrets.token_hex, uuid.uuid4
    loop = small.make_loop()
    loop.on_progress = lambda step: (np.random.rand(), random.random(), torch.rand(1), uuid.uuid4(), os.urandom(1))
    loop.run()
    after = torch.rand, torch.Tensor.normal_, np.random.rand, random.random, os.urandom, secrets.token_hex, uuid.uuid4
    assert all(a is b for a, b in zip(before, after, strict=True))
    assert "normal_" not in vars(torch.Tensor)


def test_the_engine_itself_draws_from_no_global_generator(monkeypatch):
    """Outside of the streams nothing may touch torch's default generator, nor numpy's, nor Python's."""
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)

    def heads():
        return torch.default_generator.get_state(), np.random.get_state()[1], random.getstate()

    loop = small.make_loop(augment=GaussianNoise(0.1), workers=0, eval_every=1)
    seen = []
    reseed = seeding.reseed_default
    monkeypatch.setattr(seeding, "reseed_default", lambda *path: (seen.append(path[1]), reseed(*path))[1])
    before = heads()
    loop.run()
    after = heads()
    assert np.array_equal(before[1], after[1])
    assert before[2] == after[2]
    assert set(seen) == {"dropout", "evaluation"}
