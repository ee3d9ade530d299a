"""Idioms of real research code: every one passes the linter, and is real code, for it imports and runs."""

import importlib.util
import re

import pytest

from mlintern.vet.policy import check_source

HEAD = """import copy, functools, itertools, math, random, warnings
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn, Tensor
"""

IDIOMS = {
    "autograd_function": """
class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.scale = scale
        ctx.save_for_backward(x)
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return -ctx.scale * grad, None

Reverse.apply(torch.ones(2, requires_grad=True), 2.0).sum().backward()
""",
    "container_dunders": """
class Rows:
    def __init__(self, rows): self.rows = rows
    def __len__(self): return len(self.rows)
    def __getitem__(self, i): return self.rows[i]
    def __setitem__(self, i, row): self.rows[i] = row
    def __delitem__(self, i): del self.rows[i]
    def __iter__(self): yield from self.rows
    def __contains__(self, row): return row in self.rows
    def __call__(self, x): return x
    def __repr__(self): return f"{self.__class__.__name__}({len(self)})"
    def __hash__(self): return hash(tuple(self.rows))
    def __eq__(self, other): return self.rows == other.rows
""",
    "torch_func": """
from torch.func import functional_call, grad, jacrev, vmap

class Meta(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 1)

    def forward(self, x):
        params = dict(self.net.named_parameters())
        def loss(p, row): return functional_call(self.net, p, (row,)).square().sum()
        return vmap(grad(loss), in_dims=(None, 0))(params, x)["weight"]

Run = Meta
""",
    "register_buffer": """
class Run(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3), persistent=False)
    def forward(self, x):
        if self.training:
            self.mean.mul_(0.9).add_(x.detach().mean(0), alpha=0.1)
        return x - self.mean
""",
    "forward_hooks": """
class Run(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.features = nn.Linear(3, 2), {}
        self.net.register_forward_hook(self.keep("net"))
    def keep(self, name):
        def hook(module, inputs, output):
            self.features[name] = output.detach()
        return hook
    def forward(self, x): return self.net(x)
""",
    "einsum": """
class Run(nn.Module):
    def forward(self, x): return torch.einsum("bi,bj->bij", x, x)
""",
    "lru_cache_method": """
class Table:
    @functools.lru_cache(maxsize=None)
    def angles(self, length: int): return torch.arange(length) / 10_000

@functools.cache
def mask(n): return torch.ones(n, n).tril()
""",
    "dataclass_config": """
@dataclass(frozen=True)
class Config:
    width: int = 8
    dims: list = field(default_factory=lambda: [1, 2])

DEFAULT = Config()

class Run(nn.Module):
    def __init__(self, config: Config = DEFAULT):
        super().__init__()
        self.out = nn.Linear(3, config.width)
    def forward(self, x): return self.out(x)
""",
    "context_manager": """
import contextlib

@contextlib.contextmanager
def frozen(module):
    before = [p.requires_grad for p in module.parameters()]
    module.requires_grad_(False)
    try:
        yield module
    finally:
        for p, flag in zip(module.parameters(), before):
            p.requires_grad_(flag)

class Scope:
    def __enter__(self): return self
    def __exit__(self, *error): return False
""",
    "generators": """
def windows(x, size):
    for start in range(0, len(x) - size + 1):
        yield x[start : start + size]
PAIRS = [(i, j) for i in range(4) for j in range(i)]
""",
    "try_except": """
try:
    from torch.nn.attention import SDPBackend
except ImportError:
    SDPBackend = None

def safe(x):
    try:
        return torch.linalg.cholesky(x)
    except torch.linalg.LinAlgError as error:
        raise ValueError(f"not positive: {error}") from error
""",
    "property_setter": """
class Run(nn.Module):
    def __init__(self):
        super().__init__()
        self._rate = 0.1
    @property
    def rate(self): return self._rate
    @rate.setter
    def rate(self, value): self._rate = float(value)
    def forward(self, x):
        self.rate = 0.2
        return x * self.rate
""",
    "registry_by_decorator": """
BLOCKS = {}

def register(name):
    def wrap(cls):
        BLOCKS[name] = cls
        return cls
    return wrap

@register("linear")
class Linear(nn.Linear):
    pass

class Run(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = BLOCKS["linear"](3, 2)
    def forward(self, x): return self.block(x)
""",
    "registry_by_subclass": """
class Base:
    known = {}
    def __init_subclass__(cls, key=None, **rest):
        super().__init_subclass__(**rest)
        cls.known[key] = cls

class One(Base, key="one"):
    pass
""",
    "metaclass": """
class Named(type):
    def __new__(mcs, name, bases, space):
        space.setdefault("tag", name.lower())
        return super().__new__(mcs, name, bases, space)

class Thing(metaclass=Named):
    pass
""",
    "descriptor": """
class Clamped:
    def __set_name__(self, owner, name): self.name = "_" + name
    def __get__(self, thing, owner=None): return getattr(thing, self.name)
    def __set__(self, thing, value): setattr(thing, self.name, max(0.0, value))

class Holder:
    rate = Clamped()
    def __init__(self): self.rate = -1.0

def made(): return Holder().rate
""",
    "lazy_init": """
class Run(nn.Module):
    def __init__(self):
        super().__init__()
        self.cache = None
    def forward(self, x):
        if self.cache is None or self.cache.shape[0] != x.shape[1]:
            self.cache = torch.arange(x.shape[1], device=x.device)
        if not hasattr(self, "scale"):
            self.scale = x.shape[1] ** -0.5
        return x * self.cache * self.scale
""",
    "compile_and_jit": """
@torch.jit.script
def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1.0 + torch.erf(x / 1.41421))

@torch.compile(disable=True)
def fast(x): return x + 1

class Run(nn.Module):
    def forward(self, x): return fast(gelu(x))
""",
    "init_functions": """
def reset(module):
    if isinstance(module, (nn.Linear, nn.Conv2d)):
        nn.init.trunc_normal_(module.weight, std=0.02)
        fan, _ = nn.init._calculate_fan_in_and_fan_out(module.weight)
        module.weight.data.mul_(math.sqrt(2 / fan))
        if module.bias is not None:
            nn.init.zeros_(module.bias)

class Run(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 2)
        self.apply(reset)
    def forward(self, x): return self.net(x)
""",
    "no_grad": """
class Ema(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net, self.slow = net, copy.deepcopy(net).requires_grad_(False)
    @torch.no_grad()
    def update(self):
        for a, b in zip(self.slow.parameters(), self.net.parameters()):
            a.data.lerp_(b.data, 0.01)
    def forward(self, x):
        with torch.set_grad_enabled(self.training), torch.autocast("cpu", enabled=False):
            return self.slow(x)

class Run(nn.Module):
    def __init__(self):
        super().__init__()
        self.ema = Ema(nn.Linear(3, 2))
    def forward(self, x):
        self.ema.update()
        return self.ema(x)
""",
    "einops_layers": """
from einops import rearrange, repeat
from einops.layers.torch import Rearrange
class Run(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = Rearrange("b (c w) -> b c w", w=1)
    def forward(self, x): return rearrange(self.patch(x), "b c w -> b (c w)")
""",
    "timm_model": """
import timm
def backbone(): return timm.create_model("resnet18", pretrained=False, num_classes=2)
""",
    "transformers_config": """
from transformers import AutoConfig, AutoModel
def backbone(**arguments): return AutoModel.from_config(AutoConfig.for_model("bert", **arguments))
""",
    "torchvision_model": """
from torchvision.models import resnet18
from torchvision.transforms import v2
def backbone(): return resnet18(weights=None, num_classes=2)
""",
    "torchmetrics": """
from torchmetrics.functional import accuracy
import torchmetrics
class Score:
    def per_example(self, outputs, targets): return (outputs.argmax(-1) == targets).float()
""",
    "seeded_generators": """
class Run(nn.Module):
    def __init__(self, seed=0):
        super().__init__()
        rng = np.random.default_rng(seed)
        self.order = rng.permutation(3)
        self.register_buffer("proj", torch.randn(3, 2, generator=torch.Generator().manual_seed(seed)))
        self.pick = random.Random(seed).choice([1, 2])
    def forward(self, x): return x[:, self.order] @ self.proj
""",
    "noise_in_forward": """
class Run(nn.Module):
    def forward(self, x):
        return x + torch.randn_like(x) * 0.1 + torch.rand(x.shape[0], 1) if self.training else x
""",
    "numbered_layers": """
class Run(nn.Module):
    def __init__(self):
        super().__init__()
        for i in range(2):
            setattr(self, f"layer{i}", nn.Linear(3, 3))
    def forward(self, x):
        for i in range(2):
            x = getattr(self, f"layer{i}")(x)
        return x
""",
    "activation_by_name": """
class Run(nn.Module):
    def __init__(self, act="relu", norm="LayerNorm"):
        super().__init__()
        self.act, self.norm = getattr(F, act), getattr(nn, norm)(3)
    def forward(self, x): return self.norm(self.act(x))
""",
    "tied_parameters": """
def groups(model, decay):
    seen, head = set(), set(map(id, model.parameters()))
    for p in model.parameters():
        if p.data_ptr() in seen or id(p) not in head:
            continue
        seen.add(p.data_ptr())
    return seen
""",
    "partial_defaults": """
norm_layer = functools.partial(nn.LayerNorm, eps=1e-6)
class Run(nn.Module):
    def __init__(self, norm=norm_layer, act=nn.GELU(), dims=[3, 4], betas=(0.9, 0.99)):
        super().__init__()
        self.norm, self.act, self.dims = norm(dims[0]), act, list(dims)
    def forward(self, x): return self.act(self.norm(x))
""",
    "class_constants": """
class Run(nn.Module):
    channels = [16, 32, 64]
    table = {"tiny": dict(depth=2), "base": dict(depth=12)}
    def __init__(self, size="tiny"):
        super().__init__()
        self.depth = self.table[size]["depth"] + self.channels[0]
    def forward(self, x): return x * self.depth
""",
    "constants_at_import": """
import re
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3)
GRID = np.linspace(0, 1, 5)
WORD = re.compile(r"\\w+")
NAMES = "a b c".split()
INDEX = {name: i for i, name in enumerate(NAMES)}
LOG2 = math.log(2)
EPS = torch.finfo(torch.float32).eps
NEG, BIG = -1e9, 2**31 - 1
SIZES = dict(zip(NAMES, itertools.repeat(3, 3)))
for _name in NAMES:
    INDEX[_name.upper()] = INDEX[_name]
assert len(INDEX) == 6
""",
    "warnings_and_logging": """
import logging
logger = logging.getLogger(__name__)
warnings.filterwarnings("ignore", message="lr_scheduler")
class Run(nn.Module):
    def forward(self, x):
        logger.debug("shape %s", x.shape)
        if x.ndim != 2:
            warnings.warn("odd shape")
        return x
""",
    "closures": """
def counted(f):
    n = 0
    @functools.wraps(f)
    def inner(*args):
        nonlocal n
        n += 1
        return f(*args)
    return inner
""",
    "type_hints": """
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, Protocol, TypeVar
if TYPE_CHECKING:
    from collections.abc import Iterator
T = TypeVar("T")
class Out(NamedTuple):
    logits: Tensor
    kind: Literal["a", "b"] = "a"
class Sized(Protocol):
    def __len__(self) -> int: ...
class Box(Generic[T]):
    def first(self, items: "Iterator[T]") -> T: return next(items)
""",
    "parametrization": """
import torch.nn.utils.parametrize as parametrize
class Symmetric(nn.Module):
    def forward(self, w): return w.triu() + w.triu(1).T
class Run(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 3)
        parametrize.register_parametrization(self.net, "weight", Symmetric())
    def forward(self, x): return self.net(x)
""",
    "tensor_subclass": """
class Tagged(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return super().__torch_function__(func, types, args, kwargs or {})
class Run(nn.Module):
    def forward(self, x): return x.as_subclass(Tagged).sum().as_subclass(torch.Tensor)
""",
    "custom_optimizer": """
class Signed(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3):
        super().__init__(params, dict(lr=lr))
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    state = self.state[p]
                    state["step"] = state.get("step", 0) + 1
                    p.add_(p.grad.sign(), alpha=-group["lr"])
""",
    "distributions": """
from torch.distributions import Categorical, Independent, Normal, kl_divergence
class Run(nn.Module):
    def forward(self, x): return Independent(Normal(x, torch.ones_like(x)), 1).rsample()
""",
    "scipy_and_sklearn": """
from scipy import linalg, special, stats
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import roc_auc_score
from sklearn.decomposition import PCA
class Run(nn.Module):
    def forward(self, x):
        rows, columns = linear_sum_assignment(x.detach().numpy())
        return x * float(special.expit(0.0)) + float(stats.norm.cdf(0.0))
""",
    "checkpointing": """
from torch.utils.checkpoint import checkpoint
class Run(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 3)
    def forward(self, x): return checkpoint(self.net, x, use_reentrant=False)
""",
    "greek_names": """
def loss(x, λ=0.1, β1=0.9):
    Δ = x - x.mean()
    return λ * Δ.square().sum() * β1
""",
    "match_and_walrus": """
def pick(kind, x):
    match kind:
        case "relu": return F.relu(x)
        case {"leaky": slope}: return F.leaky_relu(x, slope)
        case nn.Module(training=True) as module: return module(x)
    if (n := x.numel()) > 3:
        return n
""",
    "module_containers": """
class Run(nn.Module):
    def __init__(self):
        super().__init__()
        self.heads = nn.ModuleDict({k: nn.Linear(3, 2) for k in ("a", "b")})
        self.body = nn.Sequential(OrderedDict([("one", nn.Linear(3, 3)), ("act", nn.ReLU())]))
        self.free = nn.ParameterList([nn.Parameter(torch.zeros(3))])
        self.counts = defaultdict(int)
    def forward(self, x):
        self.counts["forward"] += 1
        return sum(head(self.body(x + self.free[0])) for head in self.heads.values())
""",
    "state_dict_hooks": """
class Run(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 2)
        self._register_load_state_dict_pre_hook(self._rename)
    def _rename(self, state, prefix, *rest):
        for key in [k for k in state if k.startswith(prefix + "fc.")]:
            state[key.replace("fc.", "net.")] = state.pop(key)
    def extra_repr(self): return "renames fc"
    def forward(self, x): return self.net(x)
""",
    "operators": """
class Dual:
    def __init__(self, a, b): self.a, self.b = a, b
    def __add__(self, o): return Dual(self.a + o.a, self.b + o.b)
    def __rmul__(self, k): return Dual(k * self.a, k * self.b)
    def __neg__(self): return -1 * self
    def __getattr__(self, name): raise AttributeError(name)
    def __bool__(self): return bool(self.a)
    __slots__ = ("a", "b")
""",
    "print_and_main": """
class Run(nn.Module):
    def forward(self, x): return x
if __name__ == "__main__":
    model = Run()
    print(sum(p.numel() for p in model.parameters()))
""",
    "dtype_and_device": """
class Run(nn.Module):
    def forward(self, x):
        if x.is_cuda or x.device.type == "cuda":
            x = x.contiguous()
        where = torch.zeros(1, device=x.device, dtype=x.dtype)
        return x + where.to(x)
""",
    "sdpa_and_masks": """
class Run(nn.Module):
    def forward(self, x):
        q = x[:, None, :, None]
        mask = torch.full((x.shape[1],) * 2, float("-inf")).triu(1)
        return F.scaled_dot_product_attention(q, q, q, attn_mask=mask).flatten(1)
""",
    "counter_and_sort": """
from collections import Counter
def vocabulary(texts):
    counts = Counter(word for text in texts for word in text.split())
    words = sorted(counts, key=lambda word: (-counts[word], word))
    words.insert(0, "<pad>")
    return {word: i for i, word in enumerate(words)}
""",
    "data_source": """
from sklearn.datasets import make_moons
class Moons:
    def __init__(self, seed: int, n: int): self.seed, self.n = seed, n
    def __call__(self):
        rng = np.random.Generator(np.random.Philox(self.seed))
        x, y = make_moons(self.n, noise=0.1, random_state=int(rng.integers(2**31)))
        return {"train": {"features": x.astype(np.float32), "labels": y}}
""",
}
LIBRARIES = re.compile(r"^(?:import|from) (einops|timm|transformers|torchvision|torchmetrics)\b", re.MULTILINE)


def test_there_are_enough_of_them():
    assert len(IDIOMS) >= 40


@pytest.mark.parametrize("name", IDIOMS)
def test_passes_and_is_real_code(name, tmp_path):
    path = tmp_path / "modules.py"
    path.write_text(HEAD + IDIOMS[name], encoding="utf-8")
    assert [str(refusal) for refusal in check_source(path, "model")] == []
    if any(importlib.util.find_spec(library) is None for library in LIBRARIES.findall(IDIOMS[name])):
        pytest.skip("a library that the idiom uses is not installed")
    spec = importlib.util.spec_from_file_location("idiom", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if hasattr(module, "Run"):
        import torch

        module.Run()(torch.rand(3, 3))
