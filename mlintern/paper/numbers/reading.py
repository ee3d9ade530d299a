"""One number with its bound, unit, spread, change and marks, read from a place in plain text."""

import re
from decimal import Decimal

from mlintern.paper.numbers.magnitude import (
    ARROW,
    BOUND,
    BOUNDS,
    CLOSE,
    DIGITS,
    LOST,
    MULTIPLIERS,
    NOTE,
    SIGN,
    SP,
    UNIT_AFTER,
    Magnitude,
    magnitude,
    signed,
    skip,
)
from mlintern.paper.numbers.number import Number

_TIMES = re.compile(rf"×{SP}*(?=[\d.])")
_CHANGE_BEFORE_ARROW = re.compile(rf"{SP}+(?P<size>[+\-]?{DIGITS}){SP}*%?{SP}*(?P<arrow>[{ARROW}])")


class NumberReader:
    """Reads one number with everything attached to it, starting at a place in plain text."""

    def __init__(self, text: str, at: int, cell: bool):
        self.text, self.start, self.at, self.cell = text, at, at, cell
        self.unit = self.bound = self.kind = ""
        self.spread = self.low = self.high = self.change = None  # type: Decimal | None
        self.notes: list[str] = []
        self.doubts: list[str] = []
        self.main: Magnitude | None = None

    def read(self) -> Number | None:
        """The number, or None if none starts here."""
        text = self.text
        if self.cell and (note := NOTE.match(text, self.at)) and note["d"] is None and note.end() < len(text):
            self.notes.append(note["a"] or note["b"])
            self.at = skip(text, note.end())
        if b := BOUND.match(text, self.at):
            self.bound = BOUNDS[b.group().strip()]
            self.at = b.end()
        if text[self.at : self.at + 1] in "±∓" and self.at < len(text):
            return self._bare_spread()
        if text[self.at : self.at + 1] in tuple(ARROW):
            return self._bare_change()
        if self._scaled_group():
            return self._done()
        at = self.at
        if self.cell and at == 0 and (times := _TIMES.match(text)):  # ×3: a factor
            self.unit = "×"
            at = times.end()
        if text[at : at + 1] in tuple("$€£¥"):
            self.unit = text[at]
            at = skip(text, at + 1)
        main = magnitude(text, at)
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
            rf"[(\[]{SP}*(?P<a>{SIGN}{DIGITS}){SP}*±{SP}*(?P<b>{DIGITS}){SP}*[)\]]{SP}*"
            rf"(?:[×x·⋅*]{SP}*10\^\{{(?P<e>[+\-–]?\d+)\}}|(?P<pct>%))"
        ).match(self.text, self.at)
        if not m:
            return False
        a, b = magnitude(m["a"], 0), magnitude(m["b"], 0)
        shift = int((m["e"] or "0").replace("–", "-"))
        if not a or not b or abs(shift) > 300:
            return False
        a.value, a.step, a.end = a.value.scaleb(shift), a.step.scaleb(shift), m.end()
        self.main, self.at, self.kind, self.unit = a, m.end(), "pm", m["pct"] or ""
        self.spread = b.value.scaleb(shift)
        self._tail_notes()
        return True

    def _bare_spread(self) -> Number | None:
        at = skip(self.text, self.at + 1)
        m = magnitude(self.text, at, sign=False)
        if not m:
            return None
        self.main, self.at, self.kind, self.spread = None, m.end, "pm", m.value
        self._tail_unit()
        self._tail_notes()
        return self._done(m.step)

    def _bare_change(self) -> Number | None:
        down = self.text[self.at] in "↓⬇▼▽⇓↘"
        m = magnitude(self.text, skip(self.text, self.at + 1))
        if not m:
            return None
        self.at, self.change = m.end, -abs(m.value) if down else m.value
        self._tail_unit()
        return self._done(m.step)

    def _range(self) -> bool:
        """`36--60`, `36–60`, `36 to 60`: no central value."""
        text, main = self.text, self.main
        assert main is not None
        m = re.compile(rf"{SP}*(?:%{SP}*)?(---?|–|—|-|to(?={SP})|…|\.\.\.?|‒|[~∼](?!{SP})){SP}*").match(text, self.at)
        if not m:
            return False
        other = magnitude(text, m.end(), sign=m[1] not in ("-", "–", "—", "--", "‒"))
        if not other or (re.match(r"[\-–]\d", text[other.end : other.end + 2]) is not None):
            return False  # a date or a telephone number, not a range
        low, high = main.value, other.value
        if other.mult and not main.mult:
            low = low.scaleb(MULTIPLIERS[other.mult])  # 10-20K is 10K to 20K
        if m[1] == "-" and main.value == 10 and main.step == 1 and high < 10:
            self.doubts.append(LOST)
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
        m = UNIT_AFTER.match(self.text, self.at)
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
        while m := NOTE.match(self.text, self.at):
            if not self.cell and m["a"] and m.group()[0].isspace():
                return
            if m["d"]:
                self.doubts.append(f"the superscript {m['d']} may be a footnote mark or a power")
            self.notes.append(m["a"] or m["b"] or m["d"])
            self.at = m.end()

    def _tail_change(self) -> None:
        if self.change is not None:
            return
        if m := _CHANGE_BEFORE_ARROW.match(self.text, self.at):  # 93.2 1.1↑
            number = magnitude(m["size"], 0)
            if number and number.end == len(m["size"]):
                self.change = -abs(number.value) if m["arrow"] in "↓⬇▼▽⇓↘" else number.value
                self.at = m.end()
                return
        m = re.compile(rf"{SP}*(?P<arrow>[{ARROW}]){SP}*").match(self.text, self.at)
        if not m:
            return
        number = magnitude(self.text, m.end())
        if number:
            self.change = -abs(number.value) if m["arrow"] in "↓⬇▼▽⇓↘" else number.value
            self.at = number.end
            if self.text[self.at : self.at + 1] == "%":
                self.at += 1
        else:
            self.notes.append(m["arrow"])
            self.at = m.end()

    def _pm(self) -> bool:
        m = re.compile(rf"{SP}*±{SP}*").match(self.text, self.at)
        number = magnitude(self.text, m.end(), sign=False) if m else None
        if not number:
            return False
        self.kind, self.spread, self.at = "pm", number.value, number.end
        self.doubts.extend(number.doubts)
        if self.main and number.power != self.main.power:
            self.doubts.append("the power of ten may belong to the spread alone or to the value, too")
        if self.main and self.main.mult and not number.mult:
            self.spread = number.value.scaleb(MULTIPLIERS[self.main.mult])  # 4.2K ± 0.1
        if self.unit and (again := UNIT_AFTER.match(self.text, self.at)) and again["unit"] == self.unit:
            self.at = again.end()  # 94.1% ± 0.3%
        return True

    def _scripts(self) -> bool:
        """`_{±0.3}`, `_{0.3}`, `_{(0.3)}`, `^{±0.3}`, `^{+3}_{-6}`, `_{+1.2}`, `^{↑1.2}` (changes)."""
        scripts: dict[str, str] = {}
        at = self.at
        while m := re.compile(rf"{SP}*([_^])\{{([^{{}}]*)\}}").match(self.text, at):
            if m[1] in scripts:
                break
            scripts[m[1]], at = m[2].strip(), m.end()
        values = {k: signed(v) for k, v in scripts.items()}
        up, down = values.get("^"), values.get("_")
        if up and down and up[0] == "+" and down[0] == "-":
            assert self.main is not None
            self.kind, self.at = "asymmetric", at
            self.low, self.high = self.main.value - down[1], self.main.value + up[1]
            return True
        for mark, kind in (("_", "subscript"), ("^", "superscript")):
            found = values.get(mark)
            if not found or (mark == "^" and not found[0]) or next(iter(scripts)) != mark:
                continue
            if mark == "^" and scripts[mark][0] in "+-–":
                if "." not in scripts[mark]:
                    continue  # a power
                self.doubts.append("the superscript may be a change, or one side of a spread")
            sign, size = found
            self.at = re.compile(rf"{SP}*[_^]\{{[^{{}}]*\}}").match(self.text, self.at).end()  # type: ignore[union-attr]
            if sign in ("+", "-"):
                self.change = -size if sign == "-" else size
            else:
                self.kind, self.spread = ("pm" if sign == "±" else kind), size
            return True
        return False

    def _bracket(self) -> bool:
        """`(0.3)`, `(±0.3)`, `(+1.2)`, `[80.1, 82.3]`, `(80.1, 82.3)` after a number."""
        m = re.compile(rf"{SP}*([(\[]){SP}*([^()\[\]]{{1,60}}?){SP}*([)\]])").match(self.text, self.at)
        main = self.main
        if not m or m[3] != CLOSE[m[1]] or main is None:
            return False
        inside = m[2]
        pair = re.fullmatch(rf"({SIGN}{DIGITS}){SP}*%?{SP}*(?:,|;|–|--|to){SP}*({SIGN}{DIGITS}){SP}*%?", inside)
        if pair and not self.kind:
            a, b = magnitude(pair[1], 0), magnitude(pair[2], 0)
            if a and b and a.end == len(pair[1]) and b.end == len(pair[2]) and a.value <= main.value <= b.value:
                self.kind, self.low, self.high, self.at = "interval", a.value, b.value, m.end()
                return True
            return False
        found = signed(inside)
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
            if main.step < 1 and re.fullmatch(r"\d+", inside):
                self.doubts.append("the parenthesis may count units of the last digit, or be a rank or a count")
        else:
            if m[1] == "(" and main.step < 1 and re.fullmatch(r"\d+", inside) and not m.group()[0].isspace():
                self.doubts.append("the parenthesis may count units of the last digit")  # 0.032(4) of siunitx
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
