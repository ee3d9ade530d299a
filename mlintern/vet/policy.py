"""The static policy for a pack's Python: what may stand in a file that nobody has read yet.

Everything is an allowlist where it can be: modules and their names, decorators, built-ins, statements that run at
import. The file is parsed and never run. The policy is no sandbox (see `mlintern.sandbox`); it is there so that a
refusal names a line, and so that code which passes draws no hidden randomness and keeps no hidden state.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Collection
from pathlib import Path

from mlintern.vet import allowlist, syntax, text
from mlintern.vet.allowlist import Kind
from mlintern.vet.imports import Imports
from mlintern.vet.refusal import Refusal
from mlintern.vet.statements import ImportTime

MOST_NODES = 20_000
LONGEST_STRING = 2_000
LONGEST_BYTES = 64
_DUNDER = re.compile(r"__[A-Za-z]\w*__")
_DEVICE = re.compile(r"(cuda|mps|xpu|npu|hpu)(:\d+)?")
_FORBIDDEN_BUILTINS = frozenset(dir(builtins)) - allowlist.BUILTINS
_ASYNC = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
_SHARED = "is shared by every model and by training and evaluation; keep state on self"


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
    try:
        content = path.read_bytes()
    except OSError as error:
        return [Refusal(shown, 1, "file", f"cannot be read: {error.strerror}")]
    source, refusals = text.decode(content, shown)
    if refusals:
        return refusals
    try:
        tree = ast.parse(source)
        refusals += text.tokens(source, shown)
        size = sum(1 for _ in ast.walk(tree))
        if size > MOST_NODES:
            return [*refusals, Refusal(shown, 1, "size", f"{size:,} syntax nodes, over {MOST_NODES:,}; split the file")]
        imports = Imports("generator" if generators else kind, path, package)
        checker = _Checker(tree, shown, imports, kind, frozenset(generators))
        refusals += checker.run()
    except SyntaxError as error:
        refusals.append(Refusal(shown, error.lineno or 1, "syntax", f"is not Python: {error.msg}"))
    except (RecursionError, MemoryError, ValueError):
        refusals.append(Refusal(shown, 1, "syntax", "is nested too deeply to be read; flatten it"))
    return sorted(set(refusals), key=lambda refusal: (refusal.line, refusal.rule, refusal.message))


class _Checker:
    """One pass over a file's syntax tree."""

    def __init__(self, tree: ast.Module, name: str, imports: Imports, kind: Kind, generators: frozenset[str]):
        self._tree, self._name, self._imports, self._kind = tree, name, imports, kind
        self._generators = generators
        self._refusals: list[Refusal] = []
        self._scopes: list[set[str]] = []
        self._aliases: list[set[str]] = []
        """Per function: local names that stand for something shared."""
        self._top = syntax.bound_by(tree.body)
        self._own_private = syntax.own_private_names(tree)
        self._docstrings = set(syntax.docstrings(tree))

    def run(self) -> list[Refusal]:
        for node in ast.walk(self._tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                for problem in self._imports.add(node):
                    self._refuse(node, "import", problem)
        ImportTime(self._imports, self._refuse).check(self._tree)
        self._visit(self._tree)
        return self._refusals

    def _refuse(self, node: ast.AST, rule: str, message: str) -> None:
        self._refusals.append(Refusal(self._name, getattr(node, "lineno", 1), rule, message))

    # ---- walking ----

    def _visit(self, node: ast.AST) -> None:
        handler = getattr(self, f"_on_{type(node).__name__}", None)
        if isinstance(node, _ASYNC):
            self._refuse(node, "syntax", "asynchronous code is not allowed in a pack")
        elif isinstance(node, syntax.COMPREHENSIONS):
            self._in_scope({n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}, node)
        elif handler is not None:
            handler(node)
        else:
            self._children(node)

    def _children(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            self._visit(child)

    def _on_Module(self, node: ast.Module) -> None:
        outside = self._kind
        for statement in node.body:
            builds_data = isinstance(statement, (ast.ClassDef, ast.FunctionDef)) and statement.name in self._generators
            self._kind = "generator" if builds_data else outside
            self._visit(statement)
        self._kind = outside

    def _in_scope(self, bound: set[str], *nodes: ast.AST) -> None:
        self._scopes.append(bound)
        self._aliases.append(set())
        for node in nodes:
            self._children(node)
        self._scopes.pop()
        self._aliases.pop()

    def _is_local(self, name: str) -> bool:
        return any(name in scope for scope in self._scopes)

    def _is_shared(self, name: str) -> bool:
        """Does the name stand for something that the whole file shares: a global, a class, or an alias of one?"""
        if any(name in aliases for aliases in self._aliases):
            return True
        return name == "cls" or (name in self._top and not self._is_local(name))

    # ---- statements ----

    def _on_FunctionDef(self, node: ast.FunctionDef) -> None:
        if _DUNDER.fullmatch(node.name) and node.name not in allowlist.DUNDER_METHODS:
            self._refuse(
                node, "dunder", f"defining {node.name} is not allowed: it changes how Python treats the object"
            )
        for default in [*node.args.defaults, *node.args.kw_defaults, *node.decorator_list]:
            if default is not None:
                self._visit(default)
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        names = {argument.arg for argument in every if argument is not None}
        for argument in every:
            if argument is not None and argument.annotation is not None:
                self._visit(argument.annotation)
        if node.returns is not None:
            self._visit(node.returns)
        self._scopes.append(names | syntax.bound_by(node.body))
        self._aliases.append(set())
        for statement in node.body:
            self._visit(statement)
        self._scopes.pop()
        self._aliases.pop()

    def _on_Lambda(self, node: ast.Lambda) -> None:
        arguments = node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        self._in_scope({argument.arg for argument in every if argument is not None}, node)

    def _on_ClassDef(self, node: ast.ClassDef) -> None:
        if _DUNDER.fullmatch(node.name):
            self._refuse(node, "dunder", f"the class name {node.name} is reserved")
        self._children(node)

    def _on_Global(self, node: ast.Global) -> None:
        self._refuse(node, "shared-state", f"`global {', '.join(node.names)}` {_SHARED}")

    def _on_Nonlocal(self, node: ast.Nonlocal) -> None:
        self._refuse(
            node, "shared-state", f"`nonlocal {', '.join(node.names)}` hides state in a closure; keep it on self"
        )

    def _on_Assign(self, node: ast.Assign) -> None:
        self._children(node)
        if self._aliases and syntax.chain_root(node.value) and self._is_shared(syntax.chain_root(node.value) or ""):
            if not isinstance(node.value, ast.Name) or not isinstance(node.value.ctx, ast.Store):
                self._aliases[-1].update(target.id for target in node.targets if isinstance(target, ast.Name))

    def _on_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type is None:
            self._refuse(node, "syntax", "a bare `except:` also swallows the end of the process; name the exception")
        self._children(node)

    def _on_MatchClass(self, node: ast.MatchClass) -> None:
        for attribute in node.kwd_attrs:
            self._check_attribute(node, attribute, base=None)
        self._children(node)

    def _on_keyword(self, node: ast.keyword) -> None:
        if node.arg and _DUNDER.search(node.arg):
            self._refuse(node.value, "dunder", f"the keyword {node.arg} is not allowed")
        self._children(node)

    # ---- expressions ----

    def _on_Constant(self, node: ast.Constant) -> None:
        if id(node) in self._docstrings:
            return
        if isinstance(node.value, str):
            if match := _DUNDER.search(node.value):
                self._refuse(node, "dunder", f"a string holds {match[0]}; nothing harmless needs that")
            if len(node.value) > LONGEST_STRING:
                self._refuse(node, "opaque", f"a string of {len(node.value):,} characters; code holds no data")
            if _DEVICE.fullmatch(node.value):
                self._refuse(node, "device", f"{node.value!r} names a device; use the device of the input")
        elif isinstance(node.value, bytes) and len(node.value) > LONGEST_BYTES:
            self._refuse(node, "opaque", f"{len(node.value)} bytes in a literal; code holds no data")

    def _on_Name(self, node: ast.Name) -> None:
        name = node.id
        if name in self._imports.modules:
            what = "is rebound" if not isinstance(node.ctx, ast.Load) else "is used as a value"
            self._refuse(node, "module", f"the module {name} {what}; write {name}.<name> where it is needed")
        elif _DUNDER.fullmatch(name):
            if not (isinstance(node.ctx, ast.Store) and name in allowlist.MODULE_DUNDERS):
                self._refuse(node, "dunder", f"the name {name} is not allowed")
        elif name in self._imports.names and isinstance(node.ctx, ast.Load) and not self._is_local(name):
            module, _, last = self._imports.names[name].rpartition(".")
            if module in allowlist.modules("generator") and not self._imports.allows(module, last, self._kind):
                self._refuse(node, "name", f"{module}.{last} is for dataset generators only")
        elif isinstance(node.ctx, ast.Load) and not self._is_local(name) and name not in self._top:
            if name in _FORBIDDEN_BUILTINS:
                self._refuse(node, "builtin", _why_not_builtin(name))

    def _on_Compare(self, node: ast.Compare) -> None:
        for part in (node.left, *node.comparators):
            if not (isinstance(part, ast.Constant) and isinstance(part.value, str) and _DEVICE.fullmatch(part.value)):
                self._visit(part)

    def _on_Attribute(self, node: ast.Attribute) -> None:
        attributes, root = syntax.unwind(node)
        if isinstance(root, ast.Name) and root.id in self._imports.modules:
            self._check_library_chain(node, root.id, attributes)
            return
        base: ast.expr = root
        for attribute in attributes:
            self._check_attribute(node, attribute, base)
            base = node  # past the first step the value is no longer self
        self._visit(root)
        if not isinstance(node.ctx, ast.Load):
            self._check_attribute_change(node)

    def _check_library_chain(self, node: ast.Attribute, alias: str, attributes: list[str]) -> None:
        dotted = ".".join([self._imports.modules[alias], *attributes])
        module, rest = self._imports.resolve(dotted)
        if not rest:
            self._refuse(node, "module", f"the module {dotted} is used as a value; write {dotted}.<name>")
        elif not self._imports.allows(module, rest[0], self._kind):
            self._refuse(node, "name", f"{module}.{rest[0]} is not among the names that a pack may use")
        else:
            for attribute in rest[1:]:
                self._check_attribute(node, attribute, base=node)
        if not isinstance(node.ctx, ast.Load):
            self._refuse(node, "patch", f"{dotted} is changed; a pack does not patch libraries")

    def _check_attribute(self, node: ast.AST, attribute: str, base: ast.expr | None) -> None:
        if _DUNDER.fullmatch(attribute) or attribute.startswith("__"):
            if attribute not in allowlist.DUNDER_ATTRIBUTES:
                self._refuse(node, "dunder", f"the attribute {attribute} is not allowed")
        elif attribute in allowlist.FORBIDDEN_ATTRIBUTES:
            self._refuse(node, "attribute", f".{attribute} {allowlist.FORBIDDEN_ATTRIBUTES[attribute]}")
        elif attribute in allowlist.RANDOM_ATTRIBUTES and self._kind == "model":
            self._refuse(node, "random", f".{attribute} handles a random stream; the engine seeds everything")
        elif attribute.startswith("_") and not syntax.is_own(base) and attribute not in self._own_private:
            self._refuse(node, "attribute", f"the private attribute {attribute} of another object is not allowed")

    def _check_attribute_change(self, node: ast.Attribute) -> None:
        base, root = node.value, syntax.chain_root(node.value)
        if root is not None and self._is_shared(root):
            self._refuse(node, "shared-state", f"{root}.{node.attr} {_SHARED}")
        elif isinstance(base, ast.Name) and base.id in ("self", "ctx"):
            if node.attr in allowlist.MODULE_METHODS:
                self._refuse(node, "patch", f"self.{node.attr} is replaced; define the method instead")
        elif root is None or not (node.attr in allowlist.INSTANCE_ATTRIBUTES or self._kind == "generator"):
            self._refuse(node, "patch", f"the attribute {node.attr} of another object is changed")

    def _on_Subscript(self, node: ast.Subscript) -> None:
        self._children(node)
        root = syntax.chain_root(node.value)
        if not isinstance(node.ctx, ast.Load) and root is not None and self._is_shared(root):
            self._refuse(node, "shared-state", f"an item of {root} is changed: it {_SHARED}")
        if not isinstance(node.ctx, ast.Load) and syntax.starts_at_type_call(node.value):
            self._refuse(node, "shared-state", f"an item of a class attribute is changed: it {_SHARED}")

    # ---- calls ----

    def _on_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Name) and not self._is_local(function.id) and function.id not in self._top:
            if function.id in ("getattr", "hasattr", "setattr", "type"):
                self._check_reflection(node, function.id)
                for argument in [*node.args, *node.keywords]:
                    self._visit_reflected(argument, node)
                return
        if isinstance(function, ast.Attribute):
            root = syntax.chain_root(function.value)
            library = self._library_name(function) is not None  # np.sort is a function, and changes nothing of np
            if function.attr in allowlist.MUTATORS and root is not None and self._is_shared(root) and not library:
                self._refuse(node, "shared-state", f"{root} is changed by .{function.attr}: it {_SHARED}")
            if function.attr in allowlist.MUTATORS and syntax.starts_at_type_call(function.value):
                self._refuse(node, "shared-state", f"a class attribute is changed by .{function.attr}: it {_SHARED}")
            if function.attr == "format" and not isinstance(function.value, ast.Constant):
                self._refuse(node, "attribute", "a computed string is formatted; use an f-string")
        if self._kind == "model" and self._library_name(function) == "torch.Generator":
            self._refuse(node, "random", "makes a random stream of its own; take the generator that the engine gives")
        self._children(node)

    def _visit_reflected(self, argument: ast.AST, call: ast.Call) -> None:
        chain = syntax.dotted(argument)
        if argument is call.args[0] and chain and chain.split(".")[0] in self._imports.modules:
            return  # checked together with the literal name
        self._visit(argument)

    def _check_reflection(self, node: ast.Call, function: str) -> None:
        if function == "type":
            if len(node.args) != 1 or node.keywords:
                self._refuse(node, "builtin", "type() with three arguments builds a class; write a class statement")
            return
        if len(node.args) < 2 or node.keywords:
            self._refuse(node, "reflection", f"{function} needs an object and a literal name")
            return
        target, attribute = node.args[:2]
        if function == "setattr":
            literal = syntax.leading_literal(attribute)
            if not (isinstance(target, ast.Name) and target.id == "self" and literal and literal[0].isalpha()):
                self._refuse(node, "reflection", "setattr is allowed on self with a literal name only; use ModuleList")
            elif literal in allowlist.MODULE_METHODS:
                self._refuse(node, "patch", f"self.{literal} is replaced; define the method instead")
            return
        if not (isinstance(attribute, ast.Constant) and isinstance(attribute.value, str)):
            self._refuse(node, "reflection", f"{function} with a computed name; choose from a dict of what is meant")
            return
        chain = syntax.dotted(target)
        if chain and chain.split(".")[0] in self._imports.modules:
            alias, *rest = chain.split(".")
            synthetic = ast.copy_location(ast.Attribute(value=target, attr=attribute.value, ctx=ast.Load()), node)
            self._check_library_chain(synthetic, alias, [*rest, attribute.value])
        else:
            self._check_attribute(node, attribute.value, base=target)

    def _library_name(self, node: ast.expr) -> str | None:
        chain = syntax.dotted(node)
        if chain is None:
            return None
        root, _, rest = chain.partition(".")
        if root in self._imports.modules:
            return f"{self._imports.modules[root]}.{rest}"
        return self._imports.names.get(root) if not rest else None


def _why_not_builtin(name: str) -> str:
    if name == "print":
        return "print is not allowed: standard output carries the worker's protocol; remove it"
    if name in ("hash", "id"):
        return f"{name} differs from run to run; use a value of your own"
    if name in ("getattr", "hasattr", "setattr", "type"):
        return f"{name} is passed as a value; call it with a literal name"
    return f"the built-in {name} is not allowed in a pack"
