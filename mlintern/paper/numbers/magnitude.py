"""A decimal number with its exponent and multiplier, and the pieces of notation that stand around it."""

import re
from dataclasses import dataclass
from decimal import Decimal

MULTIPLIERS = {"k": 3, "K": 3, "M": 6, "B": 9, "G": 9, "T": 12, "Mio": 6, "Mrd": 9}
MULTIPLIERS |= {"thousand": 3, "million": 6, "billion": 9, "trillion": 12, "bn": 9, "mn": 6, "mil": 6}
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
_MULT = "|".join(sorted(MULTIPLIERS, key=len, reverse=True))

BOUNDS = {
    ">": ">", "<": "<", ">=": ">=", "<=": "<=", "≥": ">=", "≤": "<=", "⩾": ">=", "⩽": "<=", "≧": ">=", "≦": "<=",
    "≫": ">", "≪": "<", "~": "~", "∼": "~", "≈": "~", "≃": "~", "≅": "~", "≲": "<=", "≳": ">=", "∽": "~", "⪅": "<=",
}  # fmt: skip

SP = "[ \t\n\u00a0\u2009\u202f\u2002\u2003]"
DIGITS = r"(?:\d{1,3}(?:[,\u2009\u202f\u00a0]\d{3})+(?!\d|,\d)(?:\.\d+)?|\d+\.\d+|\d+\.(?![\d.])|(?<![\d.])\.\d+|\d+)"
SIGN = f"(?:[+\\-–]{SP}?)?"
_EXP = (
    rf"(?:{SP}?[eE](?:\^\{{)?{SP}?[+\-]?{SP}?\d+(?:\}})?"
    rf"|{SP}*[×xX·*⋅∙•]{SP}*10{SP}*\^\{{{SP}*[+\-–]?{SP}*\d+{SP}*\}})"
)
_MAGNITUDE = re.compile(rf"(?P<mant>{DIGITS})(?P<exp>{_EXP})?(?:{SP}?(?P<mult>{_MULT})(?![A-Za-z]))?")
_BARE_POWER = re.compile(rf"(?P<base>10|2)\^\{{{SP}*(?P<power>[+\-–]?{SP}*\d+)(?:{SP}*(?P<frac>/{SP}*\d+))?{SP}*\}}")
_LOST_POWER = re.compile(rf"{SP}*[×x·⋅*]{SP}*10{SP}?[-–]?\d{{1,3}}(?![\d.])")
BOUND = re.compile(rf"(?:>=|<=|[{''.join(b for b in BOUNDS if len(b) == 1)}]){SP}*")
UNIT_AFTER = re.compile(rf"{SP}*(?P<unit>{_UNIT})(?![A-Za-z])")
NOTE = re.compile(
    rf"{SP}*(?:(?P<a>[*†‡§¶⋆★♠♣♦♥△▲◇◆□■✝✢⁎∗]+)|\^\{{{SP}*(?P<b>[*†‡§¶⋆★♠♣♦♥△▲◇◆□■⁎∗,]+|[a-zA-Z](?:,[a-zA-Z])*|n\.?s\.?|\(\w{{1,2}}\)){SP}*\}}"
    rf"|\^\{{{SP}*(?P<d>\d{{1,2}}){SP}*\}})"
)
ARROW = "↑↓⬆⬇▲▼△▽⇑⇓↗↘"
CLOSE = {"(": ")", "[": "]"}
LOST = "a power of ten here may have lost its superscript"


@dataclass
class Magnitude:
    """An unsigned or signed decimal number without its spread: the parser's intermediate value."""

    value: Decimal
    step: Decimal
    start: int
    end: int
    doubts: tuple[str, ...] = ()
    mult: str = ""
    power: bool = False
    """Whether `× 10^{…}` is part of it."""


_EUROPEAN = re.compile(r"(\d{1,3}(?:\.\d{3})+),(\d{1,2})(?![\d.,])")
COMMA = "a comma was read as the decimal point"


def magnitude(text: str, at: int, sign: bool = True) -> Magnitude | None:
    """The number that starts at `at`, exponent and multiplier included."""
    i = at
    negative = False
    doubts: list[str] = []
    if sign and (m := re.compile(SIGN).match(text, i)) and m.group():
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
        doubts.append(COMMA)
    elif (european := _EUROPEAN.match(text, m.start("mant"))) and not m["exp"]:
        digits, end = european[1].replace(".", "") + "." + european[2], european.end()
        doubts.append(COMMA)
    elif "," in mant and mant.startswith("0"):
        head, _, rest = mant.partition(",")
        digits = f"{head}.{rest.replace(',', '').replace('.', '')}"
        doubts.append(COMMA)
    if len(digits) > 60:
        return None
    value, places = Decimal(digits), len(digits.partition(".")[2])
    shift = 0
    if m["exp"]:
        if re.match(rf"{SP}?[eE]\^", m["exp"]):
            doubts.append("e^{..} was read as a power of ten")
        shift = int(
            re.sub(r"[^\d+\-]", "", re.sub(r"^.*?(?:10|[eE])", "", m["exp"], count=1, flags=re.S).replace("–", "-"))
        )
        if abs(shift) > 300:
            return None
    if m["mult"]:
        shift += MULTIPLIERS[m["mult"]]
    if not m["exp"] and _LOST_POWER.match(text, end) and not re.compile(r"\d+(?:[.,]\d)").search(text, end):
        doubts.append(LOST)
    value, step = value.scaleb(shift), Decimal(1).scaleb(shift - places)
    power = m["exp"] is not None and m["exp"].strip()[:1] not in ("e", "E")
    return Magnitude(-value if negative else value, step, at, end, tuple(doubts), m["mult"] or "", power)


def _power(m: re.Match[str], at: int, negative: bool, doubts: list[str]) -> Magnitude | None:
    """`10^{-3}` and `2^{16}`: a number that is a power and nothing else."""
    exponent = int(re.sub(r"\s", "", m["power"]).replace("–", "-"))
    if m["frac"] or abs(exponent) > 300:
        return None
    value = Decimal(m["base"]) ** exponent
    step = value if m["base"] == "10" else Decimal(1)
    return Magnitude(-value if negative else value, step, at, m.end(), tuple(doubts))


def skip(text: str, at: int) -> int:
    while at < len(text) and (text[at].isspace() or text[at] in "\u00a0\u2009\u202f"):
        at += 1
    return at


def signed(text: str) -> tuple[str, Decimal] | None:
    """Sign (`+`, `-`, `±` or ``) and size of a script or bracket that holds one number and nothing else."""
    text = text.strip()
    if text[:1] in "([" and text[-1:] in ")]" and text:
        text = text[1:-1].strip()
    sign = ""
    if text[:1] in ("+", "-", "±", "–", "↑", "↓", "▲", "▼"):
        sign, text = {"–": "-", "↑": "+", "↓": "-", "▲": "+", "▼": "-"}.get(text[0], text[0]), text[1:].strip()
    if text[-1:] in ("↑", "↓", "▲", "▼") and not sign:
        sign, text = ("+" if text[-1] in "↑▲" else "-"), text[:-1].strip()
    m = magnitude(text, 0, sign=False)
    if not m or m.doubts:
        return None
    rest = text[m.end :].strip()
    if rest and not UNIT_AFTER.fullmatch(rest):
        return None
    return sign, m.value
