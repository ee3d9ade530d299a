"""What the writer of a pack must know of the engine: its protocols and its own config groups, read from the source.

Nothing is copied into a prompt by hand, so a request never describes an engine that is not the one that runs.
"""

from importlib import resources

from mlintern.audit.report.kinds import names
from mlintern.core.roots import CONF
from mlintern.core.targets import definitions
from mlintern.vet import rules

GROUPS = ("optimizer", "scheduler", "loss", "augment", "method", "metrics", "probe", "protocol", "trainer")
DATA_PACKAGES = ("mnist1d.data", "mnist1d.transform", "sklearn.datasets")


def engine_facts() -> str:
    """The protocols' source, every option of the groups that a pack may choose from or add to, the audit's kinds."""
    protocols = resources.files("mlintern.engine").joinpath("protocols.py").read_text(encoding="utf-8")
    kinds = ", ".join(names())
    return (
        f"== mlintern/engine/protocols.py\n{protocols}\n\n{engine_options()}\n\n"
        f"== kinds of findings of the audit\n{kinds}"
    )


def engine_options() -> str:
    """Every option of the groups that a pack may choose from or add to, with its arguments; what data may bring."""
    parts = []
    for group in GROUPS:
        for path in sorted((CONF / group).glob("*.yaml")):
            parts.append(f"== conf/{group}/{path.name}\n{path.read_text(encoding='utf-8')}")
    for name in ("preprocess", "views"):
        text = resources.files("mlintern.data").joinpath(f"{name}.py").read_text(encoding="utf-8")
        parts.append(f"== mlintern/data/{name}.py\n{text}")
    return "\n\n".join([*parts, _data_packages()])


def _data_packages() -> str:
    """The installed packages that hold or generate data, with the functions that a dataset source may call of them."""
    listed = (f"{module}: {', '.join(names)}" for module in DATA_PACKAGES if (names := _functions(module)))
    return "== data packages\n" + "\n".join(listed)


def _functions(module: str) -> list[str]:
    """Functions that build data, read off the installed source: nothing is imported for a prompt."""
    found = definitions.exported(module)
    data = [name for name in found if name.startswith(("make_", "load_", "get_")) or module == "mnist1d.transform"]
    return sorted(name for name in data if rules.name_problem(f"{module}.{name}", "generator") is None)
