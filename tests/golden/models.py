"""Small models of the golden runs: kept here, so that their bits hang on no pack."""

import torch
import torch.nn.functional as F
from torch import nn


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


class GRU(nn.Module):
    """A bidirectional GRU over the positions; every step's state goes to the head."""

    def __init__(self, length: int = 40, hidden: int = 6, classes: int = 10):
        super().__init__()
        self.gru = nn.GRU(1, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden * length, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, _ = self.gru(x.unsqueeze(2))  # [batch, length, 2 * hidden]
        return self.head(h.flatten(1))  # [batch, classes]
