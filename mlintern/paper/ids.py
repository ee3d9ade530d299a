"""One name for a paper, however it was spelled.

Hydra parses `paper=1412.6980` as the float 1412.698, and as a group option it dies with a raw ValueError; YAML does the
same to an unquoted id. So every spelling becomes a `PaperId` whose `slug` is a legal Python module name, and argv is
rewritten with `rewrite_paper_override` *before* Hydra sees it.

A version (`v5`) is no part of the slug: one pack describes one paper, and its spec says which version it was read from.
The version travels on `PaperId.version`; `papers_in(argv)` hands the asked-for ids to the caller, who compares them
with the pack's own version.

The scheme of ids: https://info.arxiv.org/help/arxiv_identifier.html (YYMM.NNNN from 0704 to 1412, YYMM.NNNNN from 1501,
archive/YYMMNNN before April 2007).
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlintern.core.errors import UserError
from mlintern.paper import readers

_ARCHIVE_NAMES = (
    "acc-phys adap-org alg-geom ao-sci astro-ph atom-ph bayes-an chao-dyn chem-ph cmp-lg comp-gas cond-mat cs dg-ga "
    "funct-an gr-qc hep-ex hep-lat hep-ph hep-th math math-ph mtrl-th nlin nucl-ex nucl-th patt-sol physics plasm-ph "
    "q-alg q-bio quant-ph solv-int supr-con"
)
ARCHIVES = frozenset(_ARCHIVE_NAMES.split())
"""arXiv's archives up to March 2007, when ids named them."""
LOCAL_SUFFIXES = (
    ".tex", ".ltx", ".pdf", ".html", ".htm", ".tar.gz", ".tgz", ".tar", ".zip", ".gz", *readers.SUFFIXES,
)  # fmt: skip
SPELLINGS = (
    "1412.6980, 1706.03762v5, cs/0701234, arXiv:1706.03762, https://arxiv.org/abs/1706.03762, "
    "or a local .tex, .pdf, .html, .tar.gz or folder"
)

_NEW = re.compile(r"(?P<month>\d{3,4})\.(?P<number>\d{1,6})(?:v(?P<version>\d{1,4}))?", re.IGNORECASE | re.ASCII)
_OLD = re.compile(
    r"(?P<archive>[a-z]+(?:-[a-z]+)?)(?:\.[a-z-]{2,})?/(?P<number>\d{7})(?:v(?P<version>\d{1,4}))?",
    re.IGNORECASE | re.ASCII,
)
_SLUG_NEW = re.compile(r"arxiv_(\d{4})_(\d{4,5})", re.ASCII)
_SLUG_OLD = re.compile(r"arxiv_([a-z]+(?:_[a-z]+)?)_(\d{7})", re.ASCII)
_SLUG_LOCAL = re.compile(r"local_[a-z0-9_]+")
_PREFIX = re.compile(r"(?:arxiv\s*:|doi\s*:\s*10\.48550/arxiv\.|10\.48550/arxiv\.)\s*", re.IGNORECASE)
_STAMP = re.compile(r"\s*\[[A-Za-z.\- ]+\].*$")  # "arXiv:1706.03762v5 [cs.CL] 6 Dec 2017", as printed on page 1
_URL = re.compile(r"https?://", re.IGNORECASE)
_BARE_HOST = re.compile(r"(?:[a-z0-9-]+\.)*(?:ar[x5]iv|alphaxiv|doi)\.org/", re.IGNORECASE)
_URL_KINDS = ("abs", "pdf", "html", "ps", "e-print", "src", "format", "other", "papers")
_GENERIC_STEMS = ("article", "document", "index", "main", "manuscript", "ms", "paper", "root", "source", "template")
_FIVE_DIGITS_FROM = 1501  # YYMM; numbers have four digits up to 1412


@dataclass(frozen=True)
class PaperId:
    """One paper: on arXiv, or in a local file or folder."""

    slug: str
    """A legal Python module name, one for all versions: `arxiv_1412_6980`, `arxiv_hep_th_9901001`, `local_draft`."""
    id: str
    """arXiv's id without a version (`1412.6980`, `hep-th/9901001`); for a local paper, its slug."""
    version: int | None = None
    """The version that was asked for (5 for `v5`); None means the newest one."""
    path: Path | None = None
    """The local file or folder, absolute; None on arXiv, and for a local slug given without its file."""

    @property
    def is_local(self) -> bool:
        """True when the paper is not on arXiv."""
        return self.slug.startswith("local_")

    def __str__(self) -> str:
        return f"{self.id}v{self.version}" if self.version else self.id

    @classmethod
    def parse(cls, text: str) -> "PaperId":
        """Read any spelling of a paper; raises UserError (naming the likely id where there is one) for all else.

        An id wins over a file of the same name: write `./1706.03762` for a folder that is called like an id.
        """
        given = str(text).strip().strip("\"'").strip()
        if not given:
            raise UserError(f"paper: the id is empty; give {SPELLINGS}")
        if _URL.match(given) or _BARE_HOST.match(given):
            return _parse_url(given)
        found = _parse_slug(given) or _parse_arxiv(_STAMP.sub("", _PREFIX.sub("", given, count=1)))
        if found is None:
            found = _parse_local(given)
        return found


def _arxiv(archive: str | None, number: str, version: str | None, given: str) -> PaperId:
    if version is not None and int(version) == 0:
        raise UserError(f"paper: {given}: versions are counted from v1; write v1 or leave the version out")
    name = number if archive is None else f"{archive}/{number}"
    slug = "arxiv_" + re.sub(r"[^a-z0-9]", "_", name)
    return PaperId(slug=slug, id=name, version=int(version) if version else None)


def _parse_arxiv(text: str) -> PaperId | None:
    """An id of either scheme, or None when `text` has the form of neither."""
    if found := _NEW.fullmatch(text):
        return _parse_new(found, text)
    if found := _OLD.fullmatch(text):
        archive, number = found["archive"].lower(), found["number"]
        year, month = int(number[:2]), int(number[2:4])
        if archive not in ARCHIVES:
            raise UserError(
                f"paper: {text}: arXiv has no archive {archive!r}; ids before April 2007 read like cs/0701234"
            )
        if not 1 <= month <= 12 or 7 < year < 91 or (year == 7 and month > 3) or number[4:] == "000":
            raise UserError(
                f"paper: {text}: {number} is not YYMMNNN between 9107 and 0703; look the id up on arxiv.org"
            )
        return _arxiv(archive, number, found["version"], text)
    return None


def _parse_new(found: re.Match[str], text: str) -> PaperId:
    month, number, version = found["month"], found["number"], found["version"]
    likely_month = month.zfill(4)
    yymm = int(likely_month)
    digits = 5 if yymm >= _FIVE_DIGITS_FROM else 4
    if not 1 <= yymm % 100 <= 12 or yymm < 704:
        raise UserError(f"paper: {text}: {month} is not YYMM from 0704 on, so this is no arXiv id; give {SPELLINGS}")
    if len(month) == 4 and len(number) == digits and int(number) > 0:
        return _arxiv(None, f"{month}.{number}", version, text)
    if len(number) > digits:
        # 1412.06980 is how a reader used to five digits writes 1412.6980
        likely = number[1:] if len(number) == digits + 1 and number[0] == "0" else None
    else:
        likely = number.ljust(digits, "0")  # what a float loses at its end
    wrong = (
        "a leading zero is missing"
        if len(month) == 3 and len(number) == digits
        else f"{number} has {len(number)} digit(s)"
    )
    rule = (
        "ids from 1501 on have 5 digits after the dot" if digits == 5 else "ids up to 1412 have 4 digits after the dot"
    )
    if likely is None or int(likely) == 0:
        raise UserError(f"paper: {text} is no arXiv id: {rule}; look the id up on arxiv.org")
    suggestion = f"{likely_month}.{likely}" + (f"v{version}" if version else "")
    raise UserError(
        f"paper: {text} is no arXiv id: {wrong}, and {rule} (a trailing zero is lost when an id is read as a number); "
        f"did you mean {suggestion}? In YAML, quote it: '{suggestion}'"
    )


def _parse_slug(text: str) -> PaperId | None:
    if found := _SLUG_NEW.fullmatch(text):
        return _parse_arxiv(f"{found[1]}.{found[2]}")
    if found := _SLUG_OLD.fullmatch(text):
        return _parse_arxiv(f"{found[1].replace('_', '-')}/{found[2]}")
    if _SLUG_LOCAL.fullmatch(text) and not Path(text).exists():
        return PaperId(slug=text, id=text)
    return None


def _parse_url(text: str) -> PaperId:
    try:
        url = urlsplit(text if _URL.match(text) else f"https://{text}")
        host = (url.hostname or "").lower()
    except ValueError as error:
        raise UserError(f"paper: {text} is not a URL ({error}); give {SPELLINGS}") from None
    path = unquote(url.path).strip("/")
    known = host in ("arxiv.org", "ar5iv.org", "xxx.lanl.gov") or host.endswith((".arxiv.org", ".ar5iv.org"))
    if host in ("doi.org", "www.doi.org", "dx.doi.org") and _PREFIX.match(path):
        found = _parse_arxiv(_PREFIX.sub("", path, count=1))
    else:
        kind, _, rest = path.partition("/")
        found = _parse_arxiv(re.sub(r"\.(?:pdf|html?|ps|gz|tar\.gz)$", "", rest)) if kind in _URL_KINDS else None
        if not known:
            anywhere = re.search(r"(?<![\d.])\d{4}\.\d{4,5}(?:v\d+)?(?![\d])", path, re.ASCII)
            found = found or (_parse_arxiv(anywhere[0]) if anywhere else None)
            hint = f"; did you mean {found}?" if found else f"; give {SPELLINGS}"
            raise UserError(
                f"paper: {text}: {host or 'this'} is not one of arXiv's hosts{hint} "
                "(a mirror is set with paper.arxiv_url=…)"
            )
    if found is None:
        raise UserError(f"paper: {text} names no paper of arXiv; copy the address of its abs, pdf or html page")
    return found


def _parse_local(text: str) -> PaperId:
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # ~name of a user that this machine does not have
        path = Path(text)
    try:
        exists, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError):  # a name too long for the file system, or one that holds a NUL
        exists = is_folder = False
    supported = is_folder or path.name.lower().endswith(LOCAL_SUFFIXES)
    if not exists:
        if supported or text.startswith((".", "/", "~")):
            stem = re.sub(r"\.(?:pdf|html?|tar\.gz|tgz|gz|zip)$", "", path.name)
            is_id = _NEW.fullmatch(stem)
            hint = f"; for the paper on arXiv give {stem}" if is_id else "; check the path"
            raise UserError(f"paper: {text[:300]}: no such file or folder{hint}")
        raise UserError(f"paper: {text[:300]!r} is no arXiv id and no file; give {SPELLINGS}")
    if not supported:
        raise UserError(
            f"paper: {text}: cannot read this kind of file; give a folder or one of {' '.join(LOCAL_SUFFIXES)}"
        )
    path = path.resolve()
    slug = local_slug(path)
    return PaperId(slug=slug, id=slug, path=path)


def local_slug(path: Path) -> str:
    """A module name for a local file or folder: its stem, led by the folder's name where it says nothing (`main`)."""
    name = path.name
    for suffix in sorted(LOCAL_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            name = name[: -len(suffix)]
            break
    if name.lower() in _GENERIC_STEMS and path.parent.name:
        name = f"{path.parent.name}_{name}"
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    short = re.sub(r"[^a-z0-9]+", "_", ascii_name).strip("_")
    if not short or len(short) > 60:
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        short = f"{short[:51]}_{digest}".strip("_")
    return f"local_{short}"


_OVERRIDE = re.compile(r"(?P<key>\+{0,2}paper)=(?P<value>.*)", re.DOTALL)
_CHOICE = re.compile(r"choice\((?P<items>.*)\)", re.DOTALL)
_LEFT_ALONE = re.compile(
    r"[A-Za-z_]\w*|.*\$\{.*|[A-Za-z_]\w*\(.*\)", re.DOTALL
)  # a name, an interpolation, a sweep function


def _split_items(value: str) -> list[str]:
    """Split at the commas that stand outside quotes, brackets and parentheses."""
    items, depth, quote, current = [], 0, "", ""
    for char in value:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "," and depth == 0:
            items.append(current)
            current = ""
            continue
        current += char
    return [*items, current]


def _parse_override(argument: str) -> tuple[str, list[tuple[str, PaperId | None]]] | None:
    """The key and the (text, id) items of a `paper=` override; None for every other argument."""
    found = _OVERRIDE.fullmatch(argument)
    if not found:
        return None
    value = found["value"].strip()
    if choice := _CHOICE.fullmatch(value):
        value = choice["items"]
    items: list[tuple[str, PaperId | None]] = []
    for item in _split_items(value):
        bare = item.strip().strip("\"'")
        is_local = _SLUG_LOCAL.fullmatch(bare)  # a pack's name, whatever file or folder is called so too
        slug = PaperId(slug=bare, id=bare) if is_local else _parse_slug(bare)
        items.append((item, slug if slug or (bare and _LEFT_ALONE.fullmatch(bare)) else PaperId.parse(item)))
    versions: dict[str, PaperId] = {}
    for _, paper in items:
        if paper and versions.setdefault(paper.slug, paper) != paper:
            first = versions[paper.slug]
            raise UserError(
                f"paper={value}: {first} and {paper} share one pack ({paper.slug}); run them one after the other"
            )
    return found["key"], items


def papers_in(argv: list[str]) -> list[PaperId]:
    """The papers that argv's `paper=` overrides name, with versions and paths; names that are no id are left out."""
    parsed = (_parse_override(argument) for argument in argv)
    return [paper for override in parsed if override for _, paper in override[1] if paper]


def rewrite_paper_override(argv: list[str]) -> list[str]:
    """argv with every id in a `paper=` override replaced by its slug, so that Hydra never reads an id as a number.

    `paper=1412.6980` becomes `paper=arxiv_1412_6980`; quotes, `+paper=`, `++paper=`, comma lists and `choice(…)` work
    alike. Names, interpolations and all other arguments pass through untouched. Raises UserError for a malformed id.
    """
    rewritten = []
    for argument in argv:
        override = _parse_override(argument)
        if override is None or not any(paper for _, paper in override[1]):
            rewritten.append(argument)
            continue
        key, items = override
        rewritten.append(f"{key}=" + ",".join(paper.slug if paper else text for text, paper in items))
    return rewritten
