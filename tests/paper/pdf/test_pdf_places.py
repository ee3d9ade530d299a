"""Where a PDF's tables stand: side by side, beside text, under subcaptions, turned; and what is doubtful about them."""

from pathlib import Path

import pytest

from mlintern.paper.document.document import Document, Table
from mlintern.paper.pdf.layout import Glyph, TextLine, Word, words_of
from mlintern.paper.pdf.read import read_pdf
from mlintern.paper.pdf.regions import Region, extended
from mlintern.paper.pdf.tables import read_grid
from tests.paper.pdf.pages import Page, filler, write_pdf


def grid(page: Page, x: float, y: float, *rows: list[str]) -> float:
    """A ruled table of two columns; returns the y of its last rule."""
    for below in (0, 14, 14 + 12 * (len(rows) - 1)):
        page.rule(x, x + 120, y - below)
    for index, row in enumerate(rows):
        page.row(y - 10 - 12 * index - (3 if index else 0), [x + 30, x + 90], row)
    return y - 14 - 12 * (len(rows) - 1)


def read(tmp_path: Path, *pages: Page) -> Document:
    path = tmp_path / "paper.pdf"
    path.write_bytes(write_pdf(list(pages)))
    return read_pdf(path)


def shown(table: Table) -> tuple[str, str, list[list[str]]]:
    return table.number + table.part, table.subcaption or table.caption, table.grid()


LEFT = [["lr", "acc"], ["0.1", "71.2"], ["0.2", "72.3"]]
RIGHT = [["steps", "loss"], ["100", "2.31"], ["200", "1.87"]]


def test_tables_side_by_side_are_two(tmp_path: Path) -> None:
    page = Page()
    page.paragraph(72, 700, filler(4))
    page.text(100, 600, "Table 1: Left")
    page.text(300, 600, "Table 2: Right")
    grid(page, 90, 590, *LEFT)
    grid(page, 290, 590, *RIGHT)
    page.paragraph(72, 500, filler(4, start=3))
    document = read(tmp_path, page)
    assert [shown(t) for t in document.tables] == [("1", "Left", LEFT), ("2", "Right", RIGHT)]
    assert document.text.count("72.3") == document.text.count("1.87") == 1


@pytest.mark.parametrize("above", [True, False])
def test_a_table_beside_text_is_read_and_the_text_kept(tmp_path: Path, above: bool) -> None:
    page = Page()
    beside = filler(7, words=3)
    for index, words in enumerate(beside):
        page.text(72, 600 - 12 * index, words)
    page.text(300, 600 if above else 540, "Table 1: Beside")
    grid(page, 300, 590, *LEFT)
    document = read(tmp_path, page)
    assert [shown(t) for t in document.tables] == [("1", "Beside", LEFT)]
    assert all(document.find_quote(words) for words in beside)


@pytest.mark.parametrize("turn", ["q 0 1 -1 0 612 0 cm", "q 0 -1 1 0 0 792 cm"])
def test_turned_tables_are_read(tmp_path: Path, turn: str) -> None:
    page, side = Page(), Page()
    page.paragraph(72, 700, filler(3))
    side.text(300, 400, "Table 1: Turned")
    grid(side, 290, 390, *LEFT)
    page.operators += [turn, *side.operators, "Q"]
    page.text(72, 40, "The last words.")
    document = read(tmp_path, page)
    assert [shown(t) for t in document.tables] == [("1", "Turned", LEFT)]
    cell = document.tables[0].cell(1, 1)
    assert cell is not None and cell.number is not None and (cell.number.value, cell.doubtful) == (71.2, False)
    found = document.find_quote("The last words.")
    assert found is not None and found.span is not None and cell.span is not None
    assert (found.span.page, cell.span.page) == (1, 1) and cell.span.start > found.span.start


TURNED = {"up": "q 0 1 -1 0 612 0 cm", "down": "q 0 -1 1 0 0 792 cm"}


def turned(page: Page, x: float, y: float, text: str, matrix: str = "0 1 -1 0") -> None:
    """Text from a place upwards, as `\\rotatebox{90}` sets it."""
    page.operators.append(f"BT /F1 10 Tf {matrix} {x} {y} Tm ({text}) Tj ET")


@pytest.mark.parametrize("side", [None, "up", "down"])
def test_turned_heads_and_row_names_are_read_and_the_names_are_doubtful(tmp_path: Path, side: str | None) -> None:
    page, table = Page(), Page()
    page.paragraph(72, 720, filler(3))
    table.text(300, 400, "Table 1: Heads")
    for y in (390, 340, 288):
        table.rule(290, 470, y)
    turned(table, 384, 343, "Alpha")
    turned(table, 384, 120, "an axis far below")
    turned(table, 444, 343, "Beta 2")
    turned(table, 315, 298, "Big")
    for y, row in ((326, ["71.2", "1"]), (310, ["72.3", "2"]), (294, ["73.4", "3"])):
        table.row(y, [380, 440], row)
    page.operators += [TURNED[side], *table.operators, "Q"] if side else table.operators
    document = read(tmp_path, page)
    rows = [["", "Alpha", "Beta 2"], ["", "71.2", "1"], ["Big", "72.3", "2"], ["", "73.4", "3"]]
    assert [shown(t) for t in document.tables] == [("1", "Heads", rows)]
    doubtful = {c.text for c in document.tables[0].cells if c.doubtful}
    assert doubtful == {"Beta 2", "Big"}
    assert document.missing == ()


def test_slanted_heads_and_text_upside_down_are_said_and_no_words_of_the_page(tmp_path: Path) -> None:
    page = Page()
    page.paragraph(72, 700, filler(3))
    page.text(300, 600, "Table 1: Slanted")
    grid(page, 300, 590, *LEFT)
    turned(page, 330, 560, "AB", "0.7071 0.7071 -0.7071 0.7071")
    turned(page, 390, 100, "DC", "-1 0 0 -1")
    document = read(tmp_path, page)
    assert [shown(t) for t in document.tables] == [("1", "Slanted", LEFT)]
    assert [(m.kind, m.name, m.why[:1]) for m in document.missing] == [("text", "Table 1", "2")]
    assert "DC" not in document.text and "CD" not in document.text


def test_labels_of_axes_are_no_text_and_much_turned_text_is_said(tmp_path: Path) -> None:
    page, labels, much = Page(), Page(), Page()
    labels.text(300, 590, "turned label")
    page.paragraph(72, 700, filler(3))
    page.operators += ["q 0 1 -1 0 612 0 cm", *labels.operators, "Q"]
    few = read(tmp_path, page)
    assert "turned label" not in few.text and few.missing == ()
    much.paragraph(100, 300, filler(8))
    page.operators += ["q 0 1 -1 0 612 0 cm", *much.operators, "Q"]
    assert [(m.kind, m.name) for m in read(tmp_path, page).missing] == [("text", "page 1")]


def test_grids_under_subcaptions_are_parts_and_a_lost_one_is_said(tmp_path: Path) -> None:
    page = Page()
    page.text(90, 700, "Table 3: Two parts")
    page.text(90, 680, "(a) first")
    y = grid(page, 90, 670, *LEFT)
    page.text(90, y - 20, "(b) second")
    y = grid(page, 90, y - 30, *RIGHT)
    page.text(90, y - 20, "(c) drawn")
    page.paragraph(72, y - 60, filler(4))
    document = read(tmp_path, page)
    assert [shown(t) for t in document.tables] == [("3a", "first", LEFT), ("3b", "second", RIGHT)]
    assert [t.caption for t in document.tables] == ["Two parts"] * 2
    assert [(m.kind, m.name) for m in document.missing] == [("table", "Table 3 (c)")]


def line(y: float, *words: tuple[float, str]) -> TextLine:
    return TextLine(y, 10.0, [Word(text, x, x + 5.0 * len(text), 10.0, False) for x, text in words])


def test_what_is_centred_on_three_rows_is_doubtful() -> None:
    lines = [line(12, (0, "temp"), (60, "p"), (120, "acc"))]
    for row in range(6):
        lines.append(line(24 + 12 * row, *([(0, "0.7")] * (row % 3 == 1)), (60, f"0.{row + 1}"), (120, f"7{row}.5")))
    found = read_grid(Region(0.0, 300.0, 0.0, 90.0, (0.0, 16.0, 90.0), ()), lines)
    assert found is not None
    assert {(c.row, c.column) for c in found.cells if c.doubtful} == {(2, 0), (5, 0)}
    assert all(n.doubtful for c in found.cells if c.doubtful for n in c.numbers)


def test_digits_printed_over_each_other_are_doubtful() -> None:
    def glyphs(*places: float) -> list[Glyph]:
        return [Glyph(text, x, x + 5, 100.0, 10.0, False) for text, x in zip("71.2", places, strict=True)]

    assert [w.doubt for w in words_of(glyphs(0, 5, 10, 15))] == [""]
    assert words_of(glyphs(0, 2, 5, 10))[0].doubt
    mark = [Glyph("a", 20, 24, 100.0, 7.0, False, script="^"), Glyph("b", 20, 24, 100.0, 7.0, False, script="_")]
    assert [w.doubt for w in words_of([*glyphs(0, 5, 10, 15), *mark])] == [""]
    assert words_of([*glyphs(0, 5, 10, 15), mark[0], Glyph("-", 20, 23, 100.0, 10.0, False)])[0].doubt


def test_a_cell_that_reaches_beyond_the_rules_is_still_of_the_table() -> None:
    region = Region(0.0, 100.0, 0.0, 90.0, (0.0, 90.0), ())
    inside, beside = region.parted(line(12, (0, "a"), (90, "71.25"), (140, "text"), (170, "beside")))
    assert inside is not None and beside is not None
    assert (inside.text, beside.text) == ("a 71.25", "text beside")
    assert region.parted(line(12, (0, "one"), (50, "line"), (75, "of"), (90, "text"), (112, "beside")))[0] is None


def test_of_a_number_with_its_spread_the_value_says_whether_it_is_bold() -> None:
    glyphs = [Glyph(c, 5.0 * i, 5.0 * i + 5, 24.0, 10.0, i < 4) for i, c in enumerate("71.2±0.3")]
    lines = [
        line(12, (0, "acc"), (60, "loss")),
        TextLine(24.0, 10.0, [*words_of(glyphs), *line(24, (60, "0.4")).words]),
    ]
    found = read_grid(Region(0.0, 300.0, 0.0, 30.0, (0.0, 16.0, 30.0), ()), lines)
    assert found is not None and [c.bold for c in found.cells if c.row == 1] == [True, False]


def test_a_second_grid_under_one_caption_is_said_to_be_lost(tmp_path: Path) -> None:
    page = Page()
    page.text(130, 600, "Table 1: A caption that stands above both")
    grid(page, 90, 590, *LEFT)
    grid(page, 290, 590, *RIGHT)
    document = read(tmp_path, page)
    assert len(document.tables) == 1
    assert [(m.kind, m.name) for m in document.missing] == [("table", "Table 1")]
    assert "beside" in document.missing[0].why and document.find_quote("1.87")


@pytest.mark.parametrize(("distance", "said"), [(12, 1), (30, 0)])
def test_rows_that_may_follow_an_open_end_are_said(tmp_path: Path, distance: int, said: int) -> None:
    page = Page()
    page.text(90, 600, "Table 1: No rule below")
    page.row(580, [120, 180], ["block", "size"])
    page.rule(90, 210, 576)
    for index in range(2):
        page.row(566 - 12 * index, [120, 180], [f"conv{index}", "64"])
    page.row(554 - distance, [120, 180], ["", "3 and 3"])
    page.paragraph(72, 400, filler(8))
    document = read(tmp_path, page)
    assert [table.rows for table in document.tables] == [3]
    assert [m.name for m in document.missing] == ["Table 1"] * said


def test_subcaptions_close_together_head_a_grid_each(tmp_path: Path) -> None:
    page = Page()
    page.paragraph(72, 720, filler(3))
    page.text(100, 650, "Table 3: Both")
    x = page.text(90, 630, "(a) Accuracy of the model on the first")
    page.text(x + 5, 630, "(b) Loss on the second")
    page.text(92, 618, "set")
    page.text(x + 8, 618, "set of all")
    grid(page, 100, 600, *LEFT)
    grid(page, x + 5, 596, *RIGHT)
    document = read(tmp_path, page)
    assert [shown(t) for t in document.tables] == [
        ("3a", "Accuracy of the model on the first set", LEFT),
        ("3b", "Loss on the second set of all", RIGHT),
    ]


def test_heads_that_stand_close_together_and_are_alike_are_one_for_each_column() -> None:
    lines = [
        line(115, (110, "tau"), (127, "="), (134, "0.5"), (153, "tau"), (170, "="), (177, "1.0")),
        line(135, (60, "a"), (120, "71.2"), (163, "72.3")),
        line(147, (60, "b"), (120, "73.2"), (163, "74.3")),
    ]
    found = read_grid(Region(50, 200, 100, 160, (100, 120, 160), ()), lines)
    assert found is not None
    heads = [(c.column, c.text, c.doubtful) for c in found.cells if c.row == 0]
    assert heads == [(1, "tau = 0.5", True), (2, "tau = 1.0", True)]
    assert all(not c.doubtful for c in found.cells if c.row)


def test_rows_cut_at_the_gutter_are_rows_of_a_table_all_the_same() -> None:
    head = [line(115, (60, "Model")), line(115, (160, "Acc"), (230, "Loss"))]
    rows = [part for y in (130, 142, 154) for part in (line(y, (60, "a")), line(y, (160, "71.2"), (230, "0.5")))]
    found = extended(Region(50, 280, 100, 120, (100, 120), ()), [*head, *rows])
    assert (found.top, round(found.bottom)) == (100, 154)


def test_a_narrow_table_is_one(tmp_path: Path) -> None:
    page = Page()
    page.paragraph(72, 720, filler(3))
    page.text(200, 650, "Table 1: Narrow")
    for y in (640, 626, 590):
        page.rule(200, 234, y)
    for y, row in ((630, ["n", "e"]), (614, ["8", "11"]), (602, ["16", "9"])):
        page.row(y, [208, 226], row)
    document = read(tmp_path, page)
    assert [shown(t) for t in document.tables] == [("1", "Narrow", [["n", "e"], ["8", "11"], ["16", "9"]])]


def test_words_across_two_columns_are_doubtful_beside_others_and_a_heading_alone_is_not() -> None:
    lines = [
        line(115, (60, "Model"), (110, "open"), (150, "fast"), (190, "size")),
        line(127, (60, "All"), (79, "of"), (93, "the"), (112, "models")),
        line(139, (60, "a"), (110, "yes"), (150, "no"), (190, "12")),
        line(151, (60, "b"), (110, "yes"), (150, "yes"), (190, "13")),
        line(163, (60, "c"), (128, "yes"), (145, "no"), (190, "14")),
    ]
    found = read_grid(Region(50, 230, 100, 170, (100, 120, 170), ()), lines)
    assert found is not None
    assert [c.text for c in found.cells if c.doubtful] == ["yes no"]


def test_a_caption_on_the_left_of_text_ends_where_the_text_begins(tmp_path: Path) -> None:
    page = Page()
    page.paragraph(72, 720, filler(3))
    grid(page, 80, 600, *LEFT)
    page.text(72, 540, "Table 1: Below the grid on the left")
    page.text(72, 528, "side in two lines")
    beside = filler(9, words=6)
    for index, words in enumerate(beside):
        page.text(250, 600 - 12 * index, words)
    document = read(tmp_path, page)
    assert [shown(t) for t in document.tables] == [("1", "Below the grid on the left side in two lines", LEFT)]
    assert all(document.find_quote(words) for words in beside)
