"""Where an audit's shards are computed: in this process, or as Ray tasks on one or many machines.

What is cut into shards, and where, does not depend on the backend, and results come back in order: the findings are the
same.
"""

import contextlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from mlintern.audit.options import AuditOptions
from mlintern.errors import UserError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def mapped(
    options: AuditOptions, work: Callable[[Any, _Item], _Result], items: Sequence[_Item], shared: Any
) -> list[_Result]:
    """`work(shared, item)` of every item, in order. `work` is a module's function; all of it can be pickled."""
    if options.backend != "ray" or len(items) < 2:
        return [work(shared, item) for item in items]
    import ray

    common, task = ray.put(shared), ray.remote(work)
    waiting = {task.remote(common, item): place for place, item in enumerate(items)}
    results: dict[int, _Result] = {}
    try:
        while waiting:
            (done,), _ = ray.wait(list(waiting), num_returns=1)
            results[waiting.pop(done)] = ray.get(done)
    except ray.exceptions.RayError as error:
        first = str(error).strip().splitlines()[0]
        raise UserError(f"audit.backend=ray: a task failed ({type(error).__name__}: {first})") from None
    return [results[place] for place in range(len(items))]


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
