"""Operations that generated modules use, each as a hash of what it computes: `python -m portability.operations`.

Prints one line of JSON per operation, `{"name", "sha256"}`, as it goes, so that a crash names its place. Layers and
losses are hashed with their gradients, optimizers with what ten steps make of parameters. Inputs come from whole
numbers, so that no library has a say in them. An operation without a deterministic form is hashed as its error.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Operation = Callable[[], Iterable[Tensor]]


def whole(*shape: int, seed: int = 0, least: int = -4096, scale: float = 1024.0) -> Tensor:
    """Multiples of 1/scale, from `least`/scale to 4096/scale."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(least, 4097, shape, generator=draw).float() / scale


X, POSITIVE, UNIT = whole(1003), whole(1003, least=1), whole(1003, scale=4097.0)
ROWS = whole(10, 100)


def elementwise() -> Iterator[tuple[str, Operation]]:
    names = {
        "exp exp2 expm1 tanh sigmoid erf sin cos tan sinh cosh atan relu silu gelu softplus mish elu selu": X,
        "log log2 log10 log1p sqrt rsqrt reciprocal": POSITIVE,
        "asin acos erfinv atanh": UNIT,
    }
    for together, x in names.items():
        for name in together.split():
            function = getattr(torch, name, None) or getattr(F, name)
            yield name, lambda function=function, x=x: [function(x)]
    yield "pow 0.5", lambda: [POSITIVE**0.5]
    yield "pow 1.7", lambda: [POSITIVE**1.7]
    yield "pow tensor", lambda: [POSITIVE**UNIT]
    yield "double sqrt", lambda: [POSITIVE.double().sqrt()]
    yield "double exp", lambda: [X.double().exp()]


def reductions() -> Iterator[tuple[str, Operation]]:
    named: dict[str, Callable[[Tensor], Tensor]] = {
        "sum": lambda m: m.sum(),
        "sum of columns": lambda m: m.sum(0),
        "mean": lambda m: m.mean(1),
        "var": lambda m: m.var(1),
        "std": lambda m: m.std(1),
        "norm": lambda m: m.norm(),
        "norm of rows": lambda m: m.norm(dim=1),
        "3-norm of rows": lambda m: torch.linalg.vector_norm(m, 3, dim=1),
        "cumsum": lambda m: m.cumsum(1),
        "prod": lambda m: m.prod(1),
        "softmax": lambda m: m.softmax(-1),
        "softmax over rows": lambda m: m.softmax(0),
        "log_softmax": lambda m: m.log_softmax(-1),
        "logsumexp": lambda m: m.logsumexp(-1),
        "normalize": F.normalize,
        "cosine_similarity": lambda m: F.cosine_similarity(m, m.flip(0)),
        "cdist": lambda m: torch.cdist(m, m),
        "fft": lambda m: torch.view_as_real(torch.fft.rfft(m)),
    }
    for name, function in named.items():
        yield name, lambda function=function: [function(ROWS)]


def products() -> Iterator[tuple[str, Operation]]:
    for n, k, m in ((7, 13, 5), (100, 40, 100), (128, 256, 512), (1, 300, 700), (33, 1000, 17)):
        a, b = whole(n, k), whole(k, m, seed=1)
        yield f"matmul {n}x{k}x{m}", lambda a=a, b=b: [a @ b]
    a, b = whole(6, 17, 33), whole(6, 33, 9, seed=1)
    yield "bmm", lambda: [a @ b]
    yield "einsum", lambda: [torch.einsum("bij,bjk->ik", a, b)]
    yield "matrix times vector", lambda: [ROWS @ ROWS[0]]
    yield "dot", lambda: [ROWS[0] @ ROWS[1]]
    yield "double matmul", lambda: [ROWS.double() @ ROWS.double().T]


def matrices() -> Iterator[tuple[str, Operation]]:
    square = ROWS @ ROWS.T / 100 + 5 * torch.eye(10)
    for name in "cholesky inv svdvals qr eigvalsh".split():
        function = getattr(torch.linalg, name)
        yield name, lambda function=function: _tensors(function(square))


class First(nn.Module):
    """The first of a module's outputs; attention is asked about itself."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        attention = isinstance(self.module, nn.MultiheadAttention)
        return (self.module(x, x, x) if attention else self.module(x))[0]


class Attention(nn.Module):
    """Scaled dot-product attention as generated modules call it."""

    def __init__(self, causal: bool = False, dropout: float = 0.0):
        super().__init__()
        self.qkv, self.causal, self.rate = nn.Linear(64, 192), causal, dropout

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).view(*x.shape[:2], 3, 4, 16).permute(2, 0, 3, 1, 4)
        h = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal, dropout_p=self.rate)
        return h.transpose(1, 2).flatten(2)


def layers() -> Iterator[tuple[str, Operation]]:
    series, image = whole(8, 16, 40), whole(6, 16, 12, 12)
    sequence = whole(8, 12, 16)
    wide = whole(4, 50, 64)
    tokens = torch.arange(100).reshape(10, 10) % 37
    made: list[tuple[str, Callable[[], nn.Module], Tensor]] = [
        ("Linear", lambda: nn.Linear(40, 100), whole(32, 40)),
        ("Linear, wide", lambda: nn.Linear(784, 1000), whole(64, 784)),
        ("Linear on sequences", lambda: nn.Linear(16, 100), sequence),
        ("Conv1d of one channel", lambda: nn.Conv1d(1, 25, 5, 2, 1), whole(16, 1, 40)),
        ("Conv1d", lambda: nn.Conv1d(16, 25, 3, 2, 1), series),
        ("Conv2d of one channel", lambda: nn.Conv2d(1, 32, 3, 1, 1), whole(8, 1, 14, 14)),
        ("Conv2d of three channels", lambda: nn.Conv2d(3, 32, 3, 1, 1), whole(8, 3, 14, 14)),
        ("Conv2d", lambda: nn.Conv2d(16, 32, 3, 1, 1), image),
        ("Conv2d 1x1", lambda: nn.Conv2d(16, 64, 1), image),
        ("Conv2d of groups", lambda: nn.Conv2d(16, 16, 3, padding=1, groups=16), image),
        ("Conv2d, dilated", lambda: nn.Conv2d(16, 16, 3, dilation=2), image),
        ("Conv2d of 64 channels", lambda: nn.Conv2d(64, 64, 3, 1, 1), whole(32, 64, 8, 8)),
        ("ConvTranspose1d", lambda: nn.ConvTranspose1d(16, 8, 3, 2, 1), series),
        ("ConvTranspose2d", lambda: nn.ConvTranspose2d(16, 8, 3, 2, 1), image),
        ("Conv3d", lambda: nn.Conv3d(4, 8, 3), whole(4, 4, 8, 8, 8)),
        ("LSTM", lambda: First(nn.LSTM(16, 32, batch_first=True)), sequence),
        ("LSTM, two layers, both ways", lambda: First(nn.LSTM(16, 24, 2, bidirectional=True)), sequence),
        ("LSTMCell", lambda: First(nn.LSTMCell(16, 32)), whole(8, 16)),
        ("GRU", lambda: First(nn.GRU(16, 32, batch_first=True)), sequence),
        ("GRU, both ways", lambda: First(nn.GRU(1, 6, batch_first=True, bidirectional=True)), whole(32, 40, 1)),
        ("RNN", lambda: First(nn.RNN(16, 32)), sequence),
        ("attention", Attention, wide),
        ("attention, causal", lambda: Attention(causal=True), wide),
        ("attention with dropout", lambda: Attention(dropout=0.1), wide),
        ("MultiheadAttention", lambda: First(nn.MultiheadAttention(64, 4, batch_first=True)), wide),
        ("TransformerEncoderLayer", lambda: nn.TransformerEncoderLayer(64, 4, 96, batch_first=True), wide),
        ("LayerNorm", lambda: nn.LayerNorm(64), wide),
        ("LayerNorm of 40", lambda: nn.LayerNorm(40), series),
        ("RMSNorm", lambda: nn.RMSNorm(64), wide),
        ("GroupNorm", lambda: nn.GroupNorm(4, 16), image),
        ("BatchNorm1d", lambda: nn.BatchNorm1d(40), whole(32, 40)),
        ("BatchNorm2d", lambda: nn.BatchNorm2d(16), image),
        ("InstanceNorm2d", lambda: nn.InstanceNorm2d(16, affine=True), image),
        ("Embedding", lambda: nn.Embedding(50, 16), tokens),
        ("EmbeddingBag", lambda: nn.EmbeddingBag(50, 16), tokens),
        ("Dropout", lambda: nn.Dropout(0.3), wide),
        ("MaxPool2d", lambda: nn.MaxPool2d(2), image),
        ("AvgPool2d", lambda: nn.AvgPool2d(3, 2), image),
        ("AdaptiveAvgPool2d", lambda: nn.AdaptiveAvgPool2d(5), image),
        ("Upsample", lambda: nn.Upsample(scale_factor=2, mode="bilinear"), image),
        ("weight_norm", lambda: nn.utils.parametrizations.weight_norm(nn.Linear(16, 30)), sequence),
        ("spectral_norm", lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(16, 30)), sequence),
        ("PReLU", nn.PReLU, wide),
    ]
    for name in "GELU SiLU Tanh Sigmoid Softplus ELU SELU Mish LogSigmoid Hardswish Softsign GLU".split():
        made.append((name, getattr(nn, name), wide))
    made.append(("GELU by tanh", lambda: nn.GELU("tanh"), wide))
    made.append(("Softmax", lambda: nn.Softmax(-1), wide))
    for name, make, x in made:
        yield name, lambda make=make, x=x: layer(make, x)


def layer(make: Callable[[], nn.Module], x: Tensor) -> list[Tensor]:
    """Output, gradients and buffers of a layer, and its output in eval mode."""
    torch.manual_seed(0)
    module = make()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(whole(*parameter.shape, seed=parameter.numel(), scale=16384.0))
    if x.is_floating_point():
        x = x.clone().requires_grad_()
    y = module(x)
    (y * y).mean().backward()
    gradients = [tensor.grad for tensor in [*module.parameters(), x] if tensor.grad is not None]
    module.eval()
    with torch.no_grad():
        return [y, *gradients, *module.buffers(), module(x)]


def losses() -> Iterator[tuple[str, Operation]]:
    target = torch.arange(10) % 100
    named: dict[str, Callable[[Tensor], Tensor]] = {
        "cross_entropy": lambda a: F.cross_entropy(a, target),
        "cross_entropy, smoothed": lambda a: F.cross_entropy(a, target, label_smoothing=0.1),
        "binary_cross_entropy": lambda a: F.binary_cross_entropy_with_logits(a, (a.detach() > 0).float()),
        "mse_loss": lambda a: F.mse_loss(a, torch.zeros_like(a)),
        "smooth_l1_loss": lambda a: F.smooth_l1_loss(a, torch.zeros_like(a)),
        "kl_div": lambda a: F.kl_div(a.log_softmax(1), torch.full_like(a, 0.01), reduction="batchmean"),
        "gaussian_nll_loss": lambda a: F.gaussian_nll_loss(a, torch.zeros_like(a), torch.full_like(a, 0.7)),
        "triplet_margin_loss": lambda a: F.triplet_margin_loss(a, a.detach().roll(1, 0), a.detach().roll(2, 0)),
    }

    def gradient(function: Callable[[Tensor], Tensor]) -> list[Tensor]:
        a = ROWS.clone().requires_grad_()
        loss = function(a)
        loss.backward()
        assert a.grad is not None
        return [loss, a.grad]

    for name, function in named.items():
        yield name, lambda function=function: gradient(function)


def optimizers() -> Iterator[tuple[str, Operation]]:
    made: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
        "SGD": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1),
        "SGD, fused": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, fused=True),
        "Adam, fused": lambda p: torch.optim.Adam(p, lr=0.01, fused=True),
        "Adam, fused, amsgrad": lambda p: torch.optim.Adam(p, lr=0.01, fused=True, amsgrad=True),
        "AdamW, fused": lambda p: torch.optim.AdamW(p, lr=0.01, fused=True),
        "Adam, not fused": lambda p: torch.optim.Adam(p, lr=0.01, foreach=False),
        "Adam, foreach": lambda p: torch.optim.Adam(p, lr=0.01, foreach=True),
        "Adagrad, fused": lambda p: torch.optim.Adagrad(p, lr=0.01, fused=True),
    }
    for name in "RMSprop Adagrad Adadelta Adamax NAdam RAdam Adafactor".split():
        made[name] = lambda p, name=name: getattr(torch.optim, name)(p, lr=0.01)

    def ten_steps(make: Callable[[Any], torch.optim.Optimizer]) -> list[Tensor]:
        parameters = [nn.Parameter(whole(30, 17)), nn.Parameter(whole(13, seed=1))]
        optimizer = make(parameters)
        for step in range(10):
            for parameter in parameters:
                parameter.grad = whole(*parameter.shape, seed=step) / 8 + parameter.detach() / 16
            optimizer.step()
        return [parameter.detach() for parameter in parameters]

    for name, make in made.items():
        yield name, lambda make=make: ten_steps(make)


def draws() -> Iterator[tuple[str, Operation]]:
    """What torch's and numpy's generators give, engine streams and initialisers among them."""
    draw = torch.Generator().manual_seed(3)
    yield "rand", lambda: [torch.rand(1000, generator=draw)]
    yield "randn", lambda: [torch.randn(1000, generator=draw)]
    yield "randn of seven", lambda: [torch.randn(7, generator=draw)]
    yield "bernoulli", lambda: [torch.empty(1000).bernoulli_(0.3, generator=draw)]
    yield "exponential", lambda: [torch.empty(1000).exponential_(generator=draw)]
    yield "trunc_normal_", lambda: [nn.init.trunc_normal_(torch.empty(100), generator=draw)]
    yield "orthogonal_", lambda: [nn.init.orthogonal_(torch.empty(10, 10), generator=draw)]
    from mlintern.core.streams import seeding

    own = seeding.generator(0, "augment", 1)
    for name in "standard_normal random exponential gamma beta uniform integers permutation".split():
        arguments = {"gamma": (2.0,), "beta": (0.2, 0.2), "integers": (0, 9), "permutation": (50,)}.get(name, ())
        size = {} if name == "permutation" else {"size": 50}
        yield (
            f"numpy {name}",
            lambda name=name, arguments=arguments, size=size: [torch.tensor(getattr(own, name)(*arguments, **size))],
        )


FAMILIES: tuple[Callable[[], Iterator[tuple[str, Operation]]], ...] = (
    elementwise,
    reductions,
    products,
    layers,
    losses,
    optimizers,
    draws,
    matrices,
)


def _tensors(result: Any) -> list[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)


def sha256(tensors: Iterable[Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def report() -> None:
    """Print every operation's hash."""
    for family in FAMILIES:
        for name, operation in family():
            try:
                value = sha256(operation())
            except RuntimeError as error:
                value = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            print(json.dumps({"name": f"{family.__name__}: {name}", "sha256": value}), flush=True)


if __name__ == "__main__":
    report()
