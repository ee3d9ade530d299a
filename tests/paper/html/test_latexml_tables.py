# ruff: noqa: E501  markup reads worse when it is wrapped
"""What LaTeXML (0.8.7) makes of tables of real papers: markup as it writes it, values as the paper shows them."""

import pytest

from mlintern.paper.document.document import Cell, Document
from mlintern.paper.html.read import read_page


def read(body: str) -> Document:
    return read_page(f'<html><body><article class="ltx_document">{body}</article></body></html>'.encode(), "page.html")


def table(*rows: list[str]) -> str:
    cells = ["".join(f'<td class="ltx_td ltx_align_left">{cell}</td>' for cell in row) for row in rows]
    return '<table class="ltx_tabular">' + "".join(f'<tr class="ltx_tr">{row}</tr>' for row in cells) + "</table>"


def cell(markup: str) -> Cell:
    found = read(table(["model", "score"], ["ours", markup])).tables[0].cell(1, 1)
    assert found is not None
    return found


def math(latex: str) -> str:
    return f'<math class="ltx_Math" alttext="{latex}" display="inline"><mi>x</mi></math>'


@pytest.mark.parametrize(
    ("markup", "value"),
    [
        ('<span class="ltx_phantom"><span style="visibility:hidden">-</span></span>6.8', 6.8),
        ('<span style="visibility: hidden">1</span>6.8', 6.8),
        (math(r"\phantom{-}6.8"), 6.8),
        (math(r"6.8\hphantom{0}"), 6.8),
        (math(r"10\,000"), 10_000.0),
        (math(r"12.5\char 37\relax"), 12.5),
        ('0.88<span class="ltx_note ltx_role_footnotemark"><sup class="ltx_note_mark">1</sup><span class="ltx_note_outer"><span class="ltx_note_content"><sup class="ltx_note_mark">1</sup><span class="ltx_note_type">footnotemark: </span><span class="ltx_tag ltx_tag_note">1</span></span></span></span>', 0.88),
    ],
)  # fmt: skip
def test_what_is_hidden_or_a_mark_is_no_digit(markup: str, value: float) -> None:
    found = cell(markup)
    assert found.number is not None
    assert (found.number.value, found.doubtful, found.number.doubtful) == (value, False, False)


def test_numbers_torn_over_two_columns_are_one() -> None:
    pm = math(r"\pm")
    head = '<td class="ltx_td">system</td><td class="ltx_td" colspan="2">acc</td><td class="ltx_td" colspan="2">loss</td><td class="ltx_td">size</td>'
    page = table(
        ["base", f"71.2 {pm}", "0.4", "1.", "35", "110M"], ["xl", f"<b>80.3</b> {pm}", "0.2", "0.", "98", "1.5B"]
    )
    grid = read(page.replace('<tr class="ltx_tr">', f'<tr class="ltx_tr">{head}</tr><tr class="ltx_tr">', 1)).tables[0]
    assert (grid.rows, grid.columns) == (3, 4)
    assert grid.grid()[0] == ["system", "acc", "loss", "size"]
    numbers = [
        [c.number and (c.number.value, c.number.spread) for x in (1, 2, 3) if (c := grid.cell(r, x))] for r in (1, 2)
    ]
    assert numbers == [[(71.2, 0.4), (1.35, None), (110e6, None)], [(80.3, 0.2), (0.98, None), (1.5e9, None)]]
    assert [grid.cell(r, 1).bold for r in (1, 2)] == [False, True]


def test_columns_that_only_sometimes_end_in_a_point_stay_apart() -> None:
    assert read(table(["a", "1.", "5"], ["b", "2.", "6"], ["c", "7", "8"])).tables[0].columns == 3


def test_tables_side_by_side_in_one_figure_keep_their_captions() -> None:
    def unit(number: int, name: str, value: str) -> str:
        rows = f'<span class="ltx_tr"><span class="ltx_td">m</span><span class="ltx_td">{name}</span></span><span class="ltx_tr"><span class="ltx_td">a</span><span class="ltx_td">{value}</span></span>'
        caption = f'<span class="ltx_table"><span class="ltx_caption"><span class="ltx_tag ltx_tag_table">Table {number}: </span>{name} results</span></span>'
        return f'<span class="ltx_inline-para ltx_minipage">{caption}<span class="ltx_para"><span class="ltx_tabular">{rows}</span></span></span>'

    d = read(
        f'<figure class="ltx_figure"><div class="ltx_flex_figure">{unit(5, "EER", "2.31")}{unit(6, "FID", "12.4")}</div></figure>'
    )
    assert [(t.number, t.caption, t.grid()[1]) for t in d.tables] == [
        ("5", "EER results", ["a", "2.31"]),
        ("6", "FID results", ["a", "12.4"]),
    ]
    assert d.figures == ()


def test_numbers_of_captions_in_capitals() -> None:
    caption = (
        '<figcaption class="ltx_caption"><span class="ltx_tag ltx_tag_table">TABLE II: </span>Comparison</figcaption>'
    )
    d = read(f'<figure class="ltx_table">{caption}{table(["a", "b"], ["c", "1.5"])}</figure>')
    assert d.tables[0].number == "II"


def test_a_table_that_the_conversion_lost_is_said() -> None:
    caption = '<figcaption class="ltx_caption"><span class="ltx_tag ltx_tag_table">Table 4: </span>tblr</figcaption>'
    d = read(
        f'<figure class="ltx_table">{caption}<span class="ltx_ERROR undefined">{{tblr}}</span><p class="ltx_p">Model A 1.0</p></figure>'
    )
    assert d.tables == ()
    assert ("table", "Table 4") in [(m.kind, m.name) for m in d.missing]


def test_floats_that_a_broken_float_swallowed_are_still_told_apart() -> None:
    def caption(number: int) -> str:
        return f'<figcaption class="ltx_caption"><span class="ltx_tag ltx_tag_table">Table {number}: </span>T{number}</figcaption>'

    inner = f'<figure class="ltx_table">{caption(6)}<p class="ltx_p">no grid</p></figure><figure class="ltx_table">{caption(7)}{table(["a", "b"], ["c", "1.5"])}</figure>'
    d = read(
        f'<figure class="ltx_table">{caption(5)}{table(["m", "n"], ["o", "2.5"])}<div class="ltx_flex_figure">{inner}</div></figure>'
    )
    assert [(t.number, t.grid()[1]) for t in d.tables] == [("5", ["o", "2.5"]), ("7", ["c", "1.5"])]
    assert [(m.kind, m.name) for m in d.missing] == [("table", "Table 6")]


def test_words_of_a_drawn_cell_are_read() -> None:
    words = '<g><foreignObject width="40"><span class="ltx_inline-block"><span class="ltx_p">{}</span></span></foreignObject></g>'
    drawn = f'<svg version="1.1"><path d="M 0,21 80,0"></path>{words.format("Source")}{words.format("Target")}</svg>'
    grid = read(table([drawn, "MNIST"], ["SVHN", "71.1"])).tables[0]
    assert grid.grid() == [["Source \\ Target", "MNIST"], ["SVHN", "71.1"]]


def test_a_table_whose_environment_the_conversion_does_not_know_is_said() -> None:
    d = read(
        '<span class="ltx_ERROR undefined">{longtable}</span><p class="ltx_p">lrr 8,551 <span class="ltx_ERROR undefined">\\foo</span></p>'
    )
    assert [(m.kind, m.name) for m in d.missing] == [("table", "{longtable}"), ("macro", "\\foo")]


def test_an_uncertainty_in_last_digits_is_doubtful() -> None:
    assert [n.doubtful for n in cell("0.032(4)").numbers] == [True, False]
    assert [n.doubtful for n in cell("0.032 (4)").numbers] == [False, False]
    assert [(n.value, n.doubtful) for n in cell("12(30)").numbers] == [(12.0, False), (30.0, False)]


def test_captions_of_tables_side_by_side_that_stand_together_belong_to_the_grids_in_order() -> None:
    def caption(number: int, text: str) -> str:
        return f'<figcaption class="ltx_caption"><span class="ltx_tag ltx_tag_table">Table {number}: </span>{text}</figcaption>'

    left, right = table(["a", "b"], ["1", "2"]), table(["c", "d"], ["3", "4"])
    cells = f'<div class="ltx_flex_figure"><div class="ltx_flex_cell">{left}</div><div class="ltx_flex_cell">{right}</div></div>'
    d = read(
        f'<figure id="S0.T5" class="ltx_table">{caption(4, "L")}{caption(5, "R")}{cells}{caption(5, "R")}</figure>'
    )
    assert [(t.number, t.part, t.caption, t.grid()[1]) for t in d.tables] == [
        ("4", "", "L", ["1", "2"]),
        ("5", "", "R", ["3", "4"]),
    ]
    assert d.missing == ()


def float_(tag: str, inside: str, caption: str = "Both.") -> str:
    words = (
        f'<figcaption class="ltx_caption"><span class="ltx_tag ltx_tag_table">Table 3: </span>{caption}</figcaption>'
    )
    return f'<{tag} id="T3" class="ltx_table">{words}{inside}</{tag}>'


def test_a_tables_notes_are_text_and_belong_to_it() -> None:
    notes = '<ul class="ltx_itemize"><li class="ltx_item">a Public sets.</li></ul><p class="ltx_p">One <b>seed</b>.</p>'
    document = read(float_("figure", table(["lr", "acc"], ["1", "2"]) + notes + "Loose <i>words</i>."))
    assert document.tables[0].notes == ("a Public sets.", "One seed.", "Loose words.")
    assert document.find_quote("Public sets.") and document.find_quote("Loose words.")
    assert document.text.count("Public sets.") == document.text.count("Both.") == 1


def test_text_in_a_figure_is_kept() -> None:
    caption = (
        '<figcaption class="ltx_caption"><span class="ltx_tag ltx_tag_figure">Figure 1: </span>A prompt.</figcaption>'
    )
    document = read(f'<figure class="ltx_figure"><p class="ltx_p">Say 7 words.</p><img src="x.png">{caption}</figure>')
    assert document.text.count("Say 7 words.") == document.text.count("A prompt.") == 1
    assert [f.caption for f in document.figures] == ["A prompt."]


def test_a_turned_table_keeps_its_caption_and_number() -> None:
    inner = float_("figure", table(["lr", "acc"], ["1", "2"])).replace(' id="T3" class="ltx_table"', "")
    document = read(
        f'<div class="ltx_table ltx_transformed_outer"><div class="ltx_transformed_inner">{inner}</div></div>'
    )
    assert [(t.number, t.caption, t.subcaption) for t in document.tables] == [("3", "Both.", "")]


def test_signs_between_two_columns_join_them() -> None:
    head = '<td class="ltx_td">x</td><td class="ltx_td" colspan="2">P/R</td>'
    page = table(["a", "80/", "75"], ["b", "81/", "70"])
    grid = read(page.replace('<tr class="ltx_tr">', f'<tr class="ltx_tr">{head}</tr><tr class="ltx_tr">', 1)).tables[0]
    assert grid.grid() == [["x", "P/R"], ["a", "80/75"], ["b", "81/70"]]


def test_a_row_that_is_only_a_line_is_none() -> None:
    line = '<span class="ltx_rule" style="width:100%;height:0.8pt;"> </span>'
    assert read(table(["a", "1"], [line, ""], ["b", "2"])).tables[0].grid() == [["a", "1"], ["b", "2"]]


def test_a_command_that_became_letters_is_doubtful() -> None:
    assert cell(math("93.5") + " p  m 0.2").doubtful


def test_grids_that_another_grid_sets_side_by_side_are_tables_and_the_words_beside_them_are_kept() -> None:
    left, right = table(["lr", "acc"], ["1", "71.2"]), table(["lr", "loss"], ["2", "0.5"])
    document = read(float_("figure", table([f"Prompt: <i>red</i> {left}", f"Prompt: blue {right}"])))
    assert [(t.number + t.part, t.grid()) for t in document.tables] == [
        ("3a", [["lr", "acc"], ["1", "71.2"]]),
        ("3b", [["lr", "loss"], ["2", "0.5"]]),
    ]
    assert document.find_quote("Prompt: red") and document.find_quote("Prompt: blue")
    many = table(["a", "1", left], ["b", "2", "x"], ["c", "3", "y"])
    assert [c.text for c in read(many).tables[0].cells if c.doubtful] == ["lr acc 1 71.2"]


def caption(tag: str, words: str) -> str:
    return f'<figcaption class="ltx_caption"><span class="ltx_tag ltx_tag_table">{tag} </span>{words}</figcaption>'


def test_lettered_captions_below_all_grids_are_theirs_in_order() -> None:
    grids = table(["lr", "acc"], ["1", "2"]) + table(["lr", "loss"], ["3", "4"])
    document = read(float_("figure", grids + caption("(a)", "Left.") + caption("(b)", "Right.")))
    assert [(t.number + t.part, t.caption, t.subcaption) for t in document.tables] == [
        ("3a", "Both.", "Left."),
        ("3b", "Both.", "Right."),
    ]


def test_captions_that_belong_to_no_grid_are_text_once() -> None:
    more = caption("Table 4:", "More.") + caption("Table 5:", "Lost.") + caption("Table 3:", "Both.")
    document = read(float_("figure", table(["lr", "acc"], ["1", "2"]) + more))
    assert [(t.number, t.caption) for t in document.tables] == [("3", "Both.")]
    assert [document.text.count(words) for words in ("Both.", "More.", "Lost.")] == [1, 1, 1]
