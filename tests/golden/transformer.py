"""A small transformer with dropout, for runs whose bits are compared."""

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    """Pre-norm attention and MLP, each with dropout."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(self.before_attention(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        h = F.scaled_dot_product_attention(q, k, v, dropout_p=self.rate if self.training else 0.0)
        x = x + self.dropout(self.out(h.transpose(1, 2).reshape(batch, length, width)))
        return x + self.dropout(self.down(F.gelu(self.up(self.before_mlp(x)))))


class Transformer(nn.Module):
    """Positions in patches of `patch`, embedded, two blocks, mean over patches, a linear head."""

    def __init__(self, length: int = 40, patch: int = 4, width: int = 32, classes: int = 10, dropout: float = 0.1):
        super().__init__()
        self.patch = patch
        self.embed = nn.Linear(patch, width)
        self.places = nn.Parameter(0.02 * torch.randn(length // patch, width))
        self.blocks = nn.ModuleList(Block(width, 4, dropout) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.embed(x.unflatten(1, (-1, self.patch))) + self.places  # [batch, patches, width]
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h).mean(dim=1))  # [batch, classes]
