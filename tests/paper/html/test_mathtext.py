"""A formula's LaTeX as plain text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlintern.paper.text.mathtext import math_text


@given(st.text(st.sampled_from("\\{}^_$&~ab1.'-+[]frcqsthilxe \n"), max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_formula(latex: str) -> None:
    assert "\n" not in math_text(latex).text


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"94.1_{\pm 0.3}", "94.1_{±0.3}"),
        (r"\alpha\leq 10^{-3}", "α ≤ 10^{-3}"),
        (r"1{,}024", "1,024"),
        (r"^{+3}_{-6}", "^{+3}_{-6}"),
        (r"\bm{5.9}\times 10^{-6}", "5.9×10^{-6}"),
        (r"93.2\%", "93.2%"),
        (r"d_{\text{model}}=512", "d_{model} = 512"),
        (r"\frac{a+b}{c}", "(a+b)/c"),
        (r"\sqrt{d_{k}}", "√(d_{k})"),
        (r"90^{\circ}", "90°"),
        (r"f^{\prime}(x)", "f′(x)"),
        (r"\log_{2}x", "log _{2}x"),
        (r"\left\{a\right\}", "{a}"),
        (r"10^-3", "10^{-}3"),
    ],
)
def test_formulas(latex: str, text: str) -> None:
    assert math_text(latex).text == text
