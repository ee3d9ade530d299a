"""Training methods that come with the engine; a pack may bring its own."""

import torch

from mlintern.core.ranges import POSITIVE
from mlintern.engine.protocols import Loss, StepContext


class Supervised:
    """Outputs against targets, and nothing else."""

    def loss(
        self, model: torch.nn.Module, criterion: Loss, inputs: torch.Tensor, targets: torch.Tensor, context: StepContext
    ) -> torch.Tensor:
        return criterion(model(inputs), targets)


class Mixup:
    """Mixup (Zhang et al., 2018, arXiv:1710.09412): convex pairs of examples, one Beta(alpha, alpha) draw per batch."""

    def __init__(self, alpha: float = 0.2):
        POSITIVE.check("method.alpha", alpha)
        self.alpha = alpha

    def loss(
        self, model: torch.nn.Module, criterion: Loss, inputs: torch.Tensor, targets: torch.Tensor, context: StepContext
    ) -> torch.Tensor:
        draw = context.generator("mixup")
        weight = float(draw.beta(self.alpha, self.alpha))
        partner = torch.from_numpy(draw.permutation(len(inputs))).to(inputs.device)
        outputs = model(weight * inputs + (1 - weight) * inputs[partner])
        return weight * criterion(outputs, targets) + (1 - weight) * criterion(outputs, targets[partner])
