"""Numbers as papers write them: `94.1 ± 0.3`, `$94.1_{\\pm 0.3}$`, `1{,}024`, `2.3·10^{19}`, `>99`, `36--60`, `100K`.

A number keeps its raw text beside what it was read as. Where two readings are possible (`32^{2}`, `0,5`, `5 . 9 5`,
`×1019` whose exponent lost its superscript) the literal one is given and marked doubtful, with the reason: never
guessed
in silence.

Input is the Document's plain text (superscripts `^{..}`, subscripts `_{..}`, Unicode operators) or LaTeX; both spell
the
same numbers. Arithmetic is decimal, so 94 - 0.5 is exactly 93.5 and no digit of the paper is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

SpreadKind = Literal["", "pm", "subscript", "superscript", "parenthesis", "asymmetric", "interval", "range"]
"""How the spread is written. `parenthesis` and `subscript` say the form only: that it is a standard deviation is for
the
caption to say. `interval` is `81.2 [80.1, 82.3]`, `range` is `36--60` and has no central value."""

_MAX_CHARS = 400
"""A cell longer than this is prose, and reading it as one number is not tried."""


@dataclass(frozen=True)
class Number:
    """One number of a paper."""

    raw: str
    """The text it was read from, whole."""
    value: float | None
    """With powers of ten and K, M, B multiplied in; a percentage stays as written (94.1 % is 94.1, unit `%`).

    None for a range, a bare spread (`±0.3`) and a bare change (`↑1.2`)."""
    unit: str = ""
    """`%`, `$`, `ms`, `GB`, `×` (a factor), …; empty if the number says none itself."""
    spread: float | None = None
    """Half-width of a symmetric spread, in the units of `value`."""
    low: float | None = None
    """Lower end of the spread, interval or range."""
    high: float | None = None
    spread_kind: SpreadKind = ""
    change: float | None = None
    """A difference written beside it: `76.1 (+1.2)`, `76.1 ↓0.4` (negative)."""
    bound: str = ""
    """`>`, `<`, `>=`, `<=` or `~` (about)."""
    resolution: float | None = None
    """Place value of the last digit written: 0.1 for 28.4, 1000 for 100K. The paper's rounding is half of it."""
    notes: tuple[str, ...] = ()
    """Marks attached to it: `*`, `†`, `a`."""
    doubtful: bool = False
    why: str = ""

    def doubted(self, why: str) -> Number:
        """The same number, marked doubtful for one more reason."""
        return replace(self, doubtful=True, why=f"{self.why}; {why}" if self.why else why)


_MULTIPLIERS = {"k": 3, "K": 3, "M": 6, "B": 9, "G": 9, "T": 12, "Mio": 6, "Mrd": 9}
_MULTIPLIERS |= {"thousand": 3, "million": 6, "billion": 9, "trillion": 12, "bn": 9, "mn": 6, "mil": 6}
_UNITS = (
    "% ‰ pp pts pt points percent ° °C × x X "
    "s sec secs second seconds ms µs us ns min mins minute minutes h hr hrs hour hours d day days week weeks yr years "
    "B KB MB GB TB PB KiB MiB GiB TiB kB bit bits byte bytes Hz kHz MHz GHz W kW kWh J kJ dB px pixels nm µm mm cm "
    "m km "
    "g kg fps FPS FLOPs FLOPS GFLOPs GFLOPS MFLOPs TFLOPs TFLOPS PFLOPs EFLOPs GMACs MACs it/s iter/s img/s imgs/s "
    "tok/s tokens/s samples/s steps epochs epoch iterations iters tokens params parameters layers heads samples "
    "examples "
    "images runs seeds GPUs GPU-hours GPUh GPU-days nats bits/dim bpd bpc bpb"
).split()
_UNIT = "|".join(re.escape(u) for u in sorted(_UNITS, key=len, reverse=True))
_MULT = "|".join(sorted(_MULTIPLIERS, key=len, reverse=True))

_BOUNDS = {
    ">": ">", "<": "<", ">=": ">=", "<=": "<=", "≥": ">=", "≤": "<=", "⩾": ">=", "⩽": "<=", "≧": ">=", "≦": "<=",
    "≫": ">", "≪": "<", "~": "~", "∼": "~", "≈": "~", "≃": "~", "≅": "~", "≲": "<=", "≳": ">=", "∽": "~", "⪅": "<=",
}  # fmt: skip

_SUPER = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_SUB = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-")

_LATEX = {
    r"\pm": "±", r"\mp": "∓", r"\times": "×", r"\cdot": "·", r"\%": "%", r"\$": "＄", r"\sim": "~", r"\approx": "≈",
    r"\geq": "≥", r"\ge": "≥", r"\geqslant": "≥", r"\leq": "≤", r"\le": "≤", r"\leqslant": "≤", r"\gt": ">", r"\lt":
    "<",
    r"\gg": "≫", r"\ll": "≪", r"\simeq": "≈", r"\thicksim": "~", r"\textasciitilde": "~", r"\to": "→",
    r"\rightarrow": "→", r"\uparrow": "↑", r"\downarrow": "↓", r"\dagger": "†", r"\ddagger": "‡", r"\dag": "†",
    r"\ddag": "‡", r"\ast": "*", r"\star": "*", r"\S": "§", r"\P": "¶", r"\ ": " ", r"\,": "\u2009", r"\;": " ",
    r"\:": " ", r"\!": "", r"\quad": " ", r"\textpm": "±", r"\textdegree": "°", r"\circ": "°", r"\left": "",
    r"\right": "", r"\texttimes": "×", r"\xspace": "", r"\textdagger": "†", r"\newline": " ", r"\|": "|",
}  # fmt: skip
_MACRO = re.compile(r"\\(?:[A-Za-z]+\*?|[^A-Za-z])[ ]*")


def plain(text: str) -> str:
    """Text with LaTeX's spelling of number parts replaced by the Document's plain one; plain text comes back unchanged.

    Unknown commands are dropped and their arguments kept: in a number they are fonts and sizes.
    """
    text = re.sub(r"(?<!\\)\{\s*([,.])\s*\}", r"\1", text)
    if "\\" in text:
        text = re.sub(r"\\(?:footnotesize|scriptsize|tiny|small|normalsize|large)\b\*?", "", text)
        text = _MACRO.sub(lambda m: _LATEX.get(m.group().rstrip(" ") or m.group(), _LATEX.get(m.group(), "")), text)
        text = text.replace("~", "\u00a0") if re.search(r"\S~\s*[±(]", text) else text
    if text.count("$") >= 2 and text.count("$") % 2 == 0:
        text = text.replace("$", "")
    text = text.replace("＄", "$").replace("\u00ad", "").replace("\u200b", "").replace("\ufeff", "")
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+", lambda m: "^{" + m.group().translate(_SUPER) + "}", text)
    text = re.sub("[₀₁₂₃₄₅₆₇₈₉₊₋]+", lambda m: "_{" + m.group().translate(_SUB) + "}", text)
    text = text.replace("−", "-").replace("﹣", "-").replace("－", "-").replace("‐", "-").replace("‑", "-")
    text = re.sub(r"\+\s*/\s*-|\+-", "±", text)
    return _unbrace(text)


def _unbrace(text: str) -> str:
    """Drops grouping braces, keeps those of sub- and superscripts; gives single-token scripts braces too."""
    out: list[str] = []
    stack: list[bool] = []
    i = 0
    while i < len(text):
        c = text[i]
        if c in "^_" and i + 1 < len(text):
            j = i + 1
            while j < len(text) and text[j] == " ":
                j += 1
            if j < len(text) and text[j] == "{":
                out.append(c + "{")
                stack.append(True)
                i = j + 1
                continue
            run = re.compile(r"[+\-±]?\d+|\S").match(
                text, j
            )  # `10^-4` of plain text; LaTeX's own `^-4` means the same here
            if run:
                out.append(f"{c}{{{run.group()}}}")
                i = run.end()
                continue
        if c == "{":
            stack.append(False)
        elif c == "}":
            if stack and stack.pop():
                out.append("}")
        else:
            out.append(c)
        i += 1
    return "".join(out) + "}" * sum(stack)


_SP = "[ \t\n\u00a0\u2009\u202f\u2002\u2003]"
_DIGITS = r"(?:\d{1,3}(?:[,\u2009\u202f\u00a0]\d{3})+(?![\d,])(?:\.\d+)?|\d+\.\d+|\d+\.(?![\d.])|(?<![\d.])\.\d+|\d+)"
_SIGN = f"(?:[+\\-–]{_SP}?)?"
_EXP = (
    rf"(?:{_SP}?[eE](?:\^\{{)?{_SP}?[+\-]?{_SP}?\d+(?:\}})?"
    rf"|{_SP}*[×xX·*⋅∙•]{_SP}*10{_SP}*\^\{{{_SP}*[+\-–]?{_SP}*\d+{_SP}*\}})"
)
_MAGNITUDE = re.compile(rf"(?P<mant>{_DIGITS})(?P<exp>{_EXP})?(?:{_SP}?(?P<mult>{_MULT})(?![A-Za-z]))?")
_BARE_POWER = re.compile(
    rf"(?P<base>10|2)\^\{{{_SP}*(?P<power>[+\-–]?{_SP}*\d+)(?:{_SP}*(?P<frac>/{_SP}*\d+))?{_SP}*\}}"
)
_LOST_POWER = re.compile(rf"{_SP}*[×x·⋅*]{_SP}*10{_SP}?[-–]?\d{{1,3}}(?![\d.])")
_BOUND = re.compile(rf"(?:>=|<=|[{''.join(b for b in _BOUNDS if len(b) == 1)}]){_SP}*")
_UNIT_AFTER = re.compile(rf"{_SP}*(?P<unit>{_UNIT})(?![A-Za-z])")
_NOTE = re.compile(
    rf"{_SP}*(?:(?P<a>[*†‡§¶⋆★♠♣♦♥△▲◇◆□■✝✢⁎∗]+)|\^\{{{_SP}*(?P<b>[*†‡§¶⋆★♠♣♦♥△▲◇◆□■⁎∗,]+|[a-zA-Z](?:,[a-zA-Z])*){_SP}*\}}"
    rf"|\^\{{{_SP}*(?P<d>\d{{1,2}}){_SP}*\}})"
)
_ARROW = "↑↓⬆⬇▲▼△▽⇑⇓↗↘"
_CLOSE = {"(": ")", "[": "]"}
_LOST = "a power of ten here may have lost its superscript"


@dataclass
class _Magnitude:
    """An unsigned or signed decimal number without its spread: the parser's intermediate value."""

    value: Decimal
    step: Decimal
    start: int
    end: int
    doubts: tuple[str, ...] = ()
    mult: str = ""


def _magnitude(text: str, at: int, sign: bool = True) -> _Magnitude | None:
    """The number that starts at `at`, exponent and multiplier included."""
    i = at
    negative = False
    doubts: list[str] = []
    if sign and (m := re.compile(_SIGN).match(text, i)) and m.group():
        negative = m.group().strip() in "-–"
        if "–" in m.group():
            doubts.append("an en dash was read as a minus sign")
        i = m.end()
    if power := _BARE_POWER.match(text, i):
        return _power(power, at, negative, doubts)
    m = _MAGNITUDE.match(text, i)
    if not m:
        return None
    mant, end = m["mant"], m.end()
    digits = re.sub(r"[,\u2009\u202f\u00a0]", "", mant)
    comma = (
        re.compile(r",(\d{1,2}|\d{4,})(?![\d,])").match(text, m.end("mant"))
        if "," not in mant and "." not in mant
        else None
    )
    if comma and not m["exp"] and not m["mult"]:
        digits, end = f"{mant}.{comma[1]}", comma.end()
        doubts.append("a comma was read as the decimal point")
    elif "," in mant and mant.startswith("0"):
        head, _, rest = mant.partition(",")
        digits = f"{head}.{rest.replace(',', '').replace('.', '')}"
        doubts.append("a comma was read as the decimal point")
    if len(digits) > 60:
        return None
    value, places = Decimal(digits), len(digits.partition(".")[2])
    shift = 0
    if m["exp"]:
        if re.match(rf"{_SP}?[eE]\^", m["exp"]):
            doubts.append("e^{..} was read as a power of ten")
        shift = int(
            re.sub(r"[^\d+\-]", "", re.sub(r"^.*?(?:10|[eE])", "", m["exp"], count=1, flags=re.S).replace("–", "-"))
        )
        if abs(shift) > 300:
            return None
    if m["mult"]:
        shift += _MULTIPLIERS[m["mult"]]
    if not m["exp"] and _LOST_POWER.match(text, end) and not re.compile(r"\d+(?:[.,]\d)").search(text, end):
        doubts.append(_LOST)
    value, step = value.scaleb(shift), Decimal(1).scaleb(shift - places)
    return _Magnitude(-value if negative else value, step, at, end, tuple(doubts), m["mult"] or "")


def _power(m: re.Match[str], at: int, negative: bool, doubts: list[str]) -> _Magnitude | None:
    """`10^{-3}` and `2^{16}`: a number that is a power and nothing else."""
    exponent = int(re.sub(r"\s", "", m["power"]).replace("–", "-"))
    if m["frac"] or abs(exponent) > 300:
        return None
    value = Decimal(m["base"]) ** exponent
    step = value if m["base"] == "10" else Decimal(1)
    return _Magnitude(-value if negative else value, step, at, m.end(), tuple(doubts))


def _skip(text: str, at: int) -> int:
    while at < len(text) and (text[at].isspace() or text[at] in "\u00a0\u2009\u202f"):
        at += 1
    return at


class _Builder:
    """Reads one number with everything attached to it, starting at a place in plain text."""

    def __init__(self, text: str, at: int, cell: bool):
        self.text, self.start, self.at, self.cell = text, at, at, cell
        self.unit = self.bound = self.kind = ""
        self.spread = self.low = self.high = self.change = None  # type: Decimal | None
        self.notes: list[str] = []
        self.doubts: list[str] = []
        self.main: _Magnitude | None = None

    def read(self) -> Number | None:
        """The number, or None if none starts here."""
        text = self.text
        if self.cell and (note := _NOTE.match(text, self.at)) and note["d"] is None and note.end() < len(text):
            self.notes.append(note["a"] or note["b"])
            self.at = _skip(text, note.end())
        if b := _BOUND.match(text, self.at):
            self.bound = _BOUNDS[b.group().strip()]
            self.at = b.end()
        if text[self.at : self.at + 1] in "±∓" and self.at < len(text):
            return self._bare_spread()
        if text[self.at : self.at + 1] in tuple(_ARROW):
            return self._bare_change()
        if self._scaled_group():
            return self._done()
        at = self.at
        if text[at : at + 1] in tuple("$€£¥"):
            self.unit = text[at]
            at = _skip(text, at + 1)
        main = _magnitude(text, at)
        if not main:
            return None
        self.main, self.at = main, main.end
        self.doubts.extend(main.doubts)
        if self._range():
            self._tail_unit()
            return self._done()
        self._tail()
        return self._done()

    def _scaled_group(self) -> bool:
        """`(1.2 ± 0.3) × 10^{-3}`."""
        m = re.compile(
            rf"[(\[]{_SP}*(?P<a>{_SIGN}{_DIGITS}){_SP}*±{_SP}*(?P<b>{_DIGITS}){_SP}*[)\]]{_SP}*"
            rf"(?:[×x·⋅*]{_SP}*10\^\{{(?P<e>[+\-–]?\d+)\}}|(?P<pct>%))"
        ).match(self.text, self.at)
        if not m:
            return False
        a, b = _magnitude(m["a"], 0), _magnitude(m["b"], 0)
        shift = int((m["e"] or "0").replace("–", "-"))
        if not a or not b or abs(shift) > 300:
            return False
        a.value, a.step, a.end = a.value.scaleb(shift), a.step.scaleb(shift), m.end()
        self.main, self.at, self.kind, self.unit = a, m.end(), "pm", m["pct"] or ""
        self.spread = b.value.scaleb(shift)
        self._tail_notes()
        return True

    def _bare_spread(self) -> Number | None:
        at = _skip(self.text, self.at + 1)
        m = _magnitude(self.text, at, sign=False)
        if not m:
            return None
        self.main, self.at, self.kind, self.spread = None, m.end, "pm", m.value
        self._tail_unit()
        self._tail_notes()
        return self._done(m.step)

    def _bare_change(self) -> Number | None:
        down = self.text[self.at] in "↓⬇▼▽⇓↘"
        m = _magnitude(self.text, _skip(self.text, self.at + 1))
        if not m:
            return None
        self.at, self.change = m.end, -abs(m.value) if down else m.value
        self._tail_unit()
        return self._done(m.step)

    def _range(self) -> bool:
        """`36--60`, `36–60`, `36 to 60`: no central value."""
        text, main = self.text, self.main
        assert main is not None
        m = re.compile(rf"{_SP}*(?:%{_SP}*)?(---?|–|—|-|to(?={_SP})|…|\.\.\.?|‒){_SP}*").match(text, self.at)
        if not m:
            return False
        other = _magnitude(text, m.end(), sign=m[1] not in ("-", "–", "—", "--", "‒"))
        if not other or (re.match(r"[\-–]\d", text[other.end : other.end + 2]) is not None):
            return False  # a date or a telephone number, not a range
        low, high = main.value, other.value
        if other.mult and not main.mult:
            low = low.scaleb(_MULTIPLIERS[other.mult])  # 10-20K is 10K to 20K
        if m[1] == "-" and main.value == 10 and main.step == 1 and high < 10:
            self.doubts.append(_LOST)
            self.at = other.end
            self.kind, self.low, self.high = "range", min(low, high), max(low, high)
            self.main = None
            return True
        if low >= high:
            return False
        self.kind, self.low, self.high, self.at = "range", low, high, other.end
        self.doubts.extend(other.doubts)
        self.main = None
        return True

    def _tail(self) -> None:
        """Unit, spread, change and notes, in whatever order they come."""
        while self.at < len(self.text):
            before = self.at
            if not self.unit:
                self._tail_unit()
            if not self.kind:
                self._pm() or self._scripts() or self._bracket()
            elif self.kind == "subscript" or self.change is None:
                self._bracket()
            self._tail_notes()
            if self.cell:
                self._tail_change()
            if self.at == before:
                return

    def _tail_unit(self) -> None:
        m = _UNIT_AFTER.match(self.text, self.at)
        if not m:
            return
        unit = m["unit"]
        after = self.text[m.end() :].lstrip()
        if unit in "×xX" and re.match(r"\d|[A-Z]", after):
            return  # 224×224, 8 x V100
        if not self.cell and unit in ("x", "X", "d", "m", "h", "s", "g", "B", "W", "J", "pt") and m.group() != unit:
            return  # "3 m" of prose
        self.unit = {"x": "×", "X": "×"}.get(unit, unit)
        self.at = m.end()

    def _tail_notes(self) -> None:
        while m := _NOTE.match(self.text, self.at):
            if not self.cell and m["a"] and m.group()[0].isspace():
                return
            if m["d"]:
                self.doubts.append(f"the superscript {m['d']} may be a footnote mark or a power")
            self.notes.append(m["a"] or m["b"] or m["d"])
            self.at = m.end()

    def _tail_change(self) -> None:
        if self.change is not None:
            return
        m = re.compile(rf"{_SP}*(?P<arrow>[{_ARROW}]){_SP}*").match(self.text, self.at)
        if not m:
            return
        number = _magnitude(self.text, m.end())
        if number:
            self.change = -abs(number.value) if m["arrow"] in "↓⬇▼▽⇓↘" else number.value
            self.at = number.end
            if self.text[self.at : self.at + 1] == "%":
                self.at += 1
        else:
            self.notes.append(m["arrow"])
            self.at = m.end()

    def _pm(self) -> bool:
        m = re.compile(rf"{_SP}*±{_SP}*").match(self.text, self.at)
        number = _magnitude(self.text, m.end(), sign=False) if m else None
        if not number:
            return False
        self.kind, self.spread, self.at = "pm", number.value, number.end
        self.doubts.extend(number.doubts)
        if self.main and self.main.mult and not number.mult:
            self.spread = number.value.scaleb(_MULTIPLIERS[self.main.mult])  # 4.2K ± 0.1
        if self.unit and (again := _UNIT_AFTER.match(self.text, self.at)) and again["unit"] == self.unit:
            self.at = again.end()  # 94.1% ± 0.3%
        return True

    def _scripts(self) -> bool:
        """`_{±0.3}`, `_{0.3}`, `_{(0.3)}`, `^{±0.3}`, `^{+3}_{-6}`, `_{+1.2}` (a change)."""
        scripts: dict[str, str] = {}
        at = self.at
        while m := re.compile(rf"{_SP}*([_^])\{{([^{{}}]*)\}}").match(self.text, at):
            if m[1] in scripts:
                break
            scripts[m[1]], at = m[2].strip(), m.end()
        values = {k: _signed(v) for k, v in scripts.items()}
        up, down = values.get("^"), values.get("_")
        if up and down and up[0] == "+" and down[0] == "-":
            assert self.main is not None
            self.kind, self.at = "asymmetric", at
            self.low, self.high = self.main.value - down[1], self.main.value + up[1]
            return True
        for mark, kind in (("_", "subscript"), ("^", "superscript")):
            found = values.get(mark)
            if not found or (mark == "^" and found[0] != "±") or next(iter(scripts)) != mark:
                continue
            sign, size = found
            self.at = re.compile(rf"{_SP}*[_^]\{{[^{{}}]*\}}").match(self.text, self.at).end()  # type: ignore[union-attr]
            if sign in ("+", "-"):
                self.change = -size if sign == "-" else size
            else:
                self.kind, self.spread = ("pm" if sign == "±" else kind), size
            return True
        return False

    def _bracket(self) -> bool:
        """`(0.3)`, `(±0.3)`, `(+1.2)`, `[80.1, 82.3]`, `(80.1, 82.3)` after a number."""
        m = re.compile(rf"{_SP}*([(\[]){_SP}*([^()\[\]]{{1,60}}?){_SP}*([)\]])").match(self.text, self.at)
        main = self.main
        if not m or m[3] != _CLOSE[m[1]] or main is None:
            return False
        inside = m[2]
        pair = re.fullmatch(rf"({_SIGN}{_DIGITS}){_SP}*%?{_SP}*(?:,|;|–|--|to){_SP}*({_SIGN}{_DIGITS}){_SP}*%?", inside)
        if pair and not self.kind:
            a, b = _magnitude(pair[1], 0), _magnitude(pair[2], 0)
            if a and b and a.end == len(pair[1]) and b.end == len(pair[2]) and a.value <= main.value <= b.value:
                self.kind, self.low, self.high, self.at = "interval", a.value, b.value, m.end()
                return True
            return False
        found = _signed(inside)
        if not found:
            return False
        sign, size = found
        if sign in ("+", "-") and self.change is None:
            self.change, self.at = (-size if sign == "-" else size), m.end()
        elif self.kind or sign in ("+", "-"):
            return False
        elif sign == "±":
            self.kind, self.spread, self.at = "pm", size, m.end()
        elif m[1] == "(" and self.cell and size <= abs(main.value) and not (inside.endswith("%") and self.unit != "%"):
            self.kind, self.spread, self.at = "parenthesis", size, m.end()
            if main.step < 1 and re.fullmatch(r"\d+", inside) and not m.group()[0].isspace():
                self.doubts.append("the parenthesis may count units of the last digit")
        else:
            return False
        return True

    def _done(self, step: Decimal | None = None) -> Number | None:
        main = self.main
        if self.spread is not None and main is not None:
            self.low, self.high = main.value - self.spread, main.value + self.spread
        step = main.step if main else step
        try:
            return Number(
                raw=self.text[self.start : self.at].strip(),
                value=_float(main.value) if main else None,
                unit=self.unit,
                spread=_float(self.spread),
                low=_float(self.low),
                high=_float(self.high),
                spread_kind=self.kind,  # type: ignore[arg-type]
                change=_float(self.change),
                bound=self.bound,
                resolution=_float(step),
                notes=tuple(self.notes),
                doubtful=bool(self.doubts),
                why="; ".join(dict.fromkeys(self.doubts)),
            )
        except OverflowError:
            return None


def _float(x: Decimal | None) -> float | None:
    if x is None:
        return None
    result = float(x)
    if result in (float("inf"), float("-inf")):
        raise OverflowError
    return result


def _signed(text: str) -> tuple[str, Decimal] | None:
    """Sign (`+`, `-`, `±` or ``) and size of a script or bracket that holds one number and nothing else."""
    text = text.strip()
    if text[:1] in "([" and text[-1:] in ")]" and text:
        text = text[1:-1].strip()
    sign = ""
    if text[:1] in ("+", "-", "±", "–", "↑", "↓", "▲", "▼"):
        sign, text = {"–": "-", "↑": "+", "↓": "-", "▲": "+", "▼": "-"}.get(text[0], text[0]), text[1:].strip()
    if text[-1:] in ("↑", "↓", "▲", "▼") and not sign:
        sign, text = ("+" if text[-1] in "↑▲" else "-"), text[:-1].strip()
    m = _magnitude(text, 0, sign=False)
    if not m or m.doubts:
        return None
    rest = text[m.end :].strip()
    if rest and not _UNIT_AFTER.fullmatch(rest):
        return None
    return sign, m.value


_SEPARATOR = re.compile(rf"(?:{_SP}|[/|;,→&:()\[\]]|->|vs\.?|[×xX](?={_SP}*\d)|and(?![A-Za-z]))+")
_SPACED = re.compile(r"[+\-]?\s*\d(?:\s*[\d.eE+\-])*")


def parse_cell(raw: str) -> tuple[Number, ...]:
    """The numbers of a cell that consists of numbers only: one, several (`24.6/25.1`, `3×3`), or none (text, blank,
    dash).

    A cell with any word in it that is not a unit is text and gives (); use `find_numbers` for numbers inside text.
    """
    text = plain(raw).strip()
    if not text or len(text) > _MAX_CHARS or not any(c.isdigit() for c in text):
        return ()
    if spaced := _spaced(raw, text):
        return (spaced,)
    numbers: list[Number] = []
    at, hyphens = 0, False
    while at < len(text):
        builder = _Builder(text, at, cell=True)
        number = builder.read()
        if number is None:
            m = _SEPARATOR.match(text, at)
            if not m:
                return ()
            at = m.end()
            continue
        numbers.append(number)
        at = builder.at
        if at < len(text) and not _SEPARATOR.match(text, at):
            if text[at] not in "+-–":
                return ()
            hyphens = True
    if hyphens:
        numbers = [n.doubted("a hyphen between numbers may be a minus sign, a range or a separator") for n in numbers]
    if any(_LOST in n.why for n in numbers) and len(numbers) > 1:
        numbers = [n if n.doubtful else n.doubted(_LOST) for n in numbers]
    if len(numbers) == 1:
        return (replace(numbers[0], raw=raw.strip()),)
    return tuple(numbers)


def _spaced(raw: str, text: str) -> Number | None:
    """`5 . 9 5 e - 6`: digits that a layout tore apart; the joined reading, marked doubtful."""
    if not re.search(r"\d[ \t\n]+[\d.]|\.[ \t\n]+\d|[eE][ \t\n]*[+\-][ \t\n]+\d", text) or not _SPACED.fullmatch(text):
        return None
    if re.fullmatch(r"[+\-]?\d+(?:\.\d+)?[eE][ ]?[+\-]?[ ]?\d+", text):
        return None
    words = text.split()
    if len(words) > 1 and all("." in w and re.fullmatch(r"[+\-]?\d*\.\d+|[+\-]?\d+\.\d*", w) for w in words):
        return None  # two decimal numbers side by side are two numbers
    joined = re.sub(r"\s+", "", text)
    builder = _Builder(joined, 0, cell=True)
    number = builder.read()
    if number is None or builder.at != len(joined) or number.value is None:
        return None
    return replace(number, raw=raw.strip()).doubted("its digits stand apart; it may be several numbers")


def parse_number(raw: str) -> Number | None:
    """The one number that `raw` is; None if it is text, blank, or several numbers."""
    numbers = parse_cell(raw)
    return numbers[0] if len(numbers) == 1 else None


_CARDINALS = {
    w: i
    for i, w in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen "
        "eighteen nineteen twenty".split()
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100}
_WORD = re.compile(r"(?<![A-Za-z-])(" + "|".join(_CARDINALS) + r")(?![A-Za-z-])", re.I)
_START = re.compile(r"(?<![\w.^_{])(?:[>≥<≤~∼≈±][ ]?)?[$€£¥]?[+\-]?\.?\d|(?<=[A-Za-z])-\d|(?<=[\w)}])[-–]\d")


def find_numbers(text: str, words: bool = False) -> Iterator[tuple[int, int, Number]]:
    """Numbers in running plain text, with their range in it; digits inside a word (`VGG16`, `x_1`) are not numbers.

    With `words`, spelled-out cardinals up to twenty, tens and `hundred` count too (`six identical layers`).
    """
    found: list[tuple[int, int, Number]] = []
    at = 0
    while m := _START.search(text, at):
        start = m.start()
        if text[start] in "-–" and start and (text[start - 1].isalnum() or text[start - 1] in ")}"):
            start += 1  # top-1, 36-60: a hyphen, no sign
        builder = _Builder(text, start, cell=False)
        number = builder.read()
        if number is None or builder.at <= start:
            at = m.end()
            continue
        at = builder.at
        after = text[at : at + 1]
        if after.isalpha() and not number.unit:
            continue  # 1D, 2nd, 3x3conv: part of a name
        found.append((start, at, number))
    if words:
        found += [(m.start(), m.end(), Number(m[0], float(_CARDINALS[m[0].lower()]))) for m in _WORD.finditer(text)]
        found.sort(key=lambda item: item[0])
    yield from found


def says(text: str, value: float, words: bool = True) -> bool:
    """Whether a number in `text` is exactly `value`: as its value, an end of its range, or its spread.

    Doubtful numbers do not count. Percentages count as written only: 94.1 % says 94.1, not 0.941.
    """
    target = Decimal(repr(float(value)))
    for _, _, n in find_numbers(plain(text), words):
        if n.doubtful:
            continue
        if any(x is not None and Decimal(repr(x)) == target for x in (n.value, n.low, n.high, n.spread)):
            return True
    return False
