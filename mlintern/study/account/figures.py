"""The report's figures: every probe's value over seeds, with the maps of one seed to look at."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mlintern.core.errors import Absent
from mlintern.core.records import packed, record
from mlintern.core.records.record import MAPS_FILE, RunRecord
from mlintern.report.model.base import place
from mlintern.report.model.figures import FigureExample, Grid, ProbeFigure
from mlintern.study.account.contrasts import measured

Maps = Callable[[str], Mapping[str, np.ndarray]]
"""Cell id to its maps file; empty where there is none."""

_MOST = 64  # pixels of a side that a report draws


def read_maps(folder: Path) -> Maps:
    """Maps of the cells below `runs/<slug>/`, read when asked for."""

    def read(cell_id: str) -> Mapping[str, np.ndarray]:
        place = Path(folder) / cell_id
        try:
            content = record.beside(place, MAPS_FILE)
        except Absent:
            return {}
        return packed.arrays(io.BytesIO(content), place / MAPS_FILE, record.MEND)

    return read


def probe_figures(groups: Iterable[Sequence[RunRecord]], maps: Maps) -> list[ProbeFigure]:
    """One figure per probe and group of seeds, in the order of the groups."""
    figures = []
    for runs in groups:
        names = dict.fromkeys(name for run in runs for name in run.get("probes", []))
        drawn = maps(runs[0]["cell_id"]) if names else {}
        for name in names:
            values = [run["metrics"]["test"][name] for run in runs if name in run["metrics"].get("test", {})]
            if not values:
                continue
            found = measured(values, ())
            examples = _examples(name, drawn)
            figures.append(
                ProbeFigure(
                    probe=name,
                    **place(runs[0]["variant"], runs[0]["levels"]),
                    mean=found.mean,
                    ci_low=found.ci_low,
                    ci_high=found.ci_high,
                    n=found.n,
                    seed=runs[0]["seed"] if examples else None,
                    examples=examples,
                )
            )
    return figures


def _examples(name: str, drawn: Mapping[str, np.ndarray]) -> list[FigureExample]:
    """The examples that the probe drew; none where an example or its map is no picture."""
    if name not in drawn or drawn[name].ndim != 3:
        return []
    pictures = _pictures(drawn["inputs"])
    if pictures is None:
        return []
    regions = drawn.get("annotations")
    return [
        FigureExample(
            picture=_grid(pictures[i]),
            map=_grid(shown / max(float(shown.max()), 1e-30), stretch=False),
            region=_grid((regions[i] > 0).astype(float), stretch=False)
            if regions is not None and regions.ndim == 3
            else None,
        )
        for i, shown in enumerate(drawn[name])
    ]


def _pictures(inputs: np.ndarray) -> np.ndarray | None:
    """Inputs [k, (channels,) height, width] as grey pictures [k, height, width]; None for anything else."""
    if inputs.ndim == 4:
        return inputs.mean(axis=1)
    return inputs if inputs.ndim == 3 else None


def _grid(values: np.ndarray, stretch: bool = True) -> Grid:
    """Numbers [height, width] as whole ones from 0 to 255: from 0 to 1 as given, or stretched to do so."""
    step = -(-max(values.shape) // _MOST)
    values = values[::step, ::step]
    if stretch:
        low, high = float(values.min()), float(values.max())
        values = (values - low) / max(high - low, 1e-30)
    return [[int(value) for value in row] for row in np.rint(np.clip(values, 0, 1) * 255)]
