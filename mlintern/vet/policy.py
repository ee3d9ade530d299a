"""The linter of a pack's Python: determinism, code that a human can review, and early messages.

The file is parsed and never run. The linter is hygiene and no boundary: what it lets through runs in the sandbox (see
`mlintern.sandbox`). It is there so that a refusal names a line and a fix, so that code which passes draws no hidden
randomness and keeps no state that all models share, and so that importing it takes no time.
"""

import ast
import re
from collections.abc import Collection
from pathlib import Path

from mlintern.vet import rules, text
from mlintern.vet.constants import TooLarge, fold
from mlintern.vet.names import OWN, Names
from mlintern.vet.refusal import Refusal
from mlintern.vet.rules import Kind
from mlintern.vet.shared import PATCH, Shared

MOST_NODES = 20_000
LONGEST_STRING = 2_000
LONGEST_BYTES = 256
MOST_AT_IMPORT = 1_000_000
"""Rounds of a loop, and elements of what is made, while a file is imported."""
_NAME = re.compile("[A-Za-z0-9_.*αβγδεζηθλμξπρστφχψωΓΔΘΛΞΠΣΦΨΩ]*")
_HIDDEN = re.compile("|".join(sorted(name for name in rules.ATTRIBUTES if name.startswith("__"))))
_CUDA = re.compile(r"cuda(:\d+)?")


def check_source(
    path: Path,
    kind: Kind,
    *,
    generators: Collection[str] = (),
    package: str | None = None,
    name: str | None = None,
) -> list[Refusal]:
    """Every reason not to run this file; an empty list means that it passes.

    `kind` is `generator` for code that builds a dataset, `model` for all else; `generators` names top-level classes and
    functions of a `model` file that build datasets. `package` is the dotted package of the file's folder, for absolute
    imports of its siblings; `name` is what refusals call the file.
    """
    shown = name or str(path)
    source, refusals = text.read(path, shown)
    if refusals:
        return refusals
    try:
        tree = ast.parse(source)
        if (size := sum(1 for _ in ast.walk(tree))) > MOST_NODES:
            return [Refusal(shown, 1, "size", f"{size:,} syntax nodes, over {MOST_NODES:,}; split the file")]
        linter = _Linter(tree, shown, Names(path, package), kind, frozenset(generators))
        refusals = linter.lint(tree)
    except SyntaxError as error:
        refusals = [Refusal(shown, error.lineno or 1, "syntax", f"is not Python: {error.msg}; mend the line")]
    except (RecursionError, MemoryError, ValueError):
        refusals = [Refusal(shown, 1, "syntax", "is nested too deeply to be read; flatten it")]
    return sorted(set(refusals), key=lambda refusal: (refusal.line, refusal.rule, refusal.message))


class _Linter:
    """One pass over a file's syntax tree."""

    def __init__(self, tree: ast.Module, shown: str, names: Names, kind: Kind, generators: frozenset[str]):
        self._refusals: list[Refusal] = []
        self._shown, self._names, self._kind, self._generators = shown, names, kind, generators
        self._shared = Shared(tree, names)
        self._constants: dict[str, float | None] = {}
        self._worked_out: set[ast.AST] = set()
        self._docstrings = {n.value for n in ast.walk(tree) if isinstance(n, ast.Expr)}

    def lint(self, tree: ast.Module) -> list[Refusal]:
        """What is refused, in no order."""
        for node in ast.walk(tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for rule, problem in self._names.add(node):
                    self._refuse(node, rule, problem)
            self._spelling(node)
        for statement in tree.body:
            before = self._kind
            self._kind = "generator" if getattr(statement, "name", None) in self._generators else before
            self._visit(statement)
            self._kind = before
        return self._refusals

    def _refuse(self, node: ast.AST, rule: str, message: str) -> None:
        self._refusals.append(Refusal(self._shown, getattr(node, "lineno", 1), rule, message))

    def _spelling(self, node: ast.AST) -> None:
        """Names of all kinds, wherever they stand."""
        for field, value in ast.iter_fields(node):
            if not isinstance(value, str) or isinstance(node, ast.Constant):
                continue
            if not _NAME.fullmatch(value):
                self._refuse(node, "identifier", f"the name {value!r} could look like another; use plain letters")
            if value in rules.BUILTINS and (field in ("id", "asname") or isinstance(node, ast.arg)):
                self._refuse(node, "builtin", f"{value} {rules.BUILTINS[value]}")
            if value in rules.ATTRIBUTES and field in ("id", "attr"):
                self._refuse(node, "attribute", f"{value} {rules.INTERPRETER}")

    # ---- walking ----

    def _visit(self, node: ast.AST) -> None:
        handler = getattr(self, f"_on_{type(node).__name__}", None)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            annotations = [a.annotation for a in ast.walk(node.args) if isinstance(a, ast.arg)]
            outside = [*getattr(node, "decorator_list", []), *annotations, getattr(node, "returns", None)]
            for outer in [*outside, *node.args.defaults, *node.args.kw_defaults]:
                if outer is not None:
                    self._visit(outer)
            with self._shared.function(node):
                for statement in node.body if isinstance(node.body, list) else [node.body]:
                    self._visit(statement)
        elif handler is None or handler(node) is None:  # a handler that has seen to what stands below says True
            for child in ast.iter_child_nodes(node):
                self._visit(child)

    def _on_ClassDef(self, node: ast.ClassDef) -> bool:
        with self._shared.class_body(node):
            for child in ast.iter_child_nodes(node):
                self._visit(child)
        return True

    def _on_While(self, node: ast.While) -> None:
        if self._shared.at_import:
            self._refuse(node, "import-time", "a loop without end in sight runs at import; move it into a function")

    def _on_Global(self, node: ast.Global) -> None:
        if (why := self._shared.rebinding()) is not None:
            self._refuse(node, "shared-state", f"`global {', '.join(node.names)}` {why}")

    def _on_Assign(self, node: ast.Assign) -> None:
        self._shared.assign(node)
        if self._shared.at_import:
            for name in (target.id for target in node.targets if isinstance(target, ast.Name)):
                self._constants[name] = self._fold(node.value)
                if (dotted := self._library(node.value)) is not None:
                    self._names.stand_for[name] = dotted

    def _on_Subscript(self, node: ast.Subscript) -> None:
        if not isinstance(node.ctx, ast.Load):
            self._change(node)

    def _on_Attribute(self, node: ast.Attribute) -> bool | None:
        if not isinstance(node.ctx, ast.Load):
            self._change(node)
        return self._on_Name(node)

    def _on_Name(self, node: ast.Name | ast.Attribute) -> bool | None:
        """A name of a library, once for the whole of `a.b.c`."""
        if (dotted := self._library(node)) is None:
            return None
        if (found := rules.name_problem(dotted, self._kind)) is not None:
            self._refuse(node, *found)
        return True

    def _library(self, node: ast.AST) -> str | None:
        dotted = self._names.dotted(node)
        return None if dotted is None or dotted.startswith(OWN) or self._shared.hides(node) else dotted

    def _change(self, node: ast.Attribute | ast.Subscript) -> None:
        if (why := self._shared.changing(node)) is not None:
            self._refuse(node, "patch" if why is PATCH else "shared-state", f"{ast.unparse(node)[:60]} {why}")

    # ---- constants and calls ----

    def _on_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str) and node not in self._docstrings:
            if match := _HIDDEN.search(node.value):
                self._refuse(node, "attribute", f"a string holds {match[0]}, which {rules.INTERPRETER}")
            if len(node.value) > LONGEST_STRING:
                self._refuse(node, "opaque", f"a string of {len(node.value):,} characters; code holds no data")
        elif isinstance(node.value, bytes) and len(node.value) > LONGEST_BYTES:
            self._refuse(node, "opaque", f"{len(node.value)} bytes in a literal; code holds no data")

    def _on_BinOp(self, node: ast.BinOp) -> None:
        if node not in self._worked_out:
            self._worked_out.update(n for n in ast.walk(node) if isinstance(n, ast.BinOp))
            self._fold(node)

    def _fold(self, node: ast.expr) -> float | None:
        try:
            return fold(node, self._constants)
        except TooLarge:
            message = f"{ast.unparse(node)[:60]} has too many digits or elements; write a smaller one"
            self._refuse(node, "huge", message)
            return None

    def _on_Call(self, node: ast.Call) -> None:
        function, dotted = node.func, self._library(node.func) or ""
        called = function.id if isinstance(function, ast.Name) else ""
        first = node.args[0] if node.args else None
        if called in ("getattr", "setattr", "delattr", "hasattr") and len(node.args) > 1:
            self._reflection(node, called)
        if isinstance(function, ast.Attribute) and not dotted:
            if function.attr in rules.METHODS:
                self._refuse(node, "method", f".{function.attr} {rules.METHODS[function.attr]}")
            if function.attr == "to" and isinstance(first, ast.Constant) and _CUDA.fullmatch(str(first.value)):
                self._refuse(node, "method", f".to({first.value!r}) {rules.METHODS['cuda']}")
            if function.attr in rules.MUTATORS and (why := self._shared.changing(function)) is not None:
                self._refuse(node, "shared-state", f"{ast.unparse(function)[:60]} {why}")
        if rules.UNSEEDED.fullmatch(dotted) and not node.keywords:
            if first is None or (isinstance(first, ast.Constant) and first.value is None):
                self._refuse(node, "random", f"{dotted}() differs from run to run; give it a seed")
        if dotted.startswith("timm.") and any(k.arg == "pretrained" and _is_true(k.value) for k in node.keywords):
            self._refuse(node, "network", f"pretrained=True {rules.NETWORK}")
        if called == "pow":
            self._fold(node)
        if self._shared.at_import:
            self._import_time(node, called, dotted)

    def _import_time(self, node: ast.Call, called: str, dotted: str) -> None:
        """Calls that run when the file is imported: of libraries, decorators, and what makes a constant."""
        shown = f"{ast.unparse(node.func)[:60]}(…)"
        sizes = [self._fold(given) for given in [*node.args, *(keyword.value for keyword in node.keywords)]]
        if isinstance(node.func, ast.Lambda) or self._shared.runs_own_code(called):
            self._refuse(node, "import-time", f"{shown} would run at import; call it in __init__")
        elif rules.DRAWS.fullmatch(dotted):
            self._refuse(
                node, "import-time", f"{shown} draws at import, before anything is seeded; call it in __init__"
            )
        elif (rules.ENDLESS.fullmatch(dotted) and len(node.args) < 2) or (called == "iter" and len(node.args) == 2):
            self._refuse(node, "import-time", f"{shown} has no end in sight at import; move it into a function")
        elif any(size is not None and MOST_AT_IMPORT < abs(size) < float("inf") for size in sizes):
            if not rules.NO_SIZE.fullmatch(dotted or called):
                message = f"{shown} makes or counts over {MOST_AT_IMPORT:,} at import; move it into a function"
                self._refuse(node, "import-time", message)

    def _reflection(self, node: ast.Call, called: str) -> None:
        target, attribute = node.args[:2]
        if isinstance(attribute, (ast.BinOp, ast.Call)):
            self._refuse(node, "reflection", f"{called} with a name put together; choose from a dict of what is meant")
        name = attribute.value if isinstance(attribute, ast.Constant) else "…"
        spelled = ast.copy_location(ast.Attribute(value=target, attr=str(name), ctx=ast.Load()), node)
        if name != "…":
            self._spelling(spelled)
            self._on_Name(spelled)
        if name in rules.METHODS:
            self._refuse(node, "method", f".{name} {rules.METHODS[name]}")
        if called in ("setattr", "delattr"):
            self._change(spelled)


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True
