"""Hostile packs, and the project that they attack: payloads, canaries, the real command, and what to look for after.

`payloads/*.py.txt` hold one payload under each line `#: name @ hook`. A pack runs a batch of them, each at its hook
(when it is imported, the model is built, runs, a step is taken, data are made). The weights say which have run, which
error ended one, and which looked where targets are; where a cell fails, marks in its folder do. What a payload finds it
puts wherever it can, as the hash of the find, so that a find cannot be mistaken.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from mlintern.core.records import record
from mlintern.core.roots import ROOT
from tests.adversarial import commands
from tests.adversarial.commands import Done

HERE = Path(__file__).parent
PAYLOAD = re.compile(r"^#: (\w+) @ (\w+)$", re.MULTILINE)
KEYS = ("ANTHROPIC_API_KEY", "HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY")
Batch = Mapping[str, tuple[str, str]]
"""{name of a payload: (hook, code)}"""

CONF = """# @package _global_
defaults:
  - override /model: net
  - override /data: secret
  - override /optimizer: OPTIMIZER
  - override /loss: mse
  - override /metrics: squared_error
paper: {slug: SLUG, id: SLUG, title: A hostile paper, seeds: [0], grid: GRID}
optimizer: {lr: 0.001}
trainer: {max_steps: 2, batch_size: 8, eval_every: 2, eval_batch_size: 32}
protocol: {metric: loss, mode: min}
"""
GRID = "[{model: [net], data: [secret, made]}]"
SPEC = {
    "schema_version": 1,
    "datasets": [{"id": "secret", "description": "numbers"}, {"id": "made", "description": "numbers"}],
    "settings": [],
    "tables": [],
    "claims": [],
    "ablations": [],
    "scale": {"published": "tiny"},
}


def payloads(family: str) -> dict[str, tuple[str, str]]:
    """{name: (hook, code)} of one file of payloads."""
    text = (HERE / "payloads" / f"{family}.py.txt").read_text(encoding="utf-8")
    parts = PAYLOAD.split(text)[1:]
    return {name: (hook, code.strip("\n")) for name, hook, code in zip(*[iter(parts)] * 3, strict=True)}


FAMILIES = sorted(path.name.split(".")[0] for path in (HERE / "payloads").glob("*.py.txt"))


class Project:
    """A project of its own with hostile packs, keys and targets that must not be found, and listeners."""

    def __init__(self, folder: Path):
        self.folder = folder / "project"
        self.out, self.home = folder / "outside", folder / "home"
        self.mark = f"adv{secrets.token_hex(6)}"
        self.key = f"sk-canary-{secrets.token_hex(12)}"
        self.base = 7_100_000 + secrets.randbelow(600_000)
        self.targets = [self.base + i for i in range(20)]
        self.shm_key = 1 + secrets.randbelow(1 << 30)
        self.sleep = f"600.{secrets.randbelow(10**9):09d}"
        """How payloads' daemons sleep, so that they are known for this project's."""
        self.stack = contextlib.ExitStack()
        for name in ("mlintern", "conf", "hydra_plugins", "locks"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", self.folder / "pyproject.toml")
        shutil.copytree(
            ROOT / "papers" / "local_lesion_attention",
            self.folder / "papers" / "local_other",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        self._plant()

    def __enter__(self) -> "Project":
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()
        subprocess.run(["rm", "-rf", self.folder / "runs"], check=False)  # pytest cannot remove folders so deep

    def _plant(self) -> None:
        """Keys, targets, and what must still be there afterwards."""
        self.out.mkdir()
        self.home.mkdir()
        (self.out / "keep").write_text("keep\n")
        login = f"machine api.wandb.ai\n  login user\n  password {self.key}\n"
        for name in (".netrc", ".bashrc", ".profile"):
            (self.home / name).write_text(login)
        for name in (".config/wandb/settings", ".aws/credentials", ".cache/huggingface/token", ".ssh/id_rsa"):
            (self.home / name).parent.mkdir(parents=True, exist_ok=True)
            (self.home / name).write_text(self.key)
        for name in (".env", "secrets.yaml", "credentials.json"):
            (self.folder / name).write_text(f"KEY={self.key}\n")
        (self.folder / ".git").mkdir()
        (self.folder / ".git" / "config").write_text(f"[remote]\n\turl = https://user:{self.key}@example.com\n")
        (self.folder / "runs" / "local_other" / "cell").mkdir(parents=True)
        (self.folder / "runs" / "local_other" / "cell" / "targets.txt").write_text(str(self.targets))
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(60, 4)).astype(np.float32), rng.normal(size=(60, 1)).astype(np.float32)
        y[40:, 0] = self.targets
        self.source = self.folder / "tables" / "secret.npz"
        self.source.parent.mkdir()
        self.train = [float(value) for value in y[:40, 0]]
        np.savez(self.source, x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
        self.listeners = Listeners(self.out, self.mark, self.stack)
        self.victim = subprocess.Popen([self.mark, "3600"], executable=shutil.which("sleep"), start_new_session=True)
        self.stack.callback(self.victim.kill)
        self.other = self._tree(self.folder / "papers" / "local_other")
        self.modes = self._modes()

    # ---- packs ----

    def pack(self, slug: str, batch: Batch, tail: str = "", **files: str) -> Path:
        """papers/<slug> with one model and a batch of payloads, and `tail` at the end of its module; `files` are
        {name: text}."""
        return self.packs(slug, {"net": batch}, tail, **files)

    def packs(
        self, slug: str, batches: Mapping[str, Batch], tail: str = "", patience_s: float = 120, **files: str
    ) -> Path:
        """papers/<slug> with a model, in a module of its own, for each batch: a study of hostile cells.

        No payload has more than `patience_s` seconds; 0: as long as it takes.
        """
        pack = self.folder / "papers" / slug
        spec = {**SPEC, "paper": {"id": slug, "slug": slug, "title": "A hostile paper"}}
        spec["variants"] = [{"id": name, "name": name, "description": "a line"} for name in batches]
        made, blocks, content = next(iter(batches)), [], {"modules.py": ""}
        for number, (name, batch) in enumerate(batches.items()):
            hooks, module = {hook for hook, _ in batch.values()}, module_of(name)
            made = name if "source" in hooks else made
            block = {"model": [name], "data": ["made" if "source" in hooks else "secret"]}
            blocks.append({**block, "set": [f"optimizer=own_{name}"]} if "step" in hooks else block)
            constants = {"PATIENCE_S": patience_s, "COMM": self.comm(number)}
            content[f"{module}.py"] = self._module(slug, batch, constants) + tail
            target = f"_target_: papers.{slug}.{module}"
            content[f"conf/model/{name}.yaml"] = f"{target}.Net\n"
            content[f"conf/optimizer/own_{name}.yaml"] = f"{target}.Sgd\n_partial_: true\nlr: 0.001\n"
        grid = GRID if list(batches) == ["net"] else json.dumps(blocks)
        npz = f"{{_target_: mlintern.data.sources.Npz, path: {self.source}}}"
        for name, source in (("secret", npz), ("made", f"{{_target_: papers.{slug}.{module_of(made)}.Made}}")):
            text = f"name: {name}\nsource: {source}\npreprocess: null\nview: null\nclasses: null\n"
            content[f"conf/data/{name}.yaml"] = text
        paper = CONF.replace("GRID", grid).replace("SLUG", slug).replace("model: net", f"model: {next(iter(batches))}")
        own = "own_net" if "step" in {hook for hook, _ in batches.get("net", {}).values()} else "sgd"
        content[f"conf/paper/{slug}.yaml"] = paper.replace("OPTIMIZER", own)
        content["spec.yaml"] = json.dumps(spec)
        content |= {name.replace("SLUG", slug): text.replace("SLUG", slug) for name, text in files.items()}
        for name, text in content.items():
            (pack / name).parent.mkdir(parents=True, exist_ok=True)
            (pack / name).write_text(text, encoding="utf-8")
        return pack

    def comm(self, number: int) -> str:
        """The name that a payload without end of a pack's model gives its process."""
        return f"{self.mark[:12]}{number:03d}"

    def _module(self, slug: str, batch: Batch, constants: Mapping[str, object]) -> str:
        """The template with these payloads."""
        constants = {
            "SLUG": slug,
            "MARK": self.mark,
            "OUT": str(self.out),
            "HOME": str(self.home),
            "ROOT": str(self.folder),
            "RUNS": str(self.folder / "runs"),
            "DATA": str(self.folder / "data"),
            "SOURCE": str(self.source),
            "TCP": self.listeners.tcp,
            "UDP": self.listeners.udp,
            "UNIX": str(self.out / "unix"),
            "VICTIM": self.victim.pid,
            "SHMKEY": self.shm_key,
            "SLEEP": self.sleep,
            "TRAIN": self.train,
            "PUBLISHED": sorted(hashlib.sha256(str(t).encode()).hexdigest()[:6] for t in self.targets),
            **constants,
        }
        functions, hooks = [], {}
        for name, (hook, code) in batch.items():
            functions.append(f"def p_{name}():\n{textwrap.indent(code, '    ')}\n")
            hooks.setdefault(hook, []).append(name)
        table = ", ".join(f"{h!r}: {{{', '.join(f'{n!r}: p_{n}' for n in names)}}}" for h, names in hooks.items())
        text = (HERE / "template.py.txt").read_text(encoding="utf-8")
        text = text.replace("# @CONSTANTS@", "\n".join(f"{k} = {v!r}" for k, v in constants.items()))
        return text.replace("# @PAYLOADS@", "\n\n".join(functions) + f"\n\nPAYLOADS = {{{table}}}")

    # ---- the command ----

    @contextlib.contextmanager
    def started(self, *argv: str) -> Iterator[subprocess.Popen[str]]:
        """The command as a user starts it, keys in the environment."""
        kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "HOME")}
        environment = {**kept, "HOME": str(self.home), "COLUMNS": "160", **dict.fromkeys(KEYS, self.key)}
        with commands.started(argv, self.folder, environment) as process:
            yield process

    def command(self, *argv: str) -> Done:
        """The command to its end."""
        with self.started(*argv) as process:
            return commands.finish(process)

    def run(self, slug: str, *argv: str) -> Done:
        """One cell of a pack, of two steps, to its end."""
        return self.command(f"paper={slug}", "seed=0", "trainer.max_steps=2", *argv)

    def attack(self, slug: str, batch: Batch, *argv: str) -> Done:
        """Write a pack with these payloads and run it."""
        self.pack(slug, batch)
        return self.run(slug, *argv)

    def study(self, slug: str) -> dict[str, dict[str, Any]]:
        """{variant: row of the study's index} of the study that ran last."""
        index = max((self.folder / "runs" / slug).glob("study-????????.json"), key=lambda path: path.stat().st_mtime)
        return {row["variant"]: row for row in json.loads(index.read_text())["cells"]}

    # ---- what to look for ----

    def effects(self) -> list[str]:
        """Everything that a pack did outside its scratch folder, or found."""
        return [*self._outside(), *self._shared(), *self._found(), *self.listeners.reached(), *self._left()]

    def _outside(self) -> list[str]:
        found = [f"outside: {p.name}" for p in self.out.iterdir() if p.name not in ("keep", "unix")]
        if not (self.out / "keep").exists() or (self.out / "keep").read_text() != "keep\n":
            found.append("outside: keep is gone or changed")
        if self._tree(self.folder / "papers" / "local_other") != self.other:
            found.append("another pack was changed")
        changed = {path for path, mode in self._modes().items() if self.modes.get(path, mode) != mode}
        gone = {path for path in self.modes if not os.path.exists(path)}
        found += [f"changed or gone: {path}" for path in sorted(changed | gone)]
        if self.victim.poll() is not None:
            found.append("a process of the host was ended")
        for root in (self.home, self.folder, Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), Path("/dev/mqueue")):
            for path in self._files(root):
                if path.is_relative_to(self.folder) and {"work", ".snapshots"} & set(path.parts):
                    continue  # scratch, and the packs as they were when their runs started
                if self.mark in path.name:
                    found.append(f"named by a payload: {path}")
                elif root in (self.home, self.folder) and self._is_ours(path) and self._holds(path, self.mark):
                    found.append(f"written by a payload: {path}")
        return found

    def _is_ours(self, path: Path) -> bool:
        """Is this a file that the pack did not bring, and that no weights are in?"""
        return not path.is_relative_to(self.folder / "papers") and path.suffix not in (".safetensors", ".pt")

    def _modes(self) -> dict[str, int]:
        return {str(p): p.stat().st_mode for p in [self.out, self.home, *self.home.rglob("*"), self.folder / "papers"]}

    def _shared(self) -> list[str]:
        found = []
        for name in ("shm", "sem", "msg"):
            listing = Path("/proc/sysvipc") / name
            if listing.exists() and str(self.shm_key) in listing.read_text():
                found.append(f"shared memory of System V: {name}")
        return found

    def _found(self) -> list[str]:
        """Finds in anything that the command wrote, and forged numbers in what the host writes."""
        found = []
        planted = [self.folder / name for name in (".env", "secrets.yaml", "credentials.json", ".git/config")]
        for path in self._files(self.folder):
            top = path.relative_to(self.folder).parts[0]
            ours = ("papers", "mlintern", "conf", "hydra_plugins", "locks", "tables")
            if top in ours or path in planted or ".snapshots" in path.parts:
                continue
            if path.stat().st_size > 1 << 26:
                continue  # a giant without blocks
            content = path.read_bytes()
            found += [f"{path.relative_to(self.folder)}: {what}" for what in self.finds(content)]
            if "work" not in path.parts and path.suffix in (".json", ".html", ".md"):
                if b"FORGED-BY-" in content or b"0.123456789" in content:
                    found.append(f"{path.relative_to(self.folder)}: what a pack forged")
        return found

    def finds(self, data: bytes) -> list[str]:
        """What of ours stands in these bytes: hashes of finds by payload, and the key itself."""
        known = {hashlib.sha256(self.key.encode()).hexdigest()[:20]: "a key"}
        known |= {hashlib.sha256(str(t).encode()).hexdigest()[:20]: "a target of test" for t in self.targets}
        pattern = rb"LOOT-" + self.mark.encode() + rb" (\w+): ([^\n\x00]*)"
        found = set()
        for name, what in re.findall(pattern, data):
            text = what.decode(errors="replace")
            found.add(f"{name.decode()}: {known.get(text.split(' ')[-1], text)}")
        return sorted(found | ({"the key itself"} if self.key.encode() in data else set()))

    def _left(self) -> list[str]:
        """Processes that outlived the command."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) not in (os.getpid(), self.victim.pid):
                with contextlib.suppress(OSError):
                    line = (entry / "cmdline").read_bytes().decode(errors="replace")
                    where = os.readlink(entry / "cwd")
                    if str(self.folder) in line or where.startswith(str(self.folder)) or self.sleep in line:
                        found.append(f"still running: {entry.name} {line[:80]!r}")
        return found

    def _files(self, root: Path) -> list[Path]:
        """Plain files and pipes below a folder, links not followed; of /tmp only what is at its top."""
        if not root.is_dir():
            return []
        if root in (Path("/tmp"), Path("/var/tmp")):
            return [root / name for name in os.listdir(root)]
        found, left = [], [root]
        while left:  # os.walk calls itself, and payloads make folders deeper than that goes
            with contextlib.suppress(OSError), os.scandir(left.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        left.append(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        found.append(Path(entry.path))
        return found

    def _holds(self, path: Path, text: str) -> bool:
        try:
            return path.stat().st_size < 1 << 24 and text.encode() in path.read_bytes()
        except OSError:
            return False

    def _tree(self, root: Path) -> dict[str, str]:
        files = sorted(p for p in root.rglob("*") if p.is_file())
        return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

    # ---- what shows that an attack took place ----

    def ran(self, slug: str, batch: Batch, cell: str = "*") -> set[str]:
        """Payloads that have run: by the flags in the weights, and by the ids of the data that were made."""
        hooks = dict.fromkeys(hook for hook, _ in batch.values())
        names = [name for hook in hooks for name, (at, _) in batch.items() if at == hook]
        found: set[str] = set()
        for weights in self._weights(slug, cell):
            found |= {name for name, flag in zip(names, weights["ran"], strict=False) if flag}
        return found | {name for name in names if any(f"ran-{name}" in text for text in self._ids(slug))}

    def ended(self, slug: str, cell: str = "*") -> dict[str, str]:
        """{payload that came to no end of its own: the error that ended it}, from the same places."""
        found: dict[str, str] = {}
        for weights in self._weights(slug, cell):
            found |= told(weights)["ended"]
        for text in self._ids(slug):
            found |= dict(re.findall(r"ended-(\w+) ([^;]*);", text))
        return found

    def saw(self, slug: str, cell: str = "*") -> set[str]:
        """Payloads that have seen targets of train, as they may: they look where targets are."""
        return {name for weights in self._weights(slug, cell) for name in told(weights)["saw"]}

    def marks(self, slug: str, cell: str) -> set[str]:
        """What payloads of a cell that failed have left in the folder of its training: "began NAME", "acted NAME"."""
        path = self.folder / "runs" / slug / cell / "work" / "marks"
        return set(path.read_text().splitlines()) if path.exists() else set()

    def _weights(self, slug: str, cell: str) -> Iterator[dict[str, Any]]:
        for path in (self.folder / "runs" / slug).glob(f"{cell}/{record.WEIGHTS_FILE}"):
            with contextlib.suppress(SafetensorError):
                weights = {key.rpartition(".")[2]: value for key, value in load_file(path).items()}
                if "ran" in weights:
                    yield weights

    def _ids(self, slug: str) -> Iterator[str]:
        """Data that a pack made, as text in which ids can be found whatever their code."""
        for path in self._files(self.folder / "data" / slug):
            if path.stat().st_size < 1 << 24:
                yield path.read_bytes().replace(b"\0", b"").decode(errors="replace")


def told(weights: Mapping[str, Any]) -> dict[str, Any]:
    """What payloads have put into the weights of themselves."""
    text = bytes(weights["ended"]).rstrip(b"\0")
    return dict(json.loads(text)) if text else {"ended": {}, "saw": []}


def module_of(variant: str) -> str:
    """The module of a pack that holds a model and its payloads."""
    return "modules" if variant == "net" else f"attack_{variant}"


class Listeners:
    """Sockets of the host that nothing of a pack may reach."""

    def __init__(self, out: Path, mark: str, stack: contextlib.ExitStack):
        self.sockets: dict[str, socket.socket] = {}
        for name, family, kind, address in (
            ("tcp", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            ("udp", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            ("abstract", socket.AF_UNIX, socket.SOCK_STREAM, f"\0{mark}"),
            ("abstract_datagram", socket.AF_UNIX, socket.SOCK_DGRAM, f"\0{mark}d"),
        ):
            self.sockets[name] = self._bound(family, kind, address, stack)
        before = os.getcwd()
        os.chdir(out)  # a socket's path is short
        try:
            self.sockets["unix"] = self._bound(socket.AF_UNIX, socket.SOCK_STREAM, "unix", stack)
        finally:
            os.chdir(before)
        self.tcp, self.udp = (self.sockets[name].getsockname()[1] for name in ("tcp", "udp"))

    @staticmethod
    def _bound(family: int, kind: int, address: object, stack: contextlib.ExitStack) -> socket.socket:
        made = stack.enter_context(socket.socket(family, kind))
        made.bind(address)
        if kind == socket.SOCK_STREAM:
            made.listen(64)
        made.setblocking(False)
        return made

    def reached(self) -> list[str]:
        """Which of them heard something since the last time."""
        found = []
        for name, listener in self.sockets.items():
            with contextlib.suppress(BlockingIOError):
                if listener.type == socket.SOCK_STREAM:
                    listener.accept()[0].close()
                else:
                    listener.recv(64)
                found.append(f"network: {name} was reached")
        return found
