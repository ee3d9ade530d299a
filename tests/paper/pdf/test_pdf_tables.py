"""Tables of a PDF page from words and rules at places (pt; y grows downwards), as LaTeX leaves them there."""

from mlintern.paper.pdf.blocks import LineBlock
from mlintern.paper.pdf.captions import captions_above
from mlintern.paper.pdf.layout import Glyph, TextLine, Word, mark_scripts, words_of
from mlintern.paper.pdf.regions import Region, Rule, extended, regions_near
from mlintern.paper.pdf.tables import Grid, read_grid


def line(y: float, *words: tuple[float, str]) -> TextLine:
    return TextLine(y, 10.0, [Word(text, x, x + 5.0 * len(text), 10.0, False) for x, text in words])


def region(*rules: float, partial: tuple[Rule, ...] = ()) -> Region:
    return Region(0.0, 300.0, rules[0], rules[-1], rules, partial)


def texts(grid: Grid | None) -> list[list[str]]:
    assert grid is not None
    rows = [[""] * grid.columns for _ in range(grid.rows)]
    for cell in grid.cells:
        for row in range(cell.row, cell.row + cell.rowspan):
            for column in range(cell.column, cell.column + cell.colspan):
                rows[row][column] = cell.text
    return rows


def test_a_number_torn_by_alignment_is_one_cell() -> None:
    lines = [
        line(12, (0, "run"), (60, "lr"), (150, "acc")),
        line(24, (0, "a"), (60, "1"), (72, "×"), (80, "10^{-4}"), (150, "71.2"), (180, "±0.3")),
        line(36, (0, "b"), (60, "5.0"), (85, "×10^{-3}"), (150, "75.0"), (180, "±"), (196, "0.1")),
    ]
    grid = read_grid(region(0, 16, 40), lines)
    assert grid is not None and grid.columns == 3
    numbers = {(c.row, c.column): (n.value, n.spread) for c in grid.cells for n in c.numbers}
    assert numbers == {(1, 1): (1e-4, None), (1, 2): (71.2, 0.3), (2, 1): (5e-3, None), (2, 2): (75.0, 0.1)}


def test_crosses_in_a_column_of_their_own_stay_there() -> None:
    lines = [line(12, (0, "acc"), (40, "ema")), line(24, (0, "71.2"), (40, "×")), line(36, (0, "75.0"), (40, "×"))]
    assert texts(read_grid(region(0, 16, 40), lines)) == [["acc", "ema"], ["71.2", "×"], ["75.0", "×"]]


def test_what_stands_half_a_row_down_spans_two_rows() -> None:
    lines = [
        line(12, (60, "top-1"), (120, "top-5")),
        line(18, (0, "model")),
        line(24, (60, "(%)"), (120, "(%)")),
        line(40, (0, "a"), (60, "71.2"), (120, "90.1")),
        line(52, (60, "72.2"), (120, "91.1")),
        line(58, (0, "b")),
        line(64, (60, "73.2"), (120, "92.1")),
    ]
    grid = read_grid(region(0, 28, 70), lines)
    assert texts(grid) == [
        ["model", "top-1", "top-5"],
        ["model", "(%)", "(%)"],
        ["a", "71.2", "90.1"],
        ["b", "72.2", "91.1"],
        ["b", "73.2", "92.1"],
    ]
    assert grid is not None
    assert {c.text: c.doubtful for c in grid.cells if c.rowspan == 2} == {"model": False, "b": True}


def test_headers_over_one_line_share_it() -> None:
    rule = Rule(55.0, 245.0, 15.0)
    lines = [
        line(12, (70, "MNIST"), (190, "SVHN")),
        line(24, (0, "model"), (60, "AP"), (110, "ACC"), (170, "AP"), (220, "ACC")),
        line(36, (0, "a"), (60, "1.5"), (110, "2.5"), (170, "3.5"), (220, "4.5")),
    ]
    grid = read_grid(region(0, 28, 40, partial=(rule,)), lines)
    assert texts(grid)[0] == ["", "MNIST", "MNIST", "SVHN", "SVHN"]
    assert grid is not None and all(c.doubtful for c in grid.cells if c.row == 0)


def test_rows_outside_the_rules_belong_to_the_table_if_they_fill_its_columns() -> None:
    lines = [
        line(0, (0, "A"), (10, "sentence"), (52, "above")),
        line(12, (0, "model"), (60, "AP"), (110, "ACC")),
        line(24, (0, "a"), (60, "1.5"), (110, "2.5")),
        line(36, (0, "b"), (60, "3.5"), (110, "4.5")),
        line(48, (0, "ours"), (60, "5.5"), (110, "6.5")),
        line(60, (0, "The"), (18, "text"), (41, "goes"), (64, "on"), (77, "below"), (105, "the"), (123, "table")),
    ]
    found = extended(region(15, 40), lines)
    assert [x.baseline for x in lines if found.holds(x)] == [12, 24, 36, 48]
    assert texts(read_grid(found, [x for x in lines if found.holds(x)]))[0] == ["model", "AP", "ACC"]


def test_a_caption_between_two_tables_may_belong_to_either() -> None:
    rules = [Rule(0.0, 300.0, y) for y in (100, 150, 190, 240)]
    caption = [line(165, (0, "Table"), (30, "1:"), (45, "Results"))]
    under, over = regions_near(caption, rules, [])
    assert under is not None and (under.top, under.bottom) == (190, 240)
    assert over is not None and (over.top, over.bottom) == (100, 150)


def test_the_paper_says_on_which_side_its_captions_stand() -> None:
    first, second, third = region(0, 50), region(100, 150), region(200, 250)
    block = LineBlock("caption")
    below_each = [(block, first, None), (block, second, first), (block, third, second)]
    above_each = [(block, second, first), (block, third, second), (block, None, third)]
    assert (captions_above([below_each]), captions_above([above_each])) == (True, False)


def test_scripts_above_one_another_are_two_numbers() -> None:
    def glyphs(text: str, x: float, y: float, size: float) -> list[Glyph]:
        return [Glyph(c, x + 0.5 * size * i, x + 0.5 * size * (i + 1), y, size, False) for i, c in enumerate(text)]

    found = glyphs("1.2", 0.0, 100.0, 10.0) + glyphs("+0.3", 15.0, 96.0, 7.0) + glyphs("-0.6", 15.0, 102.5, 7.0)
    mark_scripts(found)
    words = words_of(sorted(found, key=lambda g: g.x0))
    assert [word.text for word in words] in (["1.2^{+0.3}_{-0.6}"], ["1.2_{-0.6}^{+0.3}"])


def test_a_head_centred_on_two_rows_that_a_short_rule_parts() -> None:
    lines = [
        line(12, (60, "vision"), (160, "language")),
        line(18, (0, "model")),
        line(29, (60, "top-1"), (100, "top-5"), (160, "f1"), (200, "em")),
        *(line(46 + 12 * row, *((x, f"7{row}.{x // 10}") for x in (0, 60, 100, 160, 200))) for row in range(4)),
    ]
    grid = read_grid(region(0, 34, 90, partial=(Rule(60, 125, 17.5), Rule(160, 210, 17.5))), lines)
    assert texts(grid)[:2] == [
        ["model", "vision", "vision", "language", "language"],
        ["model", "top-1", "top-5", "f1", "em"],
    ]


def test_two_rows_are_not_both_centred() -> None:
    lines = [
        line(12, (100, "flops"), (160, "speed")),
        line(18, (0, "model"), (60, "size")),
        line(24, (100, "(G)"), (160, "(1/s)")),
        line(34, (0, "first kind")),
        *(line(46 + 12 * row, (0, f"m{row}"), (60, "1M"), (100, f"4.{row}"), (160, "302")) for row in range(4)),
    ]
    assert texts(read_grid(region(0, 28, 90), lines))[:3] == [
        ["model", "size", "flops", "speed"],
        ["model", "size", "(G)", "(1/s)"],
        ["first kind", "", "", ""],
    ]
