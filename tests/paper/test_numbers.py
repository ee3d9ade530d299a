# ruff: noqa: E501  LaTeX fixtures read better unbroken
"""Every spelling of a number that papers use, and what must never be read as one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlintern.paper.numbers import Number, find_numbers, parse_cell, plain, says
from mlintern.paper.numbers.commas import settle_commas


def one(raw: str) -> Number:
    (number,) = parse_cell(raw)
    return number


@pytest.mark.parametrize(
    ("raw", "value", "unit"),
    [
        ("94.1", 94.1, ""), ("-0.5", -0.5, ""), ("−0.5", -0.5, ""), ("+1.2", 1.2, ""), (".5", 0.5, ""), ("1.", 1, ""),
        ("94.1%", 94.1, "%"), (r"94.1\%", 94.1, "%"), (r"$94.1\%$", 94.1, "%"), ("12 ms", 12, "ms"), ("16GB", 16, "GB"),
        ("1,024", 1024, ""), ("1{,}024", 1024, ""), (r"1\,024", 1024, ""), ("12,345.6", 12345.6, ""), ("100,000", 1e5, ""),
        ("1e-4", 1e-4, ""), ("1E−4", 1e-4, ""), (r"$1\mathrm{e}{-4}$", 1e-4, ""), ("10^{-3}", 1e-3, ""), ("10^-3", 1e-3, ""),
        (r"$3.3\cdot10^{18}$", 3.3e18, ""), (r"$5 \times 10^{-5}$", 5e-5, ""), ("5×10⁻⁵", 5e-5, ""), ("2^{16}", 65536, ""),
        ("100K", 1e5, ""), ("65M", 65e6, ""), ("1.5B", 1.5e9, ""), ("1.2 billion", 1.2e9, ""), ("3.5 days", 3.5, "days"),
        ("4.2×", 4.2, "×"), ("4.2x", 4.2, "×"), ("$1,000", 1000, "$"), (r"\$40", 40, "$"), ("(0.3)", 0.3, ""),
        (r"\textbf{94.1}", 94.1, ""), (r"$\mathbf{94.1}$", 94.1, ""), ("0.0", 0.0, ""),
    ],
)  # fmt: skip
def test_plain_values(raw: str, value: float, unit: str):
    number = one(raw)
    assert (number.value, number.unit, number.doubtful) == (value, unit, False)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ("94.1 ± 0.3", "pm"), (r"94.1 \pm 0.3", "pm"), (r"$94.1 \pm 0.3$", "pm"), (r"94.1$\pm$0.3", "pm"),
        (r"$94.1_{\pm 0.3}$", "pm"), ("94.1_{±0.3}", "pm"), ("94.1^{±0.3}", "pm"), ("94.1 (±0.3)", "pm"), ("94.1 +/- 0.3", "pm"),
        (r"94.1~\pm~0.3", "pm"), (r"94.1{\tiny$\pm$0.3}", "pm"), (r"94.1{\scriptsize $\pm$ .3}", "pm"), ("94.1+-0.3", "pm"),
        ("94.1_{0.3}", "subscript"), ("94.1_{(0.3)}", "subscript"), ("94.1₀.₃", None), ("94.1 (0.3)", "parenthesis"),
        ("94.1(0.3)", "parenthesis"),
    ],
)  # fmt: skip
def test_spreads(raw: str, kind: str | None):
    if kind is None:  # digits of a subscript with a full point between them: no known spelling
        assert len(parse_cell(raw)) != 1 or one(raw).doubtful or one(raw).spread != 0.3
        return
    number = one(raw)
    assert (number.value, number.spread, number.low, number.high, number.spread_kind) == (94.1, 0.3, 93.8, 94.4, kind)
    assert not number.doubtful


def test_percent_on_both_sides_of_the_spread():
    for raw in ("94.1% ± 0.3%", r"94.1\% \pm 0.3\%", "94.1 ± 0.3%", "94.1%±0.3"):
        assert (one(raw).value, one(raw).spread, one(raw).unit) == (94.1, 0.3, "%")


def test_asymmetric_and_interval():
    for raw in ("94^{+3}_{-6}", "94_{-6}^{+3}", r"$94^{+3}_{-6}$"):
        assert (one(raw).value, one(raw).low, one(raw).high, one(raw).spread_kind) == (94, 88, 97, "asymmetric")
    for raw in ("81.2 [80.1, 82.3]", "81.2 (80.1, 82.3)", "81.2 (80.1–82.3)"):
        assert (one(raw).value, one(raw).low, one(raw).high, one(raw).spread_kind) == (81.2, 80.1, 82.3, "interval")


def test_scaled_spread_and_multiplier():
    n = one("(1.2 ± 0.3) × 10^{-3}")
    assert (n.value, n.spread) == (0.0012, 0.0003)
    assert (one("4.2K ± 0.1").value, one("4.2K ± 0.1").spread) == (4200, 100)


@pytest.mark.parametrize("raw", ["36--60", "36–60", "36-60", "36 to 60", r"$36$--$60$", r"36$\sim$60", "36~60"])
def test_range_has_no_central_value(raw: str):
    n = one(raw)
    assert (n.value, n.low, n.high, n.spread_kind) == (None, 36, 60, "range")
    assert one("10–20K").low == 10_000


@pytest.mark.parametrize(
    ("raw", "bound"),
    [
        (">99", ">"),
        (r"$>99$", ">"),
        (r"$\sim$99", "~"),
        ("~99", "~"),
        ("≈99", "~"),
        (r"$\leq 99$", "<="),
        ("≥ 99", ">="),
    ],
)
def test_bounds(raw: str, bound: str):
    assert (one(raw).value, one(raw).bound) == (99, bound)


def test_bound_before_a_spread():
    n = one(r"$\sim$$30 \pm 10$")
    assert (n.value, n.spread, n.bound) == (30, 10, "~")


@pytest.mark.parametrize(
    ("raw", "change"), [("76.1 (+1.2)", 1.2), ("76.1 (-1.2)", -1.2), ("76.1_{+1.2}", 1.2), ("76.1 ↑1.2", 1.2),
                        ("76.1 ↓1.2", -1.2), (r"76.1 $\downarrow$ 1.2", -1.2), ("76.1 (↑1.2)", 1.2), (r"76.1{\scriptsize(+1.2)}", 1.2)],
)  # fmt: skip
def test_a_change_is_no_spread(raw: str, change: float):
    n = one(raw)
    assert (n.value, n.change, n.spread) == (76.1, change, None)


def test_bare_spread_and_bare_change_have_no_value():
    assert (one("±0.3").value, one("±0.3").spread) == (None, 0.3)
    assert (one("↓0.5").value, one("↓0.5").change) == (None, -0.5)


@pytest.mark.parametrize(
    "raw", ["94.1*", "94.1^{*}", "94.1^{†}", "94.1†", r"$94.1^{\dagger}$", "94.1^{a}", "*94.1", "94.1**"]
)
def test_marks_are_notes(raw: str):
    assert one(raw).value == 94.1 and one(raw).notes and not one(raw).doubtful


@pytest.mark.parametrize(
    "raw", ["32^{2}", "94.1^{1}", "0,5", "12,34", "5 . 9 5 e - 6", "1 024", "1 2", "3.3×1018", "10-3", "10−3", "5e^{-4}", "2014-15",
            "94.1(3)", "–3"],
)  # fmt: skip
def test_two_possible_readings_are_doubtful(raw: str):
    numbers = parse_cell(raw)
    assert numbers and all(n.doubtful and n.why for n in numbers)


@pytest.mark.parametrize(
    ("raw", "values"),
    [("24.6/25.1", [24.6, 25.1]), ("3×3", [3, 3]), ("224x224x3", [224, 224, 3]), ("4000/1000", [4000, 1000]), ("0.9, 0.999", [0.9, 0.999]),
     ("(0.9, 0.95)", [0.9, 0.95]), ("71.4 / 90.2 ± 0.1", [71.4, 90.2]), ("0.1 → 0.3", [0.1, 0.3]), ("12 (25%)", [12, 25]), ("1/4", [1, 4])],
)  # fmt: skip
def test_several_numbers_in_a_cell(raw: str, values: list[float]):
    assert [n.value for n in parse_cell(raw)] == values
    assert len(parse_cell(raw)) != 1


@pytest.mark.parametrize(
    "raw", ["", "-", "–", "—", "N/A", "OOM", "ResNet-50", "VGG16", "p<0.05", "Table 3", "✓", "base", "O(n^{2})", "x_{1}", "±", "1D", "2nd",
            "GPT-4", "()", "%", "seed 42", "1.2.3", "10.0.0.1", "∞", "3D-CNN", "C4", "v1.5"],
)  # fmt: skip
def test_text_is_no_number(raw: str):
    assert parse_cell(raw) == ()


def test_resolution_is_the_last_digit_written():
    assert [one(x).resolution for x in ("28.4", "100K", "2.30e19", "7", "1,024")] == [0.1, 1000, 1e17, 1, 1]


def test_numbers_in_running_text():
    text = "Adam with β_1=0.9, ε=10^{-9}, VGG16, top-1 of 94.1% at 36M pairs, 3.5 days on 8 P100 GPUs, 100,000 steps, 36–60, x_{2}."
    found = {n.raw: (n.value, n.unit) for _, _, n in find_numbers(text)}
    assert found == {
        "0.9": (0.9, ""), "10^{-9}": (1e-9, ""), "1": (1, ""), "94.1%": (94.1, "%"), "36M": (36e6, ""), "3.5 days": (3.5, "days"),
        "8": (8, ""), "100,000 steps": (1e5, "steps"), "36–60": (None, ""),
    }  # fmt: skip
    for start, end, n in find_numbers(text):
        assert text[start:end].strip() == n.raw


def test_says():
    assert says("a stack of six identical layers", 6)
    assert says(r"$\epsilon=10^{-9}$ and dropout $0.1$", 1e-9)
    assert says("padding of 36--60", 60)
    assert not says("VGG16 with 94.1%", 16)
    assert not says("94.1%", 0.941)
    assert not says("rate 0.95", 0.9)


@given(st.decimals(min_value=-(10**6), max_value=10**6, places=3))
def test_any_decimal_is_read_exactly(x):
    assert one(str(x)).value == float(x)


@given(st.integers(0, 10**12))
def test_any_grouped_integer_is_read_exactly(x: int):
    assert one(f"{x:,}").value == x
    assert one(f"{x:,}".replace(",", "{,}")).value == x


@given(st.decimals(min_value=1, max_value=999, places=2), st.decimals(min_value=0, max_value=9, places=2), st.sampled_from(
    ["{a} ± {b}", "{a}±{b}", r"${a} \pm {b}$", r"${a}_{{\pm {b}}}$", "{a}_{{{b}}}", "{a} (±{b})", r"{a}{{\tiny $\pm$ {b}}}"]))  # fmt: skip
def test_any_spread_in_any_spelling(a, b, form: str):
    n = one(form.format(a=a, b=b))
    assert (n.value, n.spread, n.doubtful) == (float(a), float(b), False)
    assert n.low == float(a - b) and n.high == float(a + b)


@given(st.integers(-30, 30), st.decimals(min_value=1, max_value=9, places=1))
def test_any_power_of_ten(e: int, m):
    want = float(f"{m}e{e}")
    for raw in (f"{m}e{e}", rf"${m} \times 10^{{{e}}}$", rf"{m}\cdot10^{{{e}}}", f"{m} × 10^{{{e}}}"):
        assert math.isclose(one(raw).value or 0, want, rel_tol=1e-15)


@given(st.text(alphabet="0123456789.,±+-–−()[]{}^_ eE×·%~<>$\\pmKMxinf/†*", max_size=30))
def test_nothing_breaks_the_parser(text: str):
    for n in parse_cell(text):
        assert n.value is None or math.isfinite(n.value)
    for start, end, n in find_numbers(text):
        assert 0 <= start < end <= len(text)
        assert n.raw
    plain(text)


@given(st.text(max_size=60))
def test_any_text_is_survived(text: str):
    parse_cell(text)
    list(find_numbers(text, words=True))


def test_a_long_cell_is_prose_and_costs_nothing():
    assert parse_cell("1 " * 100_000) == ()
    assert not parse_cell("9" * 200)
    assert not parse_cell("1e999999999")


@pytest.mark.parametrize(
    ("cells", "values", "doubts"),
    [
        (["0,913", "12,35", "10,01"], [0.913, 12.35, 10.01], [False, False, False]),
        (["0,913", "12,35", "1.234"], [0.913, 12.35, 1.234], [False, False, True]),  # a thousand, perhaps
        (["0,913", "12,35", "1,234"], [0.913, 12.35, 1234.0], [False, False, True]),
        (["0,913", "12,35", "0.5"], [0.913, 12.35, 0.5], [True, True, False]),  # both kinds in one table
        (["3,4", "5,6", "7,8"], [3.4, 5.6, 7.8], [True, True, True]),  # lists, perhaps
        (["1,234", "56,789"], [1234.0, 56789.0], [False, False]),
        (["1.234,5"], [1234.5], [True]),
    ],
)
def test_commas_of_a_table(cells: list[str], values: list[float], doubts: list[bool]):
    settled = settle_commas({(row, 0): parse_cell(text) for row, text in enumerate(cells)})
    found = [settled[(row, 0)][0] for row in range(len(cells))]
    assert [n.value for n in found] == values
    assert [n.doubtful for n in found] == doubts


@pytest.mark.parametrize(
    ("text", "value", "spread", "change", "unit", "doubtful"),
    [
        ("0.31 ± 0.02 × 10^{-3}", 0.31, 2e-5, None, "", True),  # does the power count for both?
        ("1.2×10^{-3} ± 0.1×10^{-3}", 1.2e-3, 1e-4, None, "", False),
        ("93.2 1.1↑", 93.2, None, 1.1, "", False),
        ("93.2 1.1%↓", 93.2, None, -1.1, "", False),
        ("×2.25", 2.25, None, None, "×", False),
        ("94.1 (3)", 94.1, 3.0, None, "", True),  # a rank, a count, or units of the last digit
        ("10\u2009000", 10_000.0, None, None, "", False),
    ],
)
def test_what_stands_beside_a_number(
    text: str, value: float, spread: float | None, change: float | None, unit: str, doubtful: bool
):
    number = one(text)
    assert (number.value, number.change, number.unit, number.doubtful) == (value, change, unit, doubtful)
    assert number.spread == (pytest.approx(spread) if spread is not None else None)


@pytest.mark.parametrize(
    ("raw", "change", "notes", "doubtful"),
    [
        ("81.2^{↑1.3}", 1.3, (), False),
        ("81.2^{(-1.3)}", -1.3, (), False),
        ("81.2^{+1.3}", 1.3, (), True),
        ("81.2^{(2)}", None, ("(2)",), False),
        ("81.2^{ns}", None, ("ns",), False),
    ],
)
def test_superscripts_that_are_changes_ranks_and_marks(
    raw: str, change: float | None, notes: tuple[str, ...], doubtful: bool
):
    n = one(raw)
    assert (n.value, n.change, n.notes, n.doubtful) == (81.2, change, notes, doubtful)


@pytest.mark.parametrize("raw", ["3^{rd}", "1.5^{-2}", "5^{-1}"])
def test_other_superscripts_make_no_number(raw: str):
    assert parse_cell(raw) == ()
