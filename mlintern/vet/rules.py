"""What a pack's code may import, and which names are refused early: for determinism, or because the sandbox would.

No list of what is safe: the kernel is the boundary (`mlintern.sandbox`). What stands here gets its writer a line that
names the place and the fix, before anything is run.
"""

import re
import sys
from typing import Literal

Kind = Literal["model", "generator"]
"""`generator` builds a dataset once and may seed and use numpy's global stream; all else is `model`."""

LIBRARIES = frozenset(
    """torch torchvision timm transformers tokenizers einops torchmetrics scipy sklearn numpy pandas PIL statsmodels
    mnist1d""".split()
)
STANDARD = frozenset(
    """__future__ abc array bisect cmath collections contextlib copy dataclasses decimal enum fractions functools
    graphlib hashlib heapq itertools json keyword logging math numbers operator pprint random re statistics string
    struct textwrap types typing typing_extensions warnings weakref zlib""".split()
)
"""Modules of the standard library that compute and do nothing else."""

FILES = "opens files, which the sandbox refuses; data and weights come through the configuration"
NETWORK = "reaches the network, which the sandbox closes; name data and weights in the configuration"
PROCESSES = "starts processes or threads; the engine does that"
_COMPILED = "loads or builds compiled code, which nobody can review; write it in PyTorch"
_SETTING = "is a setting of the whole process, which the engine makes; remove it"
_STREAM = "handles a global random stream, which the engine seeds; use a generator with a seed of its own"
_INTERPRETER = "reaches into the interpreter; write the code out"
WHY_NOT = {
    **dict.fromkeys("time datetime uuid secrets".split(), "differs from run to run; take numbers as arguments"),
    **dict.fromkeys("socket urllib http requests ssl ftplib smtplib".split(), NETWORK),
    **dict.fromkeys("subprocess multiprocessing threading concurrent asyncio signal".split(), PROCESSES),
    **dict.fromkeys("os io pathlib shutil tempfile glob pickle sqlite3 mmap".split(), FILES),
    **dict.fromkeys("sys importlib builtins inspect ctypes cffi gc".split(), _INTERPRETER),
}
_REACHED = {"os", "sys", "subprocess", "socket", "shutil", "ctypes", "builtins", "importlib", "threading", "pickle"}
"""Modules that libraries import for themselves: `torch.os` is `os`."""

_REFUSED = [
    (rule, message, re.compile(rf"({pattern})(\.|$)"))
    for rule, message, pattern in [
        ("random", _STREAM, r"random\.(?!Random\b)\w+|torch\.(random|default_generator)"),
        ("random", _STREAM, r"torch(\.\w+)?\.(manual_seed\w*|seed|seed_all|set_rng_state\w*)"),
        ("setting", _SETTING, r"torch\.(set_(default|num|warn|deterministic|float32|flush)\w*|use_deterministic\w*)"),
        ("setting", _SETTING, r"torch\.autograd\.set_detect\w*|numpy\.(seterr\w*|setbufsize)|sklearn\.set_config"),
        ("file", FILES, r"torch\.(load|save|from_file|package|serialization|(Untyped|Typed)?Storage|jit\.(load|save))"),
        ("file", FILES, r"numpy\.(load(txt)?|save\w*|fromfile|memmap|genfromtxt|fromregex|DataSource|ndarray\.tofile)"),
        ("file", FILES, r"pandas\.(read_\w+|ExcelFile|ExcelWriter|HDFStore|io)|PIL\.\w+\.open|scipy\.io"),
        ("file", FILES, r"torchvision\.(io|datasets)|mnist1d(\.data)?\.(get_dataset|from_pickle|to_pickle)"),
        ("file", FILES, r"sklearn\.datasets\.(load_(files|svmlight\w*)|dump\w*|get_data_home)"),
        ("file", FILES, r"logging\.(FileHandler|config|handlers)"),
        ("network", NETWORK, r"torch\.hub|sklearn\.datasets\.fetch\w*"),
        ("network", NETWORK, r"transformers\.([\w.]+\.)?(from_pretrained|pipeline)"),
        ("compiled", _COMPILED, r"torch\.(utils\.cpp_extension|(ops|classes)\.load_library)|numpy\.(ctypeslib|f2py)"),
        ("processes", PROCESSES, r"torch\.(multiprocessing|nn\.(DataParallel|parallel))"),
    ]
]
_GLOBAL_NUMPY = re.compile(
    r"numpy\.random\.(?!(Generator|default_rng|Philox|PCG64\w*|SFC64|MT19937|SeedSequence|RandomState|BitGenerator)\b)\w+"
)
UNSEEDED = re.compile(r"numpy\.random\.(default_rng|RandomState|Philox|PCG64\w*|SFC64|MT19937)|random\.Random")
"""Generators that seed themselves from the system where they are given no seed."""
DRAWS = re.compile(
    r"torch\.((rand|normal|bernoulli|multinomial|poisson)\w*|nn\.init\.\w+|nn\.(Lazy)?(Linear|Bilinear|Conv\w+"
    r"|Embedding\w*|LSTM\w*|GRU\w*|RNN\w*|Multihead\w*|Transformer\w*))"
)
"""Calls that draw from torch's global stream, which nothing has seeded while files are imported."""
ENDLESS = re.compile(r"itertools\.(count|cycle|repeat)")
NO_SIZE = re.compile(
    r"(numpy\.random|dataclasses)\.\w+|random\.Random|math\.(?!factorial|comb|perm)\w+|int|float|abs|round|min|max"
)
"""Calls whose numbers are seeds or values and not sizes."""

BUILTINS = {
    **dict.fromkeys("eval exec compile __import__".split(), "runs code that nobody can review; write it out"),
    **dict.fromkeys("globals breakpoint".split(), _INTERPRETER),
    "open": FILES,
}
ATTRIBUTES = frozenset(
    """__globals__ __builtins__ __code__ __closure__ __subclasses__ __loader__ __import__ f_globals f_builtins f_locals
    f_back gi_frame gi_code cr_frame cr_code ag_frame ag_code tb_frame""".split()
)
"""Ways into the interpreter's frames and modules."""
INTERPRETER = "reaches the interpreter's frames and modules; no model needs that"
METHODS = {
    **dict.fromkeys("tofile to_csv to_pickle to_parquet to_hdf to_excel write_text write_bytes savefig".split(), FILES),
    **dict.fromkeys("share_memory_ share_memory".split(), PROCESSES),
    "cuda": "names a device; use the device of the input",
}
MUTATORS = frozenset(
    """append extend insert remove pop popitem clear update setdefault add discard sort reverse appendleft extendleft
    popleft rotate subtract move_to_end copy_ fill_ zero_ add_ mul_ __setitem__ __delitem__""".split()
)
"""Methods that change their object: refused on what the whole file shares."""


def module_problem(module: str) -> str | None:
    """Why a pack may not import this module of another package, or None."""
    top = module.split(".")[0]
    if top in LIBRARIES or top in STANDARD:
        return None
    if top in WHY_NOT or top in sys.stdlib_module_names:
        return f"{module} {WHY_NOT.get(top, 'is no part of what a model computes; remove it')}"
    return f"{module} is none of the libraries that a pack may import ({', '.join(sorted(LIBRARIES))})"


def name_problem(dotted: str, kind: Kind) -> tuple[str, str] | None:
    """(rule, why) where a dotted name of a library is refused, or None."""
    if reached := _REACHED & set(dotted.split(".")[1:]):
        return "import", f"{dotted} {WHY_NOT[min(reached)]}"
    for rule, message, pattern in _REFUSED:
        if pattern.match(dotted):
            return rule, f"{dotted} {message}"
    if kind == "model" and _GLOBAL_NUMPY.match(dotted):
        return "random", f"{dotted} draws from numpy's global stream; use numpy.random.default_rng(seed)"
    return None
