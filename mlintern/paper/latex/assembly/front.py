"""Authors, sections and equations of the Document."""

import re

from mlintern.paper.document.document import Equation, Section
from mlintern.paper.latex.assembly.text import AssembledText
from mlintern.paper.latex.source.drafts import EquationDraft
from mlintern.paper.latex.source.tokens import CS, SPACE, TIE, Token


def _split(tokens: list[Token], names: tuple[str, ...]) -> list[list[Token]]:
    """Tokens between some commands outside of braces."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for t in tokens:
        depth += (t.kind == "{") - (t.kind == "}")
        if t.kind == "cs" and t.text in names and depth <= 0:
            parts.append([])
        else:
            parts[-1].append(t)
    return parts


def _apart(line: list[Token]) -> list[list[Token]]:
    """The parts of a line between wide spaces: `\\quad`, or several ties or control spaces in a row."""
    found: list[list[Token]] = [[]]
    narrow = 0
    for t in line:
        space = t.kind == TIE or (t.kind == CS and t.text == " ")
        if t.kind == SPACE and narrow:
            continue
        narrow = narrow + 1 if space else 0
        if narrow == 2 or (t.kind == CS and t.text in ("quad", "qquad")):
            found.append([])
        else:
            found[-1].append(t)
    return found


class AssembledFront(AssembledText):
    """Who wrote it, its outline, and its displayed formulas."""

    def _authors(self) -> tuple[str, ...]:
        names: list[str] = []
        for tokens in self.r.authors:
            blocks = _split(tokens, ("and", "And", "AND"))
            lines = [_split(block, ("\\", "newline")) for block in blocks]
            if len(blocks) > 1:  # each author has a block of lines: the name, then the affiliation
                lines = [block[:1] for block in lines]
            for part in (part for block in lines for line in block for part in _apart(line)):
                plain = self._plain(part)
                if re.match(r"\s*\^\{\d", plain):
                    continue  # a place, with the number that the names refer to
                text = re.sub(r"\^\{[^{}]*\}|[*†‡§]|_\{[^{}]*\}", "", plain)
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

    def _equation(self, d: EquationDraft, place: int) -> Equation:
        part = self._id(f"equation-{d.number}" if d.number else f"display-{place}")
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
