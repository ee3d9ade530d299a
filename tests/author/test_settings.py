"""The `llm` settings, the default model, and secrets."""

import pytest

from mlintern.author.asking.money import PRICES
from mlintern.author.asking.providers.models import default_model, strongest
from mlintern.author.asking.redact import redact
from mlintern.author.command import parse_settings
from mlintern.author.settings import LlmSettings, make_asker
from mlintern.core.errors import UserError


def test_the_default_model_is_the_strongest_current_one_and_has_a_price():
    assert default_model() in PRICES
    assert default_model().startswith("claude-fable-")


def test_strength_is_line_then_version_without_snapshots_and_deprecated_names():
    names = [
        "claude-haiku-9",
        "claude-opus-5",
        "claude-opus-4-9",
        "claude-opus-5-20260101",
        "claude-opus-6",
        "claude-x",
    ]
    assert strongest(names, frozenset({"claude-opus-6"})) == "claude-opus-5"
    assert strongest([*names, "claude-fable-5", "claude-fable-5-1", "claude-mythos-6"]) == "claude-fable-5-1"
    with pytest.raises(ValueError, match="known line"):
        strongest(["gpt-5"])


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"provider": "gemini"}, r"llm\.provider=gemini: choose anthropic, openai, manual or replay"),
        ({"modle": "x"}, r"llm\.modle: no such key; did you mean llm\.model\?"),
        ({"budget_usd": "much"}, r"llm\.budget_usd=much"),
        ({"budget_usd": -1}, r"llm\.budget_usd=-1"),
        ({"budget_usd": True}, r"llm\.budget_usd=True"),
        ({"max_repairs": -1}, r"llm\.max_repairs=-1"),
        ({"model": [5]}, r"llm\.model=\[5\]: not text"),
        ({"price": {"input": 1}}, r"llm\.price: give"),
        ({"price": {"input": 1, "output": "x"}}, r"llm\.price\.output=x: not a number"),
    ],
)
def test_bad_settings_are_one_line(given, line):
    with pytest.raises(UserError, match=line):
        LlmSettings.from_plain(given)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"provider": "replay"}, "say which dialogue"),
        ({"provider": "replay", "replay": "/nowhere"}, "no such folder"),
        ({}, "no key; set ANTHROPIC_API_KEY"),
    ],
)
def test_what_cannot_answer_says_so_before_anything_is_read(tmp_path, given, line):
    with pytest.raises(UserError, match=line):
        make_asker(LlmSettings.from_plain(given), tmp_path, print)


def test_a_model_without_a_price_fails_before_anything_is_read(tmp_path, key):
    given = {"model": "claude-next-9", "base_url": "http://127.0.0.1:9"}
    with pytest.raises(UserError, match="its price is not known"):
        make_asker(LlmSettings.from_plain(given), tmp_path, print)
    given["price"] = {"input": 1, "output": 2}
    assert make_asker(LlmSettings.from_plain(given), tmp_path, print).price.output == 2


def test_settings_on_the_command_line():
    given = [
        "llm.model=claude-opus-5-5",
        "llm.budget_usd=3",
        "llm.price.input=1e-1",
        "llm.price.output=2",
        "paper.offline=true",
        "code.files=[train.py, models.py]",
    ]
    assert parse_settings(given) == {
        "llm": {"model": "claude-opus-5-5", "budget_usd": 3, "price": {"input": 0.1, "output": 2}},
        "paper": {"offline": "true"},
        "code": {"files": ["train.py", "models.py"]},
    }
    for bad in ("llm.model", "trainer.lr=1", "llm=5"):
        with pytest.raises(UserError, match="not understood"):
            parse_settings([bad])


def test_secrets_are_blotted_out(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    monkeypatch.setenv("MY_TOKEN", "short")
    text = "key 0123456789abcdef, sk-ant-api03-AbCdEf123456, Bearer abc.def-123456, hf_ABCDEFGHIJKLMNOPQR, short"
    assert redact(text) == "key [secret], [secret], [secret], [secret], short"
    assert redact("task-specific risk-averse disk-0123") == "task-specific risk-averse disk-0123"
