"""Expanded tokens to plain text: styles, mathematics, accents, quotes and the spaces between them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mlintern.paper.latex_commands import SIGNATURES, STYLED, SWITCHES
from mlintern.paper.latex_ink import PLAIN, Ink, Style
from mlintern.paper.latex_macros import Gullet
from mlintern.paper.latex_tokens import (
    BEGIN,
    CS,
    END,
    EOF,
    MATH,
    PAR,
    SPACE,
    SUB,
    SUP,
    TAB,
    TEXT,
    TIE,
    VERB,
    Lexer,
    Token,
    spell,
    trimmed,
)
from mlintern.paper.symbols import ACCENTS, DINGS, SYMBOLS

MAX_DEPTH = 50
"""Readings inside readings (a caption in a cell in a layout); what lies deeper is dropped, and the Document says so."""

_DEGREES = {"prime": "′", "circ": "°"}
_LIGATURES = [("---", "—"), ("--", "–"), ("``", "“"), ("''", "”"), ("`", "‘")]
_HATS = {
    "hat": "\u0302",
    "bar": "\u0304",
    "tilde": "\u0303",
    "vec": "\u20d7",
    "dot": "\u0307",
    "ddot": "\u0308",
    "check": "\u030c",
    "breve": "\u0306",
    "acute": "\u0301",
    "grave": "\u0300",
    "mathring": "\u030a",
    "widehat": "\u0302",
    "widetilde": "\u0303",
    "overline": "\u0304",
    "overrightarrow": "\u20d7",
}
_BLANKS = frozenset(
    [
        "quad",
        "qquad",
        " ",
        "enspace",
        "enskip",
        "thinspace",
        "medspace",
        "thickspace",
        "space",
        "nobreakspace",
        ",",
        ";",
        ":",
        ">",
    ]
)
_DIMENSION = re.compile(
    r"\s*=?\s*[-+]?\s*(?:\d*[.,]?\d*\s*(?:true\s*)?(?:pt|em|ex|in|cm|mm|sp|bp|pc|dd|cc|mu|px|fil+)?)", re.I
)


@dataclass
class Scope:
    """A group or environment that is open, with what it sets back when it closes."""

    name: str
    style: Style
    math: bool
    close: str = ""
    opened: str = ""
    display: bool = False
    text: bool = False
    extra: dict[str, object] = field(default_factory=dict)


class Typesetter:
    """Reads tokens from the Gullet and writes Ink; subclasses add what a paper is made of."""

    def __init__(self) -> None:
        self.g = Gullet()
        self.ink = Ink()
        self.scopes: list[Scope] = [Scope("", PLAIN, False)]
        self.depth = 0
        """Renderings that write inside an open block."""
        self.running = 0
        self.quiet = 0
        """Renderings whose text goes nowhere (`plain`)."""
        self.unknown: dict[str, Token] = {}
        self.handlers: dict[str, Callable[[Token], None]] = {
            name[4:]: getattr(self, name) for name in dir(self) if name.startswith("cmd_")
        }
        for name in _HATS:
            self.handlers[name] = self._hat
        for name in ACCENTS:
            self.handlers[name] = self._accent
        for name in ("tfrac", "dfrac", "cfrac", "nicefrac", "sfrac", "textfrac", "flatfrac"):
            self.handlers[name] = self.cmd_frac
        for name in ("{", "}", "$", "&", "#", "%", "_"):
            self.handlers[name] = self._escaped
        for name in ("newline", "\\", "tabularnewline", "linebreak", "cr", "crcr"):
            self.handlers[name] = self.line_break

    # state

    @property
    def style(self) -> Style:
        return self.scopes[-1].style

    @property
    def math(self) -> bool:
        return self.scopes[-1].math

    def restyle(self, changes: dict[str, object]) -> None:
        self.scopes[-1].style = replace(self.scopes[-1].style, **changes)  # type: ignore[arg-type]

    def enter(
        self, name: str, *, math: bool | None = None, close: str = "", opened: str = "", style: Style | None = None
    ) -> Scope:
        """Opens a group."""
        top = self.scopes[-1]
        scope = Scope(name, style or top.style, top.math if math is None else math, close, opened)
        self.scopes.append(scope)
        self.g.open_group()
        return scope

    def leave(self, name: str, token: Token) -> None:
        """Closes the innermost group of this name and whatever was left open inside it; nothing if there is none."""
        floor = self.floor
        at = next((i for i in range(len(self.scopes) - 1, floor - 1, -1) if self.scopes[i].name == name), None)
        if at is None or (name == "{" and at != len(self.scopes) - 1 and self.scopes[-1].name not in ("{", "$", "arg")):
            return
        while len(self.scopes) > at:
            scope = self.scopes.pop()
            self.g.close_group()
            if scope.close and not (scope.opened and self.ink.drop(scope.opened)):
                self.ink.put(scope.close, token, scope.style)
            self.left(scope, token)

    floor = 1

    def left(self, scope: Scope, token: Token) -> None:
        """Called after a scope was closed."""

    def render(self, tokens: list[Token] | Lexer) -> None:
        """Sets these tokens and nothing else, in a group of their own."""
        before = self.g.only(tokens)
        floor, self.floor = self.floor, len(self.scopes)
        self.depth += 1
        top = self.scopes[-1]
        self.scopes.append(Scope("render", top.style, top.math))
        self.g.open_group()
        self.floor = len(self.scopes)
        try:
            self.run()
        finally:
            while len(self.scopes) >= self.floor:
                scope = self.scopes.pop()
                self.g.close_group()
                if scope.close and tokens and not isinstance(tokens, Lexer):
                    self.ink.put(scope.close, tokens[-1], scope.style)
                if scope.name != "render":
                    self.left(scope, tokens[-1] if tokens and not isinstance(tokens, Lexer) else _NOWHERE)
            self.floor = floor
            self.depth -= 1
            self.g.frames = before

    def plain(self, tokens: list[Token]) -> str:
        """Text of tokens as it would print, written nowhere."""
        ink, self.ink = self.ink, Ink()
        self.quiet += 1
        try:
            self.render(tokens)
            return "".join(self.ink.parts).strip()
        finally:
            self.ink = ink
            self.quiet -= 1

    # the loop

    def run(self) -> None:
        """Sets everything up to the end of the input."""
        self.running += 1
        if self.running > MAX_DEPTH:
            self.too_deep(self.g.raw())
            self.g.frames = []
        self._run()
        self.running -= 1

    def too_deep(self, token: Token) -> None:
        """Called where nesting ends the reading of a part."""

    def _run(self) -> None:
        get, ink_of = self.g.get, self
        while True:
            token = get()
            kind = token.kind
            if kind == TEXT:
                ink_of.word(token)
            elif kind == SPACE:
                self.ink.space(token, self.scopes[-1].math)
            elif kind == CS:
                self.command(token)
            elif kind == BEGIN:
                self.enter("{")
            elif kind == END:
                self.leave("{", token)
            elif kind == MATH:
                self.dollar(token)
            elif kind in (SUP, SUB):
                self.script(token)
            elif kind == PAR:
                self.paragraph(token)
            elif kind in (TAB, TIE):
                self.ink.space(token._replace(exact=False))
            elif kind == VERB:
                self.put(token.text, token, token.exact)
            elif kind == EOF:
                return

    def paragraph(self, token: Token) -> None:
        self.ink.space(token)

    def line_break(self, token: Token) -> None:
        self.g.star()
        self.ink.space(token)

    def before_text(self, token: Token) -> None:
        """Called before text is written; a subclass opens a block."""

    def put(self, text: str, token: Token, exact: bool = False) -> None:
        self.before_text(token)
        self.ink.put(text, token, self.style, exact)

    def word(self, token: Token) -> None:
        """A run of ordinary characters."""
        text = token.text
        if not self.math and ("-" in text or "`" in text or "'" in text) and not self.scopes[-1].text:
            self._ligatures(token)
        else:
            self.put(text, token, token.exact)

    def _ligatures(self, token: Token) -> None:
        text, at, start = token.text, 0, 0
        while at < len(text):
            for old, new in _LIGATURES:
                if text.startswith(old, at):
                    self._slice(token, start, at)
                    a = token.start + at if token.exact else token.start
                    b = a + len(old) if token.exact else token.end
                    self.put(new, token._replace(text=new, start=a, end=b))
                    at += len(old)
                    start = at
                    break
            else:
                at += 1
        self._slice(token, start, len(text))

    def _slice(self, token: Token, start: int, end: int) -> None:
        if end > start:
            if token.exact:
                part = token._replace(text=token.text[start:end], start=token.start + start, end=token.start + end)
            else:
                part = token._replace(text=token.text[start:end])
            self.put(part.text, part, token.exact)

    # mathematics

    def dollar(self, token: Token) -> None:
        """`$` opens or closes a formula; `$$` a displayed one."""
        scope = next((s for s in reversed(self.scopes[self.floor :]) if s.name in ("$", "$$")), None)
        if scope is not None:
            if scope.name == "$$":
                after = self.g.raw()
                if after.kind != MATH and after.kind != EOF:
                    self.g.push([after])
            self.close_formula(scope.name, token)
            return
        after = self.g.raw()
        if after.kind == MATH:
            self.display("$$", token)
            return
        if after.kind != EOF:
            self.g.push([after])
        self.open_formula()

    def open_formula(self) -> None:
        """Begins an inline formula; the spaces at its edges print nothing."""
        self.g.skip_spaces()
        self.enter("$", math=True)

    def close_formula(self, name: str, token: Token) -> None:
        self.ink.unspace(math=True)
        self.leave(name, token)

    def display(self, name: str, token: Token) -> None:
        """Opens a displayed formula."""
        self.enter(name, math=True)

    def script(self, token: Token) -> None:
        """`^` and `_`: the argument in braces after the mark."""
        g = self.g
        g.skip_spaces()
        if not self.math and token.kind == SUB:
            self.put("_", token, True)
            return
        mark = token.kind + "{"
        first = g.get()
        if first.kind == BEGIN:
            second = g.raw()
            if second.kind == END:
                return
            if second.kind == CS and second.text in _DEGREES and token.kind == SUP and g.peek().kind == END:
                g.raw()
                self.put(_DEGREES[second.text], token)
                return
            g.push([second] if second.kind != EOF else [])
            self.put(mark, token)
            self.enter("{", math=self.math, close="}", opened=mark)
            return
        g.push([first] if first.kind != EOF else [])
        arg = self._operand()
        if not arg:
            return
        if token.kind == SUP and arg[0].kind == CS and arg[0].text in _DEGREES:
            self.put(_DEGREES[arg[0].text], token)
            return
        self.put(mark, token)
        self.enter("{", math=self.math, close="}", opened=mark)
        g.push([*arg, Token(END, "}", token.source, token.start, token.end, False)])

    def _operand(self) -> list[Token]:
        """Argument of a script or fraction: a group, one character, or a command with its own arguments."""
        g = self.g
        token = g.get()
        while token.kind in (SPACE, PAR):
            token = g.get()
        if token.kind == BEGIN:
            return g.balanced()
        if token.kind in (EOF, END, TAB):
            if token.kind != EOF:
                g.push([token])
            return []
        if token.kind == TEXT and len(token.text) > 1:
            first, rest = g.split(token, 1)
            g.push([rest])
            return [first]
        if token.kind == CS:
            found = [token]
            wants = 2 if token.text in ("frac", "tfrac", "dfrac") else 1
            takes = token.text in STYLED or token.text in _HATS or token.text in _TEXTUAL or wants == 2
            if takes or token.text in ("textcolor", "sqrt", "operatorname"):
                for _ in range(2 if token.text == "textcolor" else wants):
                    if g.peek().kind == BEGIN:
                        begin = g.raw()
                        found += [begin, *g.balanced(), Token(END, "}", begin.source, begin.start, begin.end, False)]
            return found
        return [token]

    def cmd_frac(self, token: Token) -> None:
        top, bottom = self._operand(), self._operand()
        self._bracketed(top, token)
        self.put("/", token)
        self._bracketed(bottom, token)

    def plain_math(self, tokens: list[Token]) -> str:
        self.enter("$", math=True)
        try:
            return self.plain(tokens)
        finally:
            self.leave("$", tokens[-1] if tokens else _NOWHERE)

    def _bracketed(self, tokens: list[Token], token: Token) -> None:
        """A side of a fraction, in brackets unless it is one number or name."""
        simple = all(t.kind == TEXT and re.fullmatch(r"[\w.,%]+", t.text) for t in tokens)
        simple = simple or (len(tokens) == 1 and tokens[0].kind == CS)
        if not simple:
            self.put("(", token)
        self.render(tokens)
        if not simple:
            self.put(")", token)

    def cmd_binom(self, token: Token) -> None:
        self.put("C(", token)
        self.render(self._operand())
        self.put(", ", token)
        self.render(self._operand())
        self.put(")", token)

    def cmd_sqrt(self, token: Token) -> None:
        degree = self.g.optional()
        if degree and spell(degree).strip() not in ("", "2"):
            self.put("root^{" + self.plain(degree) + "}", token)
        else:
            self.put("√", token)
        arg = self._operand()
        if len(arg) == 1 and len(arg[0].text) == 1:
            self.render(arg)
        else:
            self.put("(", token)
            self.render(arg)
            self.put(")", token)

    def _hat(self, token: Token) -> None:
        arg = trimmed(self._operand())
        text = self.plain_math(arg) if len(arg) == 1 else ""
        if len(text) == 1:
            self.put(unicodedata.normalize("NFC", text + _HATS[token.text]), token)
        else:
            self.render(arg)

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

    def cmd_left(self, token: Token) -> None:
        """`\\left.` prints nothing."""
        after = self.g.raw()
        if after.kind == TEXT and after.text.startswith("."):
            if len(after.text) > 1:
                self.g.push([self.g.split(after, 1)[1]])
        elif after.kind != EOF:
            self.g.push([after])

    cmd_right = cmd_left

    def cmd_not(self, token: Token) -> None:
        arg = self._operand()
        text = self.plain_math(arg)
        self.put(unicodedata.normalize("NFC", text[:1] + "\u0338") + text[1:] if text else "", token)

    def cmd_stackrel(self, token: Token) -> None:
        top = self._operand()
        self.render(self._operand())
        self.put("^{", token)
        self.render(top)
        self.put("}", token)

    cmd_overset = cmd_stackrel

    def cmd_underset(self, token: Token) -> None:
        below = self._operand()
        self.render(self._operand())
        self.put("_{", token)
        self.render(below)
        self.put("}", token)

    def cmd_textsuperscript(self, token: Token) -> None:
        self.g.push([token._replace(kind=SUP, text="^")])

    def cmd_textsubscript(self, token: Token) -> None:
        arg = self.g.argument()
        if trimmed(arg):
            self.put("_{", token)
            self.render(arg)
            self.put("}", token)

    cmd_textunderscript = cmd_textsubscript

    # commands

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
            self.g.push([self.g.split(after, m.end())[1]])
        code = int(m[1]) if m[1] else int(m[2], 16) if m[2] else 0
        if code >= 32:
            self.put(chr(code), token)

    cmd_symbol = cmd_ding

    def cmd_texorpdfstring(self, token: Token) -> None:
        shown = self.g.argument()
        self.g.argument()
        self.g.push(shown)

    def dimension(self) -> None:
        """Skips `=3pt plus 1fil` after a register's name."""
        g = self.g
        for _ in range(6):
            token = g.raw()
            if token.kind == SPACE:
                continue
            if token.kind == TEXT:
                m = _DIMENSION.match(token.text)
                rest = token.text[m.end() :] if m else token.text
                if rest.startswith(("plus", "minus")):
                    g.push(
                        [g.split(token, len(token.text) - len(rest) + (4 if rest[0] == "p" else 5))[1]]
                        if len(rest) > 5
                        else []
                    )
                    continue
                if rest:
                    g.push([g.split(token, len(token.text) - len(rest))[1]] if len(rest) < len(token.text) else [token])
                    return
                if token.text[-1].isdigit() or token.text[-1] in "=.-+":
                    continue
                after = g.peek()
                if after.kind == SPACE:
                    g.raw()
                    nearby = g.peek()
                    if nearby.kind == TEXT and nearby.text.startswith(("plus", "minus")):
                        continue
                return
            if token.kind == CS and (
                SIGNATURES.get(token.text) == "d" or token.text.endswith(("skip", "width", "height", "sep", "size"))
            ):
                return
            if token.kind != EOF:
                g.push([token])
            return

    def arguments(self, signature: str) -> None:
        """Reads and drops a command's arguments, except a shown one at the end."""
        g = self.g
        for letter in signature:
            if letter == "*":
                g.star()
            elif letter == "o":
                g.optional()
            elif letter == "p":
                g.optional("(", ")")
            elif letter == "m":
                g.argument()
            elif letter == "d":
                self.dimension()

    def command(self, token: Token) -> None:
        """A control sequence that no user macro defines."""
        name = token.text
        handler = self.handlers.get(name)
        if handler is not None:
            handler(token)
            return
        if name in STYLED:
            self._styled(STYLED[name])
        elif name in SWITCHES:
            self.restyle(SWITCHES[name])
        elif name in _BLANKS:
            self.ink.space(token)
        elif name in SYMBOLS:
            spaced = self.math and self.ink.spaced and SYMBOLS[name] in _BINARY
            self.put(SYMBOLS[name], token)
            after = self.g.peek() if self.math else token
            if spaced or (
                self.math and len(SYMBOLS[name]) > 1 and after.kind in (TEXT, CS) and after.text[:1].isalnum()
            ):
                # TeX swallowed the space behind the name; the operator or function still stands apart
                self.ink.space(token._replace(exact=False), True)
        elif name in SIGNATURES:
            self.arguments(SIGNATURES[name])
        else:
            self.unknown_command(token)

    def _styled(self, changes: dict[str, object]) -> None:
        """Opens a group in a style; a lone character gets a group of its own."""
        g = self.g
        g.skip_spaces()
        token = g.raw()
        if token.kind == EOF:
            return
        style = replace(self.style, **changes)  # type: ignore[arg-type]
        if token.kind == BEGIN:
            self.enter("{", style=style)
            return
        g.push([token])
        if token.kind == END:
            return
        arg = self._operand()
        self.enter("{", style=style)
        g.push([*arg, Token(END, "}", token.source, token.start, token.end, False)])

    def unknown_command(self, token: Token) -> None:
        found = _fallback(token.text)
        if found is not None:
            self.put(found, token)
        elif token.text[:1].isalpha():
            self.unknown.setdefault(token.text, token)
            if self.g.peek().kind != BEGIN:
                self.put("\\" + token.text, token)
                self.ink.space(token._replace(exact=False))


_TEXTUAL = frozenset(
    (
        "ensuremath mathbb mathcal mathfrak mathrm mathscr mathsf mathtt mbox text textnormal textrm textsc textsf "
        "texttt textup"
    ).split()
)
_NOWHERE = Token(TEXT, "", -1, 0, 0, False)
_BINARY = frozenset("±∓×·÷≤≥≈~≠≡∈⊂⊆∪∩→←⇒⇔∝≪≫≃≺≻⊕⊗∘∖∧∨↦")


def _fallback(name: str) -> str | None:
    """pylatexenc's table of two thousand symbols, for the names the short table lacks."""
    if name not in _SEEN:
        from pylatexenc.latex2text import get_default_latex_context_db  # 40 ms that most papers never need

        spec = get_default_latex_context_db().get_macro_spec(name)
        text = getattr(spec, "simplify_repl", None)
        _SEEN[name] = text if isinstance(text, str) and "%" not in text else None
    return _SEEN[name]


_SEEN: dict[str, str | None] = {}
