"""From tables, arrays and datasets in memory to a `Subject`.

Columns with a role (label, group, time, id, text, image) are taken out by name. The others become features where they
are numbers or categories; columns that name a row (paths, free strings that never repeat, timestamps) become metadata,
which only the metadata check reads.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlintern.audit.inputs.graphs import as_column, is_graph
from mlintern.audit.inputs.subject import Subject
from mlintern.audit.report.options import AuditOptions
from mlintern.core.errors import UserError
from mlintern.data.protocol import EvaluationProtocol
from mlintern.data.splits import PARTS, Examples, Splits

if TYPE_CHECKING:
    import pandas as pd

    from mlintern.audit.inputs.stream import Stream

_ROLES = ("label", "group", "time", "id", "text", "image")


def subject_from_frames(
    frames: Mapping[str, "pd.DataFrame"],
    roles: Mapping[str, str | None],
    options: AuditOptions | None = None,
    protocol: EvaluationProtocol | None = None,
    where: Mapping[str, str] | None = None,
    positions: Mapping[str, np.ndarray] | None = None,
    streams: "Mapping[str, Stream] | None" = None,
) -> Subject:
    """A subject from {part: DataFrame}. `roles` maps label, group, time, id, text and image to column names.

    `where` names each part's file in messages; `streams` hold numeric columns that are not in the frames. Raises
    UserError for missing or empty columns.
    """
    import pandas as pd

    names = {part: (where or {}).get(part, part) for part in frames}
    _check_columns(frames, roles, names)
    taken = [roles[role] for role in _ROLES if roles.get(role)]
    shared = [c for c in frames["train"].columns if c not in taken and all(c in f.columns for f in frames.values())]
    joint = pd.concat([frame[shared] for frame in frames.values()], ignore_index=True)
    bounds = np.cumsum([0, *map(len, frames.values())])
    cuts = {part: slice(bounds[i], bounds[i + 1]) for i, part in enumerate(frames)}

    features, metadata, arrays = _sort_columns(joint)
    streamed = _streamed(streams, features, cuts) if streams is not None else None
    labels, classes = _labels(frames, str(roles["label"]), names)
    text, image = roles.get("text"), roles.get("image")
    texts = {part: frame[text].astype(str).to_numpy(dtype=object) for part, frame in frames.items()} if text else None
    tagged = {part: {name: values[cuts[part]] for name, values in metadata.items()} for part in frames}
    if roles.get("id"):
        for part, frame in frames.items():
            tagged[part][str(roles["id"])] = frame[roles["id"]].to_numpy()
    pictures = None
    if image:
        from mlintern.audit.inputs.images import decode_column

        pictures = decode_column({part: frame[image] for part, frame in frames.items()}, names)
    made = {}
    for part, frame in frames.items():
        if pictures is not None:
            block = pictures[part]
        elif streamed is not None:
            block = streamed[1][part]
        elif arrays is not None and not features:
            block = arrays[cuts[part]]
        elif features:
            block = np.column_stack([values[cuts[part]] for values in features.values()])
        elif texts is not None:
            block = texts[part]
        else:
            raise UserError(f"{names[part]}: no feature columns are left beside {', '.join(map(str, taken))}")
        made[part] = Examples(
            ids=np.array([f"{part}/{i}" for i in range(len(frame))]),
            features=block,
            labels=labels[part],
            groups=frame[roles["group"]].astype(str).to_numpy(dtype=object) if roles.get("group") else None,
            times=_times(frame[roles["time"]], names[part]) if roles.get("time") else None,
        )
    if positions is None:
        positions = _index_positions(frames)
    splits = Splits("table", made["train"], made["test"], made.get("valid"), classes=classes)
    columns = streamed[0] if streamed is not None else tuple(map(str, features))
    named = columns if columns and pictures is None else None
    return Subject(splits, options or AuditOptions(), protocol, named, texts, tagged, positions)


def _streamed(
    streams: "Mapping[str, Stream]", coded: Mapping[str, np.ndarray], cuts: Mapping[str, slice]
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Names and {part: [n, d]} of streamed and coded columns, in the order of the file."""
    from mlintern.audit.inputs.stream import single_precision

    first = next(iter(streams.values()))
    order = [name for name in first.dataset.schema.names if name in first.numeric or name in coded]
    single = not coded and single_precision(streams)
    return tuple(order), {
        part: stream.block(order, single, {name: values[cuts[part]] for name, values in coded.items()})
        for part, stream in streams.items()
    }


def _check_columns(
    frames: Mapping[str, "pd.DataFrame"], roles: Mapping[str, str | None], names: Mapping[str, str]
) -> None:
    if not roles.get("label"):
        raise UserError("audit: which column is the label? Name it with --label (label= in Python)")
    for part, frame in frames.items():
        if not len(frame):
            raise UserError(f"{names[part]}: no rows; give at least one row per part")
        for role in _ROLES:
            column = roles.get(role)
            if column and column not in frame.columns:
                listed = ", ".join(map(str, list(frame.columns)[:12])) + (" …" if len(frame.columns) > 12 else "")
                raise UserError(f"{names[part]}: no column {column!r} for --{role}; it has {listed}")


def _sort_columns(
    joint: "pd.DataFrame",
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray | None]:
    """Columns by use: numeric features {name: [n]}, metadata {name: [n]}, and one array-valued column [n, ...]."""
    import pandas as pd

    features: dict[str, np.ndarray] = {}
    metadata: dict[str, np.ndarray] = {}
    arrays = None
    for name in joint.columns:
        column = joint[name]
        if pd.api.types.is_datetime64_any_dtype(column):
            metadata[name] = column.to_numpy(dtype="datetime64[ns]")
        elif pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
            small = column.dtype in (np.float32, np.float16)
            features[name] = column.to_numpy(dtype=np.float32 if small else np.float64, na_value=np.nan)
        elif isinstance(first := column.dropna().iloc[0] if column.notna().any() else None, list | tuple | np.ndarray):
            try:
                arrays = np.stack([np.asarray(v, dtype=np.float64) for v in column])
            except (ValueError, TypeError):
                raise UserError(f"column {name!r}: its arrays differ in shape or hold no numbers") from None
        elif first is not None and not isinstance(first, str | bool | int | float):
            metadata[name] = column.astype(str).to_numpy(dtype=object)
        else:
            values = column.astype(str)
            distinct = values.nunique()
            if distinct > max(50, 0.2 * len(values)) or values.head(50).str.contains(r"[/\\]").mean() > 0.5:
                metadata[name] = values.to_numpy(dtype=object)
            else:
                codes = np.unique(values.to_numpy(dtype=str), return_inverse=True)[1].astype(np.float64)
                codes[column.isna().to_numpy()] = np.nan
                features[name] = codes
    return features, metadata, arrays


def _labels(
    frames: Mapping[str, "pd.DataFrame"], label: str, names: Mapping[str, str]
) -> tuple[dict[str, np.ndarray], int | None]:
    """Labels per part, and the number of classes (None for regression)."""
    columns = {}
    for part, frame in frames.items():
        missing = int(frame[label].isna().sum())
        if missing:
            raise UserError(f"{names[part]}: {missing} rows have no {label!r}; drop them or fill them in")
        columns[part] = frame[label].to_numpy()
    return encode_labels(columns)


def encode_labels(columns: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], int | None]:
    """Class indices per part and their number, or float targets and None where labels are measurements."""
    joint = np.concatenate([np.asarray(values) for values in columns.values()])
    if joint.dtype.kind in "OUSb":
        joint = joint.astype(str)
    is_class = joint.dtype.kind in "US" or (
        (joint.dtype.kind in "iu" or bool(np.all(joint == np.floor(joint))))
        and len(np.unique(joint)) <= max(20, int(0.05 * len(joint)))
    )
    if not is_class:
        return {part: np.asarray(values, dtype=np.float64) for part, values in columns.items()}, None
    levels, codes = np.unique(joint, return_inverse=True)
    bounds = np.cumsum([0, *(len(v) for v in columns.values())])
    return {part: codes[bounds[i] : bounds[i + 1]] for i, part in enumerate(columns)}, len(levels)


def _times(column: "pd.Series", where: str) -> np.ndarray:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    parsed = pd.to_datetime(column, errors="coerce", utc=True, format="mixed").dt.tz_localize(None)
    bad = column[parsed.isna() & column.notna()]
    if len(bad):
        raise UserError(f"{where}: {len(bad)} values of the time column {column.name!r} are no times ({bad.iloc[0]!r})")
    return parsed.to_numpy(dtype="datetime64[ns]")


def _index_positions(frames: Mapping[str, "pd.DataFrame"]) -> dict[str, np.ndarray] | None:
    """Row places in the original file, where the frames' integer index still tells them (no index value twice)."""
    indexes = {part: frame.index for part, frame in frames.items()}
    if any(index.dtype.kind not in "iu" for index in indexes.values()):
        return None
    joint = np.concatenate([index.to_numpy() for index in indexes.values()])
    if len(np.unique(joint)) != len(joint):
        return None
    return {part: index.to_numpy().astype(np.int64) for part, index in indexes.items()}


def subject_from_arrays(
    arrays: Mapping[str, tuple[np.ndarray, np.ndarray]],
    options: AuditOptions | None = None,
    protocol: EvaluationProtocol | None = None,
    columns: Mapping[str, Mapping[str, np.ndarray]] | None = None,
    **side: Any,
) -> Subject:
    """A subject from {part: (features [n, ...], labels [n])}; `columns` may add groups, times and sources per part."""
    labels = {}
    for part, (x, y) in arrays.items():
        y = np.asarray(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        elif y.ndim == 2 and np.isin(y, (0, 1)).all() and (y.sum(1) == 1).all():
            y = y.argmax(1)
        if y.ndim != 1:
            raise UserError(f"y_{part}: labels of shape {y.shape}; one label per row is needed")
        if len(x) != len(y):
            raise UserError(f"x_{part} has {len(x)} rows and y_{part} has {len(y)}; they must agree")
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            raise UserError(f"y_{part}: some labels are NaN or infinite; drop those rows")
        labels[part] = y
    encoded, classes = encode_labels(labels)
    made = {
        part: Examples(
            ids=np.array([f"{part}/{i}" for i in range(len(x))]),
            features=np.asarray(x),
            labels=encoded[part],
            **dict((columns or {}).get(part, {})),
        )
        for part, (x, _) in arrays.items()
    }
    splits = Splits("arrays", made["train"], made["test"], made.get("valid"), classes=classes)
    return Subject(splits, options or AuditOptions(), protocol, **side)


def subject_from_anything(
    parts: Mapping[str, Any],
    roles: Mapping[str, str | None],
    options: AuditOptions | None,
    protocol: EvaluationProtocol | None,
) -> Subject:
    """A subject from {part: DataFrame, (features, labels), Hugging Face dataset or torch Dataset}, all of one form."""
    import pandas as pd

    parts = {name: parts[name] for name in PARTS if parts.get(name) is not None}
    for name in ("train", "test"):
        if name not in parts:
            raise UserError(f"audit: no {name} part; give train= and test=")
    if all(hasattr(part, "to_pandas") and hasattr(part, "features") for part in parts.values()):
        parts = {name: part.to_pandas() for name, part in parts.items()}
    if all(isinstance(part, pd.DataFrame) for part in parts.values()):
        return subject_from_frames(parts, roles, options, protocol)
    if all(isinstance(part, Sequence) and len(part) == 2 for part in parts.values()):
        firsts = {name: _features(name, part[0]) for name, part in parts.items()}
        modality = "graph" if all(is_graphs for _, is_graphs in firsts.values()) else None
        arrays = {name: (firsts[name][0], np.asarray(part[1])) for name, part in parts.items()}
        return subject_from_arrays(arrays, options, protocol, modality=modality)
    if all(hasattr(part, "__getitem__") and hasattr(part, "__len__") for part in parts.values()):
        return subject_from_arrays({name: _collected(name, part) for name, part in parts.items()}, options, protocol)
    kinds = ", ".join(type(part).__name__ for part in parts.values())
    raise UserError(f"audit: cannot read parts of type {kinds}; give DataFrames, (features, labels) or datasets")


def _features(name: str, given: Any) -> tuple[np.ndarray, bool]:
    """Features [n, ...] of a (features, labels) part, and whether they are graphs; strings become a column of texts."""
    items = list(given) if isinstance(given, Sequence) else given
    if isinstance(items, list) and items and is_graph(items[0]):
        return as_column(items, name), True
    try:
        features = np.asarray(items)
    except ValueError:
        raise UserError(f"{name}: its features differ in shape; give one array [n, ...]") from None
    if features.dtype.kind in "OUS" and features.ndim == 1:
        features = features.astype(object)[:, None]
    if features.ndim < 2:
        raise UserError(f"{name}: features of shape {features.shape}; give [n, ...] with a row per example")
    return features, False


def _collected(name: str, dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """A map-style dataset of (features, label) as two arrays."""
    rows = [dataset[i] for i in range(len(dataset))]
    if not rows or not isinstance(rows[0], Sequence) or len(rows[0]) < 2:
        raise UserError(f"{name}: its items are no (features, label) pairs")
    try:
        return np.stack([np.asarray(row[0]) for row in rows]), np.array([np.asarray(row[1]).item() for row in rows])
    except ValueError:
        raise UserError(f"{name}: its features differ in shape, or a label is no single value") from None
