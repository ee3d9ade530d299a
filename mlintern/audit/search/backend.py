"""Where an audit's shards are computed: in this process, or by Ray Data on one or many machines.

What is cut into shards, and where, does not depend on the backend, and results come back in order: the findings are the
same.
"""

import contextlib
import importlib.util
import logging
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from mlintern.audit.report.options import AuditOptions
from mlintern.core.errors import UserError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def mapped(
    options: AuditOptions, work: Callable[[Any, _Item], _Result], items: Sequence[_Item], shared: Any
) -> list[_Result]:
    """`work(shared, item)` of every item, in order. `work` is a module's function; all of it can be pickled.

    On Ray, a dataset of the shards' places is mapped: Ray Data decides how many are under way at a time, so that what
    they hold stays within the session's object store.
    """
    if options.backend != "ray" or len(items) < 2:
        return [work(shared, item) for item in items]
    import ray
    import ray.data

    common, shards = ray.put(shared), [ray.put(item) for item in items]

    def one(row: dict[str, Any]) -> dict[str, Any]:
        result = work(ray.get(common), ray.get(shards[row["id"]]))
        return {"id": row["id"], "result": pickle.dumps(result, protocol=5)}

    results: dict[int, _Result] = {}
    try:
        with _quiet(ray.data.DataContext.get_current()):
            for row in ray.data.range(len(items), override_num_blocks=len(items)).map(one).iter_rows():
                results[int(row["id"])] = pickle.loads(row["result"])
    except ray.exceptions.RayError as error:
        first = str(error).strip().splitlines()[0]
        raise UserError(f"audit.backend=ray: a task failed ({type(error).__name__}: {first})") from None
    return [results[place] for place in range(len(items))]


@contextlib.contextmanager
def _quiet(context: Any) -> Iterator[None]:
    """Ray Data without bars and logs of its own: the audit has its bar."""
    level = logging.getLogger("ray.data").level
    before = context.enable_progress_bars
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield
    finally:
        context.enable_progress_bars = before
        logging.getLogger("ray.data").setLevel(level)


@contextlib.contextmanager
def backend(options: AuditOptions) -> Iterator[None]:
    """A Ray session around an audit whose backend is ray: the one that is up (`RAY_ADDRESS`, or a driver's own), else a
    local one of `audit.threads` workers. Raises UserError where Ray is not installed."""
    if options.backend != "ray":
        yield
        return
    if importlib.util.find_spec("ray") is None:
        raise UserError("audit.backend=ray: Ray is not installed; `pip install 'mlintern[ray]'` or `make launchers`")
    import ray

    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS")
    where = {"address": address} if address else {"num_cpus": max(2, options.threads), "include_dashboard": False}
    try:
        ray.init(logging_level="error", **where)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(f"audit.backend=ray: no Ray session ({str(error).strip().splitlines()[0]})") from None
    try:
        yield
    finally:
        ray.shutdown()
