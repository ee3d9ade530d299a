"""Commands that print characters: accents, escapes, verbatim text, dingbats, and the names of symbols."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from mlintern.paper.latex.source.tokens import CS, EOF, TEXT, VERB, Lexer, Token, spell, split, trimmed
from mlintern.paper.latex.typesetting.mathematics import Mathematics
from mlintern.paper.text.symbols import ACCENTS, DINGS


class Characters(Mathematics):
    """Commands whose text is in their name or right behind it."""

    def __init__(self) -> None:
        super().__init__()
        for name in ACCENTS:
            self.handlers[name] = self._accent
        for name in ("{", "}", "$", "&", "#", "%", "_"):
            self.handlers[name] = self._escaped

    def _accent(self, token: Token) -> None:
        if token.text == "=" and self.scopes[-1].name == "tabbing":
            return
        arg = trimmed(self.g.argument())
        text = self.plain(arg) if len(arg) == 1 or all(t.kind == TEXT for t in arg) else ""
        text = {"ı": "i", "ȷ": "j"}.get(text, text)
        if text[:1].isalpha():
            self.put(unicodedata.normalize("NFC", text[0] + ACCENTS[token.text]) + text[1:], token)
        else:
            self.render(arg)

    def _escaped(self, token: Token) -> None:
        self.put(token.text, token)

    def cmd_bgroup(self, token: Token) -> None:
        self.enter("{")

    cmd_begingroup = cmd_bgroup

    def cmd_egroup(self, token: Token) -> None:
        self.leave("{", token)

    cmd_endgroup = cmd_egroup

    def cmd_dots(self, token: Token) -> None:
        self.put("…", token)

    cmd_nodata = cmd_dots

    def cmd_verb(self, token: Token) -> None:
        found = self.verbatim(token)
        self.put(found.text, found, found.exact)

    def verbatim(self, token: Token) -> Token:
        """`\\verb|…|`: raw text up to the same character, as one token."""
        frame = self.g.frames[-1] if self.g.frames else None
        if isinstance(frame, Lexer) and frame.at < len(frame.text):
            if frame.text[frame.at] == "*":
                frame.at += 1
            mark = frame.text[frame.at : frame.at + 1]
            frame.at += 1
            text, start = frame.until({"{": "}"}.get(mark, mark))
            return Token(VERB, text, frame.source, start, start + len(text))
        first = self.g.raw()
        mark, held = first.text[:1], first.text[1:]
        while mark and mark not in held:
            t = self.g.raw()
            if t.kind == EOF:
                break
            held += ("\\" if t.kind == CS else "") + t.text
        text, _, rest = held.partition(mark) if mark else (held, "", "")
        if rest:
            self.g.push([token._replace(kind=TEXT, text=rest, exact=False)])
        return token._replace(kind=VERB, text=text, exact=False)

    cmd_lstinline = cmd_verb

    def cmd_ding(self, token: Token) -> None:
        number = spell(self.g.argument()).strip()
        self.put(DINGS.get(number, "◌"), token)

    def cmd_char(self, token: Token) -> None:
        after = self.g.raw()
        m = re.match(r"(\d{1,3})|\"([0-9A-F]{1,4})|`", after.text) if after.kind == TEXT else None
        if not m:
            self.g.push([after] if after.kind != EOF else [])
            return
        if len(after.text) > m.end():
            self.g.push([split(after, m.end())[1]])
        code = int(m[1]) if m[1] else int(m[2], 16) if m[2] else 0
        if code >= 32 and not 0xD800 <= code < 0xE000:
            self.put(chr(code), token)

    cmd_symbol = cmd_ding

    def cmd_texorpdfstring(self, token: Token) -> None:
        shown = self.g.argument()
        self.g.argument()
        self.g.push(shown)


@cache
def symbol(name: str) -> str | None:
    """pylatexenc's table of two thousand symbols, for the names the short table lacks."""
    from pylatexenc.latex2text import get_default_latex_context_db  # 40 ms that most papers never need

    spec = get_default_latex_context_db().get_macro_spec(name)
    text = getattr(spec, "simplify_repl", None)
    return text if isinstance(text, str) and "%" not in text else None
