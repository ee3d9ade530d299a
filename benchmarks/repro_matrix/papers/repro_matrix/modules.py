"""What the matrix trains: three small models with dropout, and data to train them on.

It lies in a folder `papers/` of its own so that it can be imported as a pack's code is, with this folder's parent on
the path beside the project. `unused` adds a layer that takes no part in the output, at the place it names.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

LENGTH, CLASSES = 40, 6


class Variant(nn.Module):
    """A model that may hold a layer which it never calls."""

    def __init__(self, unused: str | None):
        super().__init__()
        if unused == "first":
            self.unused = nn.Linear(16, 16)

    def finish(self, unused: str | None) -> None:
        """The last line of every constructor."""
        if unused == "last":
            self.unused = nn.Linear(16, 16)


class MLP(Variant):
    """Two hidden layers with dropout."""

    def __init__(self, unused: str | None = None, width: int = 64):
        super().__init__(unused)
        self.first, self.second = nn.Linear(LENGTH, width), nn.Linear(width, width)
        self.dropout, self.head = nn.Dropout(0.2), nn.Linear(width, CLASSES)
        self.finish(unused)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.dropout(F.relu(self.first(x)))  # [batch, width]
        return self.head(self.dropout(F.relu(self.second(h))))  # [batch, classes]


class CNN(Variant):
    """Two strided convolutions with batch norms, then dropout."""

    def __init__(self, unused: str | None = None, channels: int = 16):
        super().__init__(unused)
        self.first, self.second = nn.Conv1d(1, channels, 5, 2, 2), nn.Conv1d(channels, channels, 3, 2, 1)
        self.before, self.after = nn.BatchNorm1d(channels), nn.BatchNorm1d(channels)
        self.dropout, self.head = nn.Dropout(0.2), nn.Linear(channels * LENGTH // 4, CLASSES)
        self.finish(unused)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.relu(self.before(self.first(x.unsqueeze(1))))  # [batch, channels, 20]
        h = F.relu(self.after(self.second(h)))  # [batch, channels, 10]
        return self.head(self.dropout(h.flatten(1)))  # [batch, classes]


class Transformer(Variant):
    """Patches of four positions, embedded; two pre-norm blocks with dropout in the attention too; a mean; a head."""

    def __init__(self, unused: str | None = None, width: int = 32):
        super().__init__(unused)
        self.embed = nn.Linear(4, width)
        self.places = nn.Parameter(0.02 * torch.randn(LENGTH // 4, width))
        block = dict(dim_feedforward=2 * width, dropout=0.1, batch_first=True, norm_first=True)
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(width, 4, **block) for _ in range(2))
        self.head = nn.Linear(width, CLASSES)
        self.finish(unused)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.embed(x.unflatten(1, (-1, 4))) + self.places  # [batch, patches, width]
        for block in self.blocks:
            h = block(h)
        return self.head(h.mean(dim=1))  # [batch, classes]


class Waves:
    """Sine waves of one of six frequencies, at a random phase, in noise."""

    def __init__(self, train: int = 412, test: int = 60, seed: int = 0):
        self.sizes, self.seed = {"train": train, "test": test}, seed

    def __call__(self) -> dict[str, dict[str, np.ndarray]]:
        draw = np.random.Generator(np.random.Philox(self.seed))
        parts = {}
        for name, n in self.sizes.items():
            labels = draw.integers(0, CLASSES, n)
            phase = draw.uniform(0, 2 * np.pi, (n, 1))
            turns = np.arange(LENGTH) * (labels[:, None] + 1) / LENGTH * 2 * np.pi
            features = np.sin(turns + phase) + 0.3 * draw.standard_normal((n, LENGTH))
            parts[name] = {"features": features, "labels": labels, "ids": np.array([f"{name}-{i}" for i in range(n)])}
        return parts
