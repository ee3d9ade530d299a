"""LaTeX mathematics as the Document's plain text: `94.1_{\\pm 0.3}` is `94.1_{±0.3}`, `\\leq 10^{-3}` is `≤ 10^{-3}`.

For roads on which a formula comes as one string of LaTeX (the alttext of HTML's <math>). Scripts keep their braces, so
that a power of ten never becomes a longer number; fractions and roots get parentheses where they need them.
"""

import re
from dataclasses import dataclass

from mlintern.paper.text.symbols import ACCENTS, SYMBOLS

_TOKEN = re.compile(r"\\[A-Za-z]+\*?|\\.|[{}^_~&]|\s+|[^\\{}^_~&\s]", re.DOTALL)
_DEPTH = 60
_BOLD = frozenset({"mathbf", "boldsymbol", "bm", "textbf", "pmb", "bf", "bfseries", "mathbfit"})
_UNDERLINE = frozenset({"underline", "uline"})
_TEXT = frozenset({"text", "textrm", "textit", "textsf", "texttt", "textbf", "mbox", "hbox", "textsc", "textnormal"})
_DROPPED = frozenset(
    [
        *("left", "right", "middle", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr"),
        *("Biggl", "Biggr", "displaystyle", "textstyle", "scriptstyle", "scriptscriptstyle", "limits", "nolimits"),
        *(
            "nonumber",
            "notag",
            "relax",
            "!",
            "rm",
            "it",
            "sf",
            "tt",
            "cal",
            "hfill",
            "allowbreak",
            "nobreak",
            "boldmath",
        ),
        *("footnotesize", "scriptsize", "tiny", "small", "normalsize", "large", "Large", "hline", "bf", "bfseries"),
    ]
)
_PHANTOMS = frozenset({"phantom", "hphantom", "vphantom"})
_SPACES = frozenset(
    [",", ";", ":", " ", ">", "quad", "qquad", "enspace", "thinspace", "space", "\n", "\\", "cr", "par"]
)
_RELATIONS = frozenset("=<>≤≥≠≈≃≅≡∝∈∉⊂⊆⊃⊇→←↔⇒⇐⇔↦≪≫≲≳~≔≜∼")
_FRACTIONS = frozenset({"frac", "dfrac", "tfrac", "cfrac", "nicefrac", "sfrac"})
_ACCENTS = {
    "hat": "\u0302", "widehat": "\u0302", "tilde": "\u0303", "widetilde": "\u0303", "bar": "\u0304", "vec": "\u20d7",
    "dot": "\u0307", "ddot": "\u0308", "check": "\u030c", "breve": "\u0306", "acute": "\u0301", "grave": "\u0300",
}  # fmt: skip
_NAMED_ARGUMENT = frozenset({"begin", "end", "color", "textcolor", "colorbox", "label", "hspace", "vspace", "kern"})


@dataclass(frozen=True)
class MathText:
    """A formula as plain text."""

    text: str
    bold: bool = False
    """All of it is bold."""
    underline: bool = False
    lead_bold: bool = False
    """Its first character is bold."""
    unknown: tuple[str, ...] = ()
    """Commands that were dropped because nothing is known about them; their arguments were kept."""


def math_text(latex: str) -> MathText:
    """Plain text of a formula. Never fails: one nested too deep, or with braces that do not close, is read flat."""
    reader = _FormulaReader(_TOKEN.findall(latex))
    text = _tidy(reader.sequence(0))
    visible = reader.shown or 1
    unknown = tuple(dict.fromkeys(reader.unknown))
    return MathText(text, reader.bold >= visible, reader.underlined >= visible, reader.lead_bold, unknown)


def _tidy(text: str) -> str:
    text = re.sub(r"[ \t\n]+", " ", text)
    return re.sub(r"([\^_]\{) | (?=\})", lambda m: m[1] or "", text).strip()


class _FormulaReader:
    def __init__(self, tokens: list[str]):
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.shown = self.bold = self.underlined = 0
        self.styles: list[str] = []
        self.lead_bold = False
        self.unknown: list[str] = []
        self.in_text = 0

    def sequence(self, depth: int, close: bool = False) -> str:
        """Everything up to the end, or (`close`) up to the brace that closes this group."""
        out: list[str] = []
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token == "}":
                self.at += 1
                if close:
                    break
                continue
            out.append(self.item(depth))
        return "".join(out)

    def item(self, depth: int) -> str:
        token = self.tokens[self.at]
        self.at += 1
        if token == "{":
            return self.sequence(depth + 1, close=True) if depth < _DEPTH else self._flat()
        if token in "^_":
            return self._script(token, depth)
        if token.isspace():
            return " " if self.in_text else ""
        if token in "~&":
            return " "
        if token == "'":
            return self._show("′")
        if token.startswith("\\"):
            return self._command(token[1:].rstrip("*"), depth)
        if token in _RELATIONS and not self.in_text:
            return f" {self._show('-' if token == '−' else token)} "
        return self._show(token)

    def _show(self, text: str) -> str:
        bold = any(style in _BOLD for style in self.styles)
        if not self.shown:
            self.lead_bold = bold
        self.shown += 1
        self.bold += bold
        self.underlined += any(style in _UNDERLINE for style in self.styles)
        return text

    def _flat(self) -> str:
        """The rest of a group that is nested too deep, without its markup."""
        out, open_groups = [], 1
        while self.at < len(self.tokens) and open_groups:
            token = self.tokens[self.at]
            self.at += 1
            open_groups += (token == "{") - (token == "}")
            out.append("" if token in "{}" or token.startswith("\\") else token)
        return self._show("".join(out))

    def argument(self, depth: int) -> str:
        while self.at < len(self.tokens) and self.tokens[self.at].isspace():
            self.at += 1
        if self.at >= len(self.tokens) or self.tokens[self.at] == "}" or depth > _DEPTH:
            return ""
        return self.item(depth + 1).strip()

    def _script(self, mark: str, depth: int) -> str:
        text = self.argument(depth)
        if mark == "^" and text in ("′", "′′", "∘", "°"):
            return "°" if text in "∘°" else text
        return f"{mark}{{{text}}}" if text else ""

    def _styled(self, name: str, depth: int) -> str:
        self.styles.append(name)
        self.in_text += name in _TEXT
        text = self.argument(depth)
        self.in_text -= name in _TEXT
        self.styles.pop()
        return text

    def _optional(self) -> str:
        if self.at < len(self.tokens) and self.tokens[self.at] == "[":
            end = next((i for i in range(self.at, min(self.at + 200, len(self.tokens))) if self.tokens[i] == "]"), None)
            if end is not None:
                inside = "".join(self.tokens[self.at + 1 : end])
                self.at = end + 1
                return inside
        return ""

    def _digit_group(self) -> bool:
        """Whether a thin space stands between groups of digits (`10\\,000`)."""
        around = "".join(self.tokens[max(self.at - 2, 0) : self.at + 4])
        return re.fullmatch(r"\d\\,\d{3}(?:\D.*)?", around, re.DOTALL) is not None

    def _char(self) -> str:
        """`\\char 37`: a character by its number."""
        digits = ""
        while self.at < len(self.tokens) and (self.tokens[self.at].isspace() or self.tokens[self.at].isdigit()):
            if digits and self.tokens[self.at].isspace():
                break
            digits += self.tokens[self.at].strip()
            self.at += 1
        return self._show(chr(int(digits))) if digits and 32 <= int(digits[:7]) < 0x110000 else ""

    def _command(self, name: str, depth: int) -> str:
        if name == "," and self._digit_group():
            return "\u2009"
        if name in _SPACES:
            return " "
        if name == "char":
            return self._char()
        if name in _PHANTOMS:
            before = (self.shown, self.bold, self.underlined, self.lead_bold)
            self.argument(depth)
            self.shown, self.bold, self.underlined, self.lead_bold = before
            return ""
        if name in ("bf", "bfseries", "boldmath"):
            self.styles.append("bf")  # to the end: such a formula is bold as a whole
            return ""
        if name in _DROPPED:
            if name in ("left", "right") and self.at < len(self.tokens) and self.tokens[self.at] == ".":
                self.at += 1
            return ""
        if name in _TEXT or name in _BOLD or name in _UNDERLINE:
            return self._styled(name, depth)
        if name in _FRACTIONS:
            above, below = self.argument(depth), self.argument(depth)
            return f"{_grouped(above)}/{_grouped(below)}"
        if name == "sqrt":
            root = self._optional()
            return f"{f'^{{{root}}}' if root else ''}√{_grouped(self.argument(depth), always=True)}"
        if name == "binom":
            return f"({self.argument(depth)} choose {self.argument(depth)})"
        if name in _ACCENTS or (name in ACCENTS and not name.isalpha()):
            inside = self.argument(depth)
            return inside + _ACCENTS.get(name, ACCENTS.get(name, "")) if len(inside) == 1 else inside
        if name in _NAMED_ARGUMENT:
            self._optional()
            self.argument(depth)
            return " "
        if name in ("operatorname", "mathop", "mathrm", "mathit", "mathcal", "mathbb", "mathsf", "mathfrak", "mathtt"):
            return self._styled(name, depth)
        if name in SYMBOLS:
            symbol = self._show(SYMBOLS[name])
            # \log x: a word needs a space where mathematics sets a thin one
            return f" {symbol} " if symbol in _RELATIONS or (symbol.isalpha() and len(symbol) > 1) else symbol
        if not name.isalpha():
            return self._show(name.replace("|", "‖"))
        self.unknown.append(name)
        return ""


def _grouped(text: str, always: bool = False) -> str:
    simple = re.fullmatch(r"[\w.]+|\w[\^_]\{[^{}]*\}", text)
    return text if simple and not (always and len(text) > 1) else f"({text})"
