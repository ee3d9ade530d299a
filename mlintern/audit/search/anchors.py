"""Windows at places that the content itself marks: copies that were shifted, cut or overlap hold the same windows.

Where many long series (audio) or images were shifted by any amount, trying every shift of every pair is too much. A
place that stands out among its own surroundings stands out in every copy that holds it, so only the windows around
such places are compared: a few per row, whatever the shift.
"""

import math
from collections.abc import Iterator

import numpy as np

from mlintern.audit.search.variants import unit

_WORK = 2e11  # multiplications that a comparison of all windows may take


def _peaks(response: np.ndarray, reach: int, margin: int, number: int) -> np.ndarray:
    """[n, number, axes] places where |response| [n, ...] is largest within `reach` on every side, strongest first.

    Places nearer than `margin` to the border are left out; -1 where there are fewer.
    """
    from scipy.ndimage import maximum_filter

    size = np.abs(response)
    axes = size.ndim - 1
    top = maximum_filter(size, size=(1, *(2 * reach + 1,) * axes), mode="constant", cval=-np.inf) == size
    inside = np.zeros(size.shape[1:], bool)
    inside[tuple(slice(margin, length - margin) for length in size.shape[1:])] = True
    strength = np.where(top & inside & (size > 0), size, -np.inf).reshape(len(size), -1)
    number = min(number, strength.shape[1])
    places = np.argsort(-strength, axis=1, kind="stable")[:, :number]
    found = np.stack(np.unravel_index(places, size.shape[1:]), axis=-1)
    found[~np.isfinite(np.take_along_axis(strength, places, 1))] = -1
    return found


def series_windows(rows: np.ndarray, width: int, number: int, evenly: bool) -> list[np.ndarray]:
    """`number` blocks [n, width * c] of unit windows of series [n, t, c], one per place; either sign, any gain.

    The loudest places of a row may all lie in what is not shared: `evenly` measures each place against its own
    surroundings, so that a quiet stretch has places as well.
    """
    from scipy.ndimage import uniform_filter1d

    lead = rows.mean(2)
    # smoothed a little against noise, and without what varies more slowly than the window
    response = uniform_filter1d(uniform_filter1d(lead, 3, axis=1), 3, axis=1) - uniform_filter1d(lead, width, axis=1)
    if evenly:
        around = np.sqrt(np.maximum(uniform_filter1d(response**2, 2 * width + 1, axis=1), 0))
        response = np.divide(response, around, out=np.zeros_like(response), where=around > 1e-6 * np.abs(lead).max())
    places = _peaks(response, max(2, width // 4), width // 2, number)[:, :, 0]
    sign = np.sign(np.take_along_axis(response, np.maximum(places, 0), 1))
    out = []
    for k in range(places.shape[1]):
        start = np.maximum(places[:, k] - width // 2, 0)
        block = rows[np.arange(len(rows))[:, None], start[:, None] + np.arange(width)].reshape(len(rows), -1)
        block = block * np.where(places[:, k] < 0, 0, sign[:, k])[:, None].astype(np.float32)
        out.append(unit(block))
    return out


def image_windows(images: np.ndarray, width: int, number: int) -> list[np.ndarray]:
    """`number` blocks [n, width * width] of unit windows of grey images [n, h, w], one per place."""
    from scipy.ndimage import gaussian_filter

    response = gaussian_filter(images, (0, 1, 1)) - gaussian_filter(images, (0, width / 3, width / 3))
    places = _peaks(response, 2, width // 2, number)
    out = []
    for k in range(places.shape[1]):
        top, left = (np.maximum(places[:, k, axis] - width // 2, 0) for axis in (0, 1))
        rows = (top[:, None] + np.arange(width))[:, :, None]
        columns = (left[:, None] + np.arange(width))[:, None, :]
        block = images[np.arange(len(images))[:, None, None], rows, columns].reshape(len(images), -1)
        block = np.where(places[:, k, :1] < 0, 0, block)
        out.append(unit(block))
    return out


def series_anchored(queries: np.ndarray, base: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Windows of queries and base [n, t] or [n, t, c] to be matched; see variants.py for what is done with them."""
    one, two = (block.astype(np.float32).reshape(len(block), block.shape[1], -1) for block in (queries, base))
    number = 8
    room = int(_WORK / (2 * number**2) / max(1, len(one) * len(two)) / one.shape[2])
    width = max(16, min(one.shape[1] // 4, room, 1024))
    for evenly in (False, True):
        yield from _every_pair(*(series_windows(block, width, number, evenly) for block in (one, two)))


def patches(queries: np.ndarray, base: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Windows of grey images [n, h, w] to be matched: patches cut from one picture share some."""
    side = min(queries.shape[1:])
    width = int(np.clip(0.4 * side, 6, 16))
    number = int(np.clip(math.sqrt(_WORK / max(1, len(queries) * len(base)) / width**2), 4, 16))
    yield from _every_pair(image_windows(queries, width, number), image_windows(base, width, number))


def _every_pair(one: list[np.ndarray], two: list[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for a in one:
        for b in two:
            yield a, b
