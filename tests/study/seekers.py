"""A pack that looks for the targets it is scored on, in every way its authors could think of.

Targets are an arithmetic sequence, 70001.0 + i/2 for test and 80001.0 + i/2 for train, so that a seeker knows them when
it sees them, and holds no copy of them itself. What it finds it says in the error that ends its job.
"""

import numpy as np

from tests.study import tiny

TEST, TRAIN = 70_001, 80_001
COUNT = 120

SEEKER = '''

import ctypes, gc, glob, inspect, io, json, os, struct, sys, threading
from pathlib import Path

_BASE = {"test": 7 * 10_000 + 1, "train": 8 * 10_000 + 1}


def _holds(data, part):
    """Does a buffer hold many of the targets of a part, as 4 or 8 byte numbers, at any alignment to 4 bytes?"""
    low = _BASE[part]
    for kind, size in (("<f4", 4), ("<f8", 8), ("<i8", 8)):
        for shift in range(0, size, 4):
            whole = (len(data) - shift) // size * size
            if whole <= 0:
                continue
            with np.errstate(all="ignore"):
                values = np.frombuffer(data[shift : shift + whole], kind)
                found = values[(values >= low) & (values < low + 100)]
            if len(np.unique(found)) > 10:
                return True
    return any(text.encode() in data for text in (f"{low + 1}.5", f"{low + 3}.5"))


def _objects(part):
    for thing in gc.get_objects():
        yield from _in_object(thing, part)


def _in_object(thing, part):
    try:
        if isinstance(thing, np.ndarray) and thing.dtype.kind in "fi":
            if _holds(np.ascontiguousarray(thing).tobytes(), part):
                yield "gc array"
        elif isinstance(thing, torch.Tensor) and thing.numel():
            if _holds(thing.detach().cpu().contiguous().reshape(-1).numpy().tobytes(), part):
                yield "gc tensor"
    except Exception:
        pass


def _frames(part):
    for frame in sys._current_frames().values():
        while frame is not None:
            for value in list(frame.f_locals.values()) + list(frame.f_globals.values()):
                for inner in (value, *(vars(value).values() if hasattr(value, "__dict__") else ())):
                    for held in (inner, *(inner.values() if isinstance(inner, dict) else ())):
                        yield from ("frame " + how for how in _in_object(held, part))
            frame = frame.f_back


def _file(path, part):
    try:
        if os.path.isfile(path) and os.path.getsize(path) < 50_000_000:
            with open(path, "rb") as handle:
                if _holds(handle.read(), part):
                    yield f"file {path}"
    except OSError:
        pass


def _files(part):
    here = Path(__file__).resolve()
    roots = {str(here.parents[2]), "/tmp", "/dev/shm", "/var/tmp", os.getcwd(), os.environ.get("HOME", "/"), ROOT}
    for root in roots:
        for folder, _, names in os.walk(root):
            if "site-packages" in folder:
                continue
            for name in names:
                yield from _file(os.path.join(folder, name), part)


def _memory(pid, part):
    try:
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for line in maps:
                span, rights = line.split()[:2]
                low, high = (int(end, 16) for end in span.split("-"))
                if "r" not in rights or high - low > 64 << 20 or line.rstrip().endswith((".so", ".pyc")):
                    continue
                try:
                    memory.seek(low)
                    if _holds(memory.read(high - low), part):
                        yield f"memory of {pid}"
                except (OSError, OverflowError, ValueError):
                    continue
    except OSError:
        pass


def _processes(part):
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            yield from _memory(name, part)
            for path in glob.glob(f"/proc/{name}/fd/*") + glob.glob(f"/proc/{name}/root/tmp/*"):
                yield from _file(path, part)
            for end in ("environ", "cmdline"):
                yield from _file(f"/proc/{name}/{end}", part)


def _descriptors(part):
    for number in range(3, 256):
        try:
            os.lseek(number, 0, 0)
        except OSError:
            continue
        try:
            if _holds(os.read(number, 50_000_000), part):
                yield f"descriptor {number}"
        except OSError:
            pass


def _modules(part):
    for name, module in list(sys.modules.items()):
        if name.startswith(("mlintern", "papers", "__main__")):
            for value in list(vars(module).values()):
                for held in (value, *(value.values() if isinstance(value, dict) else ())):
                    yield from (f"module {name}: {how}" for how in _in_object(held, part))


def _shared(part):
    for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]:
        yield f"sysv segment {line}"


WAYS = (_objects, _frames, _files, _processes, _descriptors, _modules)


def look(part="test", ways=WAYS):
    found = []
    for way in ways:
        try:
            found += way(part)
        except Exception as error:
            print(way, error)
    return sorted(set(found))


class Seeker(nn.Module):
    """Looks while it is built, while it trains and while it predicts."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 1)
        self.steps = 0
        _say(look())

    def forward(self, x):
        self.steps += 1
        if self.steps in (1, 30) or not self.training:
            _say(look(ways=WAYS if self.steps == 1 else (_objects, _frames, _descriptors)))
        return self.layer(x)


class FindsTrain(Seeker):
    """Shows that the ways work: it finds the targets of train, which it is given."""

    def forward(self, x):
        if self.training:
            _say(look("train"))
        return self.layer(x)


def _say(found):
    if found:
        raise ValueError("FOUND " + "; ".join(found)[:1500])


class Patcher(Seeker):
    """Patches what targets might pass through."""

    def __init__(self):
        super().__init__()
        import mlintern.engine.evaluate as evaluating
        import mlintern.engine.tables as tables

        seen = self.seen = []
        for owner, name in (
            (torch, "from_numpy"), (np, "load"), (json, "loads"), (torch.nn.functional, "mse_loss"),
            (evaluating, "evaluate"), (evaluating.Scorer, "add"), (tables, "read"), (os, "read"),
        ):
            original = getattr(owner, name)

            def patched(*args, _original=original, **kwargs):
                out = _original(*args, **kwargs)
                for thing in (*args, *kwargs.values(), out):
                    if isinstance(thing, (np.ndarray, torch.Tensor)):
                        _say(list(_in_object(thing, "test")))
                    elif isinstance(thing, bytes) and _holds(thing, "test"):
                        _say(["patched " + str(_original)])
                return out

            setattr(owner, name, patched)
'''

MODELS = {"seeker": "Seeker", "finds_train": "FindsTrain", "patcher": "Patcher"}

DATA = """name: numbers
source:
  _target_: mlintern.data.sources.Npz
  path: PATH
preprocess: null
view: null
classes: null
"""


def project(folder, code=SEEKER, models=None):
    """A project with the tiny pack, which has these models too, and regression data `numbers` that are not its own."""
    tiny.project(folder, code=code.replace("ROOT", repr(str(folder))))
    tables = folder / "tables"  # of the user's, beside the packs: for the job that prepares, and for none after it
    tables.mkdir()
    draw = np.random.default_rng(0)
    x = draw.normal(size=(2, COUNT, 8))
    np.savez(
        tables / "numbers.npz",
        x_train=x[0],
        y_train=(TRAIN + np.arange(COUNT) / 2)[:, None],
        x_test=x[1],
        y_test=(TEST + np.arange(COUNT) / 2)[:, None],
    )
    conf = folder / "papers" / tiny.SLUG / "conf"
    (conf / "data" / "numbers.yaml").write_text(DATA.replace("PATH", str(tables / "numbers.npz")))
    for name, text in (models or MODELS).items():
        (conf / "model" / f"{name}.yaml").write_text(f"_target_: papers.{tiny.SLUG}.modules.{text}\n")
    return folder


ARGUMENTS = (
    tiny.PAPER,
    "data=numbers",
    "seed=0",
    "loss=mse",
    "metrics=squared_error",
    "protocol.metric=squared_error",
    "protocol.mode=min",
)
