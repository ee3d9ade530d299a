"""Copies of images and of series under another look: flipped, turned, shifted, cropped, brighter, re-encoded.

Every row is brought to zero mean and unit length, which takes out brightness, contrast and gain. The test rows'
variants are matched against the training rows, and the best match per pair is its distance; whether it is nearer than
chance is decided by the training half's own spacing under the same search (neighbours.py), not by a fixed threshold.
"""

from collections.abc import Iterator

import numpy as np

SIDE = 24  # pixels per side that images are compared at


def small_images(features: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Grey [n, h, w] to [n, side, side] float32 by area means."""
    block = features
    for axis in (1, 2):
        edges = np.linspace(0, block.shape[axis], side + 1)
        sums = np.concatenate([np.zeros_like(block.take([0], axis)), np.cumsum(block, axis=axis)], axis=axis)
        low = np.floor(edges).astype(int)
        part = (edges - low).astype(np.float32)
        shape = [1, 1, 1]
        shape[axis] = side + 1
        upper = np.minimum(low + 1, sums.shape[axis] - 1)
        at = sums.take(low, axis) + (sums.take(upper, axis) - sums.take(low, axis)) * part.reshape(shape)
        block = np.diff(at, axis=axis) / float(edges[1] - edges[0])
    return block


def grey_images(features: np.ndarray) -> np.ndarray:
    """[n, h, w], [n, h, w, c] or [n, c, h, w] to grey [n, h, w] float32."""
    block = features.astype(np.float32)
    if block.ndim == 4:
        block = block.mean(axis=1 if block.shape[1] in (1, 3, 4) and block.shape[3] not in (1, 3, 4) else 3)
    return block


def unit(block: np.ndarray) -> np.ndarray:
    """[n, ...] to [n, d] rows of zero mean and unit length; constant rows stay zero."""
    flat = block.reshape(len(block), -1).astype(np.float32)
    flat = flat - flat.mean(1, keepdims=True)
    length = np.sqrt((flat**2).sum(1, keepdims=True))
    return np.divide(flat, length, out=np.zeros_like(flat), where=length > 1e-6)


def cropped(images: np.ndarray, share: float) -> np.ndarray:
    """The middle of grey images, without the given share at each border."""
    out = images
    for axis in (1, 2):
        margin = max(1, round(share * images.shape[axis]))
        out = out.take(np.arange(margin, images.shape[axis] - margin), axis)
    return out


def image_pairings(queries: np.ndarray, base: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Grey images of both sides as unit rows to compare: every orientation of the queries; the upright ones shifted,
    turned a little, cropped and as a negative; and the base cropped, for queries that are crops of it."""
    from scipy.ndimage import rotate

    images, against = small_images(queries), unit(small_images(base))
    for turns in range(4):
        turned = np.rot90(images, turns, axes=(1, 2))
        yield unit(turned), against
        yield unit(turned[:, :, ::-1]), against
    yield -unit(images), against  # the negative
    for step in (1, 2, 3):
        for axis in (1, 2):
            for sign in (1, -1):
                yield unit(np.roll(images, sign * step, axis=axis)), against
    for degrees in (-15, -8, 8, 15):
        turned = rotate(images, degrees, axes=(1, 2), reshape=False, order=1, mode="nearest")
        yield unit(turned), against
    for share in (0.05, 0.1, 0.15, 0.2):
        yield unit(small_images(cropped(queries, share))), against
        yield unit(images), unit(small_images(cropped(base, share)))


def images_slid(queries: np.ndarray, base: np.ndarray, orientations: int) -> Iterator[np.ndarray]:
    """The likeness [q, b] of grey images in each of `orientations` (2: upright and flipped; 8: turned as well), at the
    shift of up to a quarter of a side that fits best, by Fourier transforms: copies that were flipped and shifted."""
    from scipy import fft

    one, two = small_images(queries), unit(small_images(base)).reshape(-1, SIDE, SIDE)
    transformed = fft.rfft2(two)
    lags = np.r_[0 : SIDE // 4 + 1, -(SIDE // 4) : 0]
    step = max(1, (1 << 24) // (SIDE * SIDE * len(two)))
    for turns in range(orientations // 2):
        for flipped in (1, -1):
            look = unit(np.rot90(one, turns, axes=(1, 2))[:, :, ::flipped]).reshape(-1, SIDE, SIDE)
            looks = np.conj(fft.rfft2(look))
            likeness = np.empty((len(one), len(two)), np.float32)
            for first in range(0, len(one), step):
                product = looks[first : first + step, None] * transformed[None]
                found = fft.irfft2(product, s=(SIDE, SIDE))
                likeness[first : first + step] = found[:, :, lags][:, :, :, lags].max((2, 3))
            yield likeness


def series_pairings(queries: np.ndarray, base: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Either half of the queries [n, t] or [n, t, c] against every window of that length in the base: two windows that
    overlap by half or more share one."""
    one, two = (block.astype(np.float32).reshape(len(block), block.shape[1], -1) for block in (queries, base))
    length = one.shape[1]
    half = length // 2
    for lag in range(length - half + 1):
        window = unit(two[:, lag : lag + half])
        yield unit(one[:, :half]), window
        yield unit(one[:, length - half :]), window


def series_slid(queries: np.ndarray, base: np.ndarray) -> Iterator[np.ndarray]:
    """As `series_pairings` for long series, all lags of a pair at once: the likeness [q, b] of either half of the
    queries [n, t] or [n, t, c] to the window of the base that it fits best, by Fourier transforms."""
    from scipy import fft

    one, two = (block.astype(np.float32).reshape(len(block), block.shape[1], -1) for block in (queries, base))
    length, channels = one.shape[1:]
    half = length // 2
    size = fft.next_fast_len(length, real=True)
    lags = length - half + 1
    two = two - two.mean((1, 2), keepdims=True)
    sums, squares = (
        np.cumsum(np.pad(block.sum(2, dtype=np.float64), ((0, 0), (1, 0))), axis=1) for block in (two, two**2)
    )
    windows = [block[:, half:] - block[:, :lags] for block in (sums, squares)]
    spread = np.sqrt(np.maximum(windows[1] - windows[0] ** 2 / (half * channels), 0))
    # a window that is nearly constant beside its row is like nothing
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 1e-4 * spread.max(1, keepdims=True))
    scale = scale.astype(np.float32)
    transformed = fft.rfft(two, size, axis=1)
    step = max(1, (1 << 24) // (size * len(two)))
    for start in (0, length - half):
        piece = unit(one[:, start : start + half]).reshape(len(one), half, channels)
        pieces = np.conj(fft.rfft(piece, size, axis=1))
        likeness = np.empty((len(one), len(two)), np.float32)
        for first in range(0, len(one), step):
            product = np.einsum("qfc,bfc->qbf", pieces[first : first + step], transformed)
            found = fft.irfft(product, size, axis=2)[:, :, :lags] * scale
            likeness[first : first + step] = found.max(2)
        yield likeness


def likenesses(pairings: Iterator[tuple[np.ndarray, np.ndarray]]) -> Iterator[np.ndarray]:
    """[q, b] cosines of each pairing's unit rows."""
    return (queries @ base.T for queries, base in pairings)


def best_matches(comparisons: Iterator[np.ndarray], k: int, *, itself: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Distances [q, k] and rows [q, k] of the k best matches over comparisons [q, b]; `itself`: queries are base."""
    best: np.ndarray | None = None
    for likeness in comparisons:
        best = likeness if best is None else np.maximum(best, likeness, out=best)
    assert best is not None
    if itself:
        np.fill_diagonal(best, -np.inf)
    rows = np.argpartition(-best, k - 1, axis=1)[:, :k]
    likeness = np.take_along_axis(best, rows, 1)
    order = np.argsort(-likeness, axis=1, kind="stable")
    rows, likeness = np.take_along_axis(rows, order, 1), np.take_along_axis(likeness, order, 1)
    # what rounding in single precision leaves is no distance
    return np.sqrt(np.maximum(2 - 2 * likeness.astype(np.float64), 1e-6)), rows
