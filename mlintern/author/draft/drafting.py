"""The files of a pack as a language model wrote them: checked without running anything, then put down as a draft."""

import ast
import re
import shutil
from pathlib import Path

from mlintern.author.forms import Repaired, Written, WrittenFile
from mlintern.core import files, strict_yaml
from mlintern.core.errors import UserError

_GROUPS = "paper|model|data|optimizer|scheduler|loss|augment|method|metrics|ablation|protocol"
_PATH = re.compile(rf"modules\.py|conf/(?:{_GROUPS})/[a-z0-9][a-z0-9_]*\.yaml")
LARGEST_FILE = 60_000  # characters; a module is at most a few hundred lines


def problems_of(written: Written, slug: str) -> list[str]:
    """What is wrong with the files as text, each naming file and line; nothing of them is run or imported."""
    found: list[str] = []
    paths = [file.path for file in written.files]
    found += [f"{path}: given twice; give it once" for path in sorted({p for p in paths if paths.count(p) > 1})]
    for needed in ("modules.py", f"conf/paper/{slug}.yaml"):
        if needed not in paths:
            found.append(f"{needed}: missing; write it")
    for file in written.files:
        if not _PATH.fullmatch(file.path):
            found.append(f"{file.path!r}: not a path of a pack; allowed are modules.py and conf/<group>/<name>.yaml")
        elif len(file.content) > LARGEST_FILE:
            found.append(f"{file.path}: longer than {LARGEST_FILE:,} characters; write less")
        elif file.path.endswith(".py"):
            found += _python_problems(file)
        else:
            found += _yaml_problems(file, slug)
    return found


def repaired(written: Written, repair: Repaired) -> Written:
    """`written` with what `repair` changes, adds and removes; a file given twice stays twice, for `problems_of`."""
    new = {file.path for file in repair.files}
    kept = [file for file in written.files if file.path not in new and file.path not in repair.removed]
    inputs = {one.variant: one for one in [*written.inputs, *repair.inputs]}
    return Written(files=[*kept, *repair.files], inputs=list(inputs.values()))


def _python_problems(file: WrittenFile) -> list[str]:
    try:
        ast.parse(file.content, file.path)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        return [f"{file.path}:{line}: not valid Python: {getattr(error, 'msg', error)}"]
    return []


def _yaml_problems(file: WrittenFile, slug: str) -> list[str]:
    from mlintern.core.targets.check import target_problems
    from mlintern.engine.instantiate import allowed_prefixes

    found = [
        f"{file.path}:{number}: interpolation (${{…}}) is not allowed; write the value out"
        for number, line in enumerate(file.content.splitlines(), 1)
        if "${" in line
    ]
    try:
        parsed = strict_yaml.parse(file.content, file.path)
        problems = target_problems(parsed.value, allowed_prefixes(slug), by_name=True)
        found += [f"{file.path}: {'.'.join(map(str, path))}: {message}" for path, message in problems]
    except UserError as error:
        text = str(error)
        found.append(text if text.startswith(file.path) else f"{file.path}: {text}")
    return found


def put_down(written: Written, made: dict[str, str], folder: Path) -> None:
    """Replace `folder` by the pack's files and those `made` by us ({path: text}); on a failure the old folder stays."""
    fresh, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    try:
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
        for name, text in {**{file.path: file.content for file in written.files}, **made}.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise files.write_problem(folder, error) from None


def numbered(written: Written) -> str:
    """All files with line numbers, for a critique that names file and line."""
    parts = []
    for file in sorted(written.files, key=lambda f: f.path):
        lines = [f"{n:4d}  {line}" for n, line in enumerate(file.content.splitlines(), 1)]
        parts.append(f"== {file.path}\n" + "\n".join(lines))
    return "\n\n".join(parts)


def plain(written: Written) -> str:
    """All files as they are, for a repair."""
    return "\n\n".join(f"== {file.path}\n{file.content}" for file in sorted(written.files, key=lambda f: f.path))
