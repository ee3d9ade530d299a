"""How numbers are written in every view of a report. The report itself keeps them unrounded."""

import math
import unicodedata
from typing import Any

from mlintern.core.printing import duration

MINUS = "−"
_POINTS = ("percent", "points")
_SUFFIX = {"percent": " %", "points": " points", "seconds": " s", "nats": " nats", "bits": " bits"}


def scale(unit: str) -> float:
    """Factor from a record's value to the unit that is printed: records hold fractions where a paper prints percent."""
    return 100.0 if unit in _POINTS else 1.0


def value(number: float | None, unit: str, *, sign: bool = False, suffix: bool = False) -> str:
    """A number: one decimal for percent and points, three significant digits otherwise; `–` where there is none."""
    if number is None or not math.isfinite(number):
        return "–"
    if unit in _POINTS:
        text = f"{number:+.1f}" if sign else f"{number:.1f}"
    elif unit == "count" and float(number).is_integer():
        text = f"{number:+,.0f}" if sign else f"{number:,.0f}"
    else:
        text = f"{number:+.3g}" if sign else f"{number:.3g}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("+-")
    return text.replace("-", MINUS) + (_SUFFIX.get(unit, "") if suffix else "")


def interval(low: float | None, high: float | None, unit: str, *, sign: bool = False) -> str:
    """`[low, high]`, or `no interval` where one end is missing."""
    if low is None or high is None:
        return "no interval"
    return f"[{value(low, unit, sign=sign)}, {value(high, unit, sign=sign)}]"


def points(unit: str) -> str:
    """Unit of a difference: points for percent, the unit itself otherwise."""
    return "points" if unit in _POINTS else unit


def p_value(p: float | None) -> str:
    """A p-value: `<0.001` below that, else three decimals at most."""
    if p is None or not math.isfinite(p):
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def measured(seconds: float) -> str:
    """A duration that was measured: tenths where they say something."""
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)


def size(count: float) -> str:
    """Bytes in decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def setting(item: Any) -> str:
    """A configuration value on one line."""
    if isinstance(item, bool):
        return "true" if item else "false"
    if item is None:
        return "none"
    if isinstance(item, float):
        return f"{item:g}"
    if isinstance(item, list):
        return "[" + ", ".join(map(setting, item)) + "]"
    if isinstance(item, dict):
        return ", ".join(f"{key} {setting(value)}" for key, value in item.items())
    return str(item)


def plain(text: str) -> str:
    """`text` on one line and without control characters: a paper's words must not steer a terminal or a file."""
    spaced = " ".join(text.split())
    return "".join(c for c in spaced if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))


def where(levels: dict[str, Any]) -> str:
    """Coordinates as `name=level` pairs."""
    return ", ".join(f"{key}={setting(item)}" for key, item in levels.items())
