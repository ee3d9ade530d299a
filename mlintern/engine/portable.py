"""Operations that determinism=portable replaces, because no environment variable makes them the same on every CPU.

`python -m portability --only cpus` holds the operations of portability/operations.py on CPUs emulated by qemu-user
against this one. Elementwise functions, reductions, matrix products, linear layers and convolutions were equal on an
emulated Intel Haswell, an emulated AMD EPYC and a real AMD EPYC (torch 2.13, this level's pins), except:

- `sqrt` (and `x ** 0.5`): torch takes MKL's vector roots, which are not correctly rounded and differ by CPU. numpy
  takes the processor's own instruction, which IEEE 754 rounds correctly everywhere. Optimizers that are not fused
  (RMSprop, Adagrad, NAdam …) use it too.
- `atan`: MKL's again; `atan2(x, 1)` is compiled into torch and chosen by ATEN_CPU_CAPABILITY.

- `linalg.cholesky`: LAPACK's in MKL differed between a real AMD EPYC with AVX-512 and an emulated Haswell.

Replaced as they are here, all were equal. An LSTM by oneDNN was seen to differ under ONEDNN_MAX_CPU_ISA=AVX2 (and
ended the emulated process); torch's own, over MKL's products, is taken in its place.
"""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from mlintern.core.errors import UserError

_libraries: list[torch.library.Library] = []
"""Registered kernels live as long as these."""


def _sqrt(x: torch.Tensor) -> torch.Tensor:
    if not (x.is_floating_point() or x.is_complex()):
        x = x.to(torch.get_default_dtype())
    single = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    return torch.from_numpy(np.asarray(np.sqrt(single.numpy(force=True)))).to(x.dtype)


def _atan(x: torch.Tensor) -> torch.Tensor:
    if x.is_complex():
        raise UserError("determinism=portable: torch.atan of complex numbers differs by CPU; use determinism=strict")
    if not x.is_floating_point():
        x = x.to(torch.get_default_dtype())
    return torch.atan2(x, torch.ones_like(x))


def _factorised(matrix: torch.Tensor, upper: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Cholesky factor [..., n, n] column by column, and per matrix the order of its first leading minor that is not
    positive (int32 [...]; 0 where all are), as LAPACK's potrf counts it.
    """
    given = (matrix.mH if upper else matrix).numpy(force=True)
    factor, info = np.zeros_like(given), np.zeros(given.shape[:-2], dtype=np.int32)
    with np.errstate(invalid="ignore", divide="ignore"):
        for j in range(given.shape[-1]):
            done = factor[..., j : j + 1, :j].conj()  # [..., 1, j]
            rest = given[..., j:, j] - (factor[..., j:, :j] * done).sum(axis=-1)
            info = np.where((info == 0) & ~(rest[..., 0].real > 0), j + 1, info).astype(np.int32)
            root = np.sqrt(rest[..., 0].real)
            factor[..., j:, j] = rest / root[..., None]
            factor[..., j, j] = root
    found = torch.from_numpy(factor).to(matrix.device)
    return (found.mH.contiguous() if upper else found), torch.from_numpy(np.asarray(info)).to(matrix.device)


def _checked(info: torch.Tensor) -> None:
    if (info != 0).any():
        first = int(info[info != 0].flatten()[0]) if info.ndim else int(info)
        raise torch.linalg.LinAlgError(
            "linalg.cholesky: The factorization could not be completed because the input is not positive-definite (the "
            f"leading minor of order {first} is not positive-definite)."
        )


def _cholesky_ex(
    matrix: torch.Tensor, *, upper: bool = False, check_errors: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    factor, info = _factorised(matrix, upper)
    if check_errors:
        _checked(info)
    return factor, info


def _cholesky_ex_into(
    matrix: torch.Tensor,
    *,
    upper: bool = False,
    check_errors: bool = False,
    L: torch.Tensor,
    info: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    factor, found = _cholesky_ex(matrix, upper=upper, check_errors=check_errors)
    return L.resize_(factor.shape).copy_(factor), info.resize_(found.shape).copy_(found)


def _cholesky(matrix: torch.Tensor, upper: bool = False) -> torch.Tensor:
    return _cholesky_ex(matrix, upper=upper, check_errors=True)[0]


def _in_place(kernel: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: x.copy_(kernel(x))


def _into(kernel: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., torch.Tensor]:
    def write(x: torch.Tensor, *, out: torch.Tensor) -> torch.Tensor:
        found = kernel(x)
        return out.resize_(found.shape).copy_(found)

    return write


def _root_by_sqrt(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """A power of one half is a root, as torch's own kernel has it."""

    @functools.wraps(function)
    def power(x: Any, exponent: Any, *args: Any, **kwargs: Any) -> torch.Tensor:
        half = (
            isinstance(exponent, float) and exponent == 0.5 and isinstance(x, torch.Tensor) and x.device.type == "cpu"
        )
        return x.sqrt(*args, **kwargs) if half else function(x, exponent, *args, **kwargs)

    return power


def _without_onednn(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        before = torch._C._get_mkldnn_enabled()
        torch._C._set_mkldnn_enabled(False)
        try:
            return function(*args, **kwargs)
        finally:
            torch._C._set_mkldnn_enabled(before)

    return call


def install() -> None:
    """Replace them in this process, once."""
    if _libraries:
        return
    library = torch.library.Library("aten", "IMPL")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Warning only once for all operators")  # that a kernel is replaced
        for name, kernel in (("sqrt", _sqrt), ("atan", _atan)):
            for overload, function in ((name, kernel), (f"{name}_", _in_place(kernel)), (f"{name}.out", _into(kernel))):
                library.impl(overload, function, "CPU", allow_override=True)
        for overload, function in (
            ("linalg_cholesky_ex", _cholesky_ex),
            ("linalg_cholesky_ex.L", _cholesky_ex_into),
            ("cholesky", _cholesky),
        ):
            library.impl(overload, function, "CPU", allow_override=True)
    _libraries.append(library)
    torch.Tensor.pow = _root_by_sqrt(torch.Tensor.pow)  # type: ignore[method-assign]
    torch.Tensor.__pow__ = _root_by_sqrt(torch.Tensor.__pow__)
    torch.pow = _root_by_sqrt(torch.pow)
    torch._VF.lstm = _without_onednn(torch._VF.lstm)
    torch.lstm = _without_onednn(torch.lstm)
