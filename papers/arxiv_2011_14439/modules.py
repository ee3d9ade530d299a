"""The variants of arXiv:2011.14439 and its dataset generator."""

from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F
from mnist1d.data import get_templates
from mnist1d.transform import transform
from torch import nn


class Logistic(nn.Module):
    """Multinomial logistic regression on the raw positions."""

    def __init__(self, length: int = 40, classes: int = 10):
        super().__init__()
        self.head = nn.Linear(length, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x)  # [batch, classes]


class MLP(nn.Module):
    """Two hidden layers; the second has a residual connection around it."""

    def __init__(self, length: int = 40, hidden: int = 100, classes: int = 10):
        super().__init__()
        self.first = nn.Linear(length, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.head = nn.Linear(hidden, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.relu(self.first(x))  # [batch, hidden]
        h = h + F.relu(self.second(h))
        return self.head(h)  # [batch, classes]


class CNN(nn.Module):
    """Three strided convolutions and a linear head: 5,210 parameters at 25 channels."""

    def __init__(self, length: int = 40, channels: int = 25, classes: int = 10):
        super().__init__()
        self.conv1 = nn.Conv1d(1, channels, kernel_size=5, stride=2, padding=1)
        self.conv2 = nn.Conv1d(channels, channels, kernel_size=3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(channels, channels, kernel_size=3, stride=2, padding=1)
        for kernel in (5, 3, 3):
            length = (length + 2 - kernel) // 2 + 1
        self.head = nn.Linear(channels * length, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x.unsqueeze(1)  # [batch, 1, length]
        h = F.relu(self.conv1(h))
        h = F.relu(self.conv2(h))
        h = F.relu(self.conv3(h))  # [batch, channels, 5] for length 40
        return self.head(h.flatten(1))  # [batch, classes]


class PooledCNN(nn.Module):
    """The CNN's three convolutions, made coarser by `pooling` after each: none, stride, max or average, by two."""

    def __init__(self, length: int = 40, channels: int = 25, classes: int = 10, pooling: str = "none"):
        super().__init__()
        if pooling not in ("none", "stride", "max", "average"):
            raise ValueError(f"pooling={pooling}: choose none, stride, max or average")
        self.pooling = pooling
        stride = 2 if pooling == "stride" else 1
        self.conv1 = nn.Conv1d(1, channels, kernel_size=5, stride=stride, padding=1)
        self.conv2 = nn.Conv1d(channels, channels, kernel_size=3, stride=stride, padding=1)
        self.conv3 = nn.Conv1d(channels, channels, kernel_size=3, stride=stride, padding=1)
        for kernel in (5, 3, 3):
            length = (length + 2 - kernel) // stride + 1
            length = length // 2 if pooling in ("max", "average") else length
        self.head = nn.Linear(channels * length, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x.unsqueeze(1)  # [batch, 1, length]
        for convolution in (self.conv1, self.conv2, self.conv3):
            h = self._pooled(F.relu(convolution(h)))
        return self.head(h.flatten(1))  # [batch, classes]

    def _pooled(self, h: torch.Tensor) -> torch.Tensor:
        """[batch, channels, length] to half the length, where it pools."""
        if self.pooling == "max":
            return F.max_pool1d(h, 2)
        return F.avg_pool1d(h, 2) if self.pooling == "average" else h


class GRU(nn.Module):
    """A bidirectional GRU over the positions; every step's state goes to the head."""

    def __init__(self, length: int = 40, hidden: int = 6, classes: int = 10):
        super().__init__()
        self.gru = nn.GRU(1, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden * length, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, _ = self.gru(x.unsqueeze(2))  # [batch, length, 2 * hidden]
        return self.head(h.flatten(1))  # [batch, classes]


class Mnist1d:
    """MNIST-1D as the `mnist1d` package draws it, without its standardisation, which belongs to the protocol."""

    def __init__(self, num_samples: int, train_split: float, seed: int, **shape):
        self.num_samples, self.train_split, self.seed = num_samples, train_split, seed
        self.args = SimpleNamespace(**shape)

    def __call__(self) -> dict[str, dict[str, np.ndarray]]:
        np.random.seed(self.seed)  # the package draws from numpy's global generator, in this order
        templates = get_templates()
        xs, ys = [], []
        for label in range(len(templates["y"])):
            for _ in range(self.num_samples // len(templates["y"])):
                x, _ = transform(templates["x"][label], templates["t"], self.args)
                xs.append(x)
                ys.append(templates["y"][label])
        order = np.random.permutation(len(ys))
        x, y = np.stack(xs)[order], np.stack(ys)[order].astype(np.int64)
        cut = int(len(y) * self.train_split)
        ids = np.array([f"mnist1d-{i:04d}" for i in range(len(y))])
        return {
            "train": {"ids": ids[:cut], "features": x[:cut], "labels": y[:cut]},
            "test": {"ids": ids[cut:], "features": x[cut:], "labels": y[cut:]},
        }
