"""Determinism levels (config group `determinism`): what is pinned, and when.

Environment variables must be set before torch is imported, so `pins` is read by whoever starts a process (the
study's worker pool); `apply` sets torch's own switches inside it, and `check_pins` refuses a process that was started
without them. `portable` pins what chooses kernels by the CPU (threads, ATen, MKL and oneDNN, in
conf/determinism/portable.yaml; numpy and OpenBLAS, below) and replaces what no variable pins (`engine/portable.py`).
"""

import dataclasses
import os
import sys
from collections.abc import Mapping
from typing import ClassVar, Literal

from mlintern.core.errors import UserError
from mlintern.core.schema import AtLeastOne, Group

NUMPY_PINS = {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR", "OPENBLAS_CORETYPE": "Haswell"}
"""For every worker, whatever its level: data are prepared and audited with numpy, whose AVX-512 kernels round otherwise
than those for AVX2, and prepared data are to be the same bytes on any x86-64 CPU. The features are numpy's dispatched
ones above x86-64-v3; a name that the CPU lacks is ignored."""


@dataclasses.dataclass(frozen=True)
class Determinism(Group):
    """One level, as the config group gives it."""

    KEY: ClassVar[str] = "determinism"

    level: Literal["strict", "portable", "fast"]
    """strict: same bits on the same type of machine. portable: on any x86-64 CPU with AVX2. fast: no promise."""
    threads: AtLeastOne
    """Threads per training process. One: a second changes sums, and on a busy machine costs more than it gives."""
    deterministic_algorithms: bool
    """torch.use_deterministic_algorithms, never with warn_only: an op that has none is an error that names it."""
    environment: Mapping[str, str]
    """Variables to set before torch is imported."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.level != "fast" and self.threads != 1:
            raise UserError(f"determinism.threads={self.threads}: {self.level} needs 1 (more threads change the bits)")

    def pins(self) -> dict[str, str]:
        """Every environment variable that a worker of this level starts with."""
        return {**NUMPY_PINS, **self.own_pins()}

    def own_pins(self) -> dict[str, str]:
        """The environment variables that the training of this level needs, threads included."""
        threads = str(self.threads)
        return {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            **{k: str(v) for k, v in self.environment.items()},
        }

    def check_pins(self) -> None:
        """Refuse a process that was started without this level's variables: after the import it is too late."""
        for name, value in self.own_pins().items():
            if os.environ.get(name) != value:
                raise UserError(
                    f"determinism={self.level}: {name}={value} was not set before torch was imported; "
                    "start the run with `python -m mlintern`, which sets it"
                )

    def apply(self) -> None:
        """Set torch's switches for this process."""
        import torch

        torch.set_num_threads(self.threads)
        self._refuse_other_algorithms()
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = self.deterministic_algorithms
        if self.level != "fast":
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.allow_tf32 = False  # on by default for convolutions
            torch.backends.cuda.enable_cudnn_sdp(False)  # has no deterministic backward
        if self.level == "portable":
            from mlintern.engine import portable

            portable.install()

    def _refuse_other_algorithms(self) -> None:
        """As torch.use_deterministic_algorithms, which imports the compiler, for as long as torch itself, to set what
        a variable tells it as well, should it ever be imported."""
        import torch

        if "torch._inductor.config" in sys.modules:
            torch.use_deterministic_algorithms(self.deterministic_algorithms)
        else:
            os.environ["TORCHINDUCTOR_DETERMINISTIC"] = str(int(self.deterministic_algorithms))
            torch.set_deterministic_debug_mode("error" if self.deterministic_algorithms else "default")
