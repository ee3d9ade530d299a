"""References from .bib files and from biblatex's .bbl, where the paper holds no printed bibliography."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ENTRY = re.compile(r"@\s*([A-Za-z]+)\s*[{(]\s*([^\s,{}()]+)\s*,")
_FIELD = re.compile(r"\s*,?\s*([A-Za-z][\w-]*)\s*=\s*")
_BBL_ENTRY = re.compile(r"\\entry\{([^{}]+)\}")
_BBL_FIELD = re.compile(
    r"\\(?:field|verb)\{(title|year|date|doi|url|eprint|journaltitle|booktitle)\}(?:\{((?:[^{}]|\{[^{}]*\})*)\}|\s*\\verb\s+(\S+))"
)
_BBL_FAMILY = re.compile(r"family=\{((?:[^{}]|\{[^{}]*\})*)\}")
MAX_ENTRIES = 20_000
MAX_UNCLOSED = 100
"""Values without an end, after which the rest of a file is left."""


@dataclass(frozen=True)
class Entry:
    """One entry: its citation key, its fields, and where it stands in the file."""

    key: str
    fields: dict[str, str]
    start: int
    end: int

    @property
    def text(self) -> str:
        """Author, title, venue and year, as far as given."""
        f = self.fields
        parts = [
            f.get("author", ""),
            f.get("title", ""),
            f.get("journal") or f.get("booktitle") or f.get("journaltitle", ""),
            f.get("year", ""),
        ]
        return ". ".join(p for p in parts if p)

    @property
    def url(self) -> str:
        f = self.fields
        return f.get("doi") or f.get("url") or (f"arXiv:{f['eprint']}" if f.get("eprint") else "")


def _clean(text: str) -> str:
    return " ".join(re.sub(r"[{}]|\\[a-zA-Z]+\s?", "", text.replace("\\&", "&")).split())


def _value(text: str, at: int) -> tuple[str, int]:
    """A field's value: braces, quotes or a bare word, and where it ends."""
    if at < len(text) and text[at] == "{":
        depth = 0
        for i in range(at, min(len(text), at + 100_000)):
            depth += (text[i] == "{") - (text[i] == "}")
            if depth == 0:
                return text[at + 1 : i], i + 1
        return text[at + 1 : at + 1000], len(text)
    if at < len(text) and text[at] == '"':
        end = text.find('"', at + 1)
        end = len(text) if end < 0 else end
        return text[at + 1 : end], end + 1
    m = re.compile(r"[^,{}()\s]*").match(text, at)
    return (m[0], m.end()) if m else ("", at)


def read_bib(text: str) -> dict[str, Entry]:
    """Entries of a .bib file by key; what cannot be read is passed over."""
    found: dict[str, Entry] = {}
    unclosed = 0
    for m in _ENTRY.finditer(text):
        if unclosed > MAX_UNCLOSED:
            break
        if m[1].lower() in ("comment", "string", "preamble") or len(found) > MAX_ENTRIES:
            continue
        fields: dict[str, str] = {}
        at = m.end()
        while (f := _FIELD.match(text, at)) is not None and len(fields) < 100:
            value, at = _value(text, f.end())
            unclosed += at == len(text)
            fields[f[1].lower()] = _clean(value)
        found.setdefault(m[2], Entry(m[2], fields, m.start(), at))
    return found


def read_biblatex(text: str) -> dict[str, Entry]:
    """Entries of the .bbl that biblatex writes."""
    found: dict[str, Entry] = {}
    stop = 0
    for m in _BBL_ENTRY.finditer(text):
        if m.start() < stop:
            continue
        if (stop := text.find("\\endentry", m.end())) < 0:
            break
        entry = text[m.end() : stop]
        fields = {f[1]: _clean(f[2] or f[3] or "") for f in _BBL_FIELD.finditer(entry)}
        fields["author"] = ", ".join(_clean(a) for a in _BBL_FAMILY.findall(entry)[:12])
        fields.setdefault("year", fields.get("date", "")[:4])
        found.setdefault(m[1], Entry(m[1], fields, m.start(), stop + len("\\endentry")))
    return found
