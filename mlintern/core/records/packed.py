"""Reading tables, arrays and tensors of files that may be anything: what a file claims to hold is checked against its
size before memory is asked for, and nothing in it is ever unpickled.
"""

import io
import json
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mlintern.core.errors import Damaged
from mlintern.core.plain import open_plain

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

MOST_VALUES = 1 << 31
"""Values of a table, over all columns."""
MOST_HEADER_BYTES = 64 << 20
_TENSOR_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 8),
}
"""Types of safetensors that torch writes, with the bytes of a value."""


def table(content: bytes, path: Path, mend: str, columns: Mapping[str, str] | None = None) -> "pa.Table":
    """The Parquet table in `content`, the bytes of the file at `path`; raises Damaged where it is none.

    `columns` are those it must have, each with the kind of its type: "int", "float", "str" or "any".
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.ParquetFile(
            io.BytesIO(content), thrift_string_size_limit=64 << 20, thrift_container_size_limit=1 << 22
        )
        groups = [found.metadata.row_group(i) for i in range(found.metadata.num_row_groups)]
        values = sum(group.column(i).num_values for group in groups for i in range(group.num_columns))
        if not 0 <= values <= MOST_VALUES or any(group.num_rows < 0 for group in groups):
            raise Damaged(f"{path}: claims {values:,} values; {mend}")
        read = found.read()
    except (OSError, ValueError, TypeError, KeyError, OverflowError, pa.ArrowException) as error:
        raise Damaged(f"{path}: not readable as a table ({_first_line(error)}); {mend}") from None
    kinds = {"int": pa.types.is_integer, "float": pa.types.is_floating, "str": _is_text}
    for name, kind in (columns or {}).items():
        if read.column_names.count(name) != 1:
            raise Damaged(f"{path}: no column {name!r}; {mend}")
        if kind in kinds and not kinds[kind](read.schema.field(name).type):
            raise Damaged(f"{path}: column {name!r} holds {read.schema.field(name).type}, not {kind}; {mend}")
    return read


def check_rows(path: Path, count: int, mend: str) -> None:
    """Raise Damaged unless a Parquet file has `count` rows, all its columns alike; nothing of them is read.

    A few kilobytes of repeated values may claim to be more than memory holds.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, thrift_string_size_limit=64 << 20, thrift_container_size_limit=1 << 22) as found:
            about = found.metadata
            groups = [about.row_group(i) for i in range(about.num_row_groups)]
            values = [sum(group.column(i).num_values for group in groups) for i in range(about.num_columns)]
    except (OSError, ValueError, TypeError, OverflowError, pa.ArrowException) as error:
        raise Damaged(f"{path}: not readable as a table ({_first_line(error)}); {mend}") from None
    if any(value != count for value in [about.num_rows, *values]):
        raise Damaged(f"{path}: has {about.num_rows:,} rows, where {count:,} are expected; {mend}")


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def arrays(source: BinaryIO, path: Path, mend: str) -> "dict[str, np.ndarray]":
    """The arrays of a numpy archive as `numpy.savez` writes it (nothing compressed); raises Damaged where it is none.

    No array can be larger than the file, and objects are refused. `source` is the file at `path`, open, or its bytes.
    """
    try:
        size = source.seek(0, io.SEEK_END)
        with zipfile.ZipFile(source) as archive:
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise ValueError("an array in it is compressed")
            if sum(member.file_size for member in members) > size:
                raise ValueError("its arrays claim to be larger than the file")
            names = [member.filename.removesuffix(".npy") for member in members]
            if len(set(names)) != len(names):
                raise ValueError("an array stands twice in it")
            return {name: _array(archive, member) for name, member in zip(names, members, strict=True)}
    except (OSError, ValueError, EOFError, KeyError, NotImplementedError, OverflowError, RuntimeError) as error:
        raise Damaged(f"{path}: not readable as arrays ({_first_line(error)}); {mend}") from None
    except (
        TypeError,
        SyntaxError,
        tokenize.TokenError,
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        MemoryError,
    ) as error:
        raise Damaged(f"{path}: not readable as arrays ({_first_line(error)}); {mend}") from None


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> "np.ndarray":
    """One .npy file; numpy checks the header's length, we that the shape is that of the bytes."""
    import numpy as np

    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        readers: dict[Any, Any] = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in readers:
            raise ValueError(f"version {version} of numpy's format")
        shape, by_columns, dtype = readers[version](stream)
        left = member.file_size - stream.tell()
        if dtype.hasobject or any(side < 0 for side in shape) or math.prod(shape) * dtype.itemsize != left:
            raise ValueError(f"an array of shape {shape} and type {dtype} in {left:,} bytes")
        content, at = bytearray(left), 0
        view = memoryview(content)
        while at < left and (count := stream.readinto(view[at:])):  # type: ignore[attr-defined]
            at += count
        if at < left or stream.read(1):
            raise ValueError(f"{at:,} bytes of {left:,}")
    flat: np.ndarray = np.frombuffer(content, dtype) if dtype.itemsize and left else np.empty(math.prod(shape), dtype)
    return flat.reshape(shape, order="F" if by_columns else "C")


def tensors(path: Path, most_bytes: int, mend: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """{name: (type, shape)} of a safetensors file, whose every byte belongs to one of them; read without torch.

    Raises Damaged where it is none, or larger than `most_bytes`.
    """
    with open_plain(path, most_bytes, mend=mend) as handle:
        try:
            size = handle.seek(0, io.SEEK_END)
            handle.seek(0)
            length = int.from_bytes(handle.read(8), "little")
            if size < 8 or length > min(size - 8, MOST_HEADER_BYTES):
                raise ValueError(f"a header of {length:,} bytes in a file of {size:,}")
            return _layout(json.loads(handle.read(length)), size - 8 - length)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise Damaged(f"{path}: not readable as tensors ({_first_line(error)}); {mend}") from None


def _layout(header: Any, size: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The tensors of a safetensors header, one after the other in `size` bytes; raises ValueError and the like."""
    entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    places = []
    for name, entry in entries.items():
        (start, end), shape = entry["data_offsets"], entry["shape"]
        if not all(type(number) is int and number >= 0 for number in (start, end, *shape)):
            raise ValueError(f"{name}: a place or a shape of other things than whole numbers")
        if math.prod(shape) * _TENSOR_BYTES[entry["dtype"]] != end - start:
            raise ValueError(f"{name}: {end - start} bytes for {entry['dtype']} {shape}")
        places.append((start, end))
    at = 0
    for start, end in sorted(places):
        if start != at:
            raise ValueError(f"byte {at} belongs to no tensor, or to several")
        at = end
    if at != size:
        raise ValueError(f"{size} bytes, where the tensors take {at}")
    return {name: (entry["dtype"], tuple(entry["shape"])) for name, entry in entries.items()}


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
