"""Which modules a pack's code may import, and which of their names it may use.

An allowlist of names, not of modules: `torch.os`, `torch.load` and `functools.sys` are all a dot away from something
harmless. The names stand in `allowed_names.json`; what is missing there is refused, whatever a later release adds.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Literal

Kind = Literal["model", "generator"]
"""`generator` builds a dataset once and may use numpy's random streams, scipy and scikit-learn; all else is `model`."""

PROTOCOLS = "mlintern.engine.protocols"


@functools.cache
def modules(kind: Kind) -> dict[str, frozenset[str]]:
    """{module: names that may be used}, for this kind of code."""
    listed = json.loads(Path(__file__).with_name("allowed_names.json").read_text(encoding="utf-8"))
    merged = {module: frozenset(names) for module, names in listed["any"].items()}
    if kind == "generator":
        for module, names in listed["generator"].items():
            merged[module] = merged.get(module, frozenset()) | frozenset(names)
    return merged


@functools.cache
def parents(kind: Kind) -> frozenset[str]:
    """Modules and packages that may stand at the beginning of a dotted name."""
    found: set[str] = set()
    for module in modules(kind):
        parts = module.split(".")
        found.update(".".join(parts[:count]) for count in range(1, len(parts) + 1))
    return frozenset(found)


BUILTINS = frozenset(
    """abs all any bool bytes callable complex dict divmod enumerate filter float format frozenset int isinstance
    issubclass iter len list map max min next object pow property range repr reversed round set slice sorted
    staticmethod classmethod str sum super tuple zip True False None NotImplemented Ellipsis ArithmeticError
    AssertionError AttributeError Exception FloatingPointError IndexError KeyError LookupError NotImplementedError
    OverflowError
    RuntimeError StopIteration TypeError ValueError ZeroDivisionError Warning UserWarning""".split()
)
"""Built-in names that may be used freely; `getattr`, `hasattr`, `setattr` and `type` have rules of their own."""

DUNDER_METHODS = frozenset(
    """__init__ __call__ __len__ __getitem__ __setitem__ __iter__ __next__ __contains__ __repr__ __str__ __eq__ __ne__
    __lt__ __le__ __gt__ __ge__ __hash__ __post_init__ __enter__ __exit__ __add__ __radd__ __sub__ __rsub__ __mul__
    __rmul__ __truediv__ __neg__ __pow__ __matmul__ __bool__ __float__ __int__ __setstate__""".split()
)
"""Double-underscore methods that a class may define."""

DUNDER_ATTRIBUTES = frozenset(
    {"__init__", "__call__", "__name__", "__post_init__", "__setstate__", "__repr__", "__len__"}
)
"""Double-underscore attributes that code may read."""

MODULE_DUNDERS = frozenset({"__all__", "__version__"})

FORBIDDEN_ATTRIBUTES = {
    **dict.fromkeys(
        """f_globals f_builtins f_locals f_back f_code gi_frame gi_code cr_frame cr_code ag_frame ag_code tb_frame
        tb_next func_globals func_code co_code mro with_traceback""".split(),
        "reaches the interpreter's frames",
    ),
    **dict.fromkeys(
        """tofile dump dumps save load loads open system popen spawn exec_module load_module load_library from_file
        fromfile to_file memmap read_text write_text write_bytes read_bytes unlink connect savetxt from_pickle
        to_pickle""".split(),
        "reads or writes outside the tensors it is given",
    ),
    **dict.fromkeys(
        """ctypes data_ptr untyped_storage storage typed_storage share_memory_ share_memory is_shared from_buffer
        ctypeslib set_ resize_ as_strided_ from_blob map2_ map_""".split(),
        "handles raw memory",
    ),
    **dict.fromkeys("cuda mps xpu npu hip cpu_ ".split(), "names a device; use the device of the input"),
    **dict.fromkeys("compile script jit".split(), "compiles code; the engine decides that"),
    **dict.fromkeys("format_map".split(), "formats with a mapping; use an f-string"),
    **dict.fromkeys("register_module_forward_hook register_parametrizations_globally".split(), "hooks every module"),
}
"""Attributes that no value's code may use, and why."""

RANDOM_ATTRIBUTES = frozenset(
    {"manual_seed", "initial_seed", "set_state", "get_state", "set_rng_state", "bit_generator"}
)
"""Attributes that set or read a random stream: only dataset generators may."""

MODULE_METHODS = frozenset(
    """forward train eval training state_dict load_state_dict parameters named_parameters named_buffers
    modules""".split()
)
"""Names that code may not assign on an object: they decide what a module does in training and in evaluation."""

INSTANCE_ATTRIBUTES = frozenset("data grad requires_grad weight bias p eps momentum".split())
"""Attributes that may be assigned on objects other than `self` and an autograd context."""

MUTATORS = frozenset(
    """append extend insert remove pop popitem clear update setdefault add discard sort reverse appendleft extendleft
    __setitem__ __delitem__ difference_update intersection_update symmetric_difference_update move_to_end
    subtract popleft rotate copy_ fill_ zero_ add_ mul_""".split()
)
"""Methods that change their object: refused on what the whole module shares."""

CONSTANT_CALLS = frozenset(
    {
        "float",
        "int",
        "str",
        "bool",
        "complex",
        "tuple",
        "frozenset",
        "range",
        "len",
        "min",
        "max",
        "sum",
        "abs",
        "round",
    }
)
"""Built-ins that may be called while a file is imported."""

CONSTANT_CALL_NAMES = frozenset(
    """typing.TypeVar typing.NewType typing.NamedTuple typing.cast collections.namedtuple dataclasses.field enum.auto
    torch.finfo torch.iinfo torch.Size dataclasses.dataclass numpy.finfo numpy.iinfo typing.ParamSpec""".split()
)
"""Library functions that may be called while a file is imported, beside all of `math`."""

DECORATORS = frozenset(
    """torch.no_grad torch.enable_grad torch.inference_mode dataclasses.dataclass abc.abstractmethod typing.overload
    typing.final typing.override functools.wraps functools.total_ordering functools.cached_property enum.unique
    torch.autograd.function.once_differentiable typing.runtime_checkable""".split()
)
BUILTIN_DECORATORS = frozenset({"staticmethod", "classmethod", "property"})
