"""What determinism=portable costs: `python -m benchmarks.portable_cost [--rounds N]`.

Training steps (forward, backward, fused Adam, one thread) of four models under the levels fast (nothing pinned), strict
and portable, each in processes with that level's pins, in turn; printed is the median over rounds of the time per step
in milliseconds, and the ratio of each round's times to that round's `fast`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from mlintern.engine.determinism import Determinism

ROOT = Path(__file__).parents[1]
LEVELS = ("fast", "strict", "portable")
WANTED_S = 1.0
"""How long each model is trained in one round."""


def level(name: str) -> Determinism:
    return Determinism(**yaml.safe_load((ROOT / f"conf/determinism/{name}.yaml").read_text(encoding="utf-8")))


def times() -> dict[str, float]:
    """{model: milliseconds per training step} in this process."""
    import torch
    from torch import nn

    torch.manual_seed(0)

    def mlp(inputs: int, width: int) -> nn.Module:
        return nn.Sequential(
            nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
        )

    def block(channels: int, out: int) -> list[nn.Module]:
        return [nn.Conv2d(channels, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Embedding(100, 64), nn.Linear(64, 10)
            self.blocks = nn.Sequential(*(nn.TransformerEncoderLayer(64, 4, 256, batch_first=True) for _ in range(2)))

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.head(self.blocks(self.embed(tokens)).mean(dim=1))

    subjects: dict[str, tuple[Callable[[], nn.Module], torch.Tensor]] = {
        "MLP, 40-100-100-10": (lambda: mlp(40, 100), torch.randn(100, 40)),
        "wide MLP, 784-1024-1024-10": (lambda: mlp(784, 1024), torch.randn(128, 784)),
        "CNN, 3x32x32": (
            lambda: nn.Sequential(*block(3, 16), *block(16, 32), nn.Flatten(), nn.Linear(2048, 10)),
            torch.randn(32, 3, 32, 32),
        ),
        "transformer, 32 tokens": (Transformer, torch.randint(0, 100, (32, 32))),
    }
    found = {}
    for name, (make, inputs) in subjects.items():
        model, targets = make(), torch.randint(0, 10, (len(inputs),))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        spent: list[float] = []
        while sum(spent) < WANTED_S or len(spent) < 5:
            began = time.perf_counter()
            nn.functional.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
            optimizer.zero_grad()
            spent.append(time.perf_counter() - began)
        found[name] = 1000 * statistics.median(spent)
    return found


def one(name: str) -> dict[str, float]:
    """The times of one level, from a process of its own."""
    pins = {"OMP_NUM_THREADS", "MKL_NUM_THREADS", *(key for other in LEVELS for key in level(other).pins())}
    kept = {key: value for key, value in os.environ.items() if key not in pins}
    argv = [sys.executable, "-m", "benchmarks.portable_cost", "--level", name]
    done = subprocess.run(argv, cwd=ROOT, env={**kept, **level(name).pins()}, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.portable_cost", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--level", choices=LEVELS, help="measure one level in this process, as JSON")
    args = parser.parse_args()
    if args.level:
        level(args.level).check_pins()
        level(args.level).apply()
        print(json.dumps(times()))
        return
    rounds = [{name: one(name) for name in LEVELS} for _ in range(args.rounds)]
    print(f"{'ms per training step':<28}" + "".join(f"{name:>20}" for name in LEVELS))
    for model in rounds[0]["fast"]:
        cells = []
        for name in LEVELS:
            ratio = statistics.median(each[name][model] / each["fast"][model] for each in rounds)
            cells.append(f"{statistics.median(each[name][model] for each in rounds):.2f} ({ratio:.2f}x)")
        print(f"{model:<28}" + "".join(f"{cell:>20}" for cell in cells))


if __name__ == "__main__":
    main()
