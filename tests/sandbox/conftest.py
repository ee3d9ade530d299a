"""What the sandbox tests share: a runner for a piece of Python, per backend that this host has."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlintern.sandbox.limits import Completed, Limits
from mlintern.sandbox.process import run_sandboxed
from tests.sandbox.layers import capabilities

LIMITS: dict[str, Any] = {
    "cpu_s": 20.0,
    "wall_s": 20.0,
    "memory_bytes": 512 << 20,
    "processes": 32,
    "file_size_bytes": 4 << 20,
}
Run = Callable[..., Completed]


@pytest.fixture(params=["bwrap", "unshare"])
def backend(request: pytest.FixtureRequest) -> str:
    if not capabilities(request.param):
        pytest.skip(f"{request.param} does not work on this host")
    return request.param


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def run(backend: str, scratch: Path) -> Run:
    """run(code, **limits or arguments of run_sandboxed): Completed."""

    def start(
        code: str, *, readonly: tuple[Path, ...] = (), env: dict[str, str] | None = None, **other: Any
    ) -> Completed:
        limits = Limits(
            **{**LIMITS, **{name: other.pop(name) for name in list(other) if name in Limits.__annotations__}}
        )
        return run_sandboxed(
            [sys.executable, "-S", "-c", code],
            **{
                "readonly": readonly,
                "scratch": scratch,
                "limits": limits,
                "env": env or {},
                "backend": backend,
                **other,
            },
        )

    return start
