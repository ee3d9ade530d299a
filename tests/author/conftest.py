"""No test of the author asks a live server or sees a real key."""

import pytest

from mlintern.author.asking.providers.base import NO_LIVE_REQUESTS

KEY = "sk-ant-" + "test0123456789abcdef"


@pytest.fixture(autouse=True)
def no_live_requests(monkeypatch):
    monkeypatch.setenv(NO_LIVE_REQUESTS, "1")
    for name in ("ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY", "ANTHROPIC_LOG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def key(monkeypatch):
    """A key in the environment, which must never be seen anywhere else."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    return KEY
