"""siunitx: its numbers, its number columns and its unit macros, as they print."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from mlintern.paper.latex.source.commands import SIGNATURES, SWITCHES
from mlintern.paper.latex.source.tokens import BEGIN, CS, END, PAR, SPACE, TEXT, VERB, Token, trimmed

_PREFIXES = {
    "pico": "p",
    "nano": "n",
    "micro": "µ",
    "milli": "m",
    "centi": "c",
    "deci": "d",
    "kilo": "k",
    "mega": "M",
    "giga": "G",
    "tera": "T",
    "peta": "P",
    "exa": "E",
    "kibi": "Ki",
    "mebi": "Mi",
    "gibi": "Gi",
    "tebi": "Ti",
    "hecto": "h",
    "deca": "da",
}
_UNITS = {
    "second": "s",
    "metre": "m",
    "meter": "m",
    "gram": "g",
    "hertz": "Hz",
    "watt": "W",
    "joule": "J",
    "volt": "V",
    "ampere": "A",
    "kelvin": "K",
    "byte": "B",
    "bit": "bit",
    "percent": "%",
    "hour": "h",
    "minute": "min",
    "day": "d",
    "degree": "°",
    "celsius": "°C",
    "degreeCelsius": "°C",
    "newton": "N",
    "pascal": "Pa",
    "ohm": "Ω",
    "mole": "mol",
    "litre": "L",
    "liter": "L",
    "electronvolt": "eV",
    "decibel": "dB",
    "radian": "rad",
    "kilogram": "kg",
    "tonne": "t",
    "flop": "FLOP",
    "ms": "ms",
    "s": "s",
    "kg": "kg",
    "GB": "GB",
    "MB": "MB",
    "GHz": "GHz",
    "MHz": "MHz",
}


def unit(tokens: list[Token]) -> str:
    """`\\milli\\second` -> ms, `\\giga\\byte\\per\\second` -> GB/s; literal units stand as written."""
    out = ""
    for t in tokens:
        if t.kind == CS:
            if t.text == "per":
                out += "/"
            elif t.text in ("squared", "cubed"):
                out += "^{2}" if t.text == "squared" else "^{3}"
            else:
                out += _PREFIXES.get(t.text) or _UNITS.get(t.text) or {"%": "%"}.get(t.text, t.text)
        elif t.kind == TEXT:
            out += t.text.replace(".", " ")
    return out.strip()


_S_NUMBER = re.compile(
    r"([<>~]?)\s*([+-]?)\s*([\d\s,.]*\d[\d\s]*)?(?:\(([\d.]+)\))?\s*(?:(?:\+-|\\pm)\s*([\d.]+))?\s*(?:[eEdD]\s*([+-]?\d{1,9}))?"
)


MAX_NUMBER = 200
"""Characters of one number's source; a longer text is none."""


@dataclass(frozen=True)
class NumberStyle:
    """Those of siunitx's options that change which number is printed."""

    rounding: str = ""
    """`places` or `figures`; empty for none."""
    precision: int = 2
    ignored: str = ""
    """Characters that are dropped from a number (`input-ignore={,}`)."""

    def changed(self, options: str) -> NumberStyle:
        """With the options of a `\\sisetup`, a column or one command on top."""
        style = self
        if m := re.search(r"round-mode\s*=\s*\{?\s*(\w+)", options):
            style = replace(style, rounding=m[1] if m[1] in ("places", "figures") else "")
        if m := re.search(r"round-precision\s*=\s*\{?\s*(\d{1,2})", options):
            style = replace(style, precision=int(m[1]))
        if m := re.search(r"input-ignore\s*=\s*\{([^{}]*)\}", options):
            style = replace(style, ignored=m[1])
        return style

    def rounded(self, digits: str) -> str:
        """The digits as they are printed; siunitx rounds halves away from zero."""
        value = Decimal(digits)
        if self.rounding == "places":
            places = self.precision
        elif self.rounding == "figures" and value:
            places = self.precision - 1 - value.adjusted()
        else:
            return digits
        try:
            return f"{value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):f}"
        except InvalidOperation:  # more digits than any number of a paper has
            return digits


def siunitx_number(text: str, style: NumberStyle = NumberStyle()) -> str | None:
    """A number as siunitx reads it, in plain text; None if the text is none. `1.234(5)` is 1.234 ± 0.005."""
    if len(text) > MAX_NUMBER:
        return None
    text = re.sub(r"\\(?:sim|approx)\s*", "~", text.translate(dict.fromkeys(map(ord, style.ignored))))
    text = re.sub(r"\\(?:l|g)e(?:q|qslant)?(?![A-Za-z])\s*", lambda m: "≤" if m[0][1] == "l" else "≥", text)
    m = _S_NUMBER.fullmatch(re.sub(r"^[≤≥]", "<", text.strip()))
    if not m or (m[3] is None and (m[6] is None or m[4] or m[5])):
        return None
    bound = text.strip()[0] if text.strip()[0] in "≤≥" else m[1]
    sign = m[2].replace("+", "")
    if m[3] is None:  # a bare power of ten
        return f"{bound}{sign}10^{{{int(m[6])}}}"
    digits = re.sub(r"[\s]", "", m[3]).replace(",", ".")
    if digits.count(".") > 1:
        return None
    spread = m[5]
    if m[4]:
        places = len(digits.partition(".")[2])
        if "." in digits and "." not in m[4] and len(m[4]) <= places + 2:
            padded = m[4].rjust(places + 1, "0")
            spread = padded[:-places] + "." + padded[-places:]
        else:
            spread = m[4]
    if not spread:
        digits = style.rounded(digits)
    out = bound + sign + digits
    if spread and m[6]:
        return f"({out} ± {spread}) × 10^{{{int(m[6])}}}"
    if spread:
        return f"{out} ± {spread}"
    return f"{out}e{int(m[6])}" if m[6] else out


def lead(tokens: list[Token]) -> int:
    """How many tokens at the start of a cell are commands that print nothing (fonts, colours), arguments included."""
    at = 0
    while at < len(tokens):
        t = tokens[at]
        if t.kind in (SPACE, PAR):
            at += 1
            continue
        signature = "" if t.text in SWITCHES or t.text == "relax" else SIGNATURES.get(t.text, "k")
        if t.kind != CS or set(signature) - set("om*"):
            break
        at = _skipped(tokens, at + 1, signature)
    return at


def _skipped(tokens: list[Token], at: int, signature: str) -> int:
    """Where the arguments that begin at `at` end."""
    for letter in signature:
        while at < len(tokens) and tokens[at].kind in (SPACE, PAR):
            at += 1
        if letter == "m" and at < len(tokens):
            depth = 0
            while at < len(tokens):
                depth += (tokens[at].kind == BEGIN) - (tokens[at].kind == END)
                at += 1
                if depth <= 0:
                    break
        elif letter == "o" and at < len(tokens) and tokens[at].text.startswith("["):
            while at < len(tokens) and not tokens[at].text.endswith("]"):
                at += 1
            at += 1
    return at


def siunitx_cell(tokens: list[Token], style: NumberStyle) -> list[Token] | None:
    """What a siunitx column prints for a cell that is a number behind fonts and colours; None if it is anything else
    (braced text, a macro)."""
    inside = trimmed(tokens)
    at = lead(inside)
    inside, fonts = inside[at:], inside[:at]
    if not inside or any(t.kind not in (TEXT, SPACE, CS, PAR) for t in inside):
        return None
    text = siunitx_number("".join("\\" + t.text if t.kind == CS else t.text for t in inside), style)
    if text is None:
        return None
    first, last = inside[0], inside[-1]
    if first.exact and last.exact and first.source == last.source:
        exact = text == "".join(t.text for t in inside)
        return [*fonts, first._replace(kind=VERB, text=text, end=last.end, exact=exact)]
    return [*fonts, first._replace(kind=VERB, text=text, exact=False)]
