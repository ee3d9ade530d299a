"""References of the Document, and what the paper refers to and does not hold."""

from __future__ import annotations

import re

from mlintern.paper.document.document import Document, MissingPart, Reference, Section, Span
from mlintern.paper.latex.assembly.bibliography import Entry, read_bib, read_biblatex
from mlintern.paper.latex.assembly.text import AssembledText
from mlintern.paper.latex.source.files import other_papers
from mlintern.paper.latex.source.tokens import Token

_APPENDIX_WORD = re.compile(
    r"\b(?:Appendix|Appendices|appendix|[Ss]upplementary [Mm]aterials?|[Ss]upplemental [Mm]aterials?)\b"
)
_SUPPLEMENT = re.compile(r"supp|append", re.I)


class AssembledReferences(AssembledText):
    """The bibliography, printed or from files, and the list of what is missing."""

    def _references(self) -> tuple[Reference, ...]:
        r = self.r
        found: list[Reference] = []
        for d in r.entries:
            common = self._common(d.start, d.end, d.token, None)
            text = self.text[common["start"] : common["end"]]
            part = self._id("ref-" + d.key)
            self.ids[id(d)] = part
            year = re.findall(r"\b(?:19|20)\d\d\b", text)
            url = re.search(r"https?://\S+|10\.\d{4,}/\S+|arXiv:\s*\d{4}\.\d{4,5}", text)
            found.append(
                Reference(
                    id=part,
                    label=d.key,
                    text=text,
                    year=year[-1] if year else "",
                    url=url[0].rstrip(".,)") if url else "",
                    **common,
                )
            )
        if not found:
            found = self._external()
        return tuple(found)

    def _external(self) -> list[Reference]:
        r = self.r
        entries: dict[str, tuple[Entry, str]] = {}
        named: dict[str, Token] = {}
        for names, token in r.bibliographies:
            for name in names:
                named.setdefault(name, token)
        for name, token in named.items():
            file = r.folder.find(name, (".bib", ""))
            text = r.folder.text(file) if file else None
            if file is None or text is None:
                r.lack("bibliography", name, "the bibliography file is not in the source", token)
                continue
            entries |= {k: (e, file) for k, e in read_bib(text).items()}
        for file in [n for n in r.folder.names if n.endswith(".bbl")]:
            text = r.folder.text(file)
            if text and "\\entry{" in text:
                entries |= {k: (e, file) for k, e in read_biblatex(text).items()}
        cited = dict.fromkeys(k for k, _ in r.cites)
        found = []
        for key in cited if cited else entries:
            if key not in entries:
                continue
            e, file = entries[key]
            index = r.folder.index(file)
            token = Token("text", "", index, e.start, e.end)
            end = len(self.text)
            found.append(
                Reference(
                    id=self._id("ref-" + key),
                    label=key,
                    text=e.text,
                    title=e.fields.get("title", ""),
                    year=e.fields.get("year", ""),
                    url=e.url,
                    road="latex",
                    start=end,
                    end=end,
                    span=r.span(token),
                )
            )
        return found

    def _missing(self, sections: tuple[Section, ...], references: tuple[Reference, ...]) -> None:
        r = self.r
        known = {x.label for x in references}
        if r.cites and not references:
            r.lack(
                "bibliography",
                "",
                f"the text cites {len({k for k, _ in r.cites})} works and the source holds no list of them",
                r.cites[0][1],
            )
        else:
            for key, token in r.cites:
                if key not in known:
                    r.lack("citation", key, "cited, but not in the bibliography", token)
        for key, token in r.refs:
            if key not in r.labels:
                kind = "appendix" if re.match(r"(?:app|supp|sec:app|appendix)", key, re.I) else "reference"
                r.lack(kind, key, "referred to, but the source holds no such label", token)
        if not any(s.appendix for s in sections):
            m = _APPENDIX_WORD.search(self.text)
            if m:
                doc_span = self._span_of(m.start(), m.end())
                r.missing.append(
                    MissingPart(
                        kind="appendix", name=m[0], why="the text refers to it and the source holds none", span=doc_span
                    )
                )
        for name in other_papers(r.folder, r.root, r.loads):
            kind = "appendix" if _SUPPLEMENT.search(name) else "text"
            r.lack(kind, name, "a document of its own lies beside the paper and was not read; give it to read it")
        for name, (token, truth) in r.p.guessed.items():
            why = f"the source does not say whether this test holds; it was taken to be {str(truth).lower()}"
            r.lack("macro", "\\" + name, why, token)
        for name, token in r.unknown.items():
            r.lack("macro", "\\" + name, "no definition in the source; its arguments were read as text", token)
        if r.g.exhausted:
            r.lack(
                "limit", "\\" + r.g.exhausted, "it expands without end; what it would have printed was dropped", None
            )

    def _span_of(self, start: int, end: int) -> Span | None:
        bare = Document(
            title="",
            road="latex",
            sources=tuple(self.r.folder.sources),
            text=self.text,
            offsets=self.proof.pieces,
        )
        return bare.source_span(start, end)
