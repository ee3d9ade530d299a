"""Vetting a draft on the author's behalf: the policy for a pack's Python and YAML, file by file, nothing run.

A pack that passes still runs in the sandbox only, until a human approves it.
"""

from pathlib import Path

from mlintern import strict_yaml
from mlintern.spec import PaperSpec
from mlintern.vet.configs import check_config
from mlintern.vet.policy import check_source


def vet_files(pack: Path, spec: PaperSpec) -> list[str]:
    """Every reason not to run `pack`, each naming file and line; empty if the policy holds for all its files."""
    found: list[str] = []
    for path in sorted(pack.rglob("*.yaml")):
        name = path.relative_to(pack).as_posix()
        prefixes = ["mlintern.engine.", "mlintern.data.", "torch.nn.", "torch.optim.", f"papers.{spec.paper.slug}."]
        composed = name.startswith("conf/")
        found += map(str, check_config(path, allowed_prefixes=prefixes, composed=composed, name=name))
    if found:
        return found
    generators = _dataset_sources(pack)
    for path in sorted(pack.rglob("*.py")):
        name = path.relative_to(pack).as_posix()
        found += map(str, check_source(path, "model", generators=generators, name=name))
    return found


def _dataset_sources(pack: Path) -> set[str]:
    """Names of the classes that the pack's data configs build datasets with; files that are no YAML name none."""
    names = set()
    for path in pack.glob("conf/data/*.yaml"):
        source = (strict_yaml.load(path).value or {}).get("source")
        target = source.get("_target_") if isinstance(source, dict) else None
        if isinstance(target, str):
            names.add(target.rsplit(".", 1)[-1])
    return names
