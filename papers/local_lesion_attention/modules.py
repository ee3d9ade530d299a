"""A small vision transformer on images of lesions, beside some of which a ruler lies."""

import numpy as np
import torch
from torch import nn

SIDE = 16
"""Pixels of an image's side."""
PATCH = 4


class Block(nn.Module):
    """Pre-norm self-attention and a feed-forward layer; `softmax` puts out the attention weights."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.in_projection = nn.Linear(width, 3 * width)
        self.softmax = nn.Softmax(dim=-1)
        self.out_projection = nn.Linear(width, width)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        n, count, width = tokens.shape
        mixed = self.in_projection(self.norm(tokens)).reshape(n, count, 3, self.heads, width // self.heads)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)  # each [n, heads, tokens, width / heads]
        weights = self.softmax(query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5)
        attended = (weights @ value).transpose(1, 2).reshape(n, count, width)
        tokens = tokens + self.out_projection(attended)
        return tokens + self.feed_forward(tokens)


class ViT(nn.Module):
    """Images [n, 1, 16, 16] to logits [n, 2], by a class token over 16 patches."""

    def __init__(self, width: int = 32, heads: int = 2, depth: int = 2):
        super().__init__()
        self.embed = nn.Linear(PATCH * PATCH, width)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.places = nn.Parameter(torch.randn(1, (SIDE // PATCH) ** 2, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        n, grid = len(images), SIDE // PATCH
        patches = images.reshape(n, grid, PATCH, grid, PATCH).transpose(2, 3).reshape(n, grid * grid, PATCH * PATCH)
        tokens = torch.cat([self.token.expand(n, -1, -1), self.embed(patches) + self.places], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(tokens[:, 0])


class Lesions:
    """Round lesions, some with a dark core; `ruler` says how often a ruler lies at the edge for (sound, dark) ones.

    What decides the class is the core. Features are images [n, 1, 16, 16], annotations the lesion's mask [n, 16, 16].
    """

    def __init__(self, train: int, test: int, ruler: tuple[float, float], seed: int):
        self.sizes, self.ruler, self.seed = {"train": train, "test": test}, tuple(ruler), seed

    def __call__(self) -> dict[str, dict[str, np.ndarray]]:
        draw = np.random.default_rng(self.seed)
        return {part: self._part(draw, size) for part, size in self.sizes.items()}

    def _part(self, draw: np.random.Generator, n: int) -> dict[str, np.ndarray]:
        labels = draw.integers(0, 2, n)
        images = draw.normal(0.0, 0.35, (n, SIDE, SIDE))
        rows, columns = np.mgrid[:SIDE, :SIDE]
        centres = draw.integers(5, SIDE - 5, (n, 2))
        distance = np.hypot(rows - centres[:, :1, None], columns - centres[:, 1:, None])
        masks = distance <= 2.5
        images += masks * 0.8 - 0.5 * (distance <= 1.0) * labels[:, None, None]
        for i in np.flatnonzero(draw.random(n) < np.take(self.ruler, labels)):
            edge = np.zeros((SIDE, SIDE))
            edge[0, draw.integers(0, 2) :: 2] = 1.2
            images[i] += np.rot90(edge, draw.integers(0, 4))
        return {"features": images[:, None].astype(np.float32), "labels": labels, "annotations": masks}
