"""Small classifiers for MNIST-1D and the generator of its sequences."""

import numpy as np
import torch
from mnist1d.data import get_dataset_args, make_dataset
from torch import nn
from torch.nn import functional

LENGTH = 40
"""Positions of one sequence."""
CLASSES = 10


class Logistic(nn.Module):
    """Sequences [n, 40] to logits [n, 10] by one linear layer."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(LENGTH, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(x)


class MLP(nn.Module):
    """Sequences [n, 40] to logits [n, 10]; every hidden layer after the first adds to what it is given."""

    def __init__(self, hidden: int = 100, hidden_layers: int = 2):
        super().__init__()
        self.first = nn.Linear(LENGTH, hidden)
        self.more = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(hidden_layers - 1))
        self.out = nn.Linear(hidden, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = functional.relu(self.first(x))  # [n, hidden]
        for layer in self.more:
            h = h + functional.relu(layer(h))
        return self.out(h)


class CNN(nn.Module):
    """Sequences [n, 40] to logits [n, 10] by strided convolutions and a linear layer on all that they put out."""

    def __init__(self, channels: int = 25, kernels: tuple[int, ...] = (5, 3, 3), stride: int = 2, padding: int = 1):
        super().__init__()
        layers, before, length = [], 1, LENGTH
        for kernel in kernels:
            layers.append(nn.Conv1d(before, channels, kernel, stride=stride, padding=padding))
            before, length = channels, (length + 2 * padding - kernel) // stride + 1
        self.convolutions = nn.ModuleList(layers)
        self.out = nn.Linear(channels * length, CLASSES)  # 25 channels of 5 positions: 125 numbers

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = x.unsqueeze(1)  # [n, 1, 40]
        for layer in self.convolutions:
            h = functional.relu(layer(h))  # [n, channels, positions]
        return self.out(h.flatten(1))


class GRU(nn.Module):
    """Sequences [n, 40] to logits [n, 10] by a recurrent layer whose states at all positions go to a linear layer."""

    def __init__(self, hidden: int = 6, bidirectional: bool = True):
        super().__init__()
        self.gru = nn.GRU(1, hidden, batch_first=True, bidirectional=bidirectional)
        self.out = nn.Linear(LENGTH * hidden * (2 if bidirectional else 1), CLASSES)  # 480 numbers

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.gru(x.unsqueeze(-1))  # [n, 40, hidden * directions]
        return self.out(states.flatten(1))


class MNIST1D:
    """The authors' generator: features are sequences [n, final_seq_length], labels the digits 0 to 9.

    The package returns its sequences with one common shift and scale; the engine's preprocessing, which has one mean and
    one deviation for all numbers, takes any such shift and scale out again, fitted on the protocol's parts alone.
    """

    def __init__(
        self,
        train_size: int,
        test_size: int,
        template_len: int,
        padding: tuple[int, int],
        scale_coeff: float,
        max_translation: int,
        corr_noise_scale: float,
        iid_noise_scale: float,
        shear_scale: float,
        final_seq_length: int,
        seed: int,
    ):
        self.train_size, self.test_size = train_size, test_size
        self.template_len, self.padding, self.scale_coeff = template_len, [int(p) for p in padding], scale_coeff
        self.max_translation, self.shear_scale = max_translation, shear_scale
        self.corr_noise_scale, self.iid_noise_scale = corr_noise_scale, iid_noise_scale
        self.final_seq_length, self.seed = final_seq_length, seed

    def __call__(self) -> dict[str, dict[str, np.ndarray]]:
        args = get_dataset_args()
        args.num_samples = self.train_size + self.test_size
        args.train_split = self.train_size / args.num_samples
        args.template_len, args.padding, args.scale_coeff = self.template_len, self.padding, self.scale_coeff
        args.max_translation, args.shear_scale = self.max_translation, self.shear_scale
        args.corr_noise_scale, args.iid_noise_scale = self.corr_noise_scale, self.iid_noise_scale
        args.final_seq_length, args.seed, args.shuffle_seq = self.final_seq_length, self.seed, False
        np.random.seed(self.seed)  # the package draws from numpy's global generator
        made = make_dataset(args)
        features = np.concatenate([made["x"], made["x_test"]]).astype(np.float32)  # [n, 40]
        labels = np.concatenate([made["y"], made["y_test"]]).astype(np.int64)  # [n]
        cut = self.train_size
        return {
            "train": {"features": features[:cut], "labels": labels[:cut]},
            "test": {"features": features[cut:], "labels": labels[cut:]},
        }
