"""Asking over the real wire format: what is sent, every failure the API documents, and what each costs."""

import json
import logging

import pytest
from pydantic import BaseModel

from mlintern.author.asking.asker import Asker, json_object
from mlintern.author.asking.dialogue import Dialogue
from mlintern.author.asking.messages import FileBlock, Request, TextBlock
from mlintern.author.asking.money import PRICES, Ledger, TokenPrice
from mlintern.author.asking.providers.anthropic_api import AnthropicProvider
from mlintern.author.asking.providers.base import Refused
from mlintern.core.errors import UserError
from tests.author.messages_server import Reply, Server

MODEL = "claude-opus-5-5"
GOOD = '{"answer": 42}'


class Form(BaseModel):
    answer: int


REQUEST = Request(
    stage="outline",
    system="You read papers.",
    blocks=(
        TextBlock("The paper.", cache=True),
        FileBlock("image/png", "iVBORw0KGgo=", "figure-1"),
        FileBlock("application/pdf", "JVBERi0=", "page-2"),
        TextBlock("What is in it?"),
    ),
    schema=Form.model_json_schema(),
    max_tokens=2000,
)


def asker(tmp_path, server, limit=5.0, retries=2, timeout_s=5.0, **kw):
    provider = AnthropicProvider(MODEL, server.url, retries=retries, timeout_s=timeout_s)
    return Asker(provider, Dialogue(tmp_path / "dialogue"), Ledger(tmp_path / "spent.json", limit), **kw)


def soon(**kw):
    """A reply whose failure asks the client to come back at once."""
    return Reply(headers={"retry-after-ms": "5"}, **kw)


def test_the_request_on_the_wire(tmp_path, key):
    seen = []
    with Server([Reply(GOOD)]) as server:
        got = asker(tmp_path, server, progress=seen.append).ask(REQUEST, Form)
    assert got == Form(answer=42)
    assert "".join(seen) == GOOD
    [body] = server.requests
    assert (body["model"], body["max_tokens"], body["stream"]) == (MODEL, 2000, True)
    text, image, pdf, question = body["messages"][0]["content"]
    assert text == {"type": "text", "text": "The paper.", "cache_control": {"type": "ephemeral"}}
    assert (image["type"], image["source"]["media_type"]) == ("image", "image/png")
    assert (pdf["type"], pdf["source"]["media_type"]) == ("document", "application/pdf")
    assert "cache_control" not in question
    schema = body["output_config"]["format"]["schema"]
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["answer"]
    assert {"temperature", "tool_choice", "top_p"}.isdisjoint(body)  # refused by current models
    assert key in server.headers[0].get("x-api-key", "") + server.headers[0].get("authorization", "")
    assert server.counted[0]["messages"] == body["messages"]


@pytest.mark.parametrize(
    ("status", "says"),
    [(400, "not accepted"), (401, "ANTHROPIC_API_KEY"), (402, "billing"), (403, "may not use"), (404, "llm.model"),
     (413, "too large")],
)  # fmt: skip
def test_failures_that_no_retry_mends(tmp_path, key, status, says):
    with Server([Reply(status=status)]) as server:
        one = asker(tmp_path, server)
        with pytest.raises(UserError, match=rf"outline.*HTTP {status}.*{says}.*scripted failure.*req_1"):
            one.ask(REQUEST, Form)
    assert len(server.requests) == 1
    assert one.ledger.spent_usd == 0


@pytest.mark.parametrize("status", [429, 500, 504, 529])
def test_failures_that_pass_are_waited_out(tmp_path, key, status):
    with Server([soon(status=status), soon(status=status), Reply(GOOD)]) as server:
        one = asker(tmp_path, server)
        assert one.ask(REQUEST, Form).answer == 42
    assert len(server.requests) == 3
    assert [entry["state"] for entry in one.ledger.entries] == ["settled"]


@pytest.mark.parametrize(("status", "says"), [(429, "rate limit"), (529, "overloaded"), (500, "run again")])
def test_failures_that_stay_end_in_one_line_and_cost_nothing(tmp_path, key, status, says):
    with Server(lambda _: soon(status=status)) as server:
        one = asker(tmp_path, server)
        with pytest.raises(UserError, match=rf"HTTP {status}.*{says}"):
            one.ask(REQUEST, Form)
    assert len(server.requests) == 3
    assert one.ledger.spent_usd == 0


def test_a_rate_limit_waits_as_long_as_the_server_says(tmp_path, key):
    import time

    with Server([Reply(status=429, headers={"retry-after": "1"}), Reply(GOOD)]) as server:
        started = time.monotonic()
        asker(tmp_path, server).ask(REQUEST, Form)
    assert time.monotonic() - started >= 1.0


def test_no_answer_in_time_counts_as_spent(tmp_path, key):
    with Server(lambda _: Reply(GOOD, silent_s=1.0)) as server:
        one = asker(tmp_path, server, retries=0, timeout_s=0.2)
        with pytest.raises(UserError, match="no answer in time"):
            one.ask(REQUEST, Form)
    [entry] = one.ledger.entries
    assert entry["state"] == "reserved"
    assert entry["usd"] > 0


def test_a_slow_answer_may_take_longer_than_the_longest_silence(tmp_path, key):
    with Server([Reply(GOOD + " " * 3000, drip_s=0.03)]) as server:
        one = asker(tmp_path, server, retries=0, timeout_s=0.5)
        assert one.ask(REQUEST, Form).answer == 42
    assert len(server.requests) == 1


def test_a_server_that_is_not_there(tmp_path, key):
    with Server([]) as server:
        pass
    one = asker(tmp_path, server, retries=0)
    with pytest.raises(UserError, match=r"cannot reach http://127\.0\.0\.1:\d+.*check the network"):
        one.ask(REQUEST, Form)
    assert one.ledger.entries == []  # not even counted


@pytest.mark.parametrize(
    "broken",
    [Reply(GOOD * 40, cut_after=700), Reply(GOOD, stream_error="overloaded_error"), Reply(GOOD, stop_reason=None),
     Reply(GOOD, cut_after=0), Reply(GOOD, garbage=True), Reply(GOOD, stop_reason="pause_turn")],
    ids=["dropped", "error event", "no end", "dropped at once", "no JSON", "paused"],
)  # fmt: skip
def test_an_answer_that_breaks_off_is_asked_again_and_counted_at_its_most(tmp_path, key, broken):
    with Server([broken, Reply(GOOD)]) as server:
        one = asker(tmp_path, server, retries=0)
        assert one.ask(REQUEST, Form).answer == 42
    assert [entry["state"] for entry in one.ledger.entries] == ["reserved", "settled"]
    assert one.ledger.entries[0]["usd"] == pytest.approx((100 * 5.0 + 2000 * 20.0) / 1e6)


def test_a_truncated_answer_is_billed_and_asked_again_with_more_room(tmp_path, key):
    cut = Reply('{"answ', stop_reason="max_tokens", usage={"input_tokens": 100, "output_tokens": 2000})
    with Server([cut, Reply(GOOD)]) as server:
        one = asker(tmp_path, server)
        assert one.ask(REQUEST, Form).answer == 42
    assert [body["max_tokens"] for body in server.requests] == [2000, 4000]
    assert one.ledger.entries[0]["usd"] == pytest.approx((100 * 4.0 + 2000 * 20.0) / 1e6)


def test_an_answer_that_is_always_cut_ends(tmp_path, key):
    said = pytest.raises(UserError, match="no whole answer to the outline request: it was longer than")
    with Server(lambda _: Reply("{", stop_reason="max_tokens")) as server, said:
        asker(tmp_path, server).ask(REQUEST, Form)
    assert len(server.requests) == 3


def test_a_refusal_is_said_and_billed(tmp_path, key):
    details = {"type": "refusal", "category": "cyber", "explanation": None}
    with Server([Reply("", stop_reason="refusal", stop_details=details)]) as server:
        one = asker(tmp_path, server)
        with pytest.raises(Refused, match=r"claude-opus-5-5 refused the outline request \(cyber\); try another"):
            one.ask(REQUEST, Form)
    assert one.ledger.entries[0]["state"] == "settled"


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("{not json", "not JSON"),
        ('{"answer": "many"}', "answer: "),
        ("[1]", "not a JSON object"),
        ("{}", "Field required"),
    ],
)
def test_an_unusable_answer_is_asked_again_with_the_complaint(tmp_path, key, bad, complaint):
    with Server([Reply(bad), Reply(GOOD)]) as server:
        assert asker(tmp_path, server).ask(REQUEST, Form).answer == 42
    note = server.requests[1]["messages"][0]["content"][-1]["text"]
    assert complaint in note
    assert bad in note
    assert len(server.requests[1]["messages"]) == 1


def test_unusable_answers_end_after_three(tmp_path, key):
    said = pytest.raises(UserError, match="3 answers to the outline request were not usable")
    with Server(lambda _: Reply("no")) as server, said:
        asker(tmp_path, server).ask(REQUEST, Form)
    assert len(server.requests) == 3


def test_a_check_beyond_the_schema_is_part_of_the_complaint(tmp_path, key):
    with Server([Reply('{"answer": 1}'), Reply(GOOD)]) as server:
        asker(tmp_path, server).ask(REQUEST, Form, lambda form: "" if form.answer == 42 else "it must be 42")
    assert "it must be 42" in server.requests[1]["messages"][0]["content"][-1]["text"]


def test_an_answered_request_is_never_paid_twice(tmp_path, key):
    with Server([Reply(GOOD)]) as server:
        asker(tmp_path, server).ask(REQUEST, Form)
        again = asker(tmp_path, server)
        assert again.ask(REQUEST, Form).answer == 42
    assert (len(server.requests), len(server.counted)) == (1, 1)
    assert again.ledger.spent_usd == pytest.approx((100 * 4.0 + 50 * 20.0) / 1e6)


def test_cached_tokens_have_their_own_price(tmp_path, key):
    usage = {
        "input_tokens": 10,
        "output_tokens": 20,
        "cache_creation_input_tokens": 1000,
        "cache_read_input_tokens": 500,
    }
    with Server([Reply(GOOD, usage=usage)]) as server:
        one = asker(tmp_path, server)
        one.ask(REQUEST, Form)
    price = PRICES[MODEL]
    expected = 10 * price.input + 20 * price.output + 1000 * price.cache_write + 500 * price.cache_read
    assert one.ledger.spent_usd == pytest.approx(expected / 1e6)
    assert one.ledger.tokens == (1510, 20)


def test_the_budget_is_hard_and_refuses_before_asking(tmp_path, key):
    with Server([]) as server:
        one = asker(tmp_path, server, limit=0.01)
        with pytest.raises(UserError, match=r"llm\.budget_usd=0\.01: the outline request may cost up to \$0\.04"):
            one.ask(REQUEST, Form)
    assert server.requests == []
    assert one.ledger.entries == []


def test_retries_of_broken_answers_stop_at_the_budget(tmp_path, key):
    with Server(lambda _: Reply(GOOD, stop_reason=None)) as server:
        one = asker(tmp_path, server, limit=0.1, retries=0)
        with pytest.raises(UserError, match="budget_usd=0.1"):
            one.ask(REQUEST, Form)
    assert len(server.requests) == 2  # each may have cost 4 cents
    assert one.ledger.spent_usd <= 0.1


def test_a_model_without_a_price_is_not_asked(tmp_path, key):
    with Server([Reply(GOOD)]) as server:
        one = asker(tmp_path, server)
        one.provider.model = "claude-next-9"
        with pytest.raises(UserError, match=r"llm\.model=claude-next-9: its price is not known"):
            one.ask(REQUEST, Form)
        assert (server.requests, server.counted) == ([], [])
        one.price = TokenPrice.plain(1.0, 2.0)
        one.ask(REQUEST, Form)
    assert one.ledger.spent_usd == pytest.approx((100 * 1.0 + 50 * 2.0) / 1e6)


def test_the_ledger_survives_a_kill_between_reservation_and_answer(tmp_path, key):
    ledger = Ledger(tmp_path / "spent.json", 1.0)
    ledger.reserve("outline", MODEL, PRICES[MODEL], 1000, 30_000)
    assert Ledger(tmp_path / "spent.json", 1.0).spent_usd == pytest.approx(0.605)
    with pytest.raises(UserError, match=r"\$0\.40 is left"):
        Ledger(tmp_path / "spent.json", 1.0).reserve("extract", MODEL, PRICES[MODEL], 1000, 30_000)


def test_no_key_is_said_in_one_line():
    with pytest.raises(UserError, match=r"set ANTHROPIC_API_KEY, or use llm\.provider=manual"):
        AnthropicProvider(MODEL)


@pytest.mark.parametrize("url", [None, "https://example.org", "http://127.0.0.1.example.org", "http://10.0.0.1"])
def test_the_switch_forbids_live_requests(key, url):
    with pytest.raises(UserError, match="MLINTERN_NO_LIVE_REQUESTS is set"):
        AnthropicProvider(MODEL, url)


def test_the_key_is_seen_by_nobody_else(tmp_path, key, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    wrong = Reply(status=401, message=f"the key {key} is wrong")
    echo = Reply(json.dumps({"answer": 42, "note": key}))
    with Server([wrong, echo]) as server:
        one = asker(tmp_path, server)
        with pytest.raises(UserError, match=r"the key \[secret\] is wrong") as caught:
            one.ask(REQUEST, Form)
        assert caught.value.__suppress_context__
        one.ask(REQUEST, Form)
    assert key not in str(caught.value) + caplog.text + "".join(capsys.readouterr())
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2
    assert key not in "".join(path.read_text() for path in files)
    assert key not in json.dumps(server.requests)


def test_json_in_a_fence_is_found():
    assert json_object('Here it is:\n```json\n{"a": "```"}\n```\nDone.') == {"a": "```"}
    assert json_object('{"a": "x\\n```\\ny\\n```"}') == {"a": "x\n```\ny\n```"}
