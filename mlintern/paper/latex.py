"""From LaTeX source to a Document: `read_latex` runs the reader over the root file and assembles what it left
behind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlintern.errors import UserError
from mlintern.paper.bibliography import Entry, read_bib, read_biblatex
from mlintern.paper.document import Block, Cell, Document, Equation, Figure, Missing, Reference, Section, Table
from mlintern.paper.latex_drafts import CaptionDraft, CellDraft, EquationDraft, FloatDraft, GridDraft
from mlintern.paper.latex_files import Folder, find_root, open_folder
from mlintern.paper.latex_ink import HOLE, Proof
from mlintern.paper.latex_paper import PaperReader
from mlintern.paper.latex_references import kind_name
from mlintern.paper.latex_spans import header_columns, header_rows
from mlintern.paper.latex_tokens import Token
from mlintern.paper.numbers import Number, parse_cell

IMAGES = (
    ".pdf",
    ".png",
    ".jpg",
    ".jpeg",
    ".eps",
    ".ps",
    ".svg",
    ".gif",
    ".PDF",
    ".PNG",
    ".JPG",
    ".EPS",
    "",
    ".tex",
    ".pgf",
)
_APPENDIX_WORD = re.compile(
    r"\b(?:Appendix|Appendices|appendix|[Ss]upplementary [Mm]aterials?|[Ss]upplemental [Mm]aterials?)\b"
)
_NOTE_MARK = re.compile(r"\^\{([†‡*§¶∗⋆,a-z\d]{1,5})\}")


def read_latex(path: Path | str, id: str = "") -> Document:
    """Reads a folder with LaTeX source, or one .tex file with what lies beside it.

    Never raises for what the source says, however broken: what could not be read stands in `missing`. UserError if
    there
    is no source to read.
    """
    path = Path(path)
    if path.is_dir():
        folder = open_folder(path)
        root = find_root(folder)
    elif path.is_file():
        folder = (
            open_folder(path.parent) if path.parent != Path(path.anchor) else Folder(path.parent, {path.name: path})
        )
        root = path.name
        folder.names.setdefault(root, path)
    else:
        raise UserError(f"{path}: no such file or folder; give a .tex file or a folder with one")
    text = folder.text(root)
    if text is None:
        raise UserError(f"{path}: {root} is larger than a paper's source can be; give the paper's .tex file")
    reader = PaperReader(folder, root)
    reader.body = "\\begin{document}" not in text and "\\begin {document}" not in text
    lexer = reader.lexer(root)
    assert lexer is not None  # its text was read above
    reader.g.frames = [lexer]
    reader.run()
    reader.deferred, held = [], reader.deferred
    reader.close_block()
    reader.g.frames = [held[::-1]]
    reader.run()
    while len(reader.scopes) > 1:
        scope = reader.scopes.pop()
        if scope.close:
            reader.ink.put(scope.close, Token("", "", -1, 0, 0, False), scope.style)
        reader.left(scope, Token("", "", -1, 0, 0, False))
    reader.close_block()
    return _Assembly(reader, id or (path.name if path.is_dir() else path.stem)).document()


@dataclass
class _Group:
    """A float's grids and images under one caption."""

    caption: CaptionDraft | None
    grids: list[GridDraft]


class _Assembly:
    """Drafts to parts: final offsets, numbers of references, cells with their numbers."""

    def __init__(self, reader: PaperReader, name: str):
        self.r = reader
        self.name = name
        for float_ in reader.floats:
            for caption in float_.captions:
                number = caption.number
                if caption.sub:
                    parents = [c.number for c in float_.captions if not c.sub]
                    number = (parents[0] if parents else "") + caption.letter
                for key in caption.labels:
                    reader.labels.setdefault(key, (caption.kind, number))
            numbered = [c for c in float_.captions if not c.sub]
            for key in float_.labels:
                reader.labels.setdefault(key, (float_.kind, numbered[-1].number if numbered else ""))
        resolve = {}
        for key, (kind, number) in reader.labels.items():
            resolve[key] = number or "??"
            resolve["cref:" + key] = f"{kind_name(kind)} {number}" if number else kind_name(kind)
        self.proof = Proof(reader.ink, resolve)
        self.text = self.proof.text
        self.ids: dict[int, str] = {}
        self.used: set[str] = set()

    def _id(self, wanted: str) -> str:
        name, n = wanted, 2
        while name in self.used:
            name, n = f"{wanted}-{n}", n + 1
        self.used.add(name)
        return name

    def document(self) -> Document:
        r = self.r
        sections = self._sections()
        tables, figures = self._floats()
        equations = tuple(self._equation(d) for d in r.equations)
        references = self._references()
        blocks = tuple(
            Block(kind=b.kind, start=a, end=z, part=self.ids.get(id(b.owner), ""))
            for b in r.blocks
            for a, z in [self.proof.trimmed(b.start, b.end)]
            if z > a
        )
        title = " ".join(self._plain(r.title).split()) or self._pdf_title()
        abstract = ""
        if r.abstract:
            a, z = self.proof.trimmed(*r.abstract)
            abstract = self.text[a:z]
        self._missing(sections, references)
        return Document(
            title=title,
            road="latex",
            sources=tuple(r.folder.sources),
            text=self.text,
            offsets=self.proof.pieces,
            id=self.name,
            authors=self._authors(),
            abstract=abstract,
            sections=sections,
            blocks=blocks,
            tables=tables,
            figures=figures,
            equations=equations,
            references=references,
            missing=tuple(r.missing),
        )

    def _plain(self, tokens: list[Token]) -> str:
        self.r.body, self.r.stop = True, False
        holes = re.sub(HOLE, "", self.r.plain(tokens))
        return holes

    def _pdf_title(self) -> str:
        return ""

    def _authors(self) -> tuple[str, ...]:
        names: list[str] = []
        for tokens in self.r.authors:
            parts: list[list[Token]] = [[]]
            depth = 0
            for t in tokens:
                depth += (t.kind == "{") - (t.kind == "}")
                if t.kind == "cs" and t.text in ("and", "And", "AND", "quad", "qquad", "\\", "newline") and depth <= 0:
                    parts.append([])
                else:
                    parts[-1].append(t)
            for part in parts:
                text = re.sub(r"\^\{[^{}]*\}|[*†‡§]|_\{[^{}]*\}", "", self._plain(part))
                names += [n.strip(" ,;\n") for n in re.split(r",| and |\s{2,}|&", text)]
        plausible = [
            n
            for n in names
            if 3 < len(n) < 60
            and " " in n
            and "@" not in n
            and not re.search(r"\d|Universi|Institut|Google|Depart|Research|Lab", n)
        ]
        return tuple(dict.fromkeys(plausible))

    # parts

    def _common(self, start: int, end: int, token: Token, stop: Token | None) -> dict[str, Any]:
        a, z = self.proof.trimmed(start, end)
        return {"road": "latex", "start": a, "end": z, "span": self.r.span(token, stop)}

    def _sections(self) -> tuple[Section, ...]:
        found = []
        for d in self.r.sections:
            a, z = self.proof.trimmed(*d.title)
            title = self.text[a:z]
            if d.number:
                name = f"section-{d.number}"
            else:
                name = "section-" + (re.sub(r"\W+", "-", title.lower()).strip("-")[:40] or "untitled")
            part = self._id(name)
            self.ids[id(d)] = part
            end = d.end if d.end >= 0 else self.r.ink.size
            found.append(
                Section(
                    id=part,
                    level=d.level,
                    number=d.number,
                    title=title,
                    appendix=d.appendix,
                    label=(d.labels or [""])[0],
                    **self._common(d.start, end, d.token, None),
                )
            )
        return tuple(found)

    def _equation(self, d: EquationDraft) -> Equation:
        part = self._id(f"equation-{d.number}" if d.number else f"display-{self.r.equations.index(d) + 1}")
        self.ids[id(d)] = part
        source = self.r.folder.sources[d.token.source].name if d.token.source >= 0 else ""
        latex = ""
        if d.stop is not None and d.stop.source == d.token.source and d.stop.start >= d.token.end:
            latex = self.r.folder.texts[source][d.token.end : d.stop.start]
            latex = re.sub(r"^\s*\{[a-zA-Z]+\*?\}", "", latex).strip()
        return Equation(
            id=part,
            number=d.number,
            latex=latex,
            label=(d.labels or [""])[0],
            **self._common(d.start, d.end, d.token, d.stop),
        )

    def _caption(self, caption: CaptionDraft | None) -> str:
        if caption is None:
            return ""
        a, z = self.proof.trimmed(caption.start, caption.end)
        return self.text[a:z]

    def _floats(self) -> tuple[tuple[Table, ...], tuple[Figure, ...]]:
        tables: list[Table] = []
        figures: list[Figure] = []
        placed: set[int] = set()
        for f in sorted(self.r.floats, key=lambda f: f.start):
            for grid in f.grids:
                placed.add(id(grid))
            tables += self._float_tables(f)
            figures += self._float_figures(f)
        for grid in self.r.grids:
            if id(grid) not in placed:
                tables.append(self._table(grid, None, None, None, ""))
        tables.sort(key=lambda t: t.start)
        return tuple(tables), tuple(figures)

    def _float_tables(self, f: FloatDraft) -> list[Table]:
        main = [c for c in f.captions if not c.sub]
        subs = [c for c in f.captions if c.sub]
        groups = self._groups(f, main)
        found = []
        for group in groups:
            several = len(group.grids) > 1
            for i, grid in enumerate(group.grids):
                sub = next((s for s in subs if s.scope == grid.scope and s.scope), None)
                if sub is None and len(subs) == len(f.grids):
                    sub = subs[f.grids.index(grid)]
                letter = sub.letter if sub else chr(97 + i % 26) if several else ""
                found.append(self._table(grid, f, group.caption, sub, letter))
        return found

    def _groups(self, f: FloatDraft, main: list[CaptionDraft]) -> list[_Group]:
        """Which caption each grid of a float belongs to: the one in its own minipage, else the next one in its
        direction."""
        if len(main) <= 1:
            return [_Group(main[0] if main else None, f.grids)]
        groups = [_Group(c, []) for c in main]
        above = bool(f.grids) and main[0].order < f.grids[0].order
        for grid in f.grids:
            same = [g for g in groups if g.caption and g.caption.scope == grid.scope and grid.scope]
            if not same:
                if above:
                    same = [g for g in groups if g.caption and g.caption.order < grid.order][-1:]
                else:
                    same = [g for g in groups if g.caption and g.caption.order > grid.order][:1]
            (same or groups[-1:])[0].grids.append(grid)
        return groups

    def _float_figures(self, f: FloatDraft) -> list[Figure]:
        captions = [c for c in f.captions if not c.sub and c.kind == "figure"]
        files = [name for _, name, _ in f.images]
        if not captions and (not files or f.kind != "figure"):
            return []
        subs = tuple(self._caption(c) for c in f.captions if c.sub and c.kind == "figure")
        found = []
        for i, caption in enumerate(captions or [None]):
            if len(captions) > 1:
                own = [name for scope, name, _ in f.images if caption is not None and scope == caption.scope]
                mine = own or (files if i == 0 else [])
            else:
                mine = files
            number = caption.number if caption else ""
            part = self._id(f"figure-{number}" if number else "image-1")
            self.ids.setdefault(id(f), part)
            found.append(
                Figure(
                    id=part,
                    number=number,
                    caption=self._caption(caption),
                    subcaptions=subs,
                    label=((caption.labels if caption else f.labels) or [""])[0],
                    files=tuple(self._image(n, f.token) for n in mine if n),
                    pixels=(),
                    **self._common(f.start, f.end, f.token, f.stop),
                )
            )
        return found

    def _image(self, name: str, token: Token) -> str:
        base = self.r.folder.sources[token.source].name.rpartition("/")[0] if token.source >= 0 else ""
        for folder in self.r.graphics_path:
            found = self.r.folder.find(
                folder.strip() + name if not folder or folder.endswith("/") else folder + "/" + name, IMAGES, base
            )
            if found:
                return found
        self.r.lack("figure", name, "the image file is not in the source", token)
        return name

    # tables

    def _table(
        self, grid: GridDraft, f: FloatDraft | None, caption: CaptionDraft | None, sub: CaptionDraft | None, letter: str
    ) -> Table:
        number = caption.number if caption is not None and caption.kind == "table" else ""
        part = self._id(f"table-{number}{letter}" if number else "grid-1")
        self.ids[id(grid)] = part
        if f is not None:
            self.ids.setdefault(id(f), part)
        texts: dict[tuple[int, int], str] = {}
        ranges: dict[tuple[int, int], tuple[int, int]] = {}
        numbers: dict[tuple[int, int], tuple[Number, ...]] = {}
        for c in grid.cells:
            at = (c.row, c.column)
            a, z = ranges[at] = self.proof.trimmed(c.start, c.end)
            texts[at] = re.sub(r"\s+", " ", self.text[a:z])
            numbers[at] = self._numbers(a, z, c)
        numeric = {at: bool(n) for at, n in numbers.items()}
        head = header_rows(grid, numeric)
        side = header_columns(grid, numeric, texts, head)
        cells = tuple(
            self._cell(c, texts, ranges, numbers, c.row < head or c.column < side)
            for c in sorted(grid.cells, key=lambda c: (c.row, c.column))
        )
        labels = (sub.labels if sub else []) or (caption.labels if caption else []) or (f.labels if f else [])
        common = self._common(f.start if f and len(f.grids) == 1 else grid.start, grid.end, grid.token, grid.stop)
        common["start"], common["end"] = self.proof.trimmed(grid.start, grid.end)
        doubts = sum(c.doubtful for c in cells)
        return Table(
            id=part,
            number=number,
            part=letter if number else "",
            caption=self._caption(caption),
            subcaption=self._caption(sub),
            rows=grid.rows,
            columns=grid.columns,
            cells=cells,
            header_rows=head,
            header_columns=side,
            rules=tuple(grid.rules),
            alignment=grid.alignment,
            label=labels[0] if labels else "",
            notes=self._notes(f),
            confidence=1.0 if not doubts else max(0.5, 1 - doubts / max(len(cells), 1)),
            **common,
        )

    def _notes(self, f: FloatDraft | None) -> tuple[str, ...]:
        """Paragraphs and list items inside the float, beside grid and captions."""
        if f is None:
            return ()
        found = []
        for b in self.r.blocks:
            if f.start <= b.start < f.end and b.kind in ("paragraph", "item", "footnote"):
                a, z = self.proof.trimmed(b.start, b.end)
                if z > a:
                    found.append(self.text[a:z])
        return tuple(found)

    def _numbers(self, start: int, end: int, cell: CellDraft) -> tuple[Number, ...]:
        """Numbers of a cell, citations set aside."""
        text, last = "", start
        for a, z in self.proof.cites:
            if start <= a and z <= end:
                text += self.text[last:a]
                last = z
        text += self.text[last:end]
        found = parse_cell(text)
        if cell.doubts and found:
            found = tuple(n.doubted(cell.doubts[0]) for n in found)
        return found

    def _cell(
        self,
        c: CellDraft,
        texts: dict[tuple[int, int], str],
        ranges: dict[tuple[int, int], tuple[int, int]],
        numbers: dict[tuple[int, int], tuple[Number, ...]],
        header: bool,
    ) -> Cell:
        at = (c.row, c.column)
        a, z = ranges[at]
        marks = {"bold": 0, "underline": 0, "italic": 0}
        visible = sum(ch.isalnum() for ch in self.text[a:z])
        color = c.color
        for s, e, style in self.proof.styles_in(a, z):
            n = sum(ch.isalnum() for ch in self.text[s:e])
            lead = n > 0 and not any(ch.isalnum() for ch in self.text[a:s])
            for name in marks:
                if getattr(style, name):
                    marks[name] += n if not lead else max(n, visible)
        notes = tuple(
            dict.fromkeys(
                [
                    *c.notes,
                    *(m[1] for m in _NOTE_MARK.finditer(texts[at]) if not numbers[at]),
                    *(x for n in numbers[at] for x in n.notes),
                ]
            )
        )
        tokens = [t for t in c.tokens if t.source >= 0]
        span, raw = None, ""
        if tokens:
            source = tokens[0].source
            own = [t for t in tokens if t.source == source]
            low, high = min(t.start for t in own), max(t.end for t in own)
            name = self.r.folder.sources[source].name
            raw = self.r.folder.texts[name][low:high].strip()
            span = self.r.span(own[0]._replace(start=low), own[-1]._replace(end=high))
        half = max(visible, 1) / 2
        return Cell(
            row=c.row,
            column=c.column,
            text=texts[at],
            rowspan=c.rowspan,
            colspan=c.colspan,
            header=header,
            bold=marks["bold"] >= half,
            underline=marks["underline"] >= half,
            italic=marks["italic"] >= half,
            color=color,
            numbers=numbers[at],
            notes=notes,
            doubtful=bool(c.doubts),
            why="; ".join(c.doubts),
            raw=raw,
            span=span,
            start=a,
            end=z,
        )

    # references and what is missing

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
        names = [n for names, _ in r.bibliographies for n in names]
        for name in [*dict.fromkeys(names)]:
            file = r.folder.find(name, (".bib", ""))
            text = r.folder.text(file) if file else None
            if file is None or text is None:
                r.lack(
                    "bibliography",
                    name,
                    "the bibliography file is not in the source",
                    next(t for ns, t in r.bibliographies if name in ns),
                )
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
                doc_span = _span_of(self, m.start(), m.end())
                r.missing.append(
                    Missing(
                        kind="appendix", name=m[0], why="the text refers to it and the source holds none", span=doc_span
                    )
                )
        for name, token in r.unknown.items():
            r.lack("macro", "\\" + name, "no definition in the source; its arguments were read as text", token)
        if r.g.exhausted:
            r.lack(
                "limit", "\\" + r.g.exhausted, "it expands without end; what it would have printed was dropped", None
            )


def _span_of(assembly: _Assembly, start: int, end: int) -> Any:
    bare = Document(
        title="",
        road="latex",
        sources=tuple(assembly.r.folder.sources),
        text=assembly.text,
        offsets=assembly.proof.pieces,
    )
    return bare.source_span(start, end)
