"""Designs of ablations: which combinations of the factors' levels become cells.

`one_at_a_time` is the base and each other level alone; it cannot see that two factors act together. `full` is every
combination. `fraction` is a D-optimal part of it (Fedorov 1972) in which every main effect, and every interaction
asked for, can still be told from the others. Whatever the design, an interaction that the paper claims brings the full
grid over its own factors.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence

from mlintern.config import DESIGNS
from mlintern.core.errors import UserError
from mlintern.spec.paper_spec import Factor, PaperSpec

Point = Mapping[str, str]
"""{factor: level} of every factor of a design, base levels included."""

_STARTS = 8
"""Random starts of the exchange; the best of them is kept. Seeded, so that a plan is the same everywhere."""


def points(
    factors: Sequence[Factor],
    design: str,
    interactions: Iterable[Sequence[str]] = (),
    fraction: float = 0.5,
) -> list[Point]:
    """The design's combinations, the base first, each once. Raises UserError for a design that cannot be made."""
    if design not in DESIGNS:
        raise UserError(f"design={design}: choose {', '.join(DESIGNS)}")
    base = {factor.id: factor.base for factor in factors}
    if design == "none" or not factors:
        return [base]
    unknown = sorted({name for pair in interactions for name in pair} - base.keys())
    if unknown:
        raise UserError(f"interactions: {unknown[0]!r} is not a factor of this design ({', '.join(base)})")
    grid = list(_grid(factors, base, list(base)))
    if design == "full":
        found = grid
    elif design == "fraction":
        found = _fraction(factors, grid, [tuple(names) for names in interactions], fraction)
    else:
        found = [{**base, factor.id: level.id} for factor in factors for level in factor.levels]
    for names in interactions:
        found = [*found, *_grid(factors, base, names)]
    return _unique([base, *found])


def claimed_interactions(spec: PaperSpec) -> list[tuple[str, ...]]:
    """Factors that one testable claim, or one testable cell of a table, names together off their base levels."""
    bases = {factor.id: factor.base for factor in spec.ablations}
    found: list[tuple[str, ...]] = []
    for claim in spec.claims:
        if claim.testable and claim.check is not None:
            sides = [claim.check.get(name) or {} for name in ("where", "a", "b")]
            named = {key for side in sides for key, level in side.items() if bases.get(key, level) != level}
            named |= {str(claim.check["factor"])} & bases.keys() if "factor" in claim.check else set()
            found.append(tuple(name for name in bases if name in named))
    for _, cell in spec.testable_cells():
        found.append(tuple(name for name in bases if cell.levels.get(name, bases[name]) != bases[name]))
    return list(dict.fromkeys(names for names in found if len(names) > 1))


def _grid(factors: Sequence[Factor], base: Point, names: Sequence[str]) -> Iterable[Point]:
    """Every combination of the levels of `names`, the other factors at their base."""
    levels = {factor.id: [level.id for level in factor.levels] for factor in factors}
    for chosen in itertools.product(*(levels[name] for name in names)):
        yield {**base, **dict(zip(names, chosen, strict=True))}


def _unique(found: Iterable[Point]) -> list[Point]:
    return list({tuple(point.items()): point for point in found}.values())


def _fraction(
    factors: Sequence[Factor], grid: list[Point], interactions: Sequence[tuple[str, ...]], fraction: float
) -> list[Point]:
    """A D-optimal choice of `fraction` of the grid for main effects and `interactions`; the base is part of it."""
    import numpy as np

    if not 0 < fraction <= 1:
        raise UserError(f"fraction={fraction}: must be above 0 and at most 1")
    base = {factor.id: factor.base for factor in factors}
    model = np.array([_effects(factors, point, interactions) for point in grid])
    size, terms = max(1, round(fraction * len(grid))), model.shape[1]
    if size < terms:
        raise UserError(
            f"fraction={fraction:g}: {size} of {len(grid)} combinations cannot tell {terms - 1} effects apart; "
            f"give at least {terms / len(grid):.3g}"
        )
    first, generator = grid.index(base), np.random.default_rng(0)

    def volume(rows: list[int]) -> float:
        sign, value = np.linalg.slogdet(model[rows].T @ model[rows] + 1e-9 * np.eye(terms))
        return float(value) if sign > 0 else -np.inf

    best: tuple[float, list[int]] = (-np.inf, [])
    for _ in range(_STARTS):
        others = [i for i in range(len(grid)) if i != first]
        rows = [first, *generator.permutation(others)[: size - 1].tolist()]
        value, improved = volume(rows), True
        while improved:
            improved = False
            for place, candidate in itertools.product(range(1, size), range(len(grid))):
                if candidate not in rows:
                    changed = [*rows[:place], candidate, *rows[place + 1 :]]
                    if (new := volume(changed)) > value + 1e-9:
                        rows, value, improved = changed, new, True
        if value > best[0] + 1e-9:
            best = (value, rows)
    return [grid[i] for i in sorted(best[1])]


def _effects(factors: Sequence[Factor], point: Point, interactions: Sequence[tuple[str, ...]]) -> list[float]:
    """One row of the model matrix: 1, sum-to-zero contrasts of every factor, and products for the interactions."""
    columns: dict[str, list[float]] = {}
    for factor in factors:
        names = [level.id for level in factor.levels]
        k, last = names.index(point[factor.id]), len(names) - 1
        columns[factor.id] = [-1.0 if k == last else float(k == i) for i in range(last)]
    row = [1.0, *(value for values in columns.values() for value in values)]
    for names in interactions:
        for order in range(2, len(names) + 1):
            for subset in itertools.combinations(names, order):
                for values in itertools.product(*(columns[name] for name in subset)):
                    product = 1.0
                    for value in values:
                        product *= value
                    row.append(product)
    return row
