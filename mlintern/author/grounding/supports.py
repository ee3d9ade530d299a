"""Does a text say a value? The deterministic half of grounding; no language model, no guessing.

A number is said when the text holds it, however it is spelled (`1e-4`, `10^{-4}`, `4{,}000`, `10 %` for 0.1, `1/8`,
`three`); a word when its words stand in the text as words (`adam` is not said by `AdamW`); a truth value when the
text names the thing, with a negation for false. For the hyperparameters that papers name most often, the text must also
speak of that hyperparameter: the 100 of a batch size does not make a learning rate of 100.
"""

import re
from decimal import Decimal

from mlintern.paper import numbers
from mlintern.spec.sourced import Value

_FRACTION = re.compile(r"(?<![\d./])(\d{1,4})\s*/\s*(\d{1,4})(?![\d./])")
_EXPONENT = re.compile(r"(?<=[^\W\d])\s*\^\s*\{?\s*([-−–]?\d+(?:\.\d+)?)\s*\}?(?![\w.])")
"""The power of a variable (`step^{-0.5}`): after a digit it would be a number's own."""
_SET = re.compile(r"(?<![\w^\\])(?:\\?\{|\[)\s*(\d[\d.]*(?:\s*,\s*\d[\d.]*)+)\s*(?:\\?\}|\])")
_PAIR = re.compile(r"\(\s*(\d[\d.]*\s*,\s*\d[\d.]*)\s*[)\]]")
"""An interval or a pair without a blank, `(0,1)`; `(10,240)` may be one number."""
_MARK = re.compile(r"\s*(?:(✓|✔|☑|√|yes|true|on)|✗|✘|☓|×|x|no|false|off|none|[-–—])\s*", re.I)
"""A table's cell that says yes or no."""
_SET_ITEM = re.compile(r"(?:0|[1-9]\d*)(?:\.\d+)?")
_BASE = re.compile(r"(?<![\d.])\d+(?:\.\d+)?(?=\s*\^\s*(?:\{\s*)?-?[^\W\d_])")
"""The base of a power with a variable in the exponent (`2^{L}`): a part of a formula, and no value."""
_INFINITY = re.compile(r"([-−–]?)\s*∞")
_TIMES_TEN = re.compile(r"[×x·⋅]\s*10\s*\^\s*\{?\s*(-?\d{1,2})\s*\}?")
_MAGNITUDE = re.compile(r"[(\[](K|M|B|thousands|millions|billions)[)\]]|(?<=in )(thousands|millions|billions)", re.I)
_NEGATION = re.compile(
    r"\b(?:no|not|non|never|none|without|disabl\w*|omit\w*|remov\w*|instead of|rather than|un(?=\w))|n't\b", re.I
)
_SPEAKS_OF = [
    (r"(?:^|_)(?:lr|learning_rate)", r"learning[- ]?rate|\blrs?\b|step[- ]?size|[ηα]|\beta\b|\balpha\b"),
    (r"batch_?size", r"batch"),
    (r"weight_?decay", r"decay|regulari[sz]|[λ]|\bL_?\{?2|\bl2\b|ℓ"),
    (r"^betas?[12]?$|^beta_[12]$", r"β|beta|momentum|moment|\bAdam"),
    (r"^momentum$", r"momentum|[βμ]"),
    (r"^eps(?:ilon)?$", r"ε|ϵ|epsilon|\beps\b"),
    (r"dropout|^drop", r"drop|P_"),
    (r"label_?smoothing", r"smooth|ε|ϵ"),
    (r"epochs?$", r"epoch"),
    (r"warm_?up", r"warm"),
    (r"(?:max_|num_|n_|total_)?(?:steps|iterations|iters|updates)$", r"step|iteration|update|\biters?\b"),
    (r"clip", r"clip"),
    (r"seed$", r"seed"),
    (r"kernel", r"kernel|filter|convolution"),
    (r"heads?$", r"head|\bh\b"),
    (r"temperature|^tau$", r"temperature|τ|\btau\b"),
    (r"patience", r"patience|early"),
    (r"^parameters$", r"param|weights"),
    (r"label_?noise", r"noise|noisy|corrupt|flip"),
    (r"sparsity", r"spars|prun|remain"),
]
"""(pattern of the key's last part, what a text must hold to speak of it)."""


_MEASURES = frozenset("fraction rate prob probability ratio steps epochs size coefficient p".split())


def why_not(text: str, value: Value | None, key: str = "", context: str = "") -> str:
    """Why `text` does not say `value`; empty if it does.

    `key` is the setting's dotted key; `context` is what else may name the quantity (a sentence, a table's headers).
    """
    if value is None:
        return "an empty value cannot be quoted"
    if isinstance(value, list):
        return next((reason for item in value if (reason := why_not(text, item, key, context))), "")
    if isinstance(value, bool):
        return _why_not_truth(text, value, key, context)
    if isinstance(value, str) and (number := _whole_number(value)) is not None:
        value = number
    if isinstance(value, str):
        return "" if _says_words(text, value) else f"the quote does not hold the words of {value!r}"
    if not says_number(text, value):
        if (value == 0 and _says_none(text, key, context)) or _says_compound(text, value, key):
            return ""
        return f"the quote does not hold the value {value}"
    return _why_not_of(f"{text} {context}", key)


def names_quantity(key: str) -> bool:
    """Whether a key's last part is a quantity that texts speak of in known words (`lr`, `batch_size`)."""
    last = key.rsplit(".", 1)[-1].lower()
    return any(re.search(pattern, last) for pattern, _ in _SPEAKS_OF)


def says_number(text: str, value: int | float) -> bool:
    """Whether `text` holds the number `value`, as a number, a percentage (10 % for 0.1), a fraction or a word."""
    text = _BASE.sub("", text)
    if numbers.says(text, value):
        return True
    target = Decimal(repr(value))
    for _, _, number in numbers.find_numbers(numbers.plain(text)):
        if number.unit == "%" and number.value is not None and not number.doubtful:
            if Decimal(repr(number.value)) / 100 == target:
                return True
    if any(int(m[1]) < int(m[2]) and Decimal(m[1]) / Decimal(m[2]) == target for m in _FRACTION.finditer(text)):
        return True
    return target in _powers_of_variables(text) or target in _members_of_sets(text)


def _powers_of_variables(text: str) -> set[Decimal]:
    """Exponents with a sign or a point; a bare whole number there may be the mark of a footnote."""
    found = (m[1].replace("−", "-").replace("–", "-") for m in _EXPONENT.finditer(text))
    return {Decimal(power) for power in found if "-" in power or "." in power}


def _members_of_sets(text: str) -> set[Decimal]:
    """Members of `{1,10,100}` and `[1,10,100]`; `{4,000}` is one number, for no member begins with a nought."""
    sets = [re.split(r"\s*,\s*", m[1]) for m in _SET.finditer(text)]
    pairs = [re.split(r"\s*,\s*", m[1]) for m in _PAIR.finditer(text)]
    sets += [pair for pair in pairs if not re.fullmatch(r"\d{3}", pair[-1])]
    return {Decimal(item) for items in sets if all(map(_SET_ITEM.fullmatch, items)) for item in items}


def header_scale(headers: str) -> int:
    """Power of ten that a column's header puts on its numbers: 6 for `params ×10^{6}` or `(M)`, 0 for none."""
    if found := _TIMES_TEN.search(numbers.plain(headers)):
        return int(found[1])
    if found := _MAGNITUDE.search(headers):
        return {"k": 3, "t": 3, "m": 6, "b": 9}[(found[1] or found[2])[0].lower()]
    return 0


def words_of(text: str) -> list[str]:
    """Lower-case runs of letters or digits, accents kept."""
    return re.findall(r"[^\W_]+", text.casefold())


def _says_words(text: str, value: str) -> bool:
    """Whether the words of `value` stand in `text` side by side; spacing, hyphens and a plural's s do not matter."""
    if infinity := _INFINITY.fullmatch(value.strip()):
        return any(bool(m[1]) == bool(infinity[1]) for m in _INFINITY.finditer(text))
    dotted_name = re.fullmatch(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+", value)  # torch.optim.Adam, and not d^{-0.5}
    target = "".join(words_of(value.rsplit(".", 1)[-1] if dotted_name else value))
    words = words_of(text)
    if not target:
        return False
    if re.fullmatch(r"[a-z]{3,5}", target) and target in "".join(word[0] for word in words):
        return True  # mean squared error says mse
    longest = max(len(words_of(value)) + 2, 4)
    return any(
        "".join(words[i : i + n]) in (target, f"{target}s") for i in range(len(words)) for n in range(1, longest + 1)
    )


def _says_none(text: str, key: str, context: str) -> bool:
    """Whether `text` says that there is none of what the key's last part names: `no weight decay`, `dropout: none`.

    Words that only say in what it is measured (`warmup_steps`, `valid_fraction`) need not stand there.
    """
    stems = [word[:4] for word in words_of(key.rsplit(".", 1)[-1].replace("_", " ")) if word not in _MEASURES]
    if not stems:
        return False
    joined = r"\W*".join(rf"{re.escape(stem)}[\w-]*" for stem in stems)
    before = rf"\b(?:no|without(?: any)?|zero|never|nor)\s+(?:\w+\s+)?{joined}"
    after = rf"{joined}(?:\W+\w+)?\W+(?:none|zero|disabled|not used|unused|is off)\b"
    nothing = re.search(r"\b(?:no|none|without|zero|never|nor|disabled|not used|unused|off)\b", text, re.I)
    return bool(nothing) and any(re.search(f"{before}|{after}", part, re.I) for part in (text, context))


def _says_compound(text: str, value: int | float, key: str) -> bool:
    """Whether a number stands in a compound with what the key's last part names: `zero-shot`, `two-layer`."""
    words = words_of(key.rsplit(".", 1)[-1])
    if not words:
        return False
    compounds = re.findall(rf"\b(\w+)[-‐‑]{re.escape(words[-1].removesuffix('s'))}", text, re.I)
    return any(says_number(number, value) for number in compounds)


def _why_not_truth(text: str, value: bool, key: str, context: str = "") -> str:
    stems = [word[: max(4, len(word) - 2)] for word in words_of(key.rsplit(".", 1)[-1]) if len(word) > 2]
    words = words_of(text)
    if mark := _MARK.fullmatch(text):
        around = words_of(context)
        initials = "".join(word[0] for word in words_of(key.rsplit(".", 1)[-1]))
        named = any(word.startswith(stem) for stem in stems for word in around)
        if named or (len(initials) > 1 and initials in around):
            return "" if bool(mark[1]) == value else f"the cell says {'yes' if mark[1] else 'no'}"
    if not stems or not any(word.startswith(stem) or f"un{stem}" in word for stem in stems for word in words):
        return f"the quote does not name {key.rsplit('.', 1)[-1] or 'what is true or false'}"
    if bool(_NEGATION.search(text)) == value:
        return "the quote has a negation, the value has none" if value else "the quote has no negation, the value has"
    return ""


def _why_not_of(text: str, key: str) -> str:
    last = key.rsplit(".", 1)[-1].lower()
    text = re.sub(r"(?<=[A-Za-z])_(?=[A-Za-z])", " ", text)  # `learning_rate` in a table of configuration keys
    for pattern, words in _SPEAKS_OF:
        if re.search(pattern, last):
            return "" if re.search(words, text, re.I) else f"the quote does not speak of {last}"
    return ""


def _whole_number(text: str) -> float | int | None:
    try:
        return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text) if re.search(r"\d", text) else None
    except ValueError:
        return None
