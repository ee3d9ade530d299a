"""Floats of the Document: which caption belongs to which grid, and the images of figures."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlintern.paper.document.document import Figure, Table
from mlintern.paper.latex.assembly.cells import AssembledCells
from mlintern.paper.latex.source.drafts import CaptionDraft, FloatDraft, GridDraft
from mlintern.paper.latex.source.tokens import Token

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


@dataclass
class _FloatGroup:
    """A float's grids and images under one caption."""

    caption: CaptionDraft | None
    grids: list[GridDraft]


class AssembledFloats(AssembledCells):
    """Floats as tables and figures."""

    def _floats(self) -> tuple[tuple[Table, ...], tuple[Figure, ...]]:
        tables: list[Table] = []
        figures: list[Figure] = []
        placed: set[int] = set()
        self._adopt()
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

    def _adopt(self) -> None:
        """A caption in no float (`\\captionof` in a minipage, `\\@captype`) takes the grids of its minipage,
        else the one right beside it."""
        placed = {id(g) for f in self.r.floats for g in f.grids}
        free = [g for g in self.r.grids if id(g) not in placed]
        loose = [
            f for f in self.r.floats if not f.grids and not f.images and f.captions and f.captions[0].kind == "table"
        ]
        scopes = [f.captions[0].scope for f in loose]
        for f, scope in zip(loose, scopes, strict=True):
            own = [g for g in free if scope and g.scope == scope] or [g for g in free if self._touch(f, g)]
            if scopes.count(scope) > 1 or not scope:
                own = sorted(own, key=lambda grid: self._borders(f, grid))[:1]
            f.grids += own
            free = [g for g in free if g not in own]

    def _touch(self, f: FloatDraft, grid: GridDraft) -> bool:
        """Whether nothing stands between a caption and a grid."""
        first, second = (f.end, grid.start) if f.end <= grid.start else (grid.end, f.start)
        start, end = self.proof.trimmed(first, second)
        return first <= second and end <= start

    def _borders(self, f: FloatDraft, grid: GridDraft) -> int:
        """How many ends and beginnings of environments stand between a caption and a grid in the source."""
        first, second = (f, grid) if f.end <= grid.start else (grid, f)
        start, stop = first.stop or first.token, second.token
        if start.source != stop.source or start.source < 0:
            return 0
        text = self.r.folder.texts[self.r.folder.sources[start.source].name][start.end : stop.start]
        return len(re.findall(r"\\(?:begin|end)\b", text))

    def _float_tables(self, f: FloatDraft) -> list[Table]:
        main = [c for c in f.captions if not c.sub]
        main = [c for c in main if c.kind == "table"] or main  # a figure beside the table in one float
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

    def _groups(self, f: FloatDraft, main: list[CaptionDraft]) -> list[_FloatGroup]:
        """Which caption each grid of a float belongs to: the one in its own minipage, else the next one in its
        direction."""
        if len(main) <= 1:
            return [_FloatGroup(main[0] if main else None, f.grids)]
        groups = [_FloatGroup(c, []) for c in main]
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
