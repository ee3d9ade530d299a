"""A Messages API server on loopback that speaks the real wire format, failures included; tests script its answers."""

import contextlib
import dataclasses
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


@dataclasses.dataclass
class Reply:
    """One scripted answer."""

    text: str = "{}"
    status: int = 200
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    stop_reason: str | None = "end_turn"
    stop_details: dict[str, Any] | None = None
    usage: dict[str, int] = dataclasses.field(default_factory=lambda: {"input_tokens": 100, "output_tokens": 50})
    cut_after: int | None = None
    """Bytes of the event stream after which the connection is reset."""
    stream_error: str | None = None
    """Type of an `error` event sent in place of the message's end."""
    drip_s: float = 0.0
    """Seconds between the pieces of the event stream."""
    silent_s: float = 0.0
    """Seconds without a byte before the answer."""
    message: str = "scripted failure"
    garbage: bool = False
    """Send an event whose data is no JSON."""


class Server:
    """`with Server(replies) as server:` then `server.url`, `server.requests`, `server.headers`."""

    def __init__(self, replies: list[Reply] | Callable[[dict[str, Any]], Reply], tokens: int = 100):
        self.replies, self.tokens = replies, tokens
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.counted: list[dict[str, Any]] = []

    def __enter__(self) -> "Server":
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.path.split("?")[0] == "/v1/messages/count_tokens":
                    server.counted.append(body)
                    self.send(200, {"input_tokens": server.tokens}, {})
                    return
                assert self.path.split("?")[0] == "/v1/messages"
                server.requests.append(body)
                server.headers.append({name.lower(): value for name, value in self.headers.items()})
                reply = server.replies(body) if callable(server.replies) else server.replies[len(server.requests) - 1]
                time.sleep(reply.silent_s)
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.answer(body, reply)

            def answer(self, body: dict[str, Any], reply: Reply) -> None:
                if reply.status != 200:
                    error = {"type": ERROR_TYPES[reply.status], "message": reply.message}
                    self.send(reply.status, {"type": "error", "error": error, "request_id": "req_1"}, reply.headers)
                    return
                assert body["stream"] is True
                wire = "".join(events(body["model"], reply)).encode()
                self.send_response(200)
                self.send_header("content-type", "text/event-stream; charset=utf-8")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                part = wire if reply.cut_after is None else wire[: reply.cut_after]
                for at in range(0, len(part), 300):
                    chunk = part[at : at + 300]
                    time.sleep(reply.drip_s)
                    self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                    self.wfile.flush()
                if reply.cut_after is not None:
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                else:
                    self.wfile.write(b"0\r\n\r\n")

            def send(self, status: int, body: dict[str, Any], headers: dict[str, str]) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.send_header("request-id", "req_1")
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


def events(model: str, reply: Reply) -> Iterator[str]:
    """The server-sent events of one message, as the API sends them (a ping among them)."""
    start = {**reply.usage, "output_tokens": 1}
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": start,
    }  # fmt: skip
    yield event("message_start", {"message": message})
    yield event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
    yield event("ping", {})
    if reply.garbage:
        yield "event: content_block_delta\ndata: {not json\n\n"
    for at in range(0, len(reply.text), 40):
        delta = {"type": "text_delta", "text": reply.text[at : at + 40]}
        yield event("content_block_delta", {"index": 0, "delta": delta})
    if reply.stream_error:
        yield event("error", {"error": {"type": reply.stream_error, "message": reply.message}})
        return
    yield event("content_block_stop", {"index": 0})
    if reply.stop_reason is not None:
        delta = {"stop_reason": reply.stop_reason, "stop_sequence": None}
        if reply.stop_details:
            delta["stop_details"] = reply.stop_details
        yield event("message_delta", {"delta": delta, "usage": {"output_tokens": reply.usage["output_tokens"]}})
        yield event("message_stop", {})


def event(kind: str, body: dict[str, Any]) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **body})}\n\n"
