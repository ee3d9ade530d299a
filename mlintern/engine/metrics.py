"""Metrics: one number per test example; the reported value is their mean in double precision."""

import torch


class Accuracy:
    """Share of examples whose highest output is the target; ties go to the lowest class index."""

    name = "accuracy"

    def per_example(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Logits [n, classes] and class indices [n] to 0/1 [n]."""
        return (outputs.argmax(dim=1) == targets).to(torch.float64)


class SquaredError:
    """Squared difference per example, averaged over output dimensions (their mean is the MSE)."""

    name = "squared_error"

    def per_example(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Outputs [n, ...] and targets of the same shape to squared errors [n]."""
        difference = outputs.reshape(len(outputs), -1).double() - targets.reshape(len(targets), -1).double()
        return difference.square().mean(dim=1)
