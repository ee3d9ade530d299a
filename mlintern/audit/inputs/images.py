"""Images as arrays: decoding of files, bytes and columns to one size."""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlintern.core.errors import UserError

_COMMON = 64  # pixels per side where sizes differ: enough to tell copies from look-alikes


def decode(value: Any, where: str) -> np.ndarray:
    """One image as uint8 [h, w, 3]: a path, encoded bytes, a Hugging Face record or an array."""
    from PIL import Image, UnidentifiedImageError

    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        value = Image.fromarray(value.astype(np.uint8))
    try:
        if isinstance(value, Image.Image):
            return np.asarray(value.convert("RGB"))
        source: Any = io.BytesIO(value) if isinstance(value, bytes) else value
        with Image.open(source) as picture:
            return np.asarray(picture.convert("RGB"))
    except FileNotFoundError:
        raise UserError(f"{where}: the image {value} does not exist") from None
    except (UnidentifiedImageError, OSError, TypeError, AttributeError) as error:
        raise UserError(f"{where}: an image cannot be decoded ({error}); remove or replace it") from None


def one_size(pictures: Iterable[np.ndarray]) -> np.ndarray:
    """[n, h, w, 3] uint8; images of different sizes are resized to a common one."""
    from PIL import Image

    pictures = list(pictures)
    if len({p.shape for p in pictures}) <= 1:
        return np.stack(pictures)
    return np.stack([np.asarray(Image.fromarray(p).resize((_COMMON, _COMMON), Image.Resampling.BOX)) for p in pictures])


def decode_column(columns: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Images of every part as [n, h, w, 3] uint8 of one size; relative paths are read from beside the part's file."""
    blocks = {}
    for part, column in columns.items():
        folder = Path(names[part]).parent
        blocks[part] = [
            decode(folder / v if isinstance(v, str) and not Path(v).is_absolute() else v, names[part]) for v in column
        ]
    joint = one_size(picture for block in blocks.values() for picture in block)
    bounds = np.cumsum([0, *map(len, blocks.values())])
    return {part: joint[bounds[i] : bounds[i + 1]] for i, part in enumerate(blocks)}
