"""A server on loopback that speaks chat completions as various servers do; tests script its answers."""

import contextlib
import dataclasses
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclasses.dataclass
class Reply:
    """One scripted answer."""

    text: str = "{}"
    status: int = 200
    message: str = "scripted failure"
    streams: bool = True
    finish_reason: str | None = "stop"
    usage: dict[str, int] | None = dataclasses.field(
        default_factory=lambda: {"prompt_tokens": 100, "completion_tokens": 50}
    )
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    garbage: bool = False


class ChatServer:
    """`with ChatServer(replies) as server:` then `server.url` (without /v1), `server.requests`, `server.paths`."""

    def __init__(self, replies: list[Reply] | Callable[[dict[str, Any]], Reply]):
        self.replies = replies
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []

    def __enter__(self) -> "ChatServer":
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.paths.append(self.path)
                server.headers.append({name.lower(): value for name, value in self.headers.items()})
                if self.path != "/v1/chat/completions":
                    self.send(404, {"error": {"message": "Not Found", "type": "invalid_request_error"}}, {})
                    return
                server.requests.append(body)
                reply = server.replies(body) if callable(server.replies) else server.replies[len(server.requests) - 1]
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.answer(body, reply)

            def answer(self, body: dict[str, Any], reply: Reply) -> None:
                if reply.status != 200:
                    self.send(reply.status, {"error": {"message": reply.message}}, reply.headers)
                    return
                if not reply.streams:
                    choice = {"index": 0, "message": {"role": "assistant", "content": reply.text}}
                    whole = {"model": body["model"], "choices": [{**choice, "finish_reason": reply.finish_reason}]}
                    self.send(200, {**whole, **({"usage": reply.usage} if reply.usage else {})}, {})
                    return
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                for event in events(body["model"], reply):
                    self.wfile.write(f"data: {event}\n\n".encode())

            def send(self, status: int, body: dict[str, Any], headers: dict[str, str]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def events(model: str, reply: Reply) -> list[str]:
    """The data of an answer's events."""
    made = [{"model": model, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}]
    for at in range(0, len(reply.text), 20):
        made.append({"model": model, "choices": [{"index": 0, "delta": {"content": reply.text[at : at + 20]}}]})
    made.append({"model": model, "choices": [{"index": 0, "delta": {}, "finish_reason": reply.finish_reason}]})
    if reply.usage:
        made.append({"model": model, "choices": [], "usage": reply.usage})
    lines = [json.dumps(event) for event in made]
    return [*lines[:1], "{not json"] if reply.garbage else [*lines, "[DONE]"]
