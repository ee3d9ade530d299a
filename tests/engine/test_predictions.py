"""What is kept of each test example: one target, or the many of a sentence or of a target of several numbers."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from mlintern.core.records.record import PREDICTIONS_FILE
from mlintern.data.splits import Examples, Splits
from mlintern.engine.cell import write_predictions
from mlintern.engine.evaluate import Evaluation, evaluate
from mlintern.study.account.smells.all_smells import _values


class Fixed(nn.Module):
    """Gives rows of what it was made with."""

    def __init__(self, outputs):
        super().__init__()
        self.outputs = outputs

    def forward(self, x):
        return self.outputs[x[:, 0].long()]


SENTENCES = torch.eye(5)[torch.tensor([[0, 1, 2], [4, 3, 2]])].transpose(1, 2)  # [2, classes, places]


@pytest.mark.parametrize(
    ("outputs", "targets", "criterion", "expected"),
    [
        (SENTENCES, torch.tensor([[0, 1, 1], [4, 3, 2]]), nn.CrossEntropyLoss(), [[0, 1, 2], [4, 3, 2]]),
        (torch.tensor([[1.0, 5.0], [3.0, 2.0]]), torch.zeros(2, 2), nn.MSELoss(), [[1, 5], [3, 2]]),
        (torch.tensor([[1.0, 5.0], [3.0, 2.0]]), torch.tensor([1, 1]), nn.CrossEntropyLoss(), [1, 0]),
        (torch.tensor([[1.0], [3.0]]), torch.zeros(2, 1), nn.MSELoss(), [1, 3]),
    ],
    ids=["sentences", "several numbers", "classes", "one number"],
)
def test_predictions_are_written_and_read_back(tmp_path, outputs, targets, criterion, expected):
    inputs = torch.arange(2.0)[:, None]
    found = evaluate(Fixed(outputs), inputs, targets, criterion, [], batch_size=1, seed=0, step=1)
    assert isinstance(found, Evaluation)
    examples = Examples(ids=np.array(["a", "b"]), features=inputs.numpy(), labels=targets.numpy())
    write_predictions(tmp_path, found, Splits(name="s", train=examples, test=examples), {})
    table = pd.read_parquet(tmp_path / PREDICTIONS_FILE)
    np.testing.assert_array_equal(_values(table["prediction"]), np.array(expected))
    shape = (2,) if targets.shape[1:] in ((), (1,)) else tuple(targets.shape)
    assert _values(table["target"]).shape == shape
