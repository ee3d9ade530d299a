"""State that outlives a call: globals of the file, attributes of its classes, mutable defaults, and libraries.

Such state is shared by every model, and by training and evaluation, so that a number would hang on what ran before. It
may be built while the file is imported, by a registering decorator or by `__init_subclass__`; no other code changes it.
"""

import ast
import contextlib
from collections.abc import Iterator

from mlintern.vet.names import OWN, Names

SHARED = "is shared by every model and by training and evaluation; keep state on self"
PATCH = "is a library's, and a pack patches none; subclass it"
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_MUTABLE = (ast.List, ast.Dict, ast.Set, *_COMPREHENSIONS)
_CONSTRUCTORS = ("__init__", "__new__", "__post_init__")
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Shared:
    """What is shared, and where in the file one is."""

    def __init__(self, tree: ast.Module, names: Names):
        self._names = names
        self._top = _bound(tree.body)
        self._classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        used = [d for node in ast.walk(tree) for d in getattr(node, "decorator_list", [])]
        called = [d.func if isinstance(d, ast.Call) else d for d in used]
        self._registrars = {getattr(d, "attr", getattr(d, "id", "")) for d in called}
        self._registrars |= {"__init_subclass__", "__set_name__"}
        self._own: list[set[str]] = []
        """Per function, from the outermost: the names that it binds."""
        self._outlive: list[set[str]] = []
        """Per function: own names that stand for what outlives the call."""
        self._free = 0
        """Functions around this place, this one included, that may change what is shared."""
        self._class_wide: set[str] = set()

    @property
    def at_import(self) -> bool:
        """Does this place run when the file is imported?"""
        return not self._own

    @contextlib.contextmanager
    def function(self, node: Function) -> Iterator[None]:
        """Inside the body of a function."""
        given = [*node.args.posonlyargs, *node.args.args]
        last, others = node.args.defaults, node.args.kwonlyargs
        defaults = dict(zip([*given[len(given) - len(last) :], *others], [*last, *node.args.kw_defaults], strict=True))
        names = {argument.arg for argument in ast.walk(node.args) if isinstance(argument, ast.arg)}
        outlive = {argument.arg for argument, default in defaults.items() if isinstance(default, _MUTABLE)}
        if any(isinstance(d, ast.Name) and d.id == "classmethod" for d in getattr(node, "decorator_list", [])):
            outlive |= {given[0].arg} if given else set()
        bound = _bound(node.body if isinstance(node.body, list) else [node.body])
        self._own.append(names | bound - self._names.stand_for.keys())
        self._outlive.append(outlive)
        free = bool(self._free or getattr(node, "name", "") in self._registrars)
        self._free += free
        yield
        self._free -= free
        self._own.pop()
        self._outlive.pop()

    @contextlib.contextmanager
    def class_body(self, node: ast.ClassDef) -> Iterator[None]:
        """Inside a class: its mutable attributes that no method sets on self are shared."""
        before = self._class_wide
        wide = {t for s in node.body if isinstance(s, ast.Assign) and isinstance(s.value, _MUTABLE) for t in _plain(s)}
        stored = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
        self._class_wide = wide - stored
        yield
        self._class_wide = before

    def assign(self, node: ast.Assign) -> None:
        """An own name for something shared is shared."""
        if self._own and not isinstance(node.value, ast.Call) and self._changes(node.value):
            self._outlive[-1].update(_plain(node))

    def rebinding(self) -> str | None:
        """Why a function may not rebind globals here, or None."""
        return None if self._free else SHARED

    def changing(self, node: ast.Attribute | ast.Subscript) -> str | None:
        """Why what `a.b[c]` is a part of may not be changed here, or None."""
        root, _ = _root(node)
        if not (self._names.dotted(root) or OWN).startswith(OWN) and not self.hides(root):
            return PATCH
        return SHARED if self._changes(node.value) else None

    def hides(self, node: ast.AST) -> bool:
        """Does a name of a function's own stand before the import of the same name?"""
        root, _ = _root(node)
        name = root.id if isinstance(root, ast.Name) else ""
        return any(name in own for own in self._own)

    def runs_own_code(self, called: str) -> bool:
        """Would a call of this name run code of the file? Decorators and classes without a constructor aside."""
        if called in self._classes:
            return any(getattr(inner, "name", "") in _CONSTRUCTORS for inner in self._classes[called].body)
        return called in self._top - self._names.stand_for.keys() - self._registrars

    def _changes(self, node: ast.expr) -> bool:
        """Is this the file's, a class's or a default's, so that changing it changes what is shared?"""
        if self.at_import or self._free:
            return False
        root, first = _root(node)
        if first == "__class__" or (isinstance(root, ast.Call) and getattr(root.func, "id", "") == "type"):
            return True
        if not isinstance(root, ast.Name):
            return False
        if any(root.id in names for names in self._outlive) or (root.id == "self" and first in self._class_wide):
            return True
        library = not self._names.stand_for.get(root.id, OWN).startswith(OWN)
        return root.id in self._top and not library and not any(root.id in own for own in self._own)


def _root(node: ast.AST) -> tuple[ast.AST, str]:
    """(what `a.b[c]` starts with, the first attribute of it)."""
    first = ""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        first = node.attr if isinstance(node, ast.Attribute) else first
        node = node.value
    return node, first


def _plain(node: ast.Assign) -> set[str]:
    return {target.id for target in node.targets if isinstance(target, ast.Name)}


def _bound(body: list[ast.stmt] | list[ast.expr]) -> set[str]:
    """Names that a block binds; those of nested functions and classes aside."""
    bound: set[str] = set()
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif not isinstance(node, ast.Lambda):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                bound.add(node.id)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                bound.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
            elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
                bound.add(node.name)
            waiting.extend(ast.iter_child_nodes(node))
    return bound
