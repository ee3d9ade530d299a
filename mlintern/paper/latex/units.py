"""siunitx: its numbers, its number columns and its unit macros, as they print."""

from __future__ import annotations

import re

from mlintern.paper.latex.tokens import CS, PAR, SPACE, TEXT, Token, trimmed

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
    r"([<>~]?)\s*([+-]?)\s*([\d\s,.]*\d[\d\s]*)(?:\((\d+)\))?\s*(?:(?:\+-|\\pm)\s*([\d.]+))?\s*(?:[eEdD]\s*([+-]?\d+))?"
)


def siunitx_number(text: str) -> str | None:
    """A number as siunitx reads it, in plain text; None if the text is none. `1.234(5)` is 1.234 ± 0.005."""
    m = _S_NUMBER.fullmatch(text.strip())
    if not m:
        return None
    sign, digits = m[2].replace("+", ""), re.sub(r"[\s]", "", m[3]).replace(",", ".")
    if digits.count(".") > 1:
        return None
    out = m[1] + sign + digits
    spread = m[5]
    if m[4]:
        places = len(digits.partition(".")[2])
        if "." in digits and len(m[4]) <= places + 2:
            padded = m[4].rjust(places + 1, "0")
            spread = padded[:-places] + "." + padded[-places:]
        else:
            spread = m[4]
    if spread and m[6]:
        return f"({out} ± {spread}) × 10^{{{int(m[6])}}}"
    if spread:
        return f"{out} ± {spread}"
    return f"{out}e{int(m[6])}" if m[6] else out


def siunitx_cell(tokens: list[Token]) -> tuple[str, Token] | None:
    """Plain text of a siunitx column's cell that is a bare number; None if it is anything else (braced text, a
    macro)."""
    inside = trimmed(tokens)
    if not inside or any(t.kind not in (TEXT, SPACE, CS, PAR) for t in inside):
        return None
    text = siunitx_number("".join("\\" + t.text if t.kind == CS else t.text for t in inside))
    if text is None:
        return None
    first, last = inside[0], inside[-1]
    if first.exact and last.exact and first.source == last.source:
        return text, first._replace(end=last.end, exact=text == "".join(t.text for t in inside))
    return text, first._replace(exact=False)
