"""Small variants, data, losses and metrics of every shape, for the trial and for scoring."""

import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    """Outputs [n, *outputs] of features [n, 8]."""

    def __init__(self, width: int = 16, drop: float = 0.0, outputs: list[int] | int = 2, norm: str = "none"):
        super().__init__()
        norms = {"batch": nn.BatchNorm1d(width), "none": nn.Identity()}
        self.shape = [outputs] if isinstance(outputs, int) else list(outputs)
        wide = int(np.prod(self.shape))
        self.body = nn.Sequential(nn.Linear(8, width), norms[norm], nn.ReLU(), nn.Dropout(drop), nn.Linear(width, wide))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x.float()).reshape(len(x), *self.shape)


class Squeezed(Net):
    """Forgets the batch where it is one example."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).squeeze()


class Company(Net):
    """Divides its outputs among the examples of a batch: softmax over the wrong axis."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).softmax(dim=0)


class Centred(Net):
    """Centres its inputs by the batch that they stand in."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x - x.mean(dim=0))


class Detached(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).detach()


class Greedy(Net):
    """Changes what it is given."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.add_(1.0))


class Polite(Net):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x + 1.0)


class Still(Net):
    """All of its outputs are alike when it is made."""

    def __init__(self, **arguments: int):
        super().__init__(**arguments)
        nn.init.zeros_(self.body[-1].weight)


class Unfinite(Net):
    """Not finite at its initial weights: its outputs, in training alone, or its gradient; or once its weight has fallen
    below 0, by a logarithm (`later`) or by a root (`root`), or never (`weight`)."""

    def __init__(self, how: str, **arguments: int):
        super().__init__(**arguments)
        self.how, self.w = how, nn.Parameter(torch.tensor(1.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = super().forward(x)
        match self.how:
            case "outputs":
                return y - x[:, :1].abs().neg().log()
            case "training":
                return y * torch.nan if self.training else y
            case "gradient":
                return y + (0 * y).norm(dim=1, keepdim=True) + (0 * self.w).sqrt()
            case "masked":
                return y.index_fill(1, torch.tensor([2]), -torch.inf)
            case "later":
                return 0 * y + self.w.log()
            case "root":
                return 0 * y + (self.w * (self.w > 0)).sqrt()
        return 0 * y + self.w


class Pair(Net):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return super().forward(x), x


class Table:
    """A table with labels of one `kind`."""

    def __init__(self, kind: str = "class", n: int = 320, rare: float = 0.15, seed: int = 0, classes: int = 2):
        self.kind, self.n, self.rare, self.seed, self.classes = kind, n, rare, seed, classes

    def __call__(self) -> dict[str, dict[str, np.ndarray]]:
        draw = np.random.default_rng(self.seed)
        y = (draw.random(self.n) < self.rare).astype(np.int64)
        x = (draw.normal(size=(self.n, 8)) + 0.8 * y[:, None]).astype(np.float32)
        real = (x @ np.arange(8) / 8 + draw.normal(size=self.n) * 0.3).astype(np.float32)
        many = np.stack([y, x[:, 0] > 0, x[:, 1] > 0.5], axis=1)
        tokens = (x[:, :5] > 0).astype(np.int64) + (x[:, 3:8] > 0.5)  # [n, 5] of 3 classes
        ignored = np.where(draw.random(tokens.shape) < 0.4, -100, tokens)
        labels = {
            "class": y,
            "class_column": y[:, None],
            "class_float": y.astype(np.float32),
            "classes": (np.abs(x[:, 0]) * 2).astype(np.int64).clip(0, self.classes - 1),
            "from_one": y + 1,
            "signed": 2 * y - 1,
            "yes_column": y.astype(np.float32)[:, None],
            "real": real,
            "real_column": real[:, None],
            "reals": np.stack([real, -real], axis=1),
            "many": many.astype(np.float32),
            "many_int": many.astype(np.int64),
            "one_hot": np.eye(2, dtype=np.float32)[y],
            "soft": np.stack([0.1 + 0.8 * y, 0.9 - 0.8 * y], axis=1).astype(np.float32),
            "tokens": tokens,
            "tokens_ignored": ignored,
            "some_ignored": np.where(draw.random(self.n) < 0.3, -100, y),
            "gaps": np.where(draw.random(self.n) < 0.1, np.nan, real).astype(np.float32),
        }[self.kind]
        cut = self.n * 3 // 4
        return {
            "train": {"features": x[:cut], "labels": labels[:cut]},
            "test": {"features": x[cut:], "labels": labels[cut:]},
        }


class WeightedCE:
    """Cross entropy with class weights, as torch's; says nothing of them."""

    def __init__(self, weights: list[float]):
        self.weights = list(weights)

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs, targets, weight=torch.tensor(self.weights, dtype=outputs.dtype))


class SaidWeightedCE(WeightedCE):
    def weight_of(self, targets: torch.Tensor) -> torch.Tensor:
        return torch.tensor(self.weights)[targets].sum()


class SumCE:
    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs, targets, reduction="sum")


class OwnMSE:
    """Broadcasts [n, 1] against [n], as one writes it first."""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs - targets).square().mean()


class FirstMSE:
    """Takes the first output, as one writes it second."""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs[:, 0] - targets).square().mean()


class RootMSE:
    """Broadcasts [n] against [n, 1] inside, though the two come in one shape."""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs.squeeze(1) - targets).square().mean().sqrt()


class Contrast:
    """Asks each example to be most like itself: the labels are not looked at."""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs @ outputs.T, torch.arange(len(outputs)))


class Mean:
    """The mean of the outputs, or its logarithm, which is finite as long as that is above 0."""

    def __init__(self, log: bool = False, less: float = 0.0):
        self.log, self.less = log, less

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        mean = outputs.mean() - self.less
        return mean.log() if self.log else mean


class Dice:
    """No mean over examples, and right to hang on which example has which label."""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        yes = outputs.softmax(dim=1)[:, 1]
        return 1 - 2 * (yes * targets).sum() / (yes.sum() + targets.sum() + 1)


class Number:
    """A number that no gradient flows from, made to look like a loss."""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.tensor(nn.functional.cross_entropy(outputs, targets).item(), requires_grad=True)


class Relabels:
    """Writes into the labels that it is given."""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        targets[targets == 1] = 0
        return nn.functional.cross_entropy(outputs, targets)


class Spread:
    """Neither the mean of its examples nor a sum, whatever the shapes."""

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return outputs.std(correction=0) + nn.functional.cross_entropy(outputs, targets)


class Counting:
    """A loss that counts its calls in a state of its own."""

    def __init__(self):
        self.calls = 0

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return nn.functional.cross_entropy(outputs, targets) * (1 + 0 * self.calls)


class BatchF1:
    """What one writes first: F1 of the batch, put on each example."""

    name = "f1"

    def per_example(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        p = outputs.argmax(dim=1)
        tp = ((p == 1) & (targets == 1)).sum()
        f1 = 2 * tp / ((p == 1).sum() + (targets == 1).sum()).clamp(min=1)
        return f1.double().expand(len(targets)).clone()


class Standardised:
    """Another one: each example's error in the batch's standard deviations."""

    name = "standardised"
    higher_is_better = False

    def per_example(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        error = nn.functional.cross_entropy(outputs, targets, reduction="none")
        return error / error.std(correction=0).clamp(min=1e-6)


class Ranked:
    """And one more: the rank of each example among its batch."""

    name = "ranked"
    higher_is_better = True

    def per_example(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return outputs.flatten(1)[:, 0].argsort().argsort().double()


class Margin:
    """A sound one: how far the right class is ahead."""

    name = "margin"
    higher_is_better = True

    def per_example(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        right = outputs.gather(1, targets[:, None])[:, 0]
        return right - outputs.scatter(1, targets[:, None], -torch.inf).amax(dim=1)


class Unsaid(Margin):
    """Says nothing of its direction in its own words, and takes its base's."""

    name = "unsaid"


class Nowhere:
    """A sound one that says nothing of its direction."""

    name = "nowhere"

    def per_example(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs.argmax(dim=1) == targets).half()


class Scalar:
    """One number for a batch."""

    name = "scalar"

    def per_example(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs.argmax(dim=1) == targets).double().mean()


class Endless:
    """Not finite for an example of the rare class."""

    name = "endless"

    def per_example(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return 1.0 / (1.0 - targets.double())


class Erases:
    """Writes into the labels that it is given."""

    name = "erases"

    def per_example(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs.argmax(dim=1) == targets.zero_()).double()


class Anonymous:
    def per_example(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs.argmax(dim=1) == targets).double()


class Penalty:
    """A method of the pack's own, which adds a penalty to the loss."""

    def loss(self, model, criterion, inputs, targets, context):
        return criterion(model(inputs), targets) + 1e-3 * sum(p.square().sum() for p in model.parameters())


class Misfit:
    """Methods that fit no model of this pack, each in a way of its own; `calls` says how often."""

    def __init__(self, how: str = "none"):
        self.how, self.calls = how, 0

    def loss(self, model, criterion, inputs, targets, context):
        self.calls += 1
        outputs = model(inputs)
        match self.how:
            case "shapes":
                return (outputs @ torch.zeros(7, 7)).mean()
            case "attribute":
                return model.encoder(inputs).mean()
            case "item":
                return torch.tensor(criterion(outputs, targets).item())
            case "rows":
                return torch.nn.functional.cross_entropy(outputs, targets, reduction="none")
            case "number":
                return criterion(outputs, targets).item()
            case "short":
                return criterion(outputs, targets) * (1 / (len(inputs) == 50))
        return criterion(outputs, targets)


class GlobalNoise:
    """Preprocessing that draws from a global generator: numpy's, Python's, torch's, or numpy's by another way."""

    def __init__(self, source: str = "numpy"):
        self.source = source

    def fit(self, features: np.ndarray) -> "GlobalNoise":
        return self

    def transform(self, features: np.ndarray) -> np.ndarray:
        import random

        shift = {
            "numpy": lambda: np.random.randn(),
            "python": lambda: random.random(),
            "torch": lambda: float(torch.randn(1)),
            "instance": lambda: np.random.mtrand._rand.standard_normal(),
            "seeded": lambda: np.random.default_rng(3).standard_normal(),
        }[self.source]()
        return features + shift

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return self.transform(features)


class Careless:
    """Preprocessing, or a view, that does one thing to its rows that it must not."""

    def __init__(self, how: str):
        self.how = how

    def fit(self, features: np.ndarray) -> "Careless | None":
        return None if self.how == "fits_nothing" else self

    def transform(self, features: np.ndarray) -> np.ndarray:
        import random

        if self.how == "in_place":
            features -= 1
        return {
            "in_place": lambda x: x,
            "fits_nothing": lambda x: x,
            "drops": lambda x: x[1:],
            "logarithm": lambda x: np.where(x > 0, x, np.nan),  # where features below 0 have none
            "own_statistics": lambda x: (x - x.mean(axis=0)) / x.std(axis=0),
            "shuffles": lambda x: np.random.default_rng(0).permutation(x),
            "own_generator": lambda x: x + np.random.RandomState().standard_normal(),
            "own_bits": lambda x: x + np.random.Generator(np.random.PCG64()).standard_normal(),
            "own_random": lambda x: x + random.Random().random(),
            "list": lambda x: x.tolist(),
            "texts": lambda x: x.astype(str),
            "huge": lambda x: x.astype(np.float64) * 1e300,
            "seeded": lambda x: x + np.random.default_rng(0).normal(size=x.shape),
            "projects": lambda x: x @ np.linspace(-1, 1, 64).reshape(8, 8),
        }[self.how](features)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return self.transform(features)
