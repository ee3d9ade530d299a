"""Tables that are large beside the memory given to an audit: their numeric columns are streamed, batch by batch, into a
mapped file without a name, which the checks read block by block. Other columns (labels, groups, texts, categories) are
read as they are."""

import contextlib
import dataclasses
import math
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlintern.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

_FORMATS = {".parquet": "parquet", ".pq": "parquet", ".feather": "feather", ".csv": "csv", ".tsv": "csv"}
_BATCH = 65_536
LARGE_SHARE = 8  # a table is streamed when its numbers take more than this part of the memory


@contextlib.contextmanager
def _readable(where: str, how_far: str = "") -> Iterator[None]:
    """Within it, what Arrow says of a file that it cannot read becomes one line."""
    import pyarrow

    try:
        yield
    except (OSError, pyarrow.ArrowException) as error:
        raise UserError(f"{where}: not readable{how_far} ({str(error).splitlines()[0]})") from None


@dataclasses.dataclass(frozen=True)
class Stream:
    """One part of the data on disk."""

    dataset: Any
    """A pyarrow dataset."""
    rows: int
    numeric: tuple[str, ...]
    """Columns of numbers without a role: those that are streamed."""
    where: str

    def others(self) -> "pd.DataFrame":
        """The columns that are not streamed."""
        names = [name for name in self.dataset.schema.names if name not in self.numeric]
        frame = self.dataset.to_table(columns=names).to_pandas()
        return frame if len(frame.columns) else frame.reindex(range(self.rows))

    def block(self, order: Sequence[str], single: bool, given: Mapping[str, np.ndarray]) -> np.ndarray:
        """[rows, len(order)] features in a mapped file, float32 if `single` else float64; columns that are not streamed
        are `given`. Raises UserError where the disk has no room or the file changes its types on the way."""
        import pyarrow
        import pyarrow.compute

        out = _mapped_file((self.rows, len(order)), np.dtype(np.float32 if single else np.float64), self.where)
        place = {name: column for column, name in enumerate(order)}
        for name, values in given.items():
            out[:, place[name]] = values
        done = 0
        with _readable(self.where, " to its end"):
            reading = {"batch_size": _BATCH, "batch_readahead": 2, "fragment_readahead": 1}
            for batch in self.dataset.to_batches(columns=list(self.numeric), **reading):
                for name in self.numeric:
                    values = pyarrow.compute.cast(batch.column(name), pyarrow.float64(), safe=False)
                    out[done : done + len(batch), place[name]] = values.to_numpy(zero_copy_only=False)
                done += len(batch)
        return out


def _mapped_file(shape: tuple[int, int], dtype: np.dtype, where: str) -> np.ndarray:
    """Zeros of that shape in a temporary file that is gone with the array."""
    size = max(1, shape[0] * shape[1] * dtype.itemsize)
    with tempfile.TemporaryFile() as file:
        try:
            if hasattr(os, "posix_fallocate"):  # a mapped file that finds no room later would kill the process
                os.posix_fallocate(file.fileno(), 0, size)
            return np.memmap(file, dtype, "r+" if hasattr(os, "posix_fallocate") else "w+", shape=shape)
        except OSError as error:
            raise UserError(
                f"{where}: streaming it needs {size / 2**30:.1f} GiB in {tempfile.gettempdir()} ({error.strerror}); "
                "set TMPDIR to a folder with room, or raise audit.memory"
            ) from None


def streams_of(
    parts: Mapping[str, Sequence[Path]], taken: Sequence[str], memory: int, names: Mapping[str, str]
) -> dict[str, Stream] | None:
    """{part: stream} of tables whose numbers take more than an eighth of `memory` bytes; None where they are smaller,
    or of a form that is not streamed. Columns `taken` have a role and are no features."""
    suffixes = {path.suffix.lower() for paths in parts.values() for path in paths}
    if len(suffixes) != 1 or not (form := _FORMATS.get(suffix := suffixes.pop())):
        return None
    if not all(path.exists() for paths in parts.values() for path in paths):
        return None  # reading them says which
    if form == "csv" and sum(path.stat().st_size for paths in parts.values() for path in paths) * 8 < memory:
        return None  # a number takes two characters or more; only a large file is read to count its rows
    with _readable(", ".join(names.values())):
        sets = {part: _dataset(paths, form, suffix) for part, paths in parts.items()}
    return _large(sets, taken, memory, names)


def column_of(path: Path, column: str, memory: int) -> "np.ndarray | None":
    """One column [n] of a table that may be too large to be held; None where it is small, or has no such column."""
    suffix = path.suffix.lower()
    form = _FORMATS.get(suffix)
    if form is None or path.stat().st_size * (8 if form == "csv" else 1) * LARGE_SHARE < memory:
        return None
    with _readable(str(path)):
        dataset = _dataset([path], form, suffix)
        if column not in dataset.schema.names:
            return None
        return np.asarray(dataset.to_table(columns=[column]).column(0).to_pandas())


def streams_of_rows(
    path: Path, column: str, values: Mapping[str, Sequence[Any]], taken: Sequence[str], memory: int
) -> dict[str, Stream] | None:
    """{part: stream} of the rows of one table whose `column` holds one of the part's `values`; None as `streams_of`."""
    import pyarrow
    import pyarrow.compute

    suffix = path.suffix.lower()
    dataset = _dataset([path], _FORMATS[suffix], suffix)
    kind = dataset.schema.field(column).type
    sets = {
        part: dataset.filter(pyarrow.compute.field(column).isin(pyarrow.array(held, kind)))
        for part, held in values.items()
    }
    return _large(sets, [*taken, column], memory, dict.fromkeys(values, str(path)))


def _large(
    sets: Mapping[str, Any], taken: Sequence[str], memory: int, names: Mapping[str, str]
) -> dict[str, Stream] | None:
    import pyarrow.types as types

    with _readable(", ".join(names.values())):
        shared = set.intersection(*(set(dataset.schema.names) for dataset in sets.values()))
        numeric: list[str] = []
        for name in next(iter(sets.values())).schema.names:
            kinds = [dataset.schema.field(name).type for dataset in sets.values() if name in shared]
            numbers = all(types.is_integer(k) or types.is_floating(k) or types.is_boolean(k) for k in kinds)
            if kinds and numbers and name not in taken and not any(name in _index(d.schema) for d in sets.values()):
                numeric.append(name)
        rows = {part: dataset.count_rows() for part, dataset in sets.items()}
    if not numeric or 8 * len(numeric) * sum(rows.values()) * LARGE_SHARE <= memory:
        return None
    return {part: Stream(sets[part], rows[part], tuple(numeric), names[part]) for part in sets}


def _dataset(paths: Sequence[Path], form: str, suffix: str) -> Any:
    import pyarrow.csv
    import pyarrow.dataset

    given: Any = form
    if form == "csv":
        given = pyarrow.dataset.CsvFileFormat(
            parse_options=pyarrow.csv.ParseOptions(delimiter="\t" if suffix == ".tsv" else ","),
            convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True),
        )
    return pyarrow.dataset.dataset([str(path) for path in paths], format=given)


def _index(schema: Any) -> list[str]:
    """Columns that pandas wrote its index to."""
    return [name for name in (schema.pandas_metadata or {}).get("index_columns", []) if isinstance(name, str)]


def mapped_array(archive: zipfile.ZipFile, member: str, where: str) -> np.ndarray:
    """An array of an .npz, copied block by block into a mapped file. Raises ValueError for what is no plain array."""
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in header:
            raise ValueError(f"{member}: format {version}")
        shape, in_columns, dtype = header[version](stream)
        if dtype.hasobject:
            raise ValueError(f"{member}: pickled objects")
        out = _mapped_file((math.prod(shape), 1), dtype, where).reshape(-1)
        at, step = 0, max(1, (1 << 24) // dtype.itemsize)
        while at < len(out):
            raw = stream.read(min(step, len(out) - at) * dtype.itemsize)
            if not raw or len(raw) % dtype.itemsize:
                raise ValueError(f"{member}: cut short")
            block = np.frombuffer(raw, dtype)
            out[at : at + len(block)] = block
            at += len(block)
    return out.reshape(shape, order="F" if in_columns else "C")


def single_precision(streams: Mapping[str, Stream]) -> bool:
    """Are all streamed columns of single precision or less, in all parts?"""
    import pyarrow

    small = (pyarrow.float16(), pyarrow.float32())
    return all(s.dataset.schema.field(name).type in small for s in streams.values() for name in s.numeric)
