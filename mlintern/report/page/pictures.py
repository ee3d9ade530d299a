"""Small pictures inside the page: an example with its region outlined, and a probe's map of it."""

import base64
import io

import numpy as np
from PIL import Image

from mlintern.report.model.figures import FigureExample, Grid, ProbeFigure

_SIDE = 96  # pixels that a picture is enlarged to, at least
_OUTLINE = (230, 159, 0)
_HOT = np.array((178, 24, 43), dtype=float)
_COLD = np.array((247, 247, 247), dtype=float)


def pairs(figure: ProbeFigure) -> list[tuple[str, str]]:
    """(picture, map) of every example, as data URIs of PNG images."""
    return [(_uri(_grey(example.picture), example), _uri(_heat(example.map), example)) for example in figure.examples]


def _grey(grid: Grid) -> np.ndarray:
    return np.repeat(np.array(grid, dtype=np.uint8)[:, :, None], 3, axis=2)


def _heat(grid: Grid) -> np.ndarray:
    share = np.array(grid, dtype=float)[:, :, None] / 255
    return np.rint(_COLD + share * (_HOT - _COLD)).astype(np.uint8)


def _enlarged(values: np.ndarray, height: int, width: int) -> np.ndarray:
    rows, columns = np.arange(height) * len(values) // height, np.arange(width) * values.shape[1] // width
    return values[rows][:, columns]


def _uri(image: np.ndarray, example: FigureExample) -> str:
    """An RGB image, enlarged to the size of the example's picture, with the region's outline on it."""
    tall, wide = len(example.picture), len(example.picture[0])
    factor = -(-_SIDE // max(tall, wide))
    drawn = _enlarged(image, tall * factor, wide * factor).copy()
    if example.region is not None:
        inside = _enlarged(np.array(example.region) > 0, *drawn.shape[:2])
        padded = np.pad(inside, 1)
        surrounded = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        drawn[inside & ~surrounded] = _OUTLINE
    out = io.BytesIO()
    Image.fromarray(drawn).save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
