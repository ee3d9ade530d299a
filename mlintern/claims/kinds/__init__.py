"""One file for each kind of claim; a file put here is a kind that specs, prompts and reports know.

It defines one class: a shape of `mlintern.claims.forms` with a `kind` of its own, fields, `describe`, `examine`
and the `prompt` that shows it to the model. What an `examine` needs of statistics it imports when it is called.
"""

import importlib
import pkgutil

from mlintern.claims.forms import BaseClaim


def _found() -> tuple[type[BaseClaim], ...]:
    found: dict[str, type[BaseClaim]] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, BaseClaim) and value.__module__ == module.__name__:
                other = found.setdefault(value.model_fields["kind"].default, value)
                assert other is value, f"{module.__file__}: the kind {info.name} stands in {other.__module__} too"
    return tuple(found[kind] for kind in sorted(found, key=lambda kind: (found[kind].order, kind)))


KINDS = _found()
"""The kinds, in their order."""
