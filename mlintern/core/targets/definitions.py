"""Where a class or function is defined, and what it takes: read off its source, because importing it would run it.

Used where the main process must say something of code that only a sandbox may import.
"""

import ast
import functools
import importlib.machinery
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

LARGEST_MODULE = 2_000_000  # bytes; the largest file of torch that is looked at has a tenth of that
_DEEPEST = 8
"""Steps from a name that is imported to where it is defined, and from a class to the base that has its `__init__`."""

_MAKING = ("__init__", "__new__")
"""What a class has that says what it takes."""

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A Python file, by its dotted name."""

    name: str
    file: Path
    tree: ast.Module


@dataclass(frozen=True)
class Defined:
    """A name at the top of a module: what defines it, or None for a value that is assigned."""

    module: Module
    node: Definition | None


class NotFound(Exception):
    """Why a dotted name leads nowhere, for a message."""


def find(target: str, roots: Sequence[Path], depth: int = 0) -> Defined:
    """What `target` names: a class, function or value at the top of the module that the name begins with, or imported
    there from the same package.

    Raises NotFound, naming the file, for anything else.
    """
    module, rest = module_of(target, roots)
    if len(rest) != 1:
        inner = ".".join(rest) or "(the module itself)"
        raise NotFound(f"{target} reaches {inner} inside {module.file.name}; name a class or function that it defines")
    return look_up(module, rest[0], roots, depth)


def look_up(module: Module, name: str, roots: Sequence[Path], depth: int = 0) -> Defined:
    """The name `name` at the top of `module`; raises NotFound."""
    imported: list[str] = []
    for node in _statements(module.tree.body):
        if isinstance(node, Definition) and node.name == name:
            return Defined(module, node)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and name in _assigned(node):
            return Defined(module, None)
        if isinstance(node, ast.ImportFrom):
            base = imported_from(node, module)
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    imported.append(f"{base}.{alias.name}")
                elif alias.name == "*" and not name.startswith("_"):
                    imported.append(f"{base}.{name}")
    for origin in imported[:_DEEPEST] if depth < _DEEPEST else []:
        if origin.split(".")[0] == module.name.split(".")[0]:
            try:
                return find(origin, roots, depth + 1)
            except NotFound:
                continue
    raise NotFound(f"{name} is not a class or function defined in {module.file.name}")


def origin_of(module: Module, name: str) -> str | None:
    """The dotted name that a `from … import` at the top of `module` takes `name` from; None where none does."""
    for node in _statements(module.tree.body):
        for alias in node.names if isinstance(node, ast.ImportFrom) else []:
            if (alias.asname or alias.name) == name:
                return f"{imported_from(node, module)}.{alias.name}"  # type: ignore[arg-type]
    return None


def module_of(target: str, roots: Sequence[Path]) -> tuple[Module, list[str]]:
    """The longest module that `target` begins with, and the names after it; raises NotFound."""
    parts = target.split(".")
    for root in [*roots, *_installed(parts[0])]:
        folder = root
        for count, part in enumerate(parts, 1):
            if (folder / f"{part}.py").is_file():
                return _read(".".join(parts[:count]), folder / f"{part}.py"), parts[count:]
            if not (folder / part).is_dir():
                if count > 1 and (folder / "__init__.py").is_file():
                    return _read(".".join(parts[: count - 1]), folder / "__init__.py"), parts[count - 1 :]
                break
            folder = folder / part
    raise NotFound(f"there is no module for {target}")


def place_of(target: str, roots: Sequence[Path]) -> tuple[Module, str] | None:
    """The module that `target` is said to stand in and its name there, whether or not it does; None for none."""
    try:
        module, rest = module_of(target, roots)
    except NotFound:
        return None
    return (module, rest[0]) if len(rest) == 1 else None


def exported(name: str) -> list[str]:
    """Public functions and classes that an installed module defines, or brings in by name out of its own package."""
    if (place := place_of(f"{name}.name", ())) is None:
        return []
    module, _ = place
    found = names_in(module)
    for node in _statements(module.tree.body):
        if isinstance(node, ast.ImportFrom) and imported_from(node, module).split(".")[0] == name.split(".")[0]:
            found += [alias.asname or alias.name for alias in node.names]
    return [one for one in found if one.isidentifier() and not one.startswith("_")]


def names_in(module: Module) -> list[str]:
    """Public classes and functions that a module defines."""
    nodes = _statements(module.tree.body)
    return [node.name for node in nodes if isinstance(node, Definition) and not node.name.startswith("_")]


def arguments(found: Defined, roots: Sequence[Path]) -> dict[str, str | None] | None:
    """{argument: its default as written, or None} of a class's constructor or of a function; None where that cannot be
    read off, or anything may be given."""
    node, module = found.node, found.module
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None if node.decorator_list else _parameters(node, bound=False)
    fields: dict[str, str | None] | None = None
    below: list[tuple[dict[str, str | None], ast.Call]] = []  # of constructors that pass on what they do not know
    for _ in range(_DEEPEST):
        if not isinstance(node, ast.ClassDef) or node.keywords or not all(map(_is_plain, node.body)):
            return None
        made = [inner for inner in node.body if isinstance(inner, ast.FunctionDef) and inner.name in _MAKING]
        is_dataclass = any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list)
        if node.decorator_list and (made or not is_dataclass):
            return None
        if made:
            if made[-1].name != "__init__" or fields is not None:
                return None
            if made[-1].args.kwarg is None or (call := _passing_on(made[-1])) is None:
                return _together(_parameters(made[-1], bound=True), below)
            below.append((_named(made[-1], bound=True), call))
        if is_dataclass:
            fields = {**_fields(node), **(fields or {})}
        if not node.bases:
            return _together(fields or {}, below)
        if len(node.bases) != 1 or not isinstance(node.bases[0], ast.Name):
            return None
        try:
            base = look_up(module, node.bases[0].id, roots)
        except NotFound:
            return None
        node, module = base.node, base.module
    return None


def _is_plain(statement: ast.stmt) -> bool:
    """Does a statement of a class's body hide no constructor?"""
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return not _assigned(statement) & set(_MAKING)
    return isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Expr, ast.Pass))


def imported_from(node: ast.ImportFrom, module: Module) -> str:
    """The dotted name of the module that a `from … import` takes its names from."""
    if node.level == 0:
        return node.module or ""
    package = module.name.split(".")
    if module.file.name != "__init__.py":
        package = package[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *(node.module or "").split(".")]).strip(".")


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module's top, those in an `if` or a `try` with them."""
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.Try)):
            inner = [*node.body, *node.orelse]
            if isinstance(node, ast.Try):
                inner += [statement for handler in node.handlers for statement in handler.body]
            yield from _statements(inner)


def _assigned(node: ast.Assign | ast.AnnAssign) -> set[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef, bound: bool) -> dict[str, str | None] | None:
    return None if node.args.kwarg is not None else _named(node, bound)


def _named(node: ast.FunctionDef | ast.AsyncFunctionDef, bound: bool) -> dict[str, str | None]:
    """What a function names of its arguments, in their order."""
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults)) + list(given.defaults)
    pairs = [*zip(positional, defaults, strict=True), *zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return {argument.arg: _written(default) for argument, default in pairs[1 if bound else 0 :]}


def _passing_on(node: ast.FunctionDef) -> ast.Call | None:
    """The call `super().__init__(…, **kwargs)` by which a constructor hands on what else it is given; None where it
    does anything else with that."""
    name = node.args.kwarg.arg if node.args.kwarg is not None else ""
    uses = [inner for inner in ast.walk(node) if isinstance(inner, ast.Name) and inner.id == name]
    calls = [inner for inner in ast.walk(node) if isinstance(inner, ast.Call) and _is_parents(inner.func)]
    if len(uses) != 1 or len(calls) != 1:
        return None
    handed = [item.value for item in calls[0].keywords if item.arg is None]
    return calls[0] if len(handed) == 1 and handed[0] is uses[0] else None


def _is_parents(function: ast.expr) -> bool:
    """`super().__init__`"""
    if (
        not isinstance(function, ast.Attribute)
        or function.attr != "__init__"
        or not isinstance(function.value, ast.Call)
    ):
        return False
    return isinstance(function.value.func, ast.Name) and function.value.func.id == "super"


def _together(
    top: dict[str, str | None] | None, below: Sequence[tuple[dict[str, str | None], ast.Call]]
) -> dict[str, str | None] | None:
    """What a class takes whose constructors hand on to one that takes `top`, but for what they give it themselves."""
    if top is None:
        return None
    for own, call in reversed(below):
        count = sum(not isinstance(given, ast.Starred) for given in call.args)
        fixed = {*list(top)[:count], *(item.arg for item in call.keywords)}
        top = {**own, **{name: default for name, default in top.items() if name not in fixed and name not in own}}
    return top


def _fields(node: ast.ClassDef) -> dict[str, str | None]:
    """The arguments of a dataclass: its annotated names."""
    return {
        item.target.id: _written(item.value)
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }


def _written(default: ast.expr | None) -> str | None:
    return None if default is None else ast.unparse(default)


def _read(name: str, file: Path) -> Module:
    try:
        ours = name.startswith("papers.")  # a library's file may be a link into an installer's cache
        facts = file.stat(follow_symlinks=not ours)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST_MODULE:
            raise NotFound(f"{file.name} is no plain file of at most {LARGEST_MODULE:,} bytes")
        return _parsed(name, str(file), (facts.st_mtime_ns, facts.st_size, facts.st_ino))
    except SyntaxError as error:
        raise NotFound(f"{file.name}:{error.lineno or 1}: not valid Python ({error.msg})") from None
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise NotFound(f"{file.name} cannot be read: {type(error).__name__}") from None


@functools.lru_cache(256)
def _parsed(name: str, file: str, stamp: tuple[int, int, int]) -> Module:
    del stamp  # of the file's state; part of the cache's key
    opened = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(opened, "rb") as handle:
        return Module(name, Path(file), ast.parse(handle.read(LARGEST_MODULE + 1)))


@functools.cache
def _installed(top: str) -> tuple[Path, ...]:
    """The folder that an installed package lies in, found without importing it."""
    spec = importlib.machinery.PathFinder.find_spec(top)
    return tuple(Path(location).parent for location in (spec.submodule_search_locations or [])) if spec else ()
