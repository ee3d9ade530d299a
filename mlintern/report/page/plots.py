"""Geometry of the page's figures: numbers in, percentages of the drawing area out; the template draws them.

Percentages let one drawing fit a phone and a desk without scaling its text, and without a script.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

from mlintern.report import numbers
from mlintern.report.model.figures import LevelCurve
from mlintern.report.model.report import Contrast, Curve, Report, TableCell, Verdict

_MARGIN = 1.05  # of a forest plot's axis beyond its farthest end
_WITH_TRAIN = 2  # more lines than this stand without their training parts
_FAR = 3.0  # intervals that reach so many times farther than the middle one are cut


@dataclasses.dataclass(frozen=True)
class Axis:
    """A linear axis with round ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Percent from the low end, cut to the axis."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(1.0, max(0.0, share)), 3)


def axis(values: Sequence[float], *, most: int = 6) -> Axis:
    """The axis with round ends and at most `most` intervals that holds all values."""
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 1, high + 1
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(i * step, 10) for i in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks)


@dataclasses.dataclass(frozen=True)
class Bar:
    """One interval of a forest plot; all positions in percent of the width."""

    kind: str
    """`seeds` or `test examples`."""
    mean: float
    low: float | None
    high: float | None
    beyond_low: bool
    beyond_high: bool


@dataclasses.dataclass(frozen=True)
class ForestRow:
    """One line of a forest plot."""

    label: str
    detail: str
    text: str
    """The numbers, for those who read rather than look."""
    bars: tuple[Bar, ...]
    band: tuple[float, float] | None
    """Start and width of the paper's spread, percent."""
    verdict: Verdict | None
    marks: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Forest:
    """Differences around zero."""

    unit: str
    zero: float
    ticks: tuple[tuple[float, str], ...]
    rows: tuple[ForestRow, ...]
    cut: bool
    """Whether an interval reaches beyond the axis."""


def table_forest(cells: Sequence[TableCell]) -> Forest | None:
    """Ours minus the paper's number, cell by cell, the printed spread as a band around zero."""
    rows = [c for c in cells if c.measured is not None and c.paper.mean is not None and c.judgement.effect is not None]
    if not rows:
        return None
    unit = numbers.points(rows[0].unit)
    spans = [(c.judgement.effect or 0.0, c.judgement.ci_low, c.judgement.ci_high) for c in rows]
    scale = _axis(spans, [c.judgement.tolerance or 0.0 for c in rows])
    drawn = []
    for cell, span in zip(rows, spans, strict=True):
        spread = cell.judgement.tolerance
        band = (scale.at(-spread), scale.at(spread) - scale.at(-spread)) if spread else None
        difference = numbers.value(span[0], unit, sign=True)
        drawn.append(
            ForestRow(
                label=cell.column,
                detail=cell.row,
                text=f"{difference} {numbers.interval(span[1], span[2], unit, sign=True)}",
                bars=(_bar("seeds", span, scale),),
                band=band,
                verdict=cell.verdict,
                marks=tuple(cell.marks),
            )
        )
    return _forest(unit, scale, drawn)


def contrast_forest(contrasts: Sequence[Contrast], names: Mapping[str, str], *, levels: bool) -> Forest | None:
    """Level minus base, one row per contrast, one bar per kind of pairing."""
    if not contrasts:
        return None
    unit = numbers.points(contrasts[0].unit)
    shown = [[d for d in c.differences if d.over in ("seeds", "test examples")] for c in contrasts]
    spans = [[(d.mean, d.ci_low, d.ci_high) for d in differences] for differences in shown]
    scale = _axis([span for group in spans for span in group], [])
    rows = [
        ForestRow(
            label=names.get(c.variant, c.variant),
            detail=f"{level_of(c)}, {c.data}" if levels else c.data,
            text=f"{numbers.value(group[0][0], unit, sign=True)} "
            f"{numbers.interval(group[0][1], group[0][2], unit, sign=True)}",
            bars=tuple(_bar(d.over, span, scale) for d, span in zip(differences, group, strict=True)),
            band=None,
            verdict=None,
            marks=tuple(c.marks),
        )
        for c, differences, group in zip(contrasts, shown, spans, strict=True)
    ]
    return _forest(unit, scale, rows)


def level_of(contrast: Contrast) -> str:
    """The level of a contrast, and those of the other factors that both of its sides share."""
    shared = {key: level for key, level in contrast.where.items() if key != "protocol"}
    return ", ".join(part for part in (contrast.level, numbers.where(shared)) if part)


def _axis(spans: Sequence[tuple[float, float | None, float | None]], bands: Sequence[float]) -> Axis:
    """An axis around zero; an interval far wider than the others is cut, not allowed to set the scale."""
    means = [abs(mean) for mean, _, _ in spans]
    ends = sorted(abs(end) for _, low, high in spans for end in (low, high) if end is not None)
    usual = ends[len(ends) // 2] if ends else 0.0
    reach = max([*means, *bands, min(ends[-1], _FAR * usual) if ends else 0.0]) * _MARGIN or 1.0
    ticks = axis([-reach, reach], most=8).ticks
    return Axis(-reach, reach, tuple(tick for tick in ticks if abs(tick) <= reach))


def _bar(kind: str, span: tuple[float, float | None, float | None], scale: Axis) -> Bar:
    mean, low, high = span
    return Bar(
        kind=kind,
        mean=scale.at(mean),
        low=None if low is None else scale.at(low),
        high=None if high is None else scale.at(high),
        beyond_low=low is not None and low < scale.low,
        beyond_high=high is not None and high > scale.high,
    )


def _forest(unit: str, scale: Axis, rows: Sequence[ForestRow]) -> Forest:
    ticks = tuple((scale.at(tick), _tick(tick, sign=True)) for tick in scale.ticks)
    cut = any(bar.beyond_low or bar.beyond_high for row in rows for bar in row.bars)
    return Forest(unit, scale.at(0.0), ticks, tuple(rows), cut)


@dataclasses.dataclass(frozen=True)
class Line:
    """One curve of a panel, in a square of 100 by 100 with y downwards."""

    name: str
    series: int
    """Index of the dataset: its colour and dash."""
    faint: bool
    """The training part: drawn thin."""
    points: str
    band: str


@dataclasses.dataclass(frozen=True)
class Panel:
    """The learning curves of one variant."""

    title: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]
    summary: str
    """Where each curve ends, in words."""


def panels(report: Report, protocol: str) -> list[Panel]:
    """One panel per variant (and ablation level) under `protocol`; axes are shared, so that panels compare."""
    shown = [c for c in report.curves if c.protocol == protocol and c.points]
    if not shown:
        return []
    datasets = list(dict.fromkeys(c.data for c in shown))
    groups: dict[tuple[str, str, str], list[Curve]] = {}
    names = {variant.id: variant.name for variant in report.variants}
    for curve in shown:
        groups.setdefault(
            (names.get(curve.variant, curve.variant), numbers.where(curve.levels), curve.metric), []
        ).append(curve)
    result = []
    one_metric = len({c.metric for c in shown}) == 1
    for metric in dict.fromkeys(c.metric for c in shown):
        of_metric = [c for c in shown if c.metric == metric]
        x = axis([0.0, *(float(p.step) for c in of_metric for p in c.points)], most=4)
        y = axis([v for c in of_metric for p in c.points for v in (p.low, p.high)], most=5)
        result += [
            _curve_panel(" · ".join(part for part in key[: 2 if one_metric else 3] if part), curves, datasets, x, y)
            for key, curves in groups.items()
            if key[2] == metric
        ]
    return result


@dataclasses.dataclass(frozen=True)
class LevelPanel:
    """One metric over the levels of a factor; levels stand at equal distances, whatever their size."""

    factor: str
    panel: Panel
    series: tuple[str, ...]
    """Names of the lines, by series; empty where there is only one."""


def level_panels(report: Report) -> list[LevelPanel]:
    """One panel per factor, variant, data and metric; its lines are the levels of the other factors."""
    names = {variant.id: variant.name for variant in report.variants}
    groups: dict[tuple[str, ...], list[LevelCurve]] = {}
    for curve in report.level_curves:
        key = (curve.factor, names.get(curve.variant, curve.variant), curve.data, curve.protocol, curve.metric)
        groups.setdefault(key, []).append(curve)
    found = []
    for (factor, variant, data, protocol, metric), curves in groups.items():
        series = list(dict.fromkeys(numbers.where(curve.levels) for curve in curves))
        drawn = [curve for curve in curves if len(series) <= _WITH_TRAIN or curve.split != "train"]
        levels = sorted({point.level for curve in drawn for point in curve.points})
        x = [round(100 * i / (len(levels) - 1), 3) for i in range(len(levels))]
        ends = [end for curve in drawn for p in curve.points for end in (p.mean, p.ci_low, p.ci_high)]
        y = axis([end for end in ends if end is not None], most=5)
        title = f"{metric} by {factor}: {variant}, {data}, {protocol}"
        at = dict(zip(levels, x, strict=True))
        lines = []
        for curve in drawn:
            where = numbers.where(curve.levels)
            name = ", ".join(part for part in (where, curve.split) if part)
            points = [(at[p.level], p.mean, p.ci_low, p.ci_high) for p in curve.points]
            lines.append(_line(name, series.index(where), curve.split, points, y))
        x_ticks = tuple((at[level], _tick(level)) for level in levels)
        panel = _panel(title, x_ticks, y, lines, [_level_words(curve) for curve in drawn])
        found.append(LevelPanel(factor, panel, tuple(series) if series[1:] else ()))
    return found


def _level_words(curve: LevelCurve) -> str:
    values = ", ".join(f"{_tick(p.level)}: {numbers.value(p.mean, curve.unit)}" for p in curve.points)
    return f"{numbers.where(curve.levels) or curve.variant} {curve.split} {values}"


def datasets_drawn(report: Report, protocol: str) -> list[str]:
    """The datasets of the panels, in the order of their series."""
    return list(dict.fromkeys(c.data for c in report.curves if c.protocol == protocol and c.points))


def _curve_panel(title: str, curves: Sequence[Curve], datasets: Sequence[str], x: Axis, y: Axis) -> Panel:
    lines, ends = [], []
    for curve in curves:
        points = [(x.at(p.step), p.mean, p.low, p.high) for p in curve.points]
        lines.append(_line(f"{curve.data}, {curve.split}", datasets.index(curve.data), curve.split, points, y))
        last = curve.points[-1]
        ends.append(f"{curve.data} {curve.split} ends at {numbers.value(last.mean, curve.unit, suffix=True)}")
    return _panel(title, tuple((x.at(tick), _tick(tick)) for tick in x.ticks), y, lines, ends)


def _line(
    name: str, series: int, split: str, points: Sequence[tuple[float, float, float | None, float | None]], y: Axis
) -> Line:
    """The line through (place, mean, low, high), with a band where there are two ends."""
    upper = [f"{x:g},{100 - y.at(high):g}" for x, _, low, high in points if low is not None and high is not None]
    lower = [f"{x:g},{100 - y.at(low):g}" for x, _, low, high in points if low is not None and high is not None]
    means = " ".join(f"{x:g},{100 - y.at(mean):g}" for x, mean, *_ in points)
    return Line(name, series, split == "train", means, " ".join(upper + lower[::-1]))


def _panel(
    title: str, x_ticks: tuple[tuple[float, str], ...], y: Axis, lines: Sequence[Line], words: Sequence[str]
) -> Panel:
    y_ticks = tuple((100 - y.at(tick), _tick(tick)) for tick in y.ticks)
    return Panel(title, x_ticks, y_ticks, tuple(sorted(lines, key=lambda line: not line.faint)), "; ".join(words))


def _tick(value: float, *, sign: bool = False) -> str:
    text = f"{value:+g}" if sign and value else f"{value:g}"
    return text.replace("-", numbers.MINUS)
