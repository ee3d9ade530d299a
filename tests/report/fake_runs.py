"""A study that looks like the bundled paper's, without training: spec, records, audits and predictions, generated.

Numbers are drawn, not measured; nothing here may be mistaken for a result. `python -m tests.report.fake_runs FOLDER`
writes the report of such a study, to look at the page.
"""

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlintern.core.records.record import PREDICTIONS_FILE, STEPS_FILE, RunRecord, stable_hash
from mlintern.spec.paper_spec import PaperSpec
from tests import records

SHA = "0" * 64
NO_FILES: dict[str, Any] = {"outcomes": {}.get, "steps": {}.get, "kept_plan": None, "maps": lambda _: {}}
"""For `analyse` of records whose files are not at hand."""
SEEDS = (0, 1, 2)
DATA = ("mnist1d", "mnist1d_shuffled")
VARIANTS = {"logistic": "Logistic regression", "mlp": "MLP", "cnn": "CNN", "gru": "GRU"}
PRINTED = {
    ("logistic", "mnist1d"): (32, 1),
    ("mlp", "mnist1d"): (68, 2),
    ("cnn", "mnist1d"): (94, 2),
    ("gru", "mnist1d"): (91, 2),
    ("logistic", "mnist1d_shuffled"): (32, 1),
    ("mlp", "mnist1d_shuffled"): (68, 2),
    ("cnn", "mnist1d_shuffled"): (56, 2),
    ("gru", "mnist1d_shuffled"): (57, 2),
}
TRUE = {
    ("logistic", "mnist1d"): 32.4,
    ("mlp", "mnist1d"): 66.8,
    ("cnn", "mnist1d"): 93.2,
    ("gru", "mnist1d"): 90.8,
    ("logistic", "mnist1d_shuffled"): 32.3,
    ("mlp", "mnist1d_shuffled"): 66.9,
    ("cnn", "mnist1d_shuffled"): 61.0,
    ("gru", "mnist1d_shuffled"): 57.4,
}
ROWS = {"mnist1d": "MNIST-1D", "mnist1d_shuffled": "MNIST-1D (shuffled)"}
TEST_SIZE = 1000
LOCATOR = {"span": [0, 10], "section": "Classification", "sha256": SHA}


def _cell_locator(row: int, column: int) -> dict[str, Any]:
    return {"table": "tab:benchmark", "row": row, "column": column, "sha256": SHA}


def _result_cells() -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = []
    columns = [*VARIANTS.values(), "Human expert"]
    for j, column in enumerate(columns):
        raw = "94 ± 0.5" if j == 0 else ">99"
        printed = {"raw": raw, "mean": 94.0, "std": 0.5, "n": 3} if j == 0 else {"raw": raw, "mean": 99.0, "bound": ">"}
        cells.append(
            dict(
                row="MNIST",
                column=column,
                metric="accuracy",
                printed=printed,
                locator=_cell_locator(1, j + 1),
                testable=False,
                not_tested_reason="MNIST is not among the study's datasets; the paper's subject is MNIST-1D",
            )
        )
    for i, (data, row) in enumerate(ROWS.items(), 2):
        for j, (variant, column) in enumerate(VARIANTS.items(), 1):
            mean, std = PRINTED[variant, data]
            cells.append(
                dict(
                    row=row,
                    column=column,
                    variant=variant,
                    data=data,
                    protocol="as_published",
                    metric="accuracy",
                    printed={"raw": f"{mean} ± {std}", "mean": mean, "std": std, "n": 3, "spread": "std"},
                    locator=_cell_locator(i, j),
                    testable=True,
                )
            )
        raw, mean, std = ("96 ± 1", 96, 1) if data == "mnist1d" else ("~30 ± 10", 30, 10)
        cells.append(
            dict(
                row=row,
                column="Human expert",
                data=data,
                metric="accuracy",
                printed={"raw": raw, "mean": mean, "std": std},
                locator=_cell_locator(i, 5),
                testable=False,
                not_tested_reason="a person's score; nobody can be trained here",
            )
        )
    return cells


def _claims() -> list[dict[str, Any]]:
    def claim(name: str, statement: str, **check: Any) -> dict[str, Any]:
        return dict(id=name, statement=statement, locator=LOCATOR, check=check, testable=True)

    def cell(variant: str, data: str = "mnist1d") -> dict[str, Any]:
        return {"variant": variant, "data": data}

    claims = [
        claim(
            "cnn_beats_mlp",
            "The CNN beats the MLP on plain MNIST-1D",
            kind="greater",
            a=cell("cnn"),
            b=cell("mlp"),
            metric="accuracy",
            unit="percent",
        ),
        claim(
            "cnn_beats_gru",
            "The CNN beats the GRU on plain MNIST-1D",
            kind="greater",
            a=cell("cnn"),
            b=cell("gru"),
            metric="accuracy",
            unit="percent",
        ),
        claim(
            "shuffling_hurts_cnn",
            "Shuffling costs the CNN about 35 points",
            kind="greater",
            a=cell("cnn"),
            b=cell("cnn", "mnist1d_shuffled"),
            metric="accuracy",
            unit="percent",
            margin=30,
        ),
        claim(
            "shuffling_spares_mlp",
            "Shuffling leaves the MLP about where it was",
            kind="equivalent",
            a=cell("mlp"),
            b=cell("mlp", "mnist1d_shuffled"),
            metric="accuracy",
            unit="percent",
            within=2,
        ),
    ]
    claims.append(
        dict(
            id="lottery_tickets",
            statement="Lottery tickets of the MLP beat random subnetworks of the same sparsity",
            locator=LOCATOR,
            check=None,
            testable=False,
            not_tested_reason="the pack has no pruning method yet",
        )
    )
    return claims


def spec_dict() -> dict[str, Any]:
    """The spec as it would stand in spec.yaml."""
    code = {"repository": "https://example.org/authors/code", "file": "train.py"}
    columns = [*VARIANTS.values(), "Human expert"]
    return {
        "schema_version": 1,
        "paper": {
            "id": "2011.14439",
            "slug": "arxiv_2011_14439",
            "title": "Scaling Down Deep Learning with MNIST-1D",
            "authors": ["Sam Greydanus", "Dmitry Kobak"],
            "year": 2020,
            "licence": "CC BY 4.0",
        },
        "datasets": [
            {"id": "mnist1d", "description": "4000 training and 1000 test examples of 40 points"},
            {"id": "mnist1d_shuffled", "description": "the same, positions permuted once"},
        ],
        "variants": [{"id": key, "name": name, "description": name} for key, name in VARIANTS.items()],
        "settings": [
            {"key": "data.n_train", "value": 4000, "source": "paper", "locator": LOCATOR},
            {"key": "optimizer.name", "value": "adam", "source": "paper", "locator": LOCATOR},
            {"key": "optimizer.lr", "value": 0.01, "source": "code", "locator": code},
            {"key": "trainer.max_steps", "value": 6000, "unit": "steps", "source": "code", "locator": code},
            {
                "key": "protocol.valid_fraction",
                "value": 0.1,
                "source": "assumed",
                "locator": {
                    "reason": "the paper stops early but names no validation part; a tenth of train is usual",
                    "probe_range": [0.05, 0.2],
                },
            },
            {
                "key": "optimizer.eps",
                "value": 1e-8,
                "source": "assumed",
                "locator": {"reason": "neither paper nor code sets it; torch's default", "probe_range": [1e-7, 1e-6]},
            },
        ],
        "tables": [
            {
                "id": "benchmark",
                "label": "tab:benchmark",
                "description": "Test accuracy of five classifiers on three datasets",
                "metric": "accuracy",
                "unit": "percent",
                "better": "higher",
                "rows": ["MNIST", *ROWS.values()],
                "columns": columns,
                "locator": LOCATOR,
                "cells": _result_cells(),
            }
        ],
        "claims": _claims(),
        "scale": {"published": "about ten minutes on a CPU"},
        "not_trainable": [{"what": "human expert", "reason": "a person"}],
    }


def spec() -> PaperSpec:
    """The spec, validated."""
    return PaperSpec.model_validate(spec_dict())


def _hash(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def outcomes(variant: str, data: str, protocol: str, seed: int) -> np.ndarray:
    """[TEST_SIZE] 0/1, correlated over seeds and protocols as the outcomes of similar models are."""
    shared = np.random.default_rng(_number(variant, data)).random(TEST_SIZE)
    own = np.random.default_rng(_number(variant, data, protocol, seed))
    score = np.where(own.random(TEST_SIZE) < 0.8, shared, own.random(TEST_SIZE))
    level = TRUE[variant, data] / 100 + (0.006 if protocol == "as_published" else 0.0) + own.normal(0, 0.006)
    return (score < level).astype(np.int64)


def _number(*parts: Any) -> int:
    return int(_hash(*parts)[:12], 16)


def _evaluations(variant: str, data: str, protocol: str, seed: int, final: float) -> list[dict[str, Any]]:
    rng = np.random.default_rng(_number("curve", variant, data, protocol, seed))
    rows: list[dict[str, Any]] = []
    chosen_on = "valid" if protocol == "clean" else "test"
    for step in range(0, 6001, 250):
        rise = 1 - np.exp(-step / 900)
        for split, top in (("train", 0.36 if variant == "logistic" else 1.0), (chosen_on, final)):
            accuracy = float(np.clip(0.1 + (top - 0.1) * rise + rng.normal(0, 0.006), 0, 1))
            rows.append({"step": step, "split": split, "loss": 2.3 * (1 - accuracy) + 0.02, "accuracy": accuracy})
    return rows


def run(variant: str, data: str, protocol: str, seed: int) -> RunRecord:
    """One finished record."""
    outcome = outcomes(variant, data, protocol, seed)
    accuracy = float(outcome.mean())
    as_published = protocol == "as_published"
    config = {
        **records.CONFIG,
        "seed": seed,
        "model": {"name": variant},
        "trainer": {"max_steps": 6000},
        "protocol": {
            "name": protocol,
            "metric": "accuracy",
            "fit_on": ["train", "test"] if as_published else ["train"],
            "valid_fraction": 0.0 if as_published else 0.1,
            "select_on": "test" if as_published else "valid",
        },
    }
    levels = {"data": data, "protocol": protocol}
    overrides = [
        "paper=arxiv_2011_14439",
        f"model={variant}",
        f"data={data}",
        f"protocol={protocol}",
        f"seed={seed}",
    ]
    if as_published:
        overrides.append("audit.acknowledge=[preprocessing_scope,selection_on_test]")
    return RunRecord(
        cell_id=stable_hash({"variant": variant, "levels": levels, "config": config})[:16],
        status="finished",
        slug="arxiv_2011_14439",
        variant=variant,
        levels=levels,
        seed=seed,
        config=config,
        overrides=overrides,
        git={"commit": "1" * 40, "dirty": False, "diff_sha256": None},
        pack_sha256=_hash("pack"),
        code_sha256=_hash("code"),
        prepared=fingerprints(data, ""),
        data=fingerprints(data, protocol),
        environment={
            "lock_sha256": _hash("lock"),
            "drift": [{"package": "somepackage", "locked": "1.0", "installed": "1.1"}],
            "python": "3.11.2",
            "host": "laptop",
            "cpu": "some CPU, 2 cores",
            "gpu": None,
            "threads": 1,
            "determinism": {"level": "strict"},
        },
        streams={"order": _hash("order", seed)},
        loss_chain_sha256=_hash("chain", variant, data, protocol, seed),
        weights_sha256=_hash("weights", variant, data, protocol, seed),
        metrics={
            "train": {"accuracy": 0.35 if variant == "logistic" else 1.0, "loss": 0.01},
            "valid": {"accuracy": accuracy + 0.004, "loss": 0.3},
            "test": {"accuracy": accuracy, "loss": 0.4},
        },
        evaluations=_evaluations(variant, data, protocol, seed, accuracy),
        selection={
            "split": "test" if as_published else "valid",
            "metric": "accuracy",
            "mode": "max",
            "step": 5250,
            "value": accuracy + 0.004,
        },
        test_readings=25 if as_published else 1,
        audit={
            "sha256": _hash("audit", data, protocol),
            "clean": not as_published,
            "acknowledged": ["preprocessing_scope", "selection_on_test"] if as_published else [],
        },
        parameters={"logistic": 410, "mlp": 15210, "cnn": 5210, "gru": 5134}[variant],
        message="",
        wall_s=14.0 + 9 * list(VARIANTS).index(variant),
        peak_memory_bytes=310_000_000,
        started="2026-01-01T10:00:00+00:00",
        finished="2026-01-01T10:00:30+00:00",
    )


def fingerprints(data: str, protocol: str) -> dict[str, str]:
    parts = ("train", "test") if protocol == "as_published" else ("train", "valid", "test")
    return {part: _hash(data, part, protocol if part == "train" else "") for part in parts}


def runs() -> list[RunRecord]:
    """8 cells x 3 seeds under the clean protocol, and 4 x 3 as published."""
    clean = [run(v, d, "clean", s) for v in VARIANTS for d in DATA for s in SEEDS]
    return clean + [run(v, "mnist1d", "as_published", s) for v in VARIANTS for s in SEEDS]


def plan(made: list[RunRecord]) -> list[dict[str, Any]]:
    """The plan that would have given these records."""
    return [{key: r[key] for key in ("cell_id", "variant", "levels", "seed")} for r in made]


def audit(data: str, protocol: str) -> dict[str, Any]:
    """audit.json of one dataset under one protocol."""
    names = ("exact_duplicates", "near_duplicates", "fit_scope", "selection_scope", "label_balance")
    failed = {"fit_scope", "selection_scope"} if protocol == "as_published" else set()
    findings = []
    if protocol == "as_published":
        findings = [
            {
                "kind": "preprocessing_scope",
                "severity": "high",
                "splits": ["train", "test"],
                "count": TEST_SIZE,
                "fraction": 1.0,
                "examples": [{"test": "mnist1d/test/00000"}],
                "evidence": {"fitted_on": ["train", "test"], "largest_change": 0.0046, "rows": {"test": [0, 1, 2]}},
                "price": {
                    "points": 0.1,
                    "low": -0.4,
                    "high": 0.6,
                    "metric": "accuracy",
                    "with_leak": 0.332,
                    "without_leak": 0.331,
                    "measured_with": "probe: logistic regression",
                    "note": "",
                },
                "repair": "fit the standardisation on train alone: protocol.fit_on=[train]",
            },
            {
                "kind": "selection_on_test",
                "severity": "high",
                "splits": ["test"],
                "count": 25,
                "fraction": 1.0,
                "examples": [],
                "evidence": {"select_on": "test", "readings": 25},
                "price": None,
                "repair": "hold out a validation part: protocol.select_on=valid",
            },
        ]
    return {
        "clean": protocol == "clean",
        "checks": [
            {
                "name": name,
                "status": "FAIL" if name in failed else "PASS",
                "reason": "test rows are in the scope" if name in failed else "nothing found",
                "n": 5000,
                "seconds": 0.12,
            }
            for name in names
        ],
        "findings": findings,
        "data": fingerprints(data, protocol),
    }


def audits() -> dict[str, dict[str, Any]]:
    """Keyed as the files are named: `<data>__<protocol>`."""
    keys = [(d, "clean") for d in DATA] + [("mnist1d", "as_published")]
    return {f"{data}__{protocol}": audit(data, protocol) for data, protocol in keys}


def cost() -> dict[str, Any]:
    return {"seconds": {"prepare": 3.1, "audit": 4.2, "train": 580.1, "total": 612.4}, "failed": []}


def write_runs(folder: Path, made: list[RunRecord]) -> None:
    """Write records, steps and predictions as the engine lays them out: `folder/<cell_id>/…`."""
    for record in made:
        cell = folder / record["cell_id"]
        cell.mkdir(parents=True)
        steps = np.arange(1, 61)
        pd.DataFrame(
            {
                "step": steps.astype(np.int64),
                "loss": np.exp(-steps / 20).astype(np.float32),
                "lr": np.full(len(steps), 0.01),
                "chain": [_hash(record["cell_id"], int(step)) for step in steps],
            }
        ).to_parquet(cell / STEPS_FILE)
        outcome = outcomes(record["variant"], record["levels"]["data"], record["levels"]["protocol"], record["seed"])
        ids = [f"mnist1d/test/{i:05d}" for i in range(TEST_SIZE)]
        target = np.arange(TEST_SIZE) % 10
        examples = {"id": ids, "target": target, "prediction": (target + 1 - outcome) % 10, "accuracy": outcome}
        pd.DataFrame(examples).to_parquet(cell / PREDICTIONS_FILE)
        records.write(cell, dict(record))


if __name__ == "__main__":
    from mlintern.report.write import write_report
    from mlintern.study.account.analyse import analyse, read_outcomes

    target = Path(sys.argv[1])
    write_runs(target / "runs", runs())
    made = runs()
    beside = {**NO_FILES, "outcomes": read_outcomes(target / "runs")}
    write_report(analyse(spec(), made, audits(), plan(made), cost(), **beside), target / "report")
