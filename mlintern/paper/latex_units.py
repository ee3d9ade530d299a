"""siunitx's unit macros as they print."""

from __future__ import annotations

from mlintern.paper.latex_tokens import CS, TEXT, Token

_PREFIXES = {
    "pico": "p", "nano": "n", "micro": "µ", "milli": "m", "centi": "c", "deci": "d", "kilo": "k", "mega": "M", "giga": "G", "tera": "T",
    "peta": "P", "exa": "E", "kibi": "Ki", "mebi": "Mi", "gibi": "Gi", "tebi": "Ti", "hecto": "h", "deca": "da",
}  # fmt: skip
_UNITS = {
    "second": "s", "metre": "m", "meter": "m", "gram": "g", "hertz": "Hz", "watt": "W", "joule": "J", "volt": "V", "ampere": "A", "kelvin": "K",
    "byte": "B", "bit": "bit", "percent": "%", "hour": "h", "minute": "min", "day": "d", "degree": "°", "celsius": "°C", "degreeCelsius": "°C",
    "newton": "N", "pascal": "Pa", "ohm": "Ω", "mole": "mol", "litre": "L", "liter": "L", "electronvolt": "eV", "decibel": "dB", "radian": "rad",
    "kilogram": "kg", "tonne": "t", "flop": "FLOP", "ms": "ms", "s": "s", "kg": "kg", "GB": "GB", "MB": "MB", "GHz": "GHz", "MHz": "MHz",
}  # fmt: skip


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
