"""A few steps of every cell of a pack's study, on its own data: `python -m mlintern.vet.rehearse`, in the sandbox only.

What random inputs cannot show is shown here, by the engine itself: that each dataset builds and passes the audit that
the study will start with, that loss, method, optimizer, schedule and metric work together, that every parameter gets
a gradient from the real loss, and that one batch of real examples can be overfitted. A job comes in on stdin,
`{"checks": [...]}` goes out on stdout, as in `mlintern.vet.dynamic`.
"""

import dataclasses
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mlintern.audit.run import audit
from mlintern.config import Config
from mlintern.core.records.record import stable_hash
from mlintern.core.schema import plain
from mlintern.core.targets.check import check_targets
from mlintern.data.group import Data
from mlintern.data.prepare import prepare
from mlintern.data.splits import Examples, Splits
from mlintern.engine import rows
from mlintern.engine.cell import run_cell
from mlintern.engine.instantiate import allowed_prefixes, build
from mlintern.engine.precision import readable
from mlintern.engine.tables import load_splits
from mlintern.engine.training import BuiltCell
from mlintern.loggers import LoggerOptions
from mlintern.vet.checks import ModelCheck
from mlintern.vet.dynamic import Outcome, main, of_gradients, run_check

STEPS = 3
ROWS = 64
"""Examples of each part that a rehearsed cell sees; datasets are built and audited whole."""
_OVERFIT_BATCH = 8
_OVERFIT_STEPS = 300
_OVERFIT_SHARE = 0.1  # a batch counts as learned when the loss, or its distance to its floor, fell to this share
_FALLEN_SHARE = 0.1  # a loss of the pack's own counts as falling when it lost this share
_LEARNING_RATES = (3e-3, 1e-3)
_SUPERVISED = "mlintern.engine.methods.Supervised"


def of_cells(job: dict[str, Any]) -> list[ModelCheck]:
    """All cells of the job, one after the other."""
    os.chdir(job["paths"][0])  # the folder that the pack's targets are looked for in
    with tempfile.TemporaryDirectory() as scratch:
        rehearsal = Rehearsal(Path(scratch))
        for cell in job["cells"]:
            rehearsal.cell(cell["name"], cell["overfit"], Config.from_plain(cell["config"]), cell.get("alone", False))
    return rehearsal.checks


class Rehearsal:
    """The cells of one study, one after the other; a dataset that fails once is not built for each cell again."""

    def __init__(self, scratch: Path):
        self.scratch = scratch
        self.checks: list[ModelCheck] = []
        self.splits: dict[str, Splits] = {}
        self.seen: dict[str, ModelCheck] = {}
        """{hash of what was tried: what it came to} for datasets and audits."""

    def cell(self, name: str, overfit: bool, config: Config, alone: bool = False) -> None:
        """Rehearse one cell, its dataset and its audit before it.

        What is wrong with a dataset is said once, of the dataset; of a cell that stands `alone` it is said again.
        """
        folder = self.scratch / stable_hash(config.data.source, "data.source")[:8]
        data, protocol = config.data.name, config.protocol.name
        audited = plain([config.data, config.protocol, config.audit])
        if not self._once(name, alone, f"data {data}", folder.name, "prepare", lambda: _prepare(config, folder)):
            return
        key, subject = stable_hash(audited), f"data {data}, protocol {protocol}"
        if not self._once(name, alone, subject, key, "audit", lambda: self._audit(config, folder)):
            return
        self.checks.append(run_check(name, "rehearsal", lambda: self._train(config, folder, name)))
        if self.checks[-1].status == "PASS" and overfit:
            splits = self._splits(config, folder)
            short = _short(config, splits)
            self.checks.append(run_check(name, "gradients", lambda: _gradients(short, splits)))
            self.checks.append(run_check(name, "overfit", lambda: _overfit(short, splits)))

    def _once(self, cell: str, alone: bool, subject: str, key: str, name: str, check: Callable[[], Outcome]) -> bool:
        """Whether it holds. A subject's name stands for its first contents; others go by the cell that they are of."""
        taken = any(seen.subject == subject and seen.name == name for seen in self.seen.values())
        if key not in self.seen:
            self.seen[key] = run_check(cell if alone or taken else subject, name, check)
            self.checks.append(self.seen[key])
        elif alone and self.seen[key].status == "FAIL":
            self.checks.append(dataclasses.replace(self.seen[key], subject=cell))
        return self.seen[key].status != "FAIL"

    def _audit(self, config: Config, folder: Path) -> Outcome:
        """The audit's own checks, without pricing a leak and without canaries, which change no finding."""
        options = dataclasses.replace(config.audit, price="none", canaries=False)
        report = audit(self._whole(config, folder), config.protocol, options)
        blocking = report.blocking(options.fail_on, options.acknowledge)
        if blocking:
            found = "; ".join(f"{finding.kind} ({finding.count} of {'/'.join(finding.splits)})" for finding in blocking)
            return "FAIL", f"training would be refused: {found}; mend the dataset's source or the protocol"
        return "PASS", report.summary()

    def _splits(self, config: Config, folder: Path) -> Splits:
        return _small(self._whole(config, folder))

    def _whole(self, config: Config, folder: Path) -> Splits:
        """The splits of a config; the last few are kept, because cells share them."""
        data = {name: value for name, value in config.data.items() if name != "num_workers"}
        key = json.dumps([str(folder), data, config.protocol.plain()], sort_keys=True)
        if key not in self.splits:
            if len(self.splits) >= 4:
                self.splits.pop(next(iter(self.splits)))
            check_targets({"data": config.data}, allowed_prefixes(config.slug))
            self.splits[key] = load_splits(config, folder)
        return self.splits[key]

    def _train(self, config: Config, folder: Path, name: str) -> Outcome:
        """A few steps from start to record, as the study runs them."""
        splits = self._splits(config, folder)
        short = _short(config, splits)
        with tempfile.TemporaryDirectory(dir=self.scratch) as out:
            record = run_cell(short, splits, Path(out), _facts(config, name))
        if record is None or record["status"] != "finished":
            return "FAIL", f"{STEPS} steps: {record['message'] if record else 'no record'}"
        measured = record["metrics"]["test"]
        wanted = config.protocol.metric
        if wanted not in measured:
            return "FAIL", f"protocol.metric={wanted}: not measured; conf/metrics gives {', '.join(measured)}"
        return "PASS", f"{STEPS} steps, test {wanted} {measured[wanted]:.4g}"


def _prepare(config: Config, folder: Path) -> Outcome:
    source = config.data.source
    check_targets({"data": {"source": source}}, allowed_prefixes(config.slug))
    first = prepare(build(source, "data.source"), folder)
    again = prepare(build(source, "data.source"), folder.with_name(f"{folder.name}.again"))
    if first != again:
        parts = ", ".join(part for part in first if first[part] != again.get(part))
        return "FAIL", f"built twice, {parts} came out differently; draw only from a generator seeded by an argument"
    return "PASS", f"parts {', '.join(first)}, the same twice"


def _small(splits: Splits) -> Splits:
    """The first rows of each part; preprocessing is fitted on those."""

    def first(part: Examples) -> Examples:
        return part.take(np.arange(min(len(part), ROWS)))

    return splits.replace(**{name: first(part) for name, part in splits.parts().items()})


def _short(config: Config, splits: Splits) -> Config:
    """The cell's config for a few steps on a few rows."""
    batch = min(config.trainer.batch_size, len(splits.train))
    trainer = dataclasses.replace(config.trainer, max_steps=STEPS, eval_every=None, batch_size=batch)
    data = Data({**config.data, "num_workers": 0})
    return dataclasses.replace(config, trainer=trainer, data=data, logger=LoggerOptions("none"))


def _facts(config: Config, name: str) -> dict[str, Any]:
    """What a record asks of its caller; this one is thrown away."""
    empty: dict[str, Any] = {
        "cell_id": "rehearsal", "slug": config.slug, "variant": name, "levels": {}, "overrides": [],
        "git": {}, "pack_sha256": "", "code_sha256": "", "prepared": {}, "environment": {},
        "audit": {"sha256": "", "clean": True, "summary": "", "acknowledged": []},
    }  # fmt: skip
    return empty


def _built(config: Config, splits: Splits) -> BuiltCell:
    """The cell on the rows that training sees."""
    return BuiltCell(config, *rows.seen(config, splits))


def _batch(cell: BuiltCell, size: int) -> list[torch.Tensor]:
    return [cell.inputs["train"][:size], cell.targets["train"][:size]]


def _gradients(config: Config, splits: Splits) -> Outcome:
    """Every parameter gets a finite gradient from the cell's own loss on a real batch."""
    cell = _built(config, splits)
    cell.module.train()
    cell.module.training_step(_batch(cell, len(splits.train)), 0).backward()
    trainable = {n: p for n, p in cell.module.model.named_parameters() if p.requires_grad}
    return of_gradients(trainable, "the loss gives no gradient to")


def _overfit(config: Config, splits: Splits) -> Outcome:
    """One small batch of real examples can be learned by heart, with the cell's own loss.

    A loss of the pack's own has a least value that nobody here knows (a saddle problem's is not even its goal), so it
    only has to fall.
    """
    if config.method.target != _SUPERVISED:
        return "NOT_APPLICABLE", "the pack's method decides what a step does; its loss need not fall on one batch"
    own = not config.loss.target.startswith("torch.nn.")
    start = best = math.inf
    for rate in _LEARNING_RATES:
        cell = _built(config, splits)
        model = cell.module.model.train()
        for module in model.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.p = 0.0
        optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), lr=rate)
        batch = _batch(cell, _OVERFIT_BATCH)
        floor = _floor(cell, batch[0])
        for step in range(_OVERFIT_STEPS):
            loss = cell.module.training_step(batch, step)
            value = loss.item() - floor
            start = value if step == 0 else start
            best = min(best, value)
            if start - best >= (_FALLEN_SHARE * abs(start) if own else (1 - _OVERFIT_SHARE) * start) and step:
                return "PASS", f"loss {start + floor:.3g} falls to {best + floor:.3g} within {step} steps"
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return "FAIL", (
        f"loss {start + floor:.3g} only falls to {best + floor:.3g} in {_OVERFIT_STEPS} steps on one batch of "
        f"{_OVERFIT_BATCH}"
    )


def _floor(cell: BuiltCell, inputs: torch.Tensor) -> float:
    """The least value that the loss can take: that of label smoothing, which no model gets below."""
    smoothing = getattr(cell.module.criterion, "label_smoothing", 0.0)
    if not smoothing:
        return 0.0
    with torch.no_grad():
        classes = readable(cell.module.model(inputs)).shape[1]
    on, off = 1 - smoothing + smoothing / classes, smoothing / classes
    return -(on * math.log(on) + (classes - 1) * off * math.log(off))


if __name__ == "__main__":
    sys.exit(main(of_cells))
