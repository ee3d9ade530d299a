"""What papers honestly do, each in a few lines: models, losses, methods and the rest that no trial may refuse."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Data:
    """200 training and 60 test examples of one `kind` of task."""

    def __init__(self, kind: str = "table"):
        self.kind = kind

    def __call__(self) -> dict[str, dict[str, np.ndarray]]:
        draw = np.random.default_rng(0)
        n = 260
        x = draw.normal(size=(n, 8)).astype(np.float32)
        y = (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0.3)  # three classes
        real = (x @ np.linspace(-1, 1, 8)).astype(np.float32)
        tokens = draw.integers(1, 11, (n, 12))
        padded = np.where(np.arange(12) < draw.integers(3, 13, n)[:, None], tokens, 0)  # 0 is padding
        images = (draw.normal(size=(n, 3, 8, 8)) + y[:, None, None, None]).astype(np.float32)
        masks = (images[:, 0] > 1).astype(np.int64)
        series = draw.normal(size=(n, 10, 3)).astype(np.float32)
        features, labels = {
            "table": (x, y),
            "two": (x, (y > 0).astype(np.int64)),
            "two_floats": (x, (y > 0).astype(np.float32)),
            "signed": (x, np.where(y > 0, 1, -1)),
            "real": (x, real),
            "real_column": (x, real[:, None]),
            "boxes": (images, np.abs(x[:, :4])),
            "many": (x, (x[:, :4] > 0).astype(np.float32)),
            "soft": (x, np.eye(3, dtype=np.float32)[y] * 0.7 + 0.1),
            "counts": (x, draw.poisson(np.exp(x[:, 0] * 0.5)).astype(np.float32)),
            "self": (x, x),
            "images": (images, y),
            "image_self": (images, images),
            "masks": (images, masks),
            "masks_ignored": (images, np.where(draw.random(masks.shape) < 0.2, 255, masks)),
            "heatmap": (images, images.mean(axis=1, keepdims=True)),
            "tokens": (tokens, (tokens[:, 0] > 5).astype(np.int64)),
            "padded": (padded, (padded[:, 0] > 5).astype(np.int64)),
            "next": (padded, np.where(np.roll(padded, -1, axis=1) == 0, -100, np.roll(padded, -1, axis=1))),
            "series": (series, series.sum(axis=(1, 2))[:, None]),
            "forecast": (series, series[:, -3:, 0]),
            "pairs": (np.stack([x, np.roll(x, 1, axis=0)], axis=1), (y == np.roll(y, 1)).astype(np.float32)),
            "constant_column": (np.concatenate([x, np.ones_like(x[:, :1])], axis=1), y),
            "bytes": ((images * 40).clip(0, 255).astype(np.uint8), y),
        }[self.kind]
        return {
            "train": {"features": features[:200], "labels": labels[:200]},
            "test": {"features": features[200:], "labels": labels[200:]},
        }


class Block(nn.Module):
    """A residual block; `drop` is the chance that an example of a training batch goes past it."""

    def __init__(self, width: int, norm: str = "batch", drop: float = 0.0):
        super().__init__()
        self.norm = {
            "batch": lambda: nn.BatchNorm2d(width),
            "group": lambda: nn.GroupNorm(2, width),
            "instance": lambda: nn.InstanceNorm2d(width, affine=True),
        }[norm]()
        self.conv, self.drop = nn.Conv2d(width, width, 3, padding=1), drop
        nn.init.zeros_(self.conv.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(self.norm(x).relu())
        if self.training and self.drop:
            y = y * (torch.rand(len(x), 1, 1, 1) > self.drop) / (1 - self.drop)
        return x + y


class Standardised(nn.Conv2d):
    """A convolution whose weights are standardised."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        w = self.weight
        w = (w - w.mean((1, 2, 3), keepdim=True)) / (w.std((1, 2, 3), keepdim=True) + 1e-5)
        return F.conv2d(x, w, self.bias, padding=1)


class Squeeze(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(width, 2), nn.ReLU(), nn.Linear(2, width), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x.mean((2, 3)))[:, :, None, None]


class Conv(nn.Module):
    """Images [n, 3, 8, 8] to logits [n, 3]."""

    def __init__(self, kind: str = "batch"):
        super().__init__()
        stem = {"standardised": Standardised, "spectral": lambda *a, **k: nn.utils.spectral_norm(nn.Conv2d(*a, **k))}
        first = stem.get(kind, nn.Conv2d)(3, 8, 3, padding=1)
        body = {
            "squeeze": lambda: Squeeze(8),
            "depthwise": lambda: nn.Conv2d(8, 8, 3, groups=8, padding=1),
            "drop": lambda: nn.Dropout2d(0.5),
            "stochastic": lambda: Block(8, drop=0.5),
        }.get(kind, lambda: Block(8, kind if kind in ("group", "instance") else "batch"))()
        self.body = nn.Sequential(first, body, nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x.float()))


class Dense(nn.Module):
    """Features [n, 8] to `outputs`, by a hidden layer of one `kind`; `flat` drops the axis of a single output."""

    def __init__(self, kind: str = "plain", inputs: int = 8, outputs: int = 3, flat: bool = False):
        super().__init__()
        self.kind, self.flat = kind, flat
        self.first, self.head = nn.Linear(inputs, 16), nn.Linear(16, outputs)
        self.norm = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm, "rms": nn.RMSNorm}.get(kind, nn.Identity)(16)
        self.gain, self.scale = nn.Parameter(torch.zeros(())), nn.Parameter(torch.tensor(math.log(10.0)))
        self.register_buffer("basis", torch.randn(inputs, 16))
        if kind == "weight_norm":
            self.first = nn.utils.parametrizations.weight_norm(self.first)
        if kind == "frozen":
            self.first.requires_grad_(False)
        if kind == "zero_head":
            nn.init.zeros_(self.head.weight)
            nn.init.zeros_(self.head.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.norm(self.first(x))
        match self.kind:
            case "dropout":
                h = F.dropout(h.relu(), 0.5, self.training)
            case "monte_carlo":
                h = F.dropout(h.relu(), 0.2, True)
            case "maxout":
                h = torch.maximum(h, -h.roll(1, dims=1))
            case "gated":
                h = h * h.roll(1, dims=1).sigmoid()
            case "rezero":
                h = h + self.gain * h.tanh()
            case "random_features":
                h = (x @ self.basis).cos()
            case "ode":
                for _ in range(4):
                    h = h + 0.25 * h.tanh()
            case "radial":
                h = torch.exp(-(h**2))
            case "cosine":
                return self.scale.exp() * F.normalize(h, dim=1) @ F.normalize(self.head.weight, dim=1).T
            case "experts":
                gate = h[:, :2].softmax(dim=1)
                h = gate[:, :1] * h.relu() + gate[:, 1:] * h.tanh()
            case "masked":
                return self.head(h.relu()).masked_fill(torch.tensor([False, False, False]), -1e9)
            case "noise":
                h = h + 0.1 * torch.randn_like(h) if self.training else h
            case "log_softmax":
                return self.head(h.relu()).log_softmax(dim=1)
            case "sigmoid":
                return self.head(h.relu()).sigmoid()
            case "bounded":
                return self.head(h).tanh()
            case "checkpointed":
                h = torch.utils.checkpoint.checkpoint(torch.tanh, h, use_reentrant=False)
            case _:
                h = h.relu()
        y = self.head(h)
        return y.squeeze(1) if self.flat else y


class Recurrent(nn.Module):
    """Series [n, 10, 3] to `outputs`, or tokens [n, 12] to two logits."""

    def __init__(self, kind: str = "LSTM", outputs: int = 1, tokens: bool = False, both: bool = False):
        super().__init__()
        self.embed = nn.Embedding(11, 3, padding_idx=0) if tokens else nn.Identity()
        self.cell = getattr(nn, kind)(3, 8, batch_first=True, bidirectional=both)
        self.head = nn.Linear(16 if both else 8, 2 if tokens else outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.cell(self.embed(x))[0][:, -1])


class Packed(nn.Module):
    """An LSTM over sequences packed by their lengths."""

    def __init__(self):
        super().__init__()
        self.embed, self.cell, self.head = (
            nn.Embedding(11, 6, padding_idx=0),
            nn.LSTM(6, 8, batch_first=True),
            nn.Linear(8, 2),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embed(x), (x != 0).sum(1).cpu(), batch_first=True, enforce_sorted=False
        )
        return self.head(self.cell(packed)[1][0][-1])


class Pooled(nn.Module):
    """The mean or the maximum of embeddings that are no padding; with `bag`, by torch's own layer."""

    def __init__(self, kind: str = "mean"):
        super().__init__()
        self.kind, self.embed, self.head = kind, nn.Embedding(11, 8, padding_idx=0), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        real = (x != 0)[:, :, None]
        h = self.embed(x)
        if self.kind == "max":
            return self.head(h.masked_fill(~real, -torch.inf).amax(dim=1))
        return self.head((h * real).sum(dim=1) / real.sum(dim=1))


class Transformer(nn.Module):
    """Tokens to two logits by a class token; with `causal`, to logits of the next token [n, 11, 12] by tied weights."""

    def __init__(self, causal: bool = False, ready: bool = False):
        super().__init__()
        self.causal = causal
        self.embed, self.token = nn.Embedding(11, 8), nn.Parameter(torch.zeros(1, 1, 8))
        places = torch.arange(13)[:, None] / 10000 ** (torch.arange(8) / 8)
        self.register_buffer("places", places.sin())
        self.attend, self.norm = nn.MultiheadAttention(8, 2, batch_first=True), nn.LayerNorm(8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.ready = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False) if ready else None
        self.head = nn.Linear(8, 11 if causal else 2)
        if causal:
            self.head.weight = self.embed.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.embed(x) + self.places[: x.shape[1]]
        if self.causal:
            mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
            h = self.norm(h + self.attend(h, h, h, attn_mask=mask, need_weights=False)[0])
            return self.head(h).movedim(-1, 1)
        if self.ready is not None:
            return self.head(self.ready(h, src_key_padding_mask=x == 0).mean(dim=1))
        h = torch.cat([self.token.expand(len(x), -1, -1), h], dim=1)
        none = torch.zeros(len(x), 1, dtype=torch.bool)
        scores = h @ h.transpose(1, 2) / math.sqrt(8)
        scores = scores.masked_fill(torch.cat([none, x == 0], dim=1)[:, None], -torch.inf)
        return self.head((scores.softmax(dim=-1) @ h)[:, 0])


class Dilated(nn.Module):
    """A temporal convolution: series [n, 10, 3] to the next three values [n, 3]."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(3, 8, 3, dilation=2, padding=2), nn.ReLU(), nn.Flatten(), nn.Linear(80, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x.transpose(1, 2))


class Coder(nn.Module):
    """A (variational) autoencoder of features [n, 8]; its code is drawn in training alone."""

    def __init__(self, variational: bool = False):
        super().__init__()
        self.variational = variational
        self.encode, self.decode = nn.Linear(8, 8), nn.Linear(4, 8)

    def divergence(self, x: torch.Tensor) -> torch.Tensor:
        mean, log = self.encode(x).chunk(2, dim=1)
        return 0.5 * (mean**2 + log.exp() - 1 - log).sum(dim=1).mean()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, log = self.encode(x).chunk(2, dim=1)
        drawn = mean + (0.5 * log).exp() * torch.randn_like(mean) if self.variational and self.training else mean
        return self.decode(drawn)


class Dots(nn.Module):
    """A fully convolutional net: images to `outputs` maps of their size."""

    def __init__(self, outputs: int = 2):
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ConvTranspose2d(8, 8, 2, stride=2)
        self.head = nn.Conv2d(11, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.cat([x, self.up(self.down(x).relu())], dim=1))


class Boxes(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4), nn.Softplus())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


class Siamese(nn.Module):
    """Two examples [n, 2, 8] to how alike they are [n]."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a, b = self.body(x).unbind(dim=1)
        return 1 - (a - b).square().sum(dim=1)


class Focal:
    """Cross entropy in which what is learnt already counts little."""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        each = F.cross_entropy(outputs, targets, reduction="none")
        return ((1 - torch.exp(-each)) ** 2 * each).mean()


class Smoothed:
    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        log = outputs.log_softmax(dim=1)
        return (-0.9 * log.gather(1, targets[:, None])[:, 0] - 0.1 * log.mean(dim=1)).mean()


class Pinball:
    """Three quantiles [n, 3] of a number [n]."""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        apart = targets[:, None] - outputs
        at = torch.tensor([0.1, 0.5, 0.9])
        return torch.maximum(at * apart, (at - 1) * apart).mean()


class Gaussian:
    """A mean and a log-variance [n, 2] of a number [n]."""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        mean, log = outputs.unbind(dim=1)
        return 0.5 * (log + (targets - mean) ** 2 / log.exp()).mean()


class Supervised:
    """Supervised contrastive: examples of one class lie together. No mean over examples."""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        z = F.normalize(outputs, dim=1)
        scores = (z @ z.T / 0.5).masked_fill(torch.eye(len(z), dtype=torch.bool), -1e9)
        same = (targets[:, None] == targets[None]).float().fill_diagonal_(0)
        return -((scores.log_softmax(dim=1) * same).sum(dim=1) / same.sum(dim=1).clamp(min=1)).mean()


class Ordinal:
    """Cumulative logits [n, 2] of three ordered classes [n]."""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        above = (targets[:, None] > torch.arange(2)).float()
        return F.binary_cross_entropy_with_logits(outputs, above)


class Overlap:
    """Dice of masks [n, 8, 8] and logits [n, 2, 8, 8], beside a cross entropy."""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        yes = outputs.softmax(dim=1)[:, 1]
        dice = 1 - (2 * (yes * targets).sum((1, 2)) + 1) / (yes.sum((1, 2)) + targets.sum((1, 2)) + 1)
        return dice.mean() + F.cross_entropy(outputs, targets)


class Miss:
    """A metric of a pack's own, of any shapes."""

    name = "miss"
    higher_is_better = False

    def per_example(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        y = targets.reshape(len(targets), -1)[:, 0].to(outputs.dtype)
        return (outputs.reshape(len(outputs), -1)[:, 0] - y).abs().double()


class TopTwo:
    name = "top_two"
    higher_is_better = True

    def per_example(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs.topk(2, dim=1).indices == targets[:, None]).any(dim=1).double()


class Variational:
    """A reconstruction and the divergence of its code."""

    def loss(self, model, criterion, inputs, targets, context):
        return criterion(model(inputs), targets) + 0.1 * model.divergence(inputs)


class Denoising:
    def loss(self, model, criterion, inputs, targets, context):
        noise = context.generator("noise").normal(0, 0.1, inputs.shape)
        return criterion(model(inputs + torch.from_numpy(noise).to(inputs)), targets)


class Adversarial:
    """The fast gradient sign method."""

    def loss(self, model, criterion, inputs, targets, context):
        x = inputs.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(criterion(model(x), targets), x)
        return criterion(model(inputs + 0.05 * gradient.sign()), targets)


class Penalised:
    """A penalty on the gradient in the inputs: a second derivative."""

    def loss(self, model, criterion, inputs, targets, context):
        x = inputs.clone().requires_grad_()
        value = criterion(model(x), targets)
        (gradient,) = torch.autograd.grad(value, x, create_graph=True)
        return value + 0.1 * gradient.square().flatten(1).sum(dim=1).mean()


class Consistent:
    """Two forwards of one batch under dropout agree."""

    def loss(self, model, criterion, inputs, targets, context):
        a, b = model(inputs), model(inputs)
        return criterion(a, targets) + F.mse_loss(a.softmax(dim=1), b.softmax(dim=1))


class Distilled:
    """A model learns from what it was before it was trained, kept within itself."""

    def loss(self, model, criterion, inputs, targets, context):
        with torch.no_grad():
            soft = model(inputs).softmax(dim=1)
        return criterion(model(inputs), targets) + F.kl_div(
            model(inputs).log_softmax(dim=1), soft, reduction="batchmean"
        )


class Cut:
    """CutMix over images, drawn by the step."""

    def loss(self, model, criterion, inputs, targets, context):
        draw = context.generator("cut")
        order, share = torch.from_numpy(draw.permutation(len(inputs))), int(draw.integers(1, 8))
        mixed = inputs.clone()
        mixed[..., :share] = inputs[order][..., :share]
        kept = 1 - share / 8
        outputs = model(mixed)
        return kept * criterion(outputs, targets) + (1 - kept) * criterion(outputs, targets[order])


class Flips:
    """An augmentation: mirrored, and moved by a pixel."""

    def __call__(self, features: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        if generator.random() < 0.5:
            features = features[..., ::-1]
        return np.ascontiguousarray(np.roll(features, generator.integers(-1, 2), axis=-1))


class Restarts:
    """Cosine with warm restarts."""

    def factor(self, step: int, max_steps: int) -> float:
        return 0.5 * (1 + math.cos(math.pi * (step % 5) / 5))


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr: float = 1e-3, beta: float = 0.9):
        super().__init__(params, {"lr": lr, "beta": beta})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
                momentum.lerp_(p.grad, 1 - group["beta"])
                p.sub_(group["lr"] * momentum.sign())


class Sharpness(torch.optim.Optimizer):
    """Sharpness-aware: a step by the gradient at a point nearby."""

    def __init__(self, params, lr: float = 1e-2, rho: float = 0.05):
        super().__init__(params, {"lr": lr, "rho": rho})

    def step(self, closure):
        with torch.enable_grad():
            loss = closure()
        moved = []
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        moved.append((p, group["rho"] * p.grad / (p.grad.norm() + 1e-12), group["lr"]))
                        p.add_(moved[-1][1])
        with torch.enable_grad():
            closure()
        with torch.no_grad():
            for p, away, lr in moved:
                p.sub_(away)
                if p.grad is not None:
                    p.sub_(lr * p.grad)
        return loss


class Whitened:
    """Preprocessing that is fitted: whitening by the training rows."""

    def fit(self, features: np.ndarray) -> "Whitened":
        self.mean = features.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov(features, rowvar=False) + 1e-3 * np.eye(features.shape[1]))
        self.turn = vectors / np.sqrt(values)
        return self

    def transform(self, features: np.ndarray) -> np.ndarray:
        return ((features - self.mean) @ self.turn).astype(np.float32)


class Sorted:
    """A view: each example's features in their order."""

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return np.sort(features, axis=1)
