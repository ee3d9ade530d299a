"""A key that is in the environment reaches the server's header and nothing else: the whole authoring is searched."""

import json
import logging
import os
import sys

import pytest

from mlintern.author.asking.asker import Asker
from mlintern.author.asking.dialogue import Dialogue
from mlintern.author.asking.money import Ledger
from mlintern.author.asking.providers.anthropic_api import AnthropicProvider
from mlintern.author.authoring import Authoring
from mlintern.core.errors import UserError
from mlintern.paper.ids import PaperId
from mlintern.sandbox.limits import Limits
from mlintern.sandbox.process import run_sandboxed
from tests.author.documents import document
from tests.author.messages_server import Reply, Server
from tests.author.scripted import COMPLETION, CRITIQUE, EXTRACTION, MENDED, OUTLINE, WRITTEN

STAGES = {"kind": OUTLINE, "licence": EXTRACTION, "unmapped": COMPLETION, "files": WRITTEN, "components": CRITIQUE}


def answered(key):
    """Answers by the schema that is asked for; the first outline repeats the key, as a model that saw it might."""
    told = []

    def reply(body):
        asked = body["output_config"]["format"]["schema"]["properties"]
        answer = next((given for name, given in STAGES.items() if name in asked), MENDED)
        if answer is OUTLINE and not told:
            told.append(True)
            return Reply(json.dumps({**OUTLINE, "why": f"The key is {key}.", "evidence": "not in the paper"}))
        return Reply(json.dumps(answer))

    return reply


def test_an_authoring_is_searched_for_the_key(tmp_path, key, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    child = []

    def vet(pack, spec, inputs):
        show = "import os; print(dict(os.environ)); print(open('/proc/self/environ').read())"
        done = run_sandboxed([sys.executable, "-c", show], readonly=[pack], scratch=tmp_path / "scratch",
                             limits=Limits(cpu_s=20, wall_s=20, memory_bytes=1 << 30, processes=32,
                                           file_size_bytes=1 << 20), env={})  # fmt: skip
        child.append(done.stdout.decode() + done.stderr.decode())
        return []

    (tmp_path / "scratch").mkdir()
    said = []
    with Server(answered(key)) as server:
        provider = AnthropicProvider("claude-opus-5-5", server.url, retries=0, timeout_s=10)
        asker = Asker(provider, Dialogue(tmp_path / "work/dialogue"), Ledger(tmp_path / "work/spent.json", 5.0))
        paper = PaperId.parse("2001.00001v2")
        Authoring(document(), paper, asker, tmp_path / "work", tmp_path / "papers", vet, say=said.append).run()
        bodies = json.dumps([server.requests, server.counted])
    assert key in json.dumps(server.headers)  # it was used at all
    assert os.environ["ANTHROPIC_API_KEY"] == key
    texts = {str(path): path.read_bytes().decode(errors="replace") for path in tmp_path.rglob("*") if path.is_file()}
    captured = capfd.readouterr()
    texts |= {"prompts": bodies, "log": caplog.text, "out": captured.out, "err": captured.err, "progress": str(said),
              "child": "".join(child)}  # fmt: skip
    assert len(texts) > 15
    assert "environ" not in child[0] or "PATH" in child[0]
    assert [name for name, text in texts.items() if key in text] == []


def test_an_error_that_quotes_the_key_is_blotted(tmp_path, key):
    with Server([Reply(status=401, message=f"bad key {key}")]) as server:
        provider = AnthropicProvider("claude-opus-5-5", server.url, retries=0, timeout_s=10)
        asker = Asker(provider, Dialogue(tmp_path / "dialogue"), Ledger(tmp_path / "spent.json", 5.0))
        with pytest.raises(UserError) as caught:
            Authoring(document(), PaperId.parse("2001.00001v2"), asker, tmp_path, tmp_path / "papers", list).run()
    assert key not in str(caught.value)
