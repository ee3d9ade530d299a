"""Setting text: scopes with their styles, tokens rendered into Ink, words with their quotes and dashes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mlintern.paper.latex.expansion.gullet import Gullet
from mlintern.paper.latex.source.ink import PLAIN, Ink, Style
from mlintern.paper.latex.source.tokens import (
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
)
from mlintern.paper.latex.typesetting.units import NumberStyle

MAX_DEPTH = 50
"""Readings inside readings (a caption in a cell in a layout); what lies deeper is dropped, and the Document says so."""
MAX_GROUPS = 1_000
"""Groups inside groups; TeX itself has 255."""

_LIGATURES = [("---", "—"), ("--", "–"), ("``", "“"), ("''", "”"), ("`", "‘")]
NOWHERE = Token(TEXT, "", -1, 0, 0, False)
"""A token for what no place in the source stands for."""


@dataclass
class Scope:
    """A group or environment that is open, with what it sets back when it closes."""

    name: str
    style: Style
    math: bool
    close: str = ""
    opened: str = ""
    numbers: NumberStyle = field(default_factory=NumberStyle)
    """siunitx's options in force."""
    extra: dict[str, object] = field(default_factory=dict)


class Setting(ABC):
    """What sets tokens of the Gullet as Ink; subclasses say what formulas, scripts and commands print."""

    def __init__(self) -> None:
        self.g = Gullet()
        self.ink = Ink()
        self.scopes: list[Scope] = [Scope("", PLAIN, False)]
        self.depth = 0
        """Renderings that write inside an open block."""
        self.running = 0
        self.quiet = 0
        """Renderings whose text goes nowhere (`plain`)."""
        self.handlers: dict[str, Callable[[Token], None]] = {
            name[4:]: getattr(self, name) for name in dir(self) if name.startswith("cmd_")
        }
        for name in ("newline", "\\", "tabularnewline", "linebreak", "cr", "crcr"):
            self.handlers[name] = self.line_break

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
        scope = Scope(name, style or top.style, top.math if math is None else math, close, opened, top.numbers)
        if len(self.scopes) < MAX_GROUPS:
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

    @abstractmethod
    def left(self, scope: Scope, token: Token) -> None:
        """Called after a scope was closed."""

    def render(self, tokens: list[Token] | Lexer) -> None:
        """Sets these tokens and nothing else, in a group of their own."""
        before = self.g.only(tokens)
        floor, self.floor = self.floor, len(self.scopes)
        self.depth += 1
        top = self.scopes[-1]
        self.scopes.append(Scope("render", top.style, top.math, numbers=top.numbers))
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
                    self.left(scope, tokens[-1] if tokens and not isinstance(tokens, Lexer) else NOWHERE)
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

    @abstractmethod
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
            elif kind == TIE:
                self.ink.space(token._replace(exact=False))
            elif kind == TAB:
                self.stray_tab(token)
                self.ink.space(token._replace(exact=False))
            elif kind == VERB:
                self.put(token.text, token, token.exact)
            elif kind == EOF:
                return

    @abstractmethod
    def command(self, token: Token) -> None:
        """A control sequence that no macro of the paper defines."""

    @abstractmethod
    def dollar(self, token: Token) -> None:
        """`$` opens or closes a formula; `$$` a displayed one."""

    @abstractmethod
    def script(self, token: Token) -> None:
        """`^` or `_`."""

    @abstractmethod
    def stray_tab(self, token: Token) -> None:
        """Called for an `&` that separates no cells."""

    def paragraph(self, token: Token) -> None:
        self.ink.space(token)

    def line_break(self, token: Token) -> None:
        self.g.star()
        self.ink.space(token)

    @abstractmethod
    def before_text(self, token: Token) -> None:
        """Called before text is written; a subclass opens a block."""

    def put(self, text: str, token: Token, exact: bool = False) -> None:
        self.before_text(token)
        self.ink.put(text, token, self.style, exact)

    def word(self, token: Token) -> None:
        """A run of ordinary characters."""
        text = token.text
        if not self.math and ("-" in text or "`" in text or "'" in text):
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
