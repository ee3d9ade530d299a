"""The files of a LaTeX paper: which one is the root, how they are encoded, which file a name in the source means.

Nothing outside the paper's folder is ever opened: names with `..`, absolute names and links that lead out count as
missing.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections import deque
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path

from mlintern.core.errors import UserError
from mlintern.paper.document.document import Source

MAX_FILE = 8 << 20
"""Bytes of one source file; papers stay far below one megabyte, larger files hold data."""
MAX_TOTAL = 12 << 20
MAX_FILES = 20_000
TEX_NAMES = (".tex", ".ltx", ".latex")
TEX_SUFFIXES = (".tex", ".ltx", ".latex", ".TEX", ".Tex", ".txt", "")

_ENCODING = re.compile(rb"\\(?:usepackage|RequirePackage)\s*\[([\w-]+)\]\s*\{inputenc\}|\\inputencoding\s*\{([\w-]+)\}")
_NAMES = {
    "latin1": "cp1252",
    "latin9": "iso8859-15",
    "latin2": "iso8859-2",
    "ansinew": "cp1252",
    "cp1252": "cp1252",
    "utf8": "utf-8",
    "utf8x": "utf-8",
    "applemac": "mac-roman",
    "cp1250": "cp1250",
    "koi8-r": "koi8-r",
    "cp1251": "cp1251",
    "cp850": "cp850",
    "cp437": "cp437",
    "macce": "mac-latin2",
    "latin5": "iso8859-9",
    "latin10": "iso8859-16",
}
_COMMENT = re.compile(r"(?<!\\)%.*")
_ROOT = re.compile(r"\\document(?:class|style)\b")
_PART = re.compile(r"\s*(?:\[[^\]]*\])?\s*\{(?:subfiles|standalone)\}")
_BODY = re.compile(r"\\begin\s*\{document\}")
_INCLUDED = re.compile(r"\\(?:input|include|subfile|InputIfFileExists)\s*\{?\s*([^\s{}\\%]+)")


def decode(data: bytes, declared: str = "") -> tuple[str, str]:
    """Text of a source file and the encoding it was read with: byte-order mark, UTF-8, the declared one, cp1252."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(name, errors="replace"), name
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    found = _ENCODING.search(data)
    name = _NAMES.get((found[1] or found[2]).decode().lower() if found else declared, "cp1252")
    return data.decode(name, errors="replace"), name


@dataclass
class Folder:
    """A paper's files, by name; reads each once and remembers its hash."""

    root: Path
    names: dict[str, Path]
    texts: dict[str, str] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)
    encoding: str = ""
    read: int = 0
    cut: bool = False
    """Whether the folder holds more files than are listed in `names`."""

    def text(self, name: str) -> str | None:
        """Decoded text of a file of the folder; None if it is too large or unreadable."""
        if name in self.texts:
            return self.texts[name]
        path = self.names.get(name)
        try:
            if path is None or path.stat().st_size > MAX_FILE or self.read + path.stat().st_size > MAX_TOTAL:
                return None
            data = path.read_bytes()
        except OSError:
            return None
        self.read += len(data)
        text, encoding = decode(data, self.encoding)
        self.encoding = self.encoding or (encoding if encoding != "utf-8" else "")
        self.texts[name] = text
        self.sources.append(Source(name, hashlib.sha256(data).hexdigest(), len(data), encoding))
        return text

    def index(self, name: str) -> int:
        """Position of a read file in `sources`."""
        return next(i for i, s in enumerate(self.sources) if s.name == name)

    def find(self, name: str, suffixes: tuple[str, ...], base: str = "") -> str | None:
        """Name of the file that a LaTeX name means, tried as given and with each suffix, in `base` and at the top."""
        name = name.strip().strip('"').replace("\\", "/")
        for folder in dict.fromkeys((base, "")):
            stem = _join(folder, name)
            if stem is None:
                continue
            for suffix in suffixes:
                if stem + suffix in self.names:
                    return stem + suffix
            lower = {(stem + suffix).lower() for suffix in suffixes}
            for candidate in self._lower.keys() & lower:
                return self._lower[candidate]
        return None

    @property
    def _lower(self) -> dict[str, str]:
        cached = self.__dict__.get("_lowered")
        if cached is None:
            cached = self.__dict__["_lowered"] = {name.lower(): name for name in self.names}
        return cached


def _join(folder: str, name: str) -> str | None:
    """folder/name with `.` and `..` resolved; None if it leaves the top."""
    parts: list[str] = []
    if name.startswith("/"):
        return None
    for part in (folder + "/" + name).split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def open_folder(path: Path, partly: bool = False) -> Folder:
    """All regular files below a folder, nearest first; links are not followed.

    `partly`: what lies beyond `MAX_FILES` is left out, `Folder.cut` says so; otherwise so many files are a UserError.
    """
    names: dict[str, Path] = {}
    queue = deque([(path, "")])
    while queue:
        here, prefix = queue.popleft()
        try:
            entries = sorted(here.iterdir())
        except OSError as error:
            if partly:
                continue
            raise UserError(f"{here}: cannot be listed ({error.strerror}); give a readable folder") from None
        for entry in entries:
            if entry.is_symlink() or entry.name.startswith("."):
                continue
            if entry.is_dir():
                if prefix.count("/") < 12 and entry.name not in ("__MACOSX", "anc"):
                    queue.append((entry, f"{prefix}{entry.name}/"))
            elif entry.is_file():
                if len(names) == MAX_FILES and partly:
                    return Folder(path, names, cut=True)
                if len(names) == MAX_FILES:
                    raise UserError(f"{path}: more than {MAX_FILES} files; give the paper's folder or its .tex file")
                names[prefix + entry.name] = entry
    return Folder(path, names)


def find_root(folder: Folder, called: str) -> str:
    """The file LaTeX would be run on. `called` is what errors call the folder.

    arXiv's own 00README names it; else it is the file with \\documentclass and \\begin{document} that no other file
    includes, then the one with the usual name, then the one that pulls in most text.
    """
    if named := _readme(folder):
        return named
    texts = {}
    for name in folder.names:
        if name.lower().endswith(TEX_NAMES) and (text := folder.text(name)) is not None:
            texts[name] = _COMMENT.sub("", text)
    if not texts:
        for name in folder.names:  # a single source file may have no suffix
            if "." not in Path(name).name and (text := folder.text(name)) is not None and _ROOT.search(text):
                texts[name] = _COMMENT.sub("", text)
    if not texts:
        large = [n for n, p in folder.names.items() if n.lower().endswith(TEX_NAMES) and p.stat().st_size > MAX_FILE]
        if large:
            raise UserError(f"{called}: {large[0]} is larger than {MAX_FILE >> 20} MB, which no paper's source is")
        raise UserError(f"{called}: no LaTeX source in it; give a folder with a .tex file, or a PDF or HTML file")
    included = {
        target
        for name, text in texts.items()
        for m in _INCLUDED.finditer(text)
        if (target := folder.find(m[1], TEX_SUFFIXES, _parent(name))) and target != name
    }
    roots = [n for n, t in texts.items() if _ROOT.search(t) and _BODY.search(t)]
    roots = roots or [n for n, t in texts.items() if _BODY.search(t) or _ROOT.search(t)] or list(texts)

    includes: dict[str, set[str]] = {}

    def rank(name: str) -> tuple[bool, bool, bool, int, int, int, str]:
        text = texts[name]
        stem = Path(name).stem.lower()
        head = text[: text.find("\\begin{document}")] if "\\begin{document}" in text else text[:2000]
        return (
            name in included or bool(re.search(r"\\documentclass[^{]*\{(?:subfiles|standalone)\}", head)),
            bool(re.search(r"supp|append|rebuttal|response|cover|letter|template|poster|slides|beamer|diff", stem)),
            not any(n.startswith(name.rsplit(".", 1)[0] + ".bbl") for n in folder.names),
            name.count("/"),
            ("main", "ms", "paper", "article", "root", "manuscript", "arxiv").index(stem)
            if stem in ("main", "ms", "paper", "article", "root", "manuscript", "arxiv")
            else 9,
            -_reach(name, texts, folder, includes),
            name,
        )

    return min(roots, key=rank)


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def _reach(name: str, texts: dict[str, str], folder: Folder, includes: dict[str, set[str]]) -> int:
    """Characters a root pulls in, itself included; `includes` keeps what each file names."""
    seen: set[str] = set()
    todo = [name]
    while todo:
        here = todo.pop()
        if here in seen or here not in texts:
            continue
        seen.add(here)
        if here not in includes:
            found = (folder.find(m[1], TEX_SUFFIXES) for m in _INCLUDED.finditer(texts[here]))
            includes[here] = {name for name in found if name}
        todo += includes[here]
    return sum(len(texts[n]) for n in seen)


def _readme(folder: Folder) -> str | None:
    for name, path in folder.names.items():
        if name == "00README.json" and path.stat().st_size < 1 << 20:
            try:
                listed = json.loads(path.read_bytes()).get("sources", [])
            except (ValueError, AttributeError):
                continue
            for item in listed if isinstance(listed, list) else []:
                if isinstance(item, dict) and item.get("usage") == "toplevel" and item.get("filename") in folder.names:
                    return str(item["filename"])
        if name in ("00README.XXX", "00README") and path.stat().st_size < 1 << 20:
            for line in path.read_text(errors="replace").splitlines():
                words = line.split()
                if len(words) >= 2 and words[1] == "toplevelfile" and words[0] in folder.names:
                    return words[0]
    return None


def other_papers(folder: Folder, root: str, loaded: Container[str]) -> list[str]:
    """Files beside the root that are documents of their own (a supplement, a response letter) and no part of it."""
    found = []
    for name in sorted(folder.texts):
        if name == root or name in loaded or not name.lower().endswith((".tex", ".ltx", ".latex")):
            continue
        text = _COMMENT.sub("", folder.texts[name])
        if _BODY.search(text) and (kind := _ROOT.search(text)) and not _PART.match(text, kind.end()):
            found.append(name)
    return found
