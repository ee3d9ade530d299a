"""Models with ordinary slips: what torch takes without a word, and does otherwise than was meant."""

import torch
from torch import nn
from torch.nn import functional as F


class Listed(nn.Module):
    """Layers in a plain list."""

    def __init__(self):
        super().__init__()
        self.hidden = [nn.Linear(8, 8)]
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.hidden[0](x)))


class Plain(nn.Module):
    """A weight that is a tensor and no parameter."""

    def __init__(self):
        super().__init__()
        self.mix = {"in": torch.zeros(8, 8, requires_grad=True)}
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x @ self.mix["in"])


class Late(nn.Module):
    """A layer that the first batch makes."""

    def __init__(self):
        super().__init__()
        self.first, self.head = None, nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.first is None:
            self.first = nn.Linear(x.shape[1], 8)
            nn.init.zeros_(self.first.weight)
        return self.head(self.first(x))


class Lazy(nn.Sequential):
    """A layer whose size the first batch says."""

    def __init__(self):
        super().__init__(nn.LazyLinear(2))


class Carries(nn.Module):
    """A hidden state that one batch leaves to the next."""

    def __init__(self):
        super().__init__()
        self.layer, self.state = nn.Linear(8, 2), torch.zeros(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x) + self.state
        self.state = y.mean(0).detach()
        return y


class Unguarded(nn.Linear):
    """Dropout that does not know when it is evaluated."""

    def __init__(self):
        super().__init__(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(F.dropout(x, 0.5))


class Probabilities(nn.Sequential):
    """A softmax before a loss that takes one itself."""

    def __init__(self):
        super().__init__(nn.Linear(8, 2), nn.Softmax(-1))


class Yes(nn.Sequential):
    """The probability of a yes."""

    def __init__(self):
        super().__init__(nn.Linear(8, 1), nn.Sigmoid())


class Cut(nn.Module):
    """Half of it behind no_grad."""

    def __init__(self, frozen: bool = False):
        super().__init__()
        self.body, self.head = nn.Linear(8, 8).requires_grad_(not frozen), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            h = self.body(x)
        return self.head(h)


class Learned:
    """A loss with a temperature of its own to learn."""

    def __init__(self):
        self.scale = nn.Parameter(torch.ones(()))

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(outputs * self.scale, targets)


class Penalised:
    """A method that asks for the gradient at its inputs, which are nobody's weights."""

    def loss(self, model, criterion, inputs, targets, context):
        inputs = inputs.requires_grad_(True)
        outputs = model(inputs)
        (slope,) = torch.autograd.grad(outputs.sum(), inputs, create_graph=True)
        return criterion(outputs, targets) + slope.square().mean()
