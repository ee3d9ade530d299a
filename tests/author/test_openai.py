"""Chat completions over the real wire format: what is sent, what servers of this kind refuse, what it costs."""

import pytest

from mlintern.author.asking.asker import Asker
from mlintern.author.asking.dialogue import Dialogue
from mlintern.author.asking.money import Ledger
from mlintern.author.asking.providers.base import Refused
from mlintern.author.asking.providers.openai_api import OpenAIProvider, is_own_machine, root_of
from mlintern.author.settings import LlmSettings, make_asker
from mlintern.core.errors import UserError
from tests.author.chat_server import ChatServer, Reply
from tests.author.messages_server import Server
from tests.author.test_asking import GOOD, REQUEST, Form


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def asker(tmp_path, server, price=None, **settings):
    given = LlmSettings(provider="openai", model="local-7b", base_url=f"{server.url}/v1", price=price, **settings)
    return make_asker(given, tmp_path, lambda text: None)


def test_the_request_on_the_wire_and_what_a_server_of_ones_own_costs(tmp_path):
    with ChatServer([Reply(GOOD)]) as server:
        one = asker(tmp_path, server)
        assert one.ask(REQUEST, Form) == Form(answer=42)
    [body] = server.requests
    assert (body["model"], body["max_tokens"], body["stream"]) == ("local-7b", 2000, True)
    assert body["messages"][0] == {"role": "system", "content": "You read papers."}
    text, image, pdf, question = body["messages"][1]["content"]
    assert text == {"type": "text", "text": "The paper."}
    assert image["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="
    assert pdf["file"] == {"filename": "page-2.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}
    assert question["text"] == "What is in it?"
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["answer"]
    assert "authorization" not in server.headers[0]
    assert one.ledger.spent_usd == 0
    assert one.ledger.tokens == (100, 50)


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/", "/v1/chat/completions"])
def test_a_base_url_with_or_without_its_path(ending):
    assert root_of(f"http://127.0.0.1:8000{ending}") == "http://127.0.0.1:8000/v1"


def test_a_path_of_its_own_is_kept():
    assert root_of("https://host/openai/v2") == "https://host/openai/v2"
    with pytest.raises(UserError, match="llm.base_url=localhost:8000: not a URL"):
        root_of("localhost:8000")


def test_the_messages_api_takes_a_base_url_that_ends_in_v1(tmp_path, key):
    from tests.author.messages_server import Reply as Message

    with Server([Message(GOOD)]) as server:
        settings = LlmSettings(model="claude-opus-5-5", base_url=f"{server.url}/v1/")
        assert make_asker(settings, tmp_path, lambda text: None).ask(REQUEST, Form).answer == 42


def test_a_chat_server_asked_for_messages_names_the_provider_that_fits(tmp_path, key):
    with ChatServer([]) as server:
        settings = LlmSettings(model="claude-opus-5-5", base_url=f"{server.url}/v1")
        with pytest.raises(UserError, match=r"HTTP 404.*llm\.provider=openai"):
            make_asker(settings, tmp_path, lambda text: None).ask(REQUEST, Form)
    assert server.paths[0].startswith("/v1/messages")


def test_a_server_that_does_not_stream(tmp_path):
    with ChatServer([Reply(GOOD, streams=False)]) as server:
        assert asker(tmp_path, server).ask(REQUEST, Form).answer == 42


def test_what_a_server_refuses_is_left_out_and_the_schema_goes_into_the_text(tmp_path):
    def picky(body):
        parts = body["messages"][1]["content"]
        if any(part["type"] != "text" for part in parts):
            return Reply(status=400, message="this model does not support image input")
        if "response_format" in body:
            return Reply(status=400, message=f"response_format {body['response_format']['type']} is not supported")
        if "stream_options" in body:
            return Reply(status=422, message="extra fields: stream_options")
        if "max_tokens" in body:
            return Reply(status=400, message="use 'max_completion_tokens' instead of 'max_tokens'")
        return Reply(GOOD)

    with ChatServer(picky) as server:
        one = asker(tmp_path, server)
        assert one.ask(REQUEST, Form).answer == 42
    last = server.requests[-1]
    assert last["max_completion_tokens"] == 2000
    texts = [part["text"] for part in last["messages"][1]["content"]]
    assert "(figure-1 cannot be shown here.)" in texts
    assert '"answer"' in texts[-1]
    assert len(server.requests) == 6


def test_an_answer_that_is_no_json_is_asked_for_again_with_the_complaint(tmp_path):
    with ChatServer([Reply("Certainly! The answer is 42."), Reply(f"```json\n{GOOD}\n```")]) as server:
        assert asker(tmp_path, server).ask(REQUEST, Form).answer == 42
    assert "not JSON" in server.requests[1]["messages"][1]["content"][-1]["text"]


def test_thoughts_before_an_answer_are_not_the_answer(tmp_path):
    with ChatServer([Reply(f'<think>\nIs it {{"answer": 41}}? No.\n</think>\n\n{GOOD}')]) as server:
        assert asker(tmp_path, server).ask(REQUEST, Form).answer == 42


def test_a_cut_answer_is_asked_for_with_more_room(tmp_path):
    with ChatServer([Reply('{"answ', finish_reason="length"), Reply(GOOD)]) as server:
        assert asker(tmp_path, server).ask(REQUEST, Form).answer == 42
    assert [body["max_tokens"] for body in server.requests] == [2000, 4000]


def test_a_refusal_is_said(tmp_path):
    with ChatServer([Reply("", finish_reason="content_filter")]) as server, pytest.raises(Refused, match="refused"):
        asker(tmp_path, server).ask(REQUEST, Form)


@pytest.mark.parametrize("broken", [Reply(GOOD, garbage=True), Reply(GOOD, finish_reason=None)])
def test_an_answer_that_breaks_off_is_asked_again(tmp_path, broken):
    with ChatServer([broken, Reply(GOOD)]) as server:
        assert asker(tmp_path, server).ask(REQUEST, Form).answer == 42


@pytest.mark.parametrize(
    ("status", "says", "asked"),
    [(401, "OPENAI_API_KEY", 1), (404, "llm.model", 1), (413, "too large", 1), (429, "limit holds", 3),
     (503, "run again", 3)],
)  # fmt: skip
def test_failures_end_in_one_line_and_cost_nothing(tmp_path, status, says, asked):
    with ChatServer(lambda _: Reply(status=status, headers={"retry-after": "0.01"})) as server:
        provider = OpenAIProvider("local-7b", server.url, retries=2)
        one = Asker(provider, Dialogue(tmp_path / "dialogue"), Ledger(tmp_path / "spent.json", 5.0), None)
        one.price = LlmSettings(provider="openai", price={"input": 1.0, "output": 2.0}).own_price()
        with pytest.raises(UserError, match=rf"outline.*HTTP {status}.*{says}.*scripted failure"):
            one.ask(REQUEST, Form)
    assert len(server.requests) == asked
    assert one.ledger.spent_usd == 0


def test_usage_is_estimated_where_the_server_counts_none(tmp_path):
    with ChatServer([Reply(GOOD, usage=None)]) as server:
        one = asker(tmp_path, server, price={"input": 1.0, "output": 2.0})
        one.ask(REQUEST, Form)
    assert 0 < one.ledger.spent_usd < 0.01


def test_what_must_be_named(monkeypatch):
    with pytest.raises(UserError, match=r"no model; name the server's with llm\.model"):
        OpenAIProvider(None, "http://127.0.0.1:1")
    with pytest.raises(UserError, match="no key; set OPENAI_API_KEY"):
        OpenAIProvider("gpt")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test0123456789abcdef")
    with pytest.raises(UserError, match="is not on this machine"):
        OpenAIProvider("gpt")


def test_a_server_elsewhere_needs_a_price(tmp_path, monkeypatch):
    monkeypatch.setenv("MLINTERN_NO_LIVE_REQUESTS", "")
    with pytest.raises(UserError, match="its price is not known"):
        make_asker(LlmSettings(provider="openai", model="m", base_url="https://host.example/v1"), tmp_path, print)
    assert [is_own_machine(f"http://{h}:1/v1") for h in ("localhost", "10.0.0.2", "[::1]", "8.8.8.8")] == [
        True, True, True, False,
    ]  # fmt: skip


def test_a_server_that_is_not_there(tmp_path):
    with ChatServer([]) as server:
        pass
    provider = OpenAIProvider("m", server.url, retries=0)
    with pytest.raises(UserError, match=r"cannot reach http://127\.0\.0\.1:\d+/v1.*check llm\.base_url"):
        provider.ask(REQUEST, print)
