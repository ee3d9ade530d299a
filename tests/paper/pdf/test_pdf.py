"""PDF to a Document: what the layout says, what it leaves in doubt, and files that want to break the reader."""

import io
from pathlib import Path

import pypdf
import pytest

from mlintern.core.errors import UserError
from mlintern.paper.document.document import Document, Table
from mlintern.paper.pdf.read import read_pdf
from mlintern.paper.pdf.worker import read_here
from tests.paper.fetch.loopback_arxiv import minimal_pdf
from tests.paper.pdf.pages import Page, filler, paper, write_pdf


def read(tmp_path: Path, data: bytes) -> Document:
    """In this process: the separate one is tested below."""
    (tmp_path / "paper.pdf").write_bytes(data)
    return read_here(tmp_path / "paper.pdf", "paper.pdf", "paper", "")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return read(tmp_path_factory.mktemp("pdf"), paper())


def table_page(rows: list[list[str]], columns: list[float], caption_above: bool = True) -> tuple[Page, float]:
    """A booktabs table with one header row; returns the page and the baseline of its first body row."""
    page = Page()
    page.paragraph(72, 750, filler(5))
    if caption_above:
        page.text(120, 660, "Table 7: Results.")
    page.rule(100, 440, 645)
    page.row(632, columns, rows[0])
    page.rule(100, 440, 626)
    y = 612.0
    for row in rows[1:]:
        page.row(y, columns, row)
        y -= 13
    page.rule(100, 440, y + 7)
    if not caption_above:
        page.text(120, y - 12, "Table 7: Results.")
    return page, 612.0


def only_table(tmp_path: Path, page: Page) -> Table:
    (table,) = read(tmp_path, write_pdf([page])).tables
    return table


def test_title_abstract_sections(document: Document) -> None:
    assert document.title == "On Learning to Test"
    assert document.abstract == "We reach good accuracy on a tiny problem with few steps of training."
    found = [(section.level, section.number, section.title, section.appendix) for section in document.sections]
    assert found == [
        (1, "", "Abstract", False),
        (1, "1", "Method", False),
        (2, "1.1", "Data", False),
        (1, "", "References", False),
        (1, "A", "More", True),
    ]
    method, data = document.sections[1:3]
    assert method.start < data.start < data.end == method.end


def test_a_table_between_rules(document: Document) -> None:
    table = document.table(1)
    assert table.caption == "Accuracy in percent over five seeds."
    assert table.grid() == [
        ["", "MNIST-1D", "MNIST-1D", ""],
        ["Model", "plain", "shuffled", "Steps"],
        ["MLP", "68.2", "94.1", "10^{3}"],
        ["CNN", "94.0", "57.3", "6000"],
        ["GRU", "91.5", "-", "6000"],
    ]
    assert (table.header_rows, table.header_columns, table.rules) == (2, 1, (0, 2, 5))
    assert table.header_of(2) == ("MNIST-1D", "shuffled")
    cell = table.cell(2, 3)
    assert cell is not None
    assert cell.number is not None
    assert (cell.number.value, cell.number.doubtful) == (1000.0, False)
    assert table.confidence < 0.8  # never as sure as the source


def test_raised_digits_are_powers(document: Document) -> None:
    assert "The learning rate is 10^{-3} for all models." in document.text


def test_tables_are_not_in_the_text_twice(document: Document) -> None:
    assert document.text.count("MNIST-1D") == 1
    assert document.text.count("57.3") == 1


def test_references_and_page_numbers(document: Document) -> None:
    assert [(r.label, r.year, r.url) for r in document.references] == [
        ("1", "2020", ""),
        ("2", "2021", "https://example.org/roe"),
    ]
    assert "\n1\n" not in document.text


def test_what_a_pdf_cannot_give_is_said(document: Document) -> None:
    assert [(missing.kind, missing.name) for missing in document.missing] == [("figure", "Figure 1")]


def test_quotes_lead_to_a_page(document: Document) -> None:
    found = document.find_quote("A. Roe. Testing to learn.")
    assert found is not None
    assert found.span is not None
    assert found.span.page == 2
    first = document.find_quote("tiny problem with few steps")  # across a hyphen at a line's end
    assert first is not None
    assert first.span is not None
    assert first.span.page == 1


def test_spans_count_characters_of_the_page(document: Document) -> None:
    starts = {piece.page: piece.start - piece.source_start for piece in document.offsets}
    assert starts[1] == 0
    for piece in document.offsets:
        assert piece.exact
        assert piece.start - piece.source_start == starts[piece.page]
    for table in document.tables:
        for cell in table.cells:
            assert document.text[cell.start : cell.end] == cell.text


def test_json_round_trip(document: Document) -> None:
    assert Document.from_json(document.to_json()) == document


def test_caption_below_its_table(tmp_path: Path) -> None:
    rows = [["a", "b"], ["x", "1.5"], ["y", "2.5"]]
    page, _ = table_page(rows, [150.0, 300.0], caption_above=False)
    table = only_table(tmp_path, page)
    assert (table.number, table.grid()) == ("7", rows)


def test_blank_cells_stay_in_their_columns(tmp_path: Path) -> None:
    rows = [["m", "a", "b", "c"], ["x", "1.5", "", "3.5"], ["y", "", "2.5", ""], ["z", "1", "2", "3"]]
    page, _ = table_page(rows, [130.0, 210.0, 290.0, 370.0])
    assert only_table(tmp_path, page).grid() == rows


def test_a_digit_that_may_be_raised_is_doubtful(tmp_path: Path) -> None:
    """A smaller digit hardly above the line: 10^3 or 103? The text is kept, the number is doubtful."""
    page, y = table_page([["m", "n"], ["x", ""], ["y", "4"]], [150.0, 300.0])
    page.power(290, y, "10", "3", rise=0.9)
    cell = only_table(tmp_path, page).cell(1, 1)
    assert cell is not None
    assert cell.doubtful
    assert cell.number is not None
    assert cell.number.doubtful


def test_a_power_that_lost_its_superscript_is_doubtful(tmp_path: Path) -> None:
    page, y = table_page([["m", "flops"], ["x", ""], ["y", "4"]], [150.0, 300.0])
    page.text(280, y, "3.3 x 1018")
    cell = only_table(tmp_path, page).cell(1, 1)
    assert cell is not None
    assert cell.numbers
    assert all(number.doubtful for number in cell.numbers)


def test_spaced_numbers_are_doubtful(tmp_path: Path) -> None:
    page, y = table_page([["m", "loss"], ["x", ""], ["y", "0.4"]], [150.0, 300.0])
    x = 270.0
    for part in ("5", ".", "9", "5", "e", "-", "6"):
        x = page.text(x, y, part) + 3.0
    cell = only_table(tmp_path, page).cell(1, 1)
    assert cell is not None
    assert cell.text == "5 . 9 5 e - 6"
    assert cell.number is not None
    assert (cell.number.value, cell.number.doubtful) == (5.95e-6, True)


def test_a_value_across_two_columns_is_doubtful(tmp_path: Path) -> None:
    rows = [["m", "a", "b"], ["x", "1.5", "2.5"], ["y", "3.5", "4.5"], ["z", "", ""]]
    page, y = table_page(rows, [130.0, 230.0, 270.0])
    page.text(225, y - 26, "12345.678")
    cell = only_table(tmp_path, page).cell(3, 1)
    assert cell is not None
    assert cell.doubtful
    assert "across two columns" in cell.why


def test_two_values_close_together_are_doubtful(tmp_path: Path) -> None:
    page, y = table_page([["m", "a"], ["x", ""], ["y", "4.5"]], [150.0, 300.0])
    page.text(page.text(280, y, "1.5") + 5.2, y, "2.5")
    cell = only_table(tmp_path, page).cell(1, 1)
    assert cell is not None
    assert cell.doubtful


def test_a_table_without_rules_is_missing_and_its_words_are_text(tmp_path: Path) -> None:
    page = Page()
    page.text(120, 660, "Table 2: Scores.")
    page.row(640, [150.0, 300.0], ["m", "acc"])
    page.row(628, [150.0, 300.0], ["x", "93.7"])
    document = read(tmp_path, write_pdf([page]))
    assert document.tables == ()
    assert ("table", "Table 2") in {(missing.kind, missing.name) for missing in document.missing}
    assert "93.7" in document.text


def test_two_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    page = Page()
    page.text(72, 750, "A title that goes across both columns of the whole page of this paper", 13)
    left, right = filler(30, 8), filler(30, 8, start=9)
    page.paragraph(54, 720, [f"L{n} {line}" for n, line in enumerate(left)], 9)
    page.paragraph(318, 720, [f"R{n} {line}" for n, line in enumerate(right)], 9)
    text = read(tmp_path, write_pdf([page])).text
    assert text.index("A title") < text.index("L0 ") < text.index("L29 ") < text.index("R0 ") < text.index("R29 ")


def test_a_page_without_text_is_said(tmp_path: Path) -> None:
    drawing = Page(["0 0 100 100 re f"])
    text = Page()
    text.paragraph(72, 700, filler(3))
    document = read(tmp_path, write_pdf([text, drawing]))
    assert [(missing.kind, missing.name) for missing in document.missing] == [("pages", "page 2")]


def refusal(tmp_path: Path, data: bytes, **limits: float) -> str:
    (tmp_path / "paper.pdf").write_bytes(data)
    with pytest.raises(UserError) as caught:
        read_pdf(tmp_path / "paper.pdf", **limits)
    assert str(caught.value).startswith("paper.pdf: ")
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


def test_in_its_own_process(tmp_path: Path, document: Document) -> None:
    (tmp_path / "paper.pdf").write_bytes(paper())
    assert read_pdf(tmp_path / "paper.pdf") == document


def test_no_secret_reaches_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess

    seen: dict[str, str] = {}
    real = subprocess.run

    def spy(*args: object, **kwargs: object) -> object:
        seen.update(kwargs["env"])
        return real(*args, **kwargs)

    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret")
    monkeypatch.setattr(subprocess, "run", spy)
    (tmp_path / "paper.pdf").write_bytes(minimal_pdf())
    read_pdf(tmp_path / "paper.pdf")
    assert seen
    assert "sk-secret" not in seen.values()


def test_no_pdf(tmp_path: Path) -> None:
    assert "no PDF" in refusal(tmp_path, b"hello")


def test_no_text(tmp_path: Path) -> None:
    assert "holds no text" in refusal(tmp_path, write_pdf([Page(["0 0 100 100 re f"])]))


def test_encrypted(tmp_path: Path) -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(minimal_pdf()))
    writer.encrypt("secret", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    assert "encrypted" in refusal(tmp_path, out.getvalue())


def test_encrypted_without_a_password_is_read(tmp_path: Path) -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(minimal_pdf()))
    writer.encrypt("", owner_password="x", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    (tmp_path / "paper.pdf").write_bytes(out.getvalue())
    assert "100 steps" in read_pdf(tmp_path / "paper.pdf").text


def test_javascript_is_not_run(tmp_path: Path) -> None:
    page = Page()
    page.text(72, 700, "Words of the paper.")
    catalog = "/OpenAction << /S /JavaScript /JS (app.launchURL\\('http://127.0.0.1:9/'\\)) >>"
    (tmp_path / "paper.pdf").write_bytes(write_pdf([page], catalog=catalog))
    assert read_pdf(tmp_path / "paper.pdf").text.strip() == "Words of the paper."


def test_a_broken_cross_reference_is_mended(tmp_path: Path) -> None:
    data = minimal_pdf()
    at = data.rindex(b"startxref")
    document = read(tmp_path, data[:at] + b"startxref\n999999\n%%EOF\n")
    assert "100 steps" in document.text


def test_cut_off(tmp_path: Path) -> None:
    assert refusal(tmp_path, paper()[:300])


def test_a_page_tree_that_loops(tmp_path: Path) -> None:
    (tmp_path / "paper.pdf").write_bytes(minimal_pdf().replace(b"/Kids [3 0 R]", b"/Kids [2 0 R]"))
    assert "100 steps" in read_pdf(tmp_path / "paper.pdf", deadline_s=60).text


def test_the_deadline_holds(tmp_path: Path) -> None:
    assert "more than 0.1 s" in refusal(tmp_path, paper(), deadline_s=0.1)


def test_memory_is_limited(tmp_path: Path) -> None:
    assert refusal(tmp_path, paper(), memory_bytes=60_000_000)


@pytest.mark.slow
def test_a_stream_bomb_is_bounded(tmp_path: Path) -> None:
    import zlib

    stream = zlib.compress(b"BT /F1 10 Tf 72 700 Td (x) Tj ET\n" * 3_000_000, 9)
    objects = minimal_pdf().split(b"4 0 obj")[0]
    data = objects + b"4 0 obj\n<< /Length %d /Filter /FlateDecode >>\nstream\n" % len(stream) + stream
    data += b"\nendstream\nendobj\n5 0 obj\n<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>\nendobj\n"
    data += b"trailer\n<< /Size 6 /Root 1 0 R >>\n%%EOF\n"
    assert refusal(tmp_path, data, deadline_s=5.0, memory_bytes=1_000_000_000)


def test_a_rule_ends_a_caption_that_stands_close_to_its_table(tmp_path: Path) -> None:
    """As TeX sets it with no space after the caption: the header row is one line below the caption's last line."""
    page = Page()
    page.paragraph(72, 750, filler(6))
    page.text(100, 660, "Table 3: Results that take more than")
    page.text(100, 648, "one line to tell.")
    page.rule(100, 440, 645)
    page.row(634, [150.0, 300.0], ["m", "acc"])
    page.rule(100, 440, 630)
    page.row(618, [150.0, 300.0], ["x", "1.5"])
    page.rule(100, 440, 614)
    table = only_table(tmp_path, page)
    assert table.caption == "Results that take more than one line to tell."
    assert (table.grid(), table.header_rows) == ([["m", "acc"], ["x", "1.5"]], 1)


def test_a_rule_pulled_into_the_caption(tmp_path: Path) -> None:
    """Negative space after a caption puts the first rule, and the header row, onto its last line."""
    page = Page()
    page.paragraph(72, 750, filler(6))
    page.text(100, 660, "Table 3: Results that take more than")
    page.text(100, 648, "one line.")
    page.rule(100, 440, 650)
    page.row(641, [250.0, 400.0], ["m", "acc"])
    page.rule(100, 440, 638)
    page.row(628, [250.0, 400.0], ["x", "1.5"])
    page.rule(100, 440, 624)
    table = only_table(tmp_path, page)
    assert table.caption == "Results that take more than one line."
    assert table.grid() == [["m", "acc"], ["x", "1.5"]]
