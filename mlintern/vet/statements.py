"""What may run while a file is imported: definitions and constants, nothing else."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from mlintern.vet import allowlist
from mlintern.vet.imports import Imports

Refuse = Callable[[ast.AST, str, str], None]
_MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_ENUM_HOOKS = ("__init__", "_generate_next_value_", "_missing_")


class ImportTime:
    """Checks a module's top level and the bodies of its classes."""

    def __init__(self, imports: Imports, refuse: Refuse):
        self._imports = imports
        self._refuse = refuse

    def check(self, tree: ast.Module) -> None:
        for statement in tree.body:
            self._statement(statement, in_class=False)
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.Lambda)):
                self._defaults(node.args)
            if isinstance(node, ast.FunctionDef):
                for decorator in node.decorator_list:
                    self._decorator(decorator)
                for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
                    self._no_calls(argument.annotation)
                self._no_calls(node.returns)

    def _statement(self, node: ast.stmt, *, in_class: bool) -> None:
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.Pass)):
            return
        if isinstance(node, ast.ClassDef):
            self._class(node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            self._assignment(node, in_class=in_class)
        elif not self._is_harmless(node):
            where = "a class body" if in_class else "the top level"
            self._refuse(
                node, "import-time", f"{where} holds definitions and constants only; move this into a function"
            )

    def _is_harmless(self, node: ast.stmt) -> bool:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return True  # documentation
        return type(node).__name__ == "TypeAlias" or (isinstance(node, ast.If) and self._is_type_checking(node))

    def _is_type_checking(self, node: ast.If) -> bool:
        test = node.test
        named = isinstance(test, ast.Name) and self._imports.names.get(test.id) == "typing.TYPE_CHECKING"
        return named and not node.orelse and all(isinstance(inner, (ast.Import, ast.ImportFrom)) for inner in node.body)

    def _assignment(self, node: ast.Assign | ast.AnnAssign, *, in_class: bool) -> None:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [name for target in targets for name in (target.elts if isinstance(target, ast.Tuple) else [target])]
        if not all(isinstance(name, ast.Name) for name in names):
            self._refuse(node, "import-time", "only plain names are assigned at import")
        if isinstance(node, ast.AnnAssign):
            self._no_calls(node.annotation)
        if node.value is not None:
            self._constant(node.value)
            if in_class and isinstance(node.value, _MUTABLE):
                self._refuse(
                    node,
                    "shared-state",
                    "a mutable class attribute is shared by all models; use a tuple or set it on self",
                )

    def _class(self, node: ast.ClassDef) -> None:
        for base in node.bases:
            self._constant(base)
        for keyword in node.keywords:
            if keyword.arg == "metaclass" and self._name(keyword.value) == "abc.ABCMeta":
                continue
            if keyword.arg == "total" and isinstance(keyword.value, ast.Constant):
                continue
            self._refuse(keyword.value, "import-time", f"the class keyword {keyword.arg} runs code at import")
        for decorator in node.decorator_list:
            self._decorator(decorator)
        is_enum = any((self._name(base) or "").startswith("enum.") for base in node.bases)
        for statement in node.body:
            self._statement(statement, in_class=True)
            if is_enum and isinstance(statement, ast.FunctionDef) and statement.name in _ENUM_HOOKS:
                self._refuse(statement, "import-time", f"{statement.name} of an enumeration runs at import")

    def _decorator(self, node: ast.expr) -> None:
        call = node.func if isinstance(node, ast.Call) else node
        name = self._name(call)
        if name in allowlist.DECORATORS:
            return
        if isinstance(node, ast.Name) and node.id in allowlist.BUILTIN_DECORATORS:
            return
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in ("setter", "getter"):
            return
        self._refuse(node, "decorator", f"the decorator {ast.unparse(call)} is not allowed in a pack")

    def _defaults(self, arguments: ast.arguments) -> None:
        for default in [*arguments.defaults, *arguments.kw_defaults]:
            if default is None:
                continue
            self._constant(default)
            if isinstance(default, _MUTABLE):
                self._refuse(default, "shared-state", "a mutable default is shared by all calls; use None or a tuple")

    def _constant(self, node: ast.expr) -> None:
        """Refuses calls that would run at import, except of what builds plain constants."""
        for call in _calls_run_with(node):
            name = self._name(call.func)
            builtin = isinstance(call.func, ast.Name) and call.func.id in allowlist.CONSTANT_CALLS and name is None
            if not (builtin or name in allowlist.CONSTANT_CALL_NAMES or (name or "").startswith("math.")):
                self._refuse(
                    call, "import-time", f"{ast.unparse(call.func)[:60]}(…) would run at import; call it in __init__"
                )

    def _no_calls(self, annotation: ast.expr | None) -> None:
        if annotation is not None:
            for call in _calls_run_with(annotation):
                self._refuse(call, "import-time", "an annotation calls something; annotate with types")

    def _name(self, node: ast.expr) -> str | None:
        """The dotted library name of an expression, or None."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
            node = node.value
        if isinstance(node, ast.Subscript):
            return self._name(node.value)
        if not isinstance(node, ast.Name):
            return None
        root = self._imports.modules.get(node.id) or self._imports.names.get(node.id)
        return ".".join([root, *parts]) if root else None


def _calls_run_with(node: ast.AST) -> Iterator[ast.Call]:
    """Calls that run when the expression is evaluated; the body of a lambda does not."""
    if isinstance(node, ast.Call):
        yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.Lambda) and child is node.body:
            continue
        yield from _calls_run_with(child)
