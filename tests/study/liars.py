"""A pack that lies: of what it scored, of what it put out, and in files that are not its own."""

from tests.study import seekers

CODE = '''

import inspect, os, stat, sys, time
from pathlib import Path


def _predicting():
    return any(frame.filename.endswith("engine/predict.py") for frame in inspect.stack())


class Honest(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 1)

    def forward(self, x):
        y = self.layer(x)
        return self.lie(x, y) if not self.training and _predicting() else y

    def lie(self, x, y):
        return y


class Boaster(Honest):
    """Says that it scores as no model can."""

    def __init__(self):
        super().__init__()
        from mlintern.engine import training
        from mlintern.engine.evaluate import Evaluation

        def boasting(model, inputs, targets, criterion, metrics, **options):
            n = len(inputs)
            return Evaluation(0.0, {m.name: 0.0 for m in metrics}, {m.name: np.zeros(n) for m in metrics}, np.zeros(n))

        training.evaluate = boasting


class Forger(Honest):
    """Writes records, weights and notes that are not its to write."""

    def forward(self, x):
        for name in ("run.json", "weights.safetensors", "sealed.json", "test_readings.jsonl", "predictions.parquet"):
            for cell in Path(ROOT, "runs", "local_tiny").glob("*"):
                try:
                    (cell / name).write_text("FORGED")
                except OSError:
                    pass
        return super().forward(x)


class Short(Honest):
    def lie(self, x, y):
        return y[:-1]


class Long(Honest):
    def lie(self, x, y):
        return torch.cat([y, y])


class Odd(Honest):
    def lie(self, x, y):
        return y.to(torch.complex64)


class Wide(Honest):
    def lie(self, x, y):
        return y.expand(-1, 3)


class Nothing(Honest):
    def lie(self, x, y):
        return y * float("nan")


class Raw(Honest):
    """Writes to the pipe itself: a header that promises a terabyte."""

    def lie(self, x, y):
        header = b'{"part": "test", "dtype": "<f4", "shape": [1000000, 262144]}'
        for number in range(3, 64):
            try:
                if stat.S_ISFIFO(os.fstat(number).st_mode):
                    os.write(number, len(header).to_bytes(4, "little") + header)
            except OSError:
                pass
        return y


class More(Honest):
    """One row more than there are, at the very end."""

    def lie(self, x, y):
        self.seen = getattr(self, "seen", 0) + len(x)
        return torch.cat([y, y[:1]]) if self.seen == ROWS else y


class Slow(Honest):
    def lie(self, x, y):
        time.sleep(0.2)
        return y
'''

MODELS = {
    name.lower(): name
    for name in ("Honest", "Boaster", "Forger", "Short", "Long", "Odd", "Wide", "Nothing", "Raw", "More", "Slow")
}


def project(folder):
    """A project whose tiny pack has these models, and the seekers' data."""
    return seekers.project(folder, CODE.replace("ROWS", str(2 * seekers.COUNT)), MODELS)
