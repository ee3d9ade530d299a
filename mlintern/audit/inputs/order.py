"""The order of rows: their place in the file that the parts were cut from, and their times."""

import re

import numpy as np

from mlintern.audit.inputs.subject import Subject


def places(subject: Subject) -> dict[str, np.ndarray]:
    """Each row's place in the file the parts were cut from: given, or the number that ends its id, or else its place in
    its own part, as if the file's rows had gone to the parts evenly and stayed in order."""
    evenly = {}
    total = len(subject.train) + len(subject.test)
    for part in ("train", "test"):
        n = len(subject.parts()[part])
        evenly[part] = (np.arange(n) + 0.5) * total / n
    return known_places(subject) or evenly


def known_places(subject: Subject) -> dict[str, np.ndarray] | None:
    if subject.positions is not None:
        return {part: np.asarray(subject.positions[part], np.float64) for part in ("train", "test")}
    found = {}
    for part in ("train", "test"):
        ids = subject.parts()[part].ids
        if str(ids[0]).startswith((f"{part}/", f"{part}-")):
            return None  # ids that were counted part by part
        numbers = [re.search(r"(\d+)\D*$", str(i)) for i in ids]
        if not all(numbers):
            return None
        found[part] = np.array([float(m[1]) for m in numbers if m])
    joint = np.concatenate(list(found.values()))
    return found if len(np.unique(joint)) == len(joint) else None


def as_numbers(times: np.ndarray) -> np.ndarray:
    """Times as float64: datetimes in seconds since 1970, numbers as they are; NaT and NaN stay NaN."""
    if times.dtype.kind in "OUS":
        import pandas as pd

        times = pd.to_datetime(pd.Series(times), errors="coerce", utc=True).dt.tz_localize(None).to_numpy()
    if times.dtype.kind == "M":
        seconds = times.astype("datetime64[ns]").astype(np.int64) / 1e9
        seconds[np.isnat(times)] = np.nan
        return seconds
    return times.astype(np.float64)
