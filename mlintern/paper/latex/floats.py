"""Floats: tables, figures and algorithms with their captions, subfigures and images."""

import re

from mlintern.paper.latex.expansion.macro import Macro
from mlintern.paper.latex.source.commands import FLOATS
from mlintern.paper.latex.source.drafts import CaptionDraft, FloatDraft
from mlintern.paper.latex.source.ink import PLAIN
from mlintern.paper.latex.source.tokens import BEGIN, CS, END, EOF, Token, spell, tokens_of
from mlintern.paper.latex.state import PaperState

_ROMAN = re.compile(r"IEEEtran|IEEEconf|revtex4(?:-\d)?")
"""Classes that number their tables I, II, III."""


class Floats(PaperState):
    """Reads float environments and what belongs to them."""

    def cmd_documentclass(self, token: Token) -> None:
        self.g.optional()
        if _ROMAN.fullmatch(spell(self.g.argument()).strip()):
            self.g.define("thetable", Macro(tokens_of(r"\Roman{table}", token)), replace=False)
        self.g.optional()

    def _begin_float(self, name: str, token: Token) -> None:
        kind, signature = FLOATS[name]
        if (
            self.block is not None
            and self.block.kind in ("paragraph", "item", "abstract")
            and self.ink.size > self.block.start
            and self.depth == 0
        ):
            self.deferred += [token, *tokens_of("{" + name + "}", token), *self.until_end(name)]
            return
        self.arguments(signature)
        self.settle_floats()
        self.float = FloatDraft(kind, token, self.ink.size)
        self.enter("env " + name).extra["float"] = self.float

    def until_end(self, name: str) -> list[Token]:
        """Unexpanded tokens up to and with \\end{name}."""
        held: list[Token] = []
        while (t := self.g.raw()).kind != EOF:
            held.append(t)
            if t.kind == CS and t.text == "end":
                arg = self.g.argument()
                held += [
                    Token(BEGIN, "{", t.source, t.end, t.end, False),
                    *arg,
                    Token(END, "}", t.source, t.end, t.end, False),
                ]
                if spell(arg).strip() == name:
                    break
        return held

    def begin_loose_float(self, token: Token) -> FloatDraft:
        """A float that no environment opens: a longtable with its caption inside."""
        self.settle_floats()
        self.float = FloatDraft("table", token, self.ink.size)
        return self.float

    def end_float(self, token: Token) -> None:
        draft = self.float
        if draft is None:
            return
        self.close_block()
        draft.end, draft.stop = self.ink.size, token
        self.floats.append(draft)
        self.float = None
        self.caption_kind = ""

    def cmd_caption(self, token: Token) -> None:
        starred = self.g.star()
        self.g.optional()
        self._caption(token, self.g.argument(), self.caption_kind, not starred)

    def cmd_tbl(self, token: Token) -> None:
        """`\\tbl{caption}{table}`, as some publishers' classes have it; the table stays in the input."""
        self._caption(token, self.g.argument(), "table", True)

    def cmd_captionof(self, token: Token) -> None:
        starred = self.g.star()
        kind = spell(self.g.argument()).strip()
        self.g.optional()
        self._caption(token, self.g.argument(), kind, not starred)

    def cmd_ttabbox(self, token: Token) -> None:
        """floatrow's boxes: caption and content stay in the input."""
        self.g.optional()
        self.caption_kind = "figure" if token.text in ("ffigbox", "fcapside") else "table"

    cmd_capbtabbox = cmd_ffigbox = cmd_fcapside = cmd_ttabbox

    def cmd_ContinuedFloat(self, token: Token) -> None:
        """The next caption keeps the number of the one before."""
        self.g.star()
        kind = self.float.kind if self.float is not None else "table"
        self.p.counters[kind] = max(self.p.counters.get(kind, 0) - 1, 0)

    def cmd_subcaption(self, token: Token) -> None:
        self.g.star()
        self.g.optional()
        self._caption(token, self.g.argument(), "sub", True)

    def cmd_captionsetup(self, token: Token) -> None:
        self.g.star()
        self.g.optional()
        text = spell(self.g.argument())
        if m := re.search(r"\btype\s*=\s*(\w+)", text):
            self.caption_kind = m[1]

    def _sub_box(self, token: Token) -> None:
        """`\\subfloat[caption]{content}`, `\\subcaptionbox{caption}{content}`."""
        g = self.g
        g.star()
        first, second = g.optional(), g.optional()
        caption = second or first
        if token.text == "subcaptionbox":
            caption = g.argument()
            g.star()
            g.optional(), g.optional()
        self.scope_ids += 1
        self.scope_path.append(self.scope_ids)
        if caption is not None:
            self._caption(token, caption, "sub", True)
        content = g.argument()
        before = g.only(content)
        self.enter("arg").extra["scope"] = True
        self.run()
        self.leave("arg", token)
        g.frames = before

    def _caption(self, token: Token, arg: list[Token], kind: str, numbered: bool) -> None:
        if not self.body:
            return
        loose = None
        if self.float is None:
            if not self.depth:
                self.settle_floats()
            loose = self.float = FloatDraft(kind or "figure", token, self.ink.size)
        draft = self.float
        if not kind and (named := self.g.macros.get("@captype")):
            kind = spell(named.body).strip()
        in_sub = any(s.extra.get("sub") for s in self.scopes)
        sub = kind == "sub" or (in_sub and not kind)
        kind = kind if kind and kind != "sub" else draft.kind
        number = letter = ""
        if sub:
            letter = chr(97 + draft.letters % 26)
            draft.letters += 1
        elif numbered:
            self.p.step(kind)
            number = self.number_of(kind, token)
        cell, self.cell = self.cell, None
        depth, self.depth = self.depth, 0
        block = self.open_block("caption", draft)
        caption = CaptionDraft(kind, number, block.start, -1, self.scope_path[-1], sub, draft.order, letter)
        draft.order += 1
        draft.captions.append(caption)
        before = self.g.only(arg)
        self.enter("arg", style=PLAIN, math=False)
        self.run()
        self.leave("arg", token)
        self.g.frames = before
        self.cell, self.depth = cell, depth
        caption.end = self.ink.size
        self.close_block()
        if not sub and draft.labels:
            caption.labels += draft.labels
            draft.labels = []
        if loose is not None:
            self.target = (kind, number, caption.labels)
            loose.end, loose.stop = self.ink.size, token
            self.floats.append(loose)
            self.float = None

    def cmd_includegraphics(self, token: Token) -> None:
        self.g.star()
        self.g.optional()
        self.g.optional()
        name = spell(self.g.argument()).strip()
        if not self.body:
            return
        if self.float is not None:
            self.float.images.append((self.scope_path[-1], name, token))
        else:
            alone = FloatDraft("figure", token, self.ink.size, self.ink.size)
            alone.images.append((0, name, token))
            self.floats.append(alone)

    cmd_includesvg = cmd_epsfig = cmd_psfig = cmd_includestandalone = cmd_includegraphics

    def cmd_graphicspath(self, token: Token) -> None:
        self.graphics_path = ["", *re.findall(r"\{([^{}]*)\}", spell(self.g.argument()))]
