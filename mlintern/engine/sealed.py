"""What a training left, looked at by somebody else: the losses of every step, and the chain over them."""

from pathlib import Path

import numpy as np

from mlintern.core.errors import UserError
from mlintern.engine.trace import Trace

_MEND = "delete the cell's folder and run again"


def check_steps(path: Path, count: int, chain: str) -> int | None:
    """The first step whose loss is not finite, None where all are.

    Raises UserError where the file does not hold `count` steps whose losses come to `chain`.
    """
    import pyarrow
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=["step", "loss", "chain"])
        losses = np.asarray(table.column("loss").to_numpy(), dtype=np.float32)
        links = table.column("chain").to_pylist()
    except (OSError, KeyError, TypeError, ValueError, pyarrow.ArrowException) as error:
        raise UserError(f"{path}: not readable as losses ({str(error).splitlines()[0]}); {_MEND}") from None
    trace = Trace(losses)
    if len(losses) != count or trace.links != links or trace.link.hex() != chain:
        raise UserError(f"{path}: not the {count} losses that the training told of; {_MEND}")
    return trace.diverged_at
