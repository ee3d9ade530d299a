"""A model with about everything that could tell how a batch was divided."""

import torch
from torch import nn


class Everything(nn.Module):
    """Batch norms with running and cumulative averages, a group norm, a GRU, attention with dropout, a step counter."""

    def __init__(self):
        super().__init__()
        self.conv, self.running = nn.Conv1d(1, 12, 4, 4), nn.BatchNorm1d(12)
        self.group = nn.GroupNorm(3, 12)
        self.gru = nn.GRU(12, 8, batch_first=True)
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)
        self.cumulative, self.dropout = nn.BatchNorm1d(80, momentum=None), nn.Dropout(0.2)
        self.head = nn.Linear(80, 10)
        self.register_buffer("forwards", torch.zeros((), dtype=torch.int64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.forwards += 1
        h = self.group(self.running(self.conv(x.unsqueeze(1)))).transpose(1, 2)  # [batch, 10, 12]
        h, _ = self.gru(h)  # [batch, 10, 8]
        h = h + self.attention(h, h, h, need_weights=False)[0]
        return self.head(self.dropout(self.cumulative(h.flatten(1))))


class Stack(nn.Module):
    """Residual blocks in a module list, as a transformer has them, and a parameter of the whole."""

    def __init__(self, width: int = 24):
        super().__init__()
        self.embed = nn.Linear(40, width)
        self.scale = nn.Parameter(torch.ones(width))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU()) for _ in range(3)
        )
        self.head = nn.Linear(width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.embed(x) * self.scale
        for block in self.blocks:
            h = h + block(h)
        return self.head(h)
