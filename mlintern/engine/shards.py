"""Logical shards: what a global batch is split into, whoever computes the pieces.

A run is defined by `trainer.shards`, not by its processes. Each shard's gradient is computed on its own, with its own
dropout key, and the shards are summed along one fixed binary tree. A process of a larger world computes a whole
subtree and the roots are gathered, so world sizes 1, 2, 4 … give the same bits. What shards leave in the model's
buffers (batch statistics) becomes one again in `buffers`.
"""

import dataclasses
from collections.abc import Callable, Sequence

import torch

from mlintern.core.errors import UserError
from mlintern.engine import losses
from mlintern.engine.buffers import Buffers, from_bytes, to_bytes
from mlintern.engine.feed import Batch
from mlintern.engine.protocols import Loss

Share = Callable[[Batch, Batch], float]
"""(piece, batch) to what the piece's loss counts in the batch's."""


def by_examples(piece: Batch, batch: Batch) -> float:
    """For a loss that is the mean over its examples."""
    return len(piece.inputs) / len(batch.inputs)


def whole_share(piece: Batch, batch: Batch) -> float:
    """For a loss that is a sum."""
    return 1.0


@dataclasses.dataclass(frozen=True)
class ByWeight:
    """For a mean by weights of its own (classes, labels that are not ignored): by what the piece's labels weigh."""

    criterion: Loss
    outputs: tuple[int, ...]
    """Shape of one example's outputs."""

    def __call__(self, piece: Batch, batch: Batch) -> float:
        weight, whole = (self._weight(one.targets) for one in (piece, batch))
        return weight / whole if whole else by_examples(piece, batch)

    def _weight(self, targets: torch.Tensor) -> float:
        like = torch.zeros((), device=targets.device).expand(len(targets), *self.outputs)
        return float(losses.weight(self.criterion, like, losses.read(self.criterion, like, targets)))


def _power_of_two(n: int) -> bool:
    return n > 0 and n & (n - 1) == 0


@dataclasses.dataclass(frozen=True)
class Shards:
    """How a global batch is divided, and which part of it this process computes."""

    count: int = 1
    """Logical shards in a global batch (`trainer.shards`): a power of two."""
    world: int = 1
    """Processes (`trainer.devices`): a power of two, at most `count`."""
    rank: int = 0
    """This process."""

    def __post_init__(self) -> None:
        if not _power_of_two(self.count):
            raise UserError(f"trainer.shards={self.count}: must be a power of two (1, 2, 4, …)")
        if not _power_of_two(self.world) or self.world > self.count:
            raise UserError(
                f"trainer.devices={self.world}: must be a power of two and at most trainer.shards={self.count}; "
                f"set trainer.shards={max(self.world, self.count)} (it is part of what the run computes)"
            )

    def check(self, model: torch.nn.Module, batch_size: int) -> None:
        """Refuse what has no meaning of its own in a shard, and batches smaller than the shards."""
        if self.count == 1:
            return
        if self.count > batch_size:
            raise UserError(f"trainer.shards={self.count}: more shards than examples in a batch ({batch_size})")
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.SyncBatchNorm):
                raise UserError(
                    f"trainer.shards={self.count}: {name} (SyncBatchNorm) takes its statistics over whichever "
                    "processes there are; use a BatchNorm (each shard has its own statistics), or trainer.shards=1"
                )
            if isinstance(module, torch.nn.Embedding | torch.nn.EmbeddingBag) and module.max_norm is not None:
                raise UserError(
                    f"trainer.shards={self.count}: {name} ({type(module).__name__} with max_norm) changes its weights "
                    "in each forward pass, so they depend on the order of the shards; leave max_norm out, or use "
                    "trainer.shards=1"
                )

    def mine(self) -> range:
        """Numbers of the shards that this process computes: contiguous, so that they form a subtree."""
        per = self.count // self.world
        return range(self.rank * per, (self.rank + 1) * per)

    def split(self, batch: Batch) -> list[Batch]:
        """The batch in `count` contiguous pieces; sizes differ by one at most."""
        inputs, targets = batch.inputs.tensor_split(self.count), batch.targets.tensor_split(self.count)
        return [Batch(x, y) for x, y in zip(inputs, targets, strict=True)]

    def step(
        self,
        batch: Batch,
        model: torch.nn.Module,
        parameters: Sequence[torch.nn.Parameter],
        backward: Callable[[Batch, int, float], torch.Tensor],
        share: Share = by_examples,
    ) -> torch.Tensor:
        """Set every parameter's gradient and the model's buffers to the global batch's; returns the global loss.

        `backward(piece, shard, weight)` computes the piece's loss, back-propagates weight times it and returns the
        weighted loss, a detached scalar, as is what this returns. `share(piece, batch)` is that weight; a piece of
        which nothing counts is not computed.
        """
        pieces = self.split(batch)
        buffers = Buffers(model)
        roots: list[list[torch.Tensor]] = []
        for shard in self.mine():
            piece = pieces[shard]
            for parameter in parameters:
                parameter.grad = None
            buffers.start_shard()
            if len(piece.inputs) and (weight := share(piece, batch)):
                try:
                    loss = backward(piece, shard, weight)
                except ValueError as error:
                    if "more than 1 value per channel" not in str(error):
                        raise
                    raise UserError(
                        f"trainer.shards={self.count}: one shard of a batch of {len(batch.inputs)} has one example, "
                        "over which a batch norm has no statistics; choose trainer.batch_size so that every batch, the "
                        "last of an epoch too, has at least two examples a shard, or use fewer shards"
                    ) from error
            else:
                loss = batch.inputs.new_zeros((), dtype=torch.float32)
            buffers.end_shard()
            gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
            roots.append([*gradients, loss.float()])
        total = _tree_sum(roots)
        copies = buffers.copies
        if self.world > 1:
            total = _tree_sum(self._gather(total))
            copies = self.gather_copies(copies)
        buffers.join(copies, [len(piece.inputs) for piece in pieces])
        for parameter, gradient in zip(parameters, total[:-1], strict=True):
            parameter.grad = gradient
        return total[-1]

    def gather_copies(self, copies: list[list[torch.Tensor]]) -> list[list[torch.Tensor]]:
        """Every shard's buffers, in the order of the shards."""
        if not any(tensor.numel() for copy in copies for tensor in copy):
            return copies * self.world
        flat = to_bytes(copies)
        everyone = [torch.empty_like(flat) for _ in range(self.world)]
        torch.distributed.all_gather(everyone, flat)
        return [copy for one in everyone for copy in from_bytes(one, copies)]

    def _gather(self, root: list[torch.Tensor]) -> list[list[torch.Tensor]]:
        """Every process's root, in the order of the ranks."""
        flat = torch.cat([tensor.reshape(-1) for tensor in root])
        everyone = [torch.empty_like(flat) for _ in range(self.world)]
        torch.distributed.all_gather(everyone, flat)
        sizes = [tensor.numel() for tensor in root]
        return [
            [piece.reshape(tensor.shape).to(tensor.dtype) for piece, tensor in zip(one.split(sizes), root, strict=True)]
            for one in everyone
        ]


def _tree_sum(rows: list[list[torch.Tensor]]) -> list[torch.Tensor]:
    """Sum along a binary tree over neighbours: ((0+1)+(2+3)), the same tree whatever the world size."""
    while len(rows) > 1:
        rows = [[a + b for a, b in zip(rows[i], rows[i + 1], strict=True)] for i in range(0, len(rows), 2)]
    return rows[0]
