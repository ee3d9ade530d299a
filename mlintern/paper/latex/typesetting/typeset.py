"""Expanded tokens to plain text: styles, mathematics, accents, quotes and the spaces between them."""

import re
from dataclasses import replace

from mlintern.paper.latex.source.commands import SIGNATURES, STYLED, SWITCHES
from mlintern.paper.latex.source.tokens import BEGIN, CS, END, EOF, SPACE, TEXT, Token, spell, split
from mlintern.paper.latex.typesetting.characters import Characters, symbol
from mlintern.paper.text.symbols import SYMBOLS

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
_THIN = frozenset((",", "thinspace"))
_THREE_DIGITS = re.compile(r"\d{3}(?!\d)")
_DIMENSION = re.compile(
    r"\s*=?\s*[-+]?\s*(?:\d*[.,]?\d*\s*(?:true\s*)?(?:pt|em|ex|in|cm|mm|sp|bp|pc|dd|cc|mu|px|fil+)?)", re.I
)
_BINARY = frozenset("±∓×·÷≤≥≈~≠≡∈⊂⊆∪∩→←⇒⇔∝≪≫≃≺≻⊕⊗∘∖∧∨↦")


class Typesetter(Characters):
    """Every command that no macro defines: set, styled, dropped with its arguments, or noted as unknown."""

    def __init__(self) -> None:
        super().__init__()
        self.unknown: dict[str, Token] = {}
        """Commands without a definition, and where each was first met."""

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
                        [split(token, len(token.text) - len(rest) + (4 if rest[0] == "p" else 5))[1]]
                        if len(rest) > 5
                        else []
                    )
                    continue
                if rest:
                    g.push([split(token, len(token.text) - len(rest))[1]] if len(rest) < len(token.text) else [token])
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
                g.skip_spaces()
                if (after := g.peek()).kind == CS and after.text in ("begin", "end"):
                    return  # no argument at all: the command is another one than this table knows
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
            if not (name in _THIN and self._digit_group(token)):
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
        elif name in self.g.registers:
            self.dimension()
        else:
            self.unknown_command(token)

    def _digit_group(self, token: Token) -> bool:
        """`10\\,000`: a thin space between groups of digits is part of the number, and written as one."""
        after = self.g.peek()
        if self.ink.spaced or after.kind != TEXT or not _THREE_DIGITS.match(after.text):
            return False
        if not (self.ink.parts and self.ink.parts[-1][-1:].isdigit()):
            return False
        self.put("\u2009", token)
        return True

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

    def cmd_fontseries(self, token: Token) -> None:
        """`\\fontseries{b}\\selectfont`, siunitx users' way to write bold."""
        self.restyle({"bold": spell(self.g.argument()).strip() in ("b", "bx", "bc", "sb", "eb", "ub")})

    def unknown_command(self, token: Token) -> None:
        if token.text in self.g.macros:
            return  # it has a definition, and the budget for expanding is used up: the Document says so once
        found = symbol(token.text)
        if found is not None:
            self.put(found, token)
        elif token.text[:1].isalpha():
            self.unknown.setdefault(token.text, token)
            if self.g.peek().kind != BEGIN:
                self.put("\\" + token.text, token)
                self.ink.space(token._replace(exact=False))
