"""Tables of a cell's columns, as parquet files: of every step, of every example of test.

In a file of its own because who scores writes one as well, and has no use for Lightning, which training imports and
which takes as long as torch itself.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlintern.core import files


def write_table(path: Path, columns: Mapping[str, Any]) -> None:
    """A parquet file of columns [n] or [n, ...], whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with files.atomic_path(path) as draft:
        pq.write_table(pa.table({name: _column(values) for name, values in columns.items()}), draft)


def _column(values: Any) -> Any:
    """A column of a table: values [n] as they are, [n, ...] as lists."""
    import pyarrow as pa

    if not isinstance(values, np.ndarray) or values.ndim == 1:
        return values
    flat = values.reshape(len(values), -1)
    return flat[:, 0] if flat.shape[1] == 1 else pa.FixedSizeListArray.from_arrays(flat.reshape(-1), flat.shape[1])
