"""From a PaperId to files on disk: the LaTeX source if it can be had, else HTML, else PDF.

A version is pinned before anything is downloaded, and what was fetched is recorded with hashes, so that a second read
of the same paper gives the same bytes and needs no network. Why a better road was not taken is said in `notes`; a host
that does not answer is an error and not a reason to take a worse road.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlintern.core.errors import UserError
from mlintern.core.files import sha256_file
from mlintern.paper import readers
from mlintern.paper.document.document import Road
from mlintern.paper.fetch import archive
from mlintern.paper.fetch.arxiv import Metadata, ask, file_url
from mlintern.paper.fetch.cache import PaperCache
from mlintern.paper.fetch.download import BadBody, Downloader, NotThere, forget
from mlintern.paper.ids import PaperId
from mlintern.paper.settings import PaperSettings

_HTML_NAMES = (".html", ".htm", ".xhtml")
_TEX_NAMES = (".tex", ".ltx", ".latex")
_RECORDED = ("road", "sha256", "name", "url", "notes")
_LATEXML_MARKS = (b"ltx_document", b"ltx_page_main", b"ltx_page_content")
_AUTO_IGNORE_BYTES = 4_000  # the source that stands in for a withdrawn paper is a few lines of TeX


@dataclass(frozen=True)
class Fetched:
    """A paper's files, ready to be read."""

    paper: PaperId
    """With its version pinned."""
    road: Road
    path: Path
    """latex: the folder of the source, or one .tex file; html, pdf: the file (its name may say nothing)."""
    name: str
    """What to call the file or folder in messages and in `Document.sources`: `1706.03762v5.pdf`."""
    sha256: str = ""
    """Of the archive or file as it was received; empty for a local folder."""
    url: str = ""
    """Where it was downloaded from; empty for a local paper."""
    metadata: Metadata | None = None
    """arXiv's record; None for a local paper."""
    notes: tuple[str, ...] = ()
    """Why better roads were not taken, and what is odd about this one."""


class _NoRoad(Exception):
    """This road cannot be taken; the next one may."""


def fetch(paper: PaperId, settings: PaperSettings | None = None) -> Fetched:
    """Get a paper's files, from the cache or from arXiv; local papers are looked at in place.

    Raises UserError: unknown or withdrawn paper, hostile or damaged archive, no answer in time, nothing readable.
    """
    settings = settings or PaperSettings()
    cache = PaperCache(settings.cache_dir)
    if paper.is_local:
        return _fetch_local(paper, cache)
    with cache.lock(paper.slug):
        pinned = _pin_from_cache(paper, cache, settings)
        cached = _from_record(pinned, cache) if pinned else None
        if cached:
            return cached
        if settings.offline:
            raise UserError(f"paper: {paper} is not in the cache and paper.offline=true; fetch it once with network")
        return _Fetcher(pinned or paper, cache, settings).fetch()


def _pin_from_cache(paper: PaperId, cache: PaperCache, settings: PaperSettings) -> PaperId | None:
    """The paper with its version, if it was asked for or is known from an earlier time."""
    if paper.version:
        return paper
    latest = None if settings.refresh else cache.record(paper.slug, "latest")
    version = latest.get("version") if latest else None
    return dataclasses.replace(paper, version=version) if isinstance(version, int) and version > 0 else None


def _from_record(paper: PaperId, cache: PaperCache) -> Fetched | None:
    record = cache.record(paper.slug, f"v{paper.version}")
    if record is None:
        return None
    try:
        metadata = Metadata.from_record(record["metadata"])
        road, sha256, name, url, notes = (record[key] for key in _RECORDED)
    except (KeyError, TypeError):  # written by another version of this program: fetched anew
        return None
    blob = cache.blob(sha256)
    if blob is None:
        return None
    path = blob
    if record.get("inside") is not None:
        path = _unpacked(blob, sha256, name, cache) / record["inside"]
    return Fetched(paper, road, path, name, sha256, url, metadata, tuple(notes))


def _unpacked(body: Path, sha256: str, name: str, cache: PaperCache) -> Path:
    return cache.tree(sha256, lambda folder: archive.unpack(body, folder, name))


class _Fetcher:
    """One paper, from arXiv."""

    def __init__(self, paper: PaperId, cache: PaperCache, settings: PaperSettings):
        self.cache = cache
        self.settings = settings
        self.downloader = Downloader(settings, cache.root / "last_request")
        partial = cache.partial(f"api {settings.export_url} {paper}")
        self.metadata = ask(paper, self.downloader, partial)
        forget(partial)
        self.paper = dataclasses.replace(paper, version=self.metadata.version)
        self.notes: list[str] = []

    def fetch(self) -> Fetched:
        """What is known of the pinned version, or the first road that can be taken."""
        if cached := _from_record(self.paper, self.cache):
            self._record_latest()
            return cached
        roads: dict[str, Callable[[], Fetched]] = {"source": self._source, "html": self._html, "pdf": self._pdf}
        for road in self.settings.roads:
            try:
                fetched = roads[road]()
            except _NoRoad as problem:
                self.notes.append(f"{road}: {problem}")
                continue
            self._record(fetched)
            return fetched
        if self.metadata.withdrawn:
            raise self._withdrawn_error()
        raise UserError(f"paper: {self.paper} cannot be read: {'; '.join(self.notes)}; give a local file instead")

    def _withdrawn_error(self) -> UserError:
        version = self.metadata.version
        fix = f"ask for an earlier version by name: {self.paper.id}v{version - 1}" if version > 1 else "nothing to read"
        return UserError(f"paper: {self.paper} was withdrawn (comment: {self.metadata.withdrawn[:300]!r}); {fix}")

    def _record(self, fetched: Fetched) -> None:
        inside = None
        tree = self.cache.root / "trees" / fetched.sha256
        if fetched.path == tree or tree in fetched.path.parents:
            inside = str(fetched.path.relative_to(tree))
        record: dict[str, Any] = {key: getattr(fetched, key) for key in _RECORDED}
        record |= {"metadata": dataclasses.asdict(self.metadata), "inside": inside}
        self.cache.write_record(self.paper.slug, f"v{self.paper.version}", record)
        self._record_latest()

    def _record_latest(self) -> None:
        self.cache.write_record(self.paper.slug, "latest", {"version": self.metadata.latest})

    def _download(self, url: str, verify: Callable[[Path], None]) -> tuple[str, Path, str]:
        """The body's hash, its place in the cache, and its address after redirects."""
        partial = self.cache.partial(url)
        try:
            final = self.downloader.get(url, partial, verify)
        except NotThere as problem:
            raise _NoRoad(str(problem)) from None
        sha256 = self.cache.add(partial)
        forget(partial)
        blob = self.cache.blob(sha256)
        if blob is None:
            raise UserError(f"{self.cache.root}: a file changed while it was written; is another program using it?")
        return sha256, blob, final

    def _done(self, road: Road, path: Path, name: str, sha256: str, url: str) -> Fetched:
        if self.metadata.withdrawn:
            self.notes.append(f"withdrawn: {self.metadata.withdrawn}")
        return Fetched(self.paper, road, path, name, sha256, url, self.metadata, tuple(self.notes))

    def _source(self) -> Fetched:
        sha256, body, url = self._download(file_url("e-print", self.paper, self.settings), _verify_source)
        stem = str(self.paper).replace("/", "_")
        if archive.sniff(body) == "pdf":
            self.notes.append("source: the authors submitted a PDF only")
            return self._done("pdf", body, f"{stem}.pdf", sha256, url)
        if archive.sniff(body) == "postscript":
            raise _NoRoad("the authors submitted PostScript only")
        name = f"{stem}.tar.gz"
        folder = _unpacked(body, sha256, name, self.cache)
        road, inside = _look_inside(folder)
        if road is None:
            raise _NoRoad("the source holds neither TeX, HTML nor PDF")
        if self.metadata.withdrawn and _stands_in_for_withdrawn(folder):
            raise self._withdrawn_error()
        if road != "latex":
            self.notes.append(f"source: the authors submitted {road.upper()} only")
            name = f"{stem}.{road}"
        return self._done(road, inside, name, sha256, url)

    def _html(self) -> Fetched:
        places = [file_url("html", self.paper, self.settings)]
        if self.settings.ar5iv_url and self.metadata.version == self.metadata.latest:
            places.append(f"{self.settings.ar5iv_url}/html/{self.paper.id}")
        problems = []
        for url in places:
            try:
                sha256, body, final = self._download(url, _verify_html)
            except _NoRoad as problem:
                problems.append(f"{url}: {problem}")
                continue
            if url != places[0]:
                self.notes.append("html: ar5iv keeps one version of a paper and does not say which")
            return self._done("html", body, f"{str(self.paper).replace('/', '_')}.html", sha256, final)
        raise _NoRoad(", ".join(problems))

    def _pdf(self) -> Fetched:
        sha256, body, url = self._download(file_url("pdf", self.paper, self.settings), _verify_pdf)
        return self._done("pdf", body, f"{str(self.paper).replace('/', '_')}.pdf", sha256, url)


def _verify_source(body: Path) -> None:
    kind = archive.sniff(body)
    if kind == "pdf":
        _verify_pdf(body)
    elif kind == "html":
        raise NotThere("a web page came instead of the source")
    elif kind in ("text", "unknown"):
        raise NotThere("what came is no archive")
    elif kind == "gzip" and (problem := archive.gzip_problem(body)):
        raise BadBody(f"the archive is damaged ({problem})")


def _verify_html(body: Path) -> None:
    data = body.read_bytes()
    if not any(mark in data for mark in _LATEXML_MARKS):
        raise NotThere("no HTML of the paper")
    if b"</html" not in data[-4096:].lower():
        raise BadBody("the page has no end")


def _verify_pdf(body: Path) -> None:
    if archive.sniff(body) != "pdf":
        raise NotThere("what came is no PDF")
    with open(body, "rb") as handle:
        size = handle.seek(0, 2)
        handle.seek(max(size - 4096, 0))
        if b"%%EOF" not in handle.read():
            raise BadBody("the PDF has no end")


def _look_inside(folder: Path) -> tuple[Road | None, Path]:
    """The best road through an unpacked source or a local folder."""
    files = sorted((file for file in folder.rglob("*") if file.is_file()), key=lambda file: (len(file.parts), file))
    # the first TeX submissions to arXiv had names without a suffix, or .txt
    if any(file.suffix.lower() in _TEX_NAMES for file in files):
        return "latex", folder
    for file in files:
        if file.suffix.lower() in ("", ".txt") and archive.looks_like_tex(file):
            return "latex", folder
    for names, road in ((_HTML_NAMES, "html"), ((".pdf",), "pdf")):
        for file in files:
            if file.suffix.lower() in names:
                return road, file
    return None, folder


def _stands_in_for_withdrawn(folder: Path) -> bool:
    """Whether all that a source holds is the short note that arXiv keeps in place of a withdrawn paper."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    if sum(file.stat().st_size for file in files) > _AUTO_IGNORE_BYTES:
        return False
    texts = b" ".join(file.read_bytes() for file in files).lower()
    return b"%auto-ignore" in texts or b"withdrawn" in texts


def _fetch_local(paper: PaperId, cache: PaperCache) -> Fetched:
    path = paper.path
    if path is None:
        raise UserError(f"paper: {paper.slug} is a local paper; give the path of its file or folder")
    if not path.exists():
        raise UserError(f"paper: {path}: no such file or folder")
    if path.is_dir():
        road, inside = _look_inside(path)
        if road is None:
            raise UserError(f"paper: {path}: holds no .tex, .html or .pdf file; give the folder of the paper's source")
        return Fetched(paper, road, inside, inside.name)
    if not path.is_file():
        raise UserError(f"paper: {path}: neither a file nor a folder; give the paper's file or folder")
    try:
        sha256, kind = sha256_file(path), archive.sniff(path)
    except OSError as error:
        raise UserError(f"paper: {path}: cannot be read ({error.strerror}); check its permissions") from None
    if path.stat().st_size == 0:
        raise UserError(f"paper: {path}: the file is empty")
    if road := readers.road_of(path.name):
        return Fetched(paper, road, path, path.name, sha256)
    if kind in ("gzip", "zip", "tar"):
        folder = _unpacked(path, sha256, path.name, cache)
        road, inside = _look_inside(folder)
        if road is None:
            raise UserError(f"paper: {path}: the archive holds no .tex, .html or .pdf file")
        return Fetched(paper, road, inside, path.name, sha256)
    named: Road | None = "latex" if path.suffix.lower() in _TEX_NAMES else None
    if path.suffix.lower() in _HTML_NAMES:
        named = "html"
    by_bytes: dict[str, Road] = {"pdf": "pdf", "html": "html", "text": "latex"}
    road = "pdf" if kind == "pdf" else named or by_bytes.get(kind)
    if road is None or kind in ("unknown", "postscript") or (path.suffix.lower() == ".pdf" and road != "pdf"):
        begins = "no text" if kind == "unknown" else kind
        raise UserError(f"paper: {path}: not the kind of file that its name says (it begins like {begins})")
    return Fetched(paper, road, path, path.name, sha256)
