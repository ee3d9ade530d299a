"""From drafts to the final text: offsets that hold, references resolved, ids given."""

from __future__ import annotations

import re
from typing import Any

from mlintern.paper.latex.paper import PaperReader
from mlintern.paper.latex.references import kind_name
from mlintern.paper.latex.source.drafts import CaptionDraft
from mlintern.paper.latex.source.ink import HOLE, Proof
from mlintern.paper.latex.source.tokens import Token
from mlintern.paper.text.unique_ids import UniqueIds


class AssembledText:
    """The text of a paper that was read, and what every part of its Document needs of it."""

    def __init__(self, reader: PaperReader, name: str):
        self.r = reader
        self.name = name
        for float_ in reader.floats:
            numbered = [c for c in float_.captions if not c.sub]
            for caption in float_.captions:
                number = caption.number
                if caption.sub:
                    number = (numbered[0].number if numbered else "") + caption.letter
                for key in caption.labels:
                    reader.labels.setdefault(key, (caption.kind, number))
            for key in float_.labels:
                reader.labels.setdefault(key, (float_.kind, numbered[-1].number if numbered else ""))
        resolve = {}
        for key, (kind, number) in reader.labels.items():
            resolve[key] = number or "??"
            resolve["cref:" + key] = f"{kind_name(kind)} {number}" if number else kind_name(kind)
        self.proof = Proof(reader.ink, resolve)
        self.text = self.proof.text
        self.ids: dict[int, str] = {}
        self._id = UniqueIds().take

    def _plain(self, tokens: list[Token]) -> str:
        self.r.body, self.r.stop = True, False
        holes = re.sub(HOLE, "", self.r.plain(tokens))
        return holes

    def _common(self, start: int, end: int, token: Token, stop: Token | None) -> dict[str, Any]:
        a, z = self.proof.trimmed(start, end)
        return {"road": "latex", "start": a, "end": z, "span": self.r.span(token, stop)}

    def _caption(self, caption: CaptionDraft | None) -> str:
        if caption is None:
            return ""
        a, z = self.proof.trimmed(caption.start, caption.end)
        return self.text[a:z]
