"""Mathematics as plain text: formulas, sub- and superscripts, fractions, roots, hats."""

import re
import unicodedata

from mlintern.paper.latex.source.commands import STYLED
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
    Token,
    spell,
    split,
    trimmed,
)
from mlintern.paper.latex.typesetting.setting import NOWHERE, Setting

_DEGREES = {"prime": "′", "circ": "°"}
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
_TEXTUAL = frozenset(
    (
        "ensuremath mathbb mathcal mathfrak mathrm mathscr mathsf mathtt mbox text textnormal textrm textsc textsf "
        "texttt textup"
    ).split()
)


class Mathematics(Setting):
    """Formulas on one line: what stands above or below becomes `^{…}` or `_{…}`, a fraction `(a)/(b)`."""

    def __init__(self) -> None:
        super().__init__()
        for name in _HATS:
            self.handlers[name] = self._hat
        for name in ("tfrac", "dfrac", "cfrac", "nicefrac", "sfrac", "textfrac", "flatfrac"):
            self.handlers[name] = self.cmd_frac

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

    def cmd_ensuremath(self, token: Token) -> None:
        """A formula wherever it stands: within one its argument is an ordinary group."""
        if self.math:
            return
        arg = self.g.argument()
        self.g.push([*arg, Token(END, "}", token.source, token.start, token.end, False)])
        self.g.skip_spaces()
        self.enter("{", math=True)

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
            first, rest = split(token, 1)
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
            self.leave("$", tokens[-1] if tokens else NOWHERE)

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

    def cmd_left(self, token: Token) -> None:
        """`\\left.` prints nothing."""
        after = self.g.raw()
        if after.kind == TEXT and after.text.startswith("."):
            if len(after.text) > 1:
                self.g.push([split(after, 1)[1]])
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
