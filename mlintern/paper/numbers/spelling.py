"""LaTeX's and Unicode's spellings of number parts as one plain spelling."""

import re

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
