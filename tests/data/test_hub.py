"""A dataset of the hub at its pinned commit, from a server on loopback that speaks the hub's protocol."""

import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import threading
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd
import pytest

from mlintern.core.roots import ROOT

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "somebody/rows"

ASK = """
import json, sys
from mlintern.data.sources import HuggingFace
from mlintern.core.errors import UserError

try:
    parts = HuggingFace(path=sys.argv[1], revision=sys.argv[2], label="y", features=["a", "b"])()
except UserError as error:
    print(json.dumps(str(error)))
else:
    print(json.dumps({name: [p["features"].tolist(), p["labels"].tolist()] for name, p in parts.items()}))
"""


def table(rows):
    out = io.BytesIO()
    pd.DataFrame({"a": np.arange(rows) * 0.5, "b": np.arange(rows) * 2.0, "y": np.arange(rows) % 2}).to_parquet(out)
    return out.getvalue()


FILES = {"data/train-00000-of-00001.parquet": table(6), "data/test-00000-of-00001.parquet": table(4)}


class Hub(http.server.BaseHTTPRequestHandler):
    """One dataset repository of two parquet files, as api and resolve addresses of the hub serve it."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = unquote(urlsplit(self.path).path)
        known = [{"type": "file", "path": name, "size": len(data), "oid": "0" * 40} for name, data in FILES.items()]
        for prefix in (f"/datasets/{NAME}/resolve/{COMMIT}/", f"/api/resolve-cache/datasets/{NAME}/{COMMIT}/"):
            if path.startswith(prefix) and (data := FILES.get(path.removeprefix(prefix))) is not None:
                etag = f'"{hashlib.sha1(data).hexdigest()}"'
                return self.reply(200, data, ETag=etag, X_Repo_Commit=COMMIT, Accept_Ranges="bytes")
        if path in (f"/api/datasets/{NAME}", f"/api/datasets/{NAME}/revision/{COMMIT}"):
            about = {"id": NAME, "sha": COMMIT, "private": False, "siblings": [{"rfilename": name} for name in FILES]}
            return self.reply(200, json.dumps(about).encode(), Content_Type="application/json")
        if path.startswith(f"/api/datasets/{NAME}/tree/{COMMIT}"):
            under = path.removeprefix(f"/api/datasets/{NAME}/tree/{COMMIT}").strip("/")
            folders = [] if under else [{"type": "directory", "path": "data", "size": 0, "oid": "1" * 40}]
            listed = [row for row in known if row["path"].startswith(under)] if under else [*folders, *known]  # type: ignore[attr-defined]
            return self.reply(200, json.dumps(listed).encode(), Content_Type="application/json")
        if path == f"/api/datasets/{NAME}/paths-info/{COMMIT}":
            return self.reply(200, json.dumps(known).encode(), Content_Type="application/json")
        code = "EntryNotFound" if NAME in path else "RepoNotFound"
        return self.reply(404, b"{}", X_Error_Code=code, Content_Type="application/json")

    do_GET = do_HEAD = do_POST = answer


@pytest.fixture
def hub():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def ask(hub, folder, name, revision):
    environment = {**os.environ, "HF_ENDPOINT": hub, "HF_HOME": str(folder), "HF_HUB_DISABLE_TELEMETRY": "1"}
    argv = [sys.executable, "-c", ASK, name, revision]
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_dataset_of_the_hub_at_its_commit(hub, tmp_path):
    parts = ask(hub, tmp_path, NAME, COMMIT)
    assert {name: len(labels) for name, (_, labels) in parts.items()} == {"train": 6, "test": 4}
    assert parts["train"] == [[[0.5 * i, 2.0 * i] for i in range(6)], [i % 2 for i in range(6)]]


def test_one_that_is_not_there_is_one_line(hub, tmp_path):
    said = ask(hub, tmp_path, "somebody/nothing", COMMIT)
    assert said.startswith("data.source.path=somebody/nothing: ") and "\n" not in said


@pytest.mark.slow
def test_no_network_is_one_line(tmp_path):
    said = ask("http://127.0.0.1:9", tmp_path, NAME, COMMIT)
    assert said.startswith(f"data.source.path={NAME}: ") and "\n" not in said
