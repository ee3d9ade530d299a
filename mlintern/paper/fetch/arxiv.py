"""What arXiv says about a paper: its Atom API, and the addresses of its files.

The API is described in https://info.arxiv.org/help/api/user-manual.html. Three of its habits matter: a malformed id is
answered with HTTP 200 and an entry titled "Error", an unknown one with an empty feed, and throttling sometimes with
HTTP 200 and the bare text "Rate exceeded.".
"""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lxml import etree

from mlintern.core.errors import UserError
from mlintern.paper.fetch.download import BadBody, Downloader
from mlintern.paper.ids import PaperId
from mlintern.paper.settings import PaperSettings

_ATOM = "{http://www.w3.org/2005/Atom}"
_ARXIV = "{http://arxiv.org/schemas/atom}"
_OPENSEARCH = "{http://a9.com/-/spec/opensearch/1.1/}"
_ENTRY_ID = re.compile(r"/abs/(?P<id>.+?)v(?P<version>\d+)$")
_WITHDRAWN = re.compile(
    r"^\s*withdrawn\b|\b(?:paper|article|manuscript|submission|preprint|work|version|it)\s+(?:has\s+been|is|was)\s+"
    r"(?:temporarily\s+)?withdrawn\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Metadata:
    """arXiv's record of one version of a paper."""

    id: str
    version: int
    latest: int
    """The newest version that arXiv had when it was asked."""
    title: str
    authors: tuple[str, ...]
    abstract: str
    submitted: str
    """First version, ISO 8601."""
    updated: str
    """This version, ISO 8601."""
    categories: tuple[str, ...]
    comment: str
    journal: str
    doi: str
    withdrawn: str
    """The comment that says so; empty for a paper that stands."""

    def as_strings(self) -> dict[str, str]:
        """For `Document.metadata`: everything but what the Document holds itself, empty values left out."""
        own = ("id", "version", "title", "authors", "abstract", "latest", "categories")
        values = {key: str(value) for key, value in asdict(self).items() if key not in own and value}
        return {
            "latest_version": f"v{self.latest}",
            "categories": " ".join(self.categories),
            "url": f"https://arxiv.org/abs/{self.id}v{self.version}",
            **values,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Metadata":
        """The inverse of `dataclasses.asdict` after a trip through JSON."""
        lists = {key: tuple(record[key]) for key in ("authors", "categories")}
        return cls(**{**record, **lists})


def api_url(paper: PaperId, settings: PaperSettings) -> str:
    """One request for the asked-for version and the newest one."""
    ids = [paper.id] + ([str(paper)] if paper.version else [])
    return f"{settings.export_url}/api/query?id_list={quote(','.join(ids), safe=',')}&max_results={len(ids)}"


def file_url(kind: str, paper: PaperId, settings: PaperSettings) -> str:
    """The address of a pinned version's `e-print`, `html` or `pdf`."""
    return f"{settings.arxiv_url}/{kind}/{quote(str(paper), safe='/')}"


def ask(paper: PaperId, downloader: Downloader, partial: Path) -> Metadata:
    """Ask the API about a paper. Raises UserError if arXiv has no such paper or version."""
    feeds: list[etree._Element] = []

    def verify(path: Path) -> None:
        feeds.append(_parse_feed(path.read_bytes()))

    downloader.get(api_url(paper, downloader.settings), partial, verify)
    return _read_feed(feeds[-1], paper)


def _parse_feed(body: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        feed = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        begins = " ".join(body[:60].decode("utf-8", "replace").split())
        raise BadBody(f"the API's answer is not an Atom feed (it begins {begins!r})") from None
    if feed.tag != f"{_ATOM}feed":
        raise BadBody("the API's answer is XML, but not an Atom feed")
    total = feed.findtext(f"{_OPENSEARCH}totalResults") or "0"
    if total.strip() not in ("", "0") and feed.find(f"{_ATOM}entry") is None:
        raise BadBody("the API's answer announces entries and holds none")
    return feed


def _text(entry: etree._Element, tag: str) -> str:
    return " ".join((entry.findtext(tag) or "").split())


def _read_feed(feed: etree._Element, paper: PaperId) -> Metadata:
    versions: dict[int, etree._Element] = {}
    for entry in feed.iter(f"{_ATOM}entry"):
        address = _text(entry, f"{_ATOM}id")
        if "/api/errors" in address:
            raise UserError(
                f"paper: arXiv does not accept {paper}: {_text(entry, f'{_ATOM}summary')[:200]}; check the id"
            )
        found = _ENTRY_ID.search(address)
        if found and _same_id(found["id"], paper.id):
            versions[int(found["version"])] = entry
    if not versions:
        raise UserError(f"paper: arXiv has no paper {paper}; check the id on https://arxiv.org/abs/{paper.id}")
    latest = max(versions)
    version = paper.version or latest
    if version not in versions:
        raise UserError(f"paper: {paper.id} has no version v{version}; its newest is v{latest}")
    return _read_entry(versions[version], paper.id, version, latest, withdrawn=_withdrawn(versions[latest]))


def _same_id(listed: str, asked: str) -> bool:
    """math.GT/0309136 and math/0309136 are one paper."""
    return re.sub(r"\.[A-Za-z-]+/", "/", listed) == asked


def _withdrawn(entry: etree._Element) -> str:
    comment, abstract = _text(entry, f"{_ARXIV}comment"), _text(entry, f"{_ATOM}summary")
    if _WITHDRAWN.search(comment):
        return comment
    # in the abstract only a short notice counts: a paper may well speak of withdrawn papers
    return abstract if len(abstract) < 400 and _WITHDRAWN.search(abstract) else ""


def _read_entry(entry: etree._Element, id: str, version: int, latest: int, withdrawn: str) -> Metadata:
    categories = [category.get("term", "") for category in entry.iter(f"{_ATOM}category")]
    primary = [category.get("term", "") for category in entry.iter(f"{_ARXIV}primary_category")]
    return Metadata(
        id=id,
        version=version,
        latest=latest,
        title=_text(entry, f"{_ATOM}title"),
        authors=tuple(_text(author, f"{_ATOM}name") for author in entry.iter(f"{_ATOM}author")),
        abstract=_text(entry, f"{_ATOM}summary"),
        submitted=_text(entry, f"{_ATOM}published"),
        updated=_text(entry, f"{_ATOM}updated"),
        categories=tuple(dict.fromkeys([*primary, *categories])),
        comment=_text(entry, f"{_ARXIV}comment"),
        journal=_text(entry, f"{_ARXIV}journal_ref"),
        doi=_text(entry, f"{_ARXIV}doi"),
        withdrawn=withdrawn,
    )
