"""The Document of what the reader left behind."""

from mlintern.paper.document.document import Block, Document
from mlintern.paper.latex.assembly.floats import AssembledFloats
from mlintern.paper.latex.assembly.front import AssembledFront
from mlintern.paper.latex.assembly.references import AssembledReferences


class Assembly(AssembledFront, AssembledFloats, AssembledReferences):
    """Drafts to parts: final offsets, numbers of references, cells with their numbers."""

    def document(self) -> Document:
        r = self.r
        sections = self._sections()
        tables, figures = self._floats()
        equations = tuple(self._equation(d, place) for place, d in enumerate(r.equations, 1))
        references = self._references()
        blocks = tuple(
            Block(kind=b.kind, start=a, end=z, part=self.ids.get(id(b.owner), ""))
            for b in r.blocks
            for a, z in [self.proof.trimmed(b.start, b.end)]
            if z > a
        )
        title = " ".join(self._plain(r.title).split())
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
