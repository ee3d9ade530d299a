"""An arXiv on loopback: real HTTP, arXiv's wire formats, and every way in which it can go wrong.

It serves /api/query (Atom), /e-print/, /html/ and /pdf/ for the papers that a test adds, supports ranges and ETags, and
plays the faults that a test queues for a path, one per request, before it answers properly.
"""

import gzip
import hashlib
import io
import re
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from mlintern.paper.settings import PaperSettings


@dataclass
class Body:
    """What a path answers with."""

    data: bytes
    content_type: str
    filename: str = ""
    content_encoding: str = ""


@dataclass
class Version:
    """One version of a paper; a missing body is answered with 404, as arXiv does."""

    source: Body | None = None
    html: Body | None = None
    pdf: Body | None = None
    comment: str = ""
    abstract: str = "We study learning."


@dataclass
class Fault:
    """How one request goes wrong."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_after: int | None = None
    """Send the proper answer, but close the connection after this many bytes of its body."""
    without_length: bool = False
    """Send no Content-Length; with `cut_after`, the client cannot see from HTTP that the body was cut."""
    drip_s: float = 0.0
    """Send the proper answer one byte at a time, with this pause."""
    drip_headers: bool = False
    stall_s: float = 0.0
    """Say nothing for so long, then close."""


@dataclass
class Request:
    path: str
    query: str
    headers: dict[str, str]
    at: float


class LoopbackArxiv:
    """Use it with `with serve() as arxiv:`."""

    def __init__(self) -> None:
        self.papers: dict[str, list[Version]] = {}
        self.titles: dict[str, str] = {}
        self.faults: list[tuple[re.Pattern[str], list[Fault]]] = []
        self.requests: list[Request] = []
        self.ranges = True
        self.dripped = 0
        """Bytes sent one at a time."""
        self.drips_ended = 0
        """Answers that were sent one byte at a time to their end."""
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def settings(self, cache_dir: object, **changes: object) -> PaperSettings:
        """Settings that talk to this server and do not wait."""
        values: dict[str, object] = {
            "arxiv_url": self.url,
            "cache_dir": cache_dir,
            "request_interval_s": 0.0,
            "backoff_s": 0.01,
            "timeout_s": 5.0,
            "deadline_s": 20.0,
        }
        return PaperSettings(**{**values, **changes})

    def add(self, id: str, *versions: Version, title: str = "On Learning") -> None:
        self.papers[id] = list(versions)
        self.titles[id] = title

    def fail(self, pattern: str, *faults: Fault) -> None:
        """The next requests whose path matches `pattern` go wrong in these ways, in this order."""
        self.faults.append((re.compile(pattern), list(faults)))

    def asked(self, pattern: str = "") -> list[Request]:
        return [request for request in self.requests if re.search(pattern, request.path)]

    def _next_fault(self, path: str) -> Fault | None:
        with self.lock:
            for pattern, faults in self.faults:
                if faults and pattern.search(path):
                    return faults.pop(0)
        return None

    def _body(self, path: str, query: str) -> Body | None:
        if path == "/api/query":
            return Body(self.feed(query).encode(), "application/atom+xml; charset=utf-8")
        kind, _, name = path.lstrip("/").partition("/")
        found = re.fullmatch(r"(.+?)(?:v(\d+))?", name)
        versions = self.papers.get(found[1]) if found else None
        if not found or not versions:
            return None
        number = int(found[2] or len(versions))
        if not 1 <= number <= len(versions):
            return None
        version = versions[number - 1]
        return {"e-print": version.source, "html": version.html, "pdf": version.pdf}.get(kind)

    def feed(self, query: str) -> str:
        """The Atom answer to an id_list query, as export.arxiv.org words it."""
        ids = parse_qs(query).get("id_list", [""])[0].split(",")
        entries = []
        for asked in ids:
            found = re.fullmatch(r"(.+?)(?:v(\d+))?", asked)
            if found is None or not re.fullmatch(r"\d{4}\.\d{4,5}|[a-z-]+/\d{7}", found[1]):
                return self._error_feed(asked)
            versions = self.papers.get(found[1], [])
            number = int(found[2] or len(versions))
            if 1 <= number <= len(versions):
                entries.append(self._entry(found[1], number, versions[number - 1]))
        return self._feed(entries)

    def _feed(self, entries: list[str]) -> str:
        return (
            "<?xml version='1.0' encoding='UTF-8'?>\n"
            '<feed xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/" xmlns:arxiv="http://arxiv.org/schemas/atom" '
            'xmlns="http://www.w3.org/2005/Atom">\n  <id>https://arxiv.org/api/x</id>\n  <title>arXiv Query</title>\n'
            f"  <opensearch:totalResults>{len(entries)}</opensearch:totalResults>\n"
            "  <opensearch:startIndex>0</opensearch:startIndex>\n" + "".join(entries) + "</feed>\n"
        )

    def _error_feed(self, asked: str) -> str:
        return self._feed(
            [
                "<entry><id>https://arxiv.org/api/errors#incorrect_id_format_for_x</id><title>Error</title>"
                f"<summary>incorrect id format for {escape(asked)}</summary></entry>\n"
            ]
        )

    def _entry(self, id: str, number: int, version: Version) -> str:
        comment = f"    <arxiv:comment>{escape(version.comment)}</arxiv:comment>\n" if version.comment else ""
        return (
            f"  <entry>\n    <id>http://arxiv.org/abs/{id}v{number}</id>\n"
            f"    <title>{escape(self.titles[id])}</title>\n    <updated>2021-0{number}-02T00:00:00Z</updated>\n"
            f"    <summary>{escape(version.abstract)}</summary>\n"
            '    <category term="cs.LG" scheme="http://arxiv.org/schemas/atom"/>\n'
            '    <category term="stat.ML" scheme="http://arxiv.org/schemas/atom"/>\n'
            f"    <published>2021-01-02T00:00:00Z</published>\n{comment}"
            '    <arxiv:primary_category term="cs.LG"/>\n'
            "    <author><name>Ada Example</name></author>\n    <author><name>Ben Example</name></author>\n"
            f'    <link href="https://arxiv.org/abs/{id}v{number}" rel="alternate" type="text/html"/>\n  </entry>\n'
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        arxiv = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                path = unquote(url.path)
                with arxiv.lock:
                    arxiv.requests.append(Request(path, url.query, dict(self.headers.items()), time.monotonic()))
                fault = arxiv._next_fault(path)
                try:
                    if fault and fault.stall_s:
                        arxiv.stopping.wait(fault.stall_s)
                        self.close_connection = True
                    elif fault and (fault.status != 200 or fault.body):
                        self._send(fault.status, fault.body, fault.headers)
                    else:
                        self._answer(arxiv._body(path, url.query), fault)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def _answer(self, body: Body | None, fault: Fault | None) -> None:
                if body is None:
                    self._send(404, b"<html><body>404 Not Found</body></html>", {"Content-Type": "text/html"})
                    return
                data, status = body.data, 200
                etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
                headers = {"Content-Type": body.content_type, "ETag": etag}
                if body.filename:
                    headers["Content-Disposition"] = f'attachment; filename="{body.filename}"'
                if body.content_encoding:
                    headers["Content-Encoding"] = body.content_encoding
                asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                if asked and arxiv.ranges and self.headers.get("If-Range", etag) == etag:
                    start = int(asked[1])
                    headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
                    data, status = data[start:], 206
                if fault is None:
                    self._send(status, data, headers)
                else:
                    self._answer_badly(status, data, headers, fault)

            def _answer_badly(self, status: int, data: bytes, headers: dict[str, str], fault: Fault) -> None:
                self.close_connection = True
                headers["Connection"] = "close"
                if not fault.without_length:
                    headers["Content-Length"] = str(len(data))
                head = f"HTTP/1.1 {status} OK\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
                sent = data if fault.cut_after is None else data[: fault.cut_after]
                self._write(head.encode(), fault.drip_s if fault.drip_headers else 0.0)
                self._write(sent, fault.drip_s)

            def _write(self, data: bytes, pause_s: float) -> None:
                if not pause_s:
                    self.wfile.write(data)
                    return
                for index in range(len(data)):
                    if arxiv.stopping.wait(pause_s):
                        return
                    self.wfile.write(data[index : index + 1])
                    self.wfile.flush()
                    arxiv.dripped += 1
                arxiv.drips_ended += 1

        return Handler


@contextmanager
def serve() -> Iterator[LoopbackArxiv]:
    arxiv = LoopbackArxiv()
    thread = threading.Thread(target=arxiv.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield arxiv
    finally:
        arxiv.stopping.set()
        arxiv.server.shutdown()
        arxiv.server.server_close()
        thread.join()


def tarball(files: dict[str, bytes]) -> bytes:
    """A .tar.gz as arXiv serves it; the same bytes for the same files."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), mtime=0)


def source(files: dict[str, bytes]) -> Body:
    return Body(tarball(files), "application/gzip", "arXiv-x.tar.gz")


def single_gz(tex: bytes) -> Body:
    return Body(gzip.compress(tex, mtime=0), "application/gzip", "arXiv-x.gz")


TEX = b"\\documentclass{article}\n\\begin{document}\nWe train for 100 steps.\n\\end{document}\n"
HTML = (
    b'<!DOCTYPE html><html><body><div class="ltx_page_main"><article class="ltx_document">'
    b'<h1 class="ltx_title ltx_title_document">On Learning</h1>'
    b'<div class="ltx_para"><p class="ltx_p">We train for 100 steps.</p></div></article></div></body></html>'
)


def minimal_pdf(text: str = "We train for 100 steps.") -> bytes:
    """A one-page PDF with a correct cross-reference table, written by hand."""
    stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)
