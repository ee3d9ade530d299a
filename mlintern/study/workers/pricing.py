"""What a leak is worth to the pack's own model: the engine trains it on other rows, in a folder that is then gone."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from mlintern.audit.inputs.subject import Fit
from mlintern.data.splits import Examples, Splits
from mlintern.engine.config import CellConfig
from mlintern.loggers import LoggerOptions


def engine_fit(config: CellConfig, splits: Splits) -> Fit:
    """A function that trains one cell's model on given rows and predicts others, under the cell's own protocol."""

    def fit(train: Examples, test: Examples) -> np.ndarray:
        import pyarrow.parquet as pq

        from mlintern.core.records import record
        from mlintern.engine.cell import run_cell

        quiet = dataclasses.replace(config, logger=LoggerOptions("none"))
        with tempfile.TemporaryDirectory() as folder:
            run_cell(quiet, splits.replace(train=train, test=test), Path(folder), {})
            table = pq.read_table(Path(folder) / record.PREDICTIONS_FILE)
        predicted = dict(zip(table["id"].to_pylist(), table["prediction"].to_pylist(), strict=True))
        return np.array([predicted[str(i)] for i in test.ids])

    return fit
