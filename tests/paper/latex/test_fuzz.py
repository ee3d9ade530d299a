# ruff: noqa: E501  LaTeX fixtures read better unbroken
"""Whatever a source says, reading it ends, in bounded time, with a Document whose offsets hold."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlintern.paper.document.document import Document
from mlintern.paper.latex.read import read_latex
from tests.paper.work import calls_in

BITS = [
    "\\begin{table}", "\\end{table}", "\\begin{tabular}{lcr}", "\\end{tabular}", "\\begin{tabularx}{\\textwidth}{X|c}", "\\end{tabularx}", "&", "\\\\",
    "\\\\[2pt]", "\\hline", "\\toprule", "\\midrule", "\\cmidrule(lr){2-3}", "\\multirow{2}{*}{", "\\multicolumn{2}{c}{", "}", "{", "$", "$$", "\\(", "\\)", "\\[",
    "\\]", "^", "_", "^{", "_{", "#1", "#", "%c\n", "\n\n", " ", "\\textbf{", "\\bf ", "\\caption{", "\\label{a}", "\\ref{a}", "\\cite{k}", "\\section{", "\\item ",
    "\\begin{itemize}", "\\end{itemize}", "\\newcommand{\\x}[1]{", "\\def\\y#1.{", "\\x", "\\y", "\\let\\x\\y", "\\iffalse", "\\iftrue", "\\else", "\\fi", "\\ifx\\x\\y",
    "\\begin{equation}", "\\end{equation}", "\\begin{align}", "\\end{align}", "\\frac{1}", "\\sqrt[", "]", "[", "\\verb|", "|", "\\begin{verbatim}", "\\end{verbatim}",
    "\\input{main}", "\\include{x}", "\\newenvironment{e}{", "\\begin{e}", "\\end{e}", "\\footnote{", "\\begin{subtable}", "\\end{subtable}", "\\subfloat[", "\\makecell{",
    "\\appendix", "\\begin{thebibliography}{9}", "\\bibitem{k}", "\\end{thebibliography}", "\\expandafter", "\\csname", "\\endcsname", "\\'", "\\hat", "94.1", "\\pm", "1e-4",
    "\\begin{longtable}{cc}", "\\endhead", "\\end{longtable}", "\\num{1e3}", "\\SI{1}{\\s}", "\\newif\\ifz", "\\ztrue", "\\ifz", "\\begin{document}", "\\end{document}", "~",
    "\\phantom{", "\\textcolor{red}{", "\\begin{minipage}{1cm}", "\\end{minipage}", "\\includegraphics{f}", "\\captionof{table}{", "\\vskip 1pt plus", "\\kern", "\\char", "\\\\*",
    "\\begin{tabular}{*{3}{c}}", "\\begin{tabular}{S@{\\,}r@{$\\pm$}l}", "\\newcolumntype{Q}{QQ}", "\\begin{tabular}{Q}", "\\NewDocumentCommand{\\x}{o m}{", "\\text{é}", "\x00",
]  # fmt: skip


def check(document: Document, texts: dict[str, str]):
    """Offsets stay inside the text and its sources, exact pieces say what the source says, and JSON gives it back."""
    last = 0
    for piece in document.offsets:
        assert last <= piece.start < piece.end <= len(document.text)
        last = piece.end
        source = texts[document.sources[piece.source].name]
        assert 0 <= piece.source_start <= piece.source_end <= len(source)
        if piece.exact:
            here, there = document.text[piece.start : piece.end], source[piece.source_start : piece.source_end]
            assert here.split() == there.split()
    for part in (*document.sections, *document.tables, *document.figures, *document.equations):
        assert 0 <= part.start <= part.end <= len(document.text)
    for table in document.tables:
        taken = set()
        for cell in table.cells:
            assert cell.rowspan >= 1
            assert cell.colspan >= 1
            assert 0 <= cell.row <= cell.row + cell.rowspan <= table.rows
            assert 0 <= cell.column < table.columns
            for r in range(cell.row, cell.row + cell.rowspan):
                for c in range(cell.column, cell.column + cell.colspan):
                    assert (r, c) not in taken or cell.blank
                    taken.add((r, c))
    assert Document.from_json(document.to_json()) == document


def read_text(tmp: Path, text: str) -> Document:
    """Reads one source text, and refuses to work long over it."""
    (tmp / "main.tex").write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    found: list[Document] = []
    assert calls_in(lambda: found.append(read_latex(tmp / "main.tex"))) < 2_000_000
    return found[0]


SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=60)


@SETTINGS
@given(bits=st.lists(st.sampled_from(BITS), max_size=40))
def test_any_order_of_commands(tmp_path: Path, bits: list[str]):
    text = "".join(bits)
    check(read_text(tmp_path, text), {"main.tex": text})


@SETTINGS
@given(bits=st.lists(st.sampled_from(BITS), max_size=30))
def test_any_table_body(tmp_path: Path, bits: list[str]):
    text = (
        "\\begin{document}\\begin{table}\\begin{tabular}{l|cc}"
        + "".join(bits)
        + "\\end{tabular}\\caption{x}\\end{table}\\end{document}"
    )
    check(read_text(tmp_path, text), {"main.tex": text})


@pytest.mark.parametrize("text", ["\\def\\y#1.{94.1}\\y0", "\\newcommand{\\x}[1]{94.1}\\x{0", "\\def\\y#1{94.1}\\y0"])
def test_an_argument_that_the_end_of_the_source_cuts_ends_with_it(tmp_path, text: str):
    check(read_text(tmp_path, text), {"main.tex": text})


def test_the_readers_own_mark_in_a_source_leaves_no_empty_piece(tmp_path):
    check(read_text(tmp_path, "\ufffc--"), {"main.tex": "\ufffc--"})


@SETTINGS
@given(text=st.text(alphabet=st.sampled_from("\\{}$&#^_~% \nab1.[]()*@-`'\"é\ufffc"), max_size=200))
def test_any_characters(tmp_path: Path, text: str):
    check(read_text(tmp_path, text), {"main.tex": text})


def test_a_macro_of_tables_without_end_is_read_in_bounds(tmp_path: Path):
    """Each grid reads all that is in it, and each of its cells again: 5,000 of them, one in the other."""
    text = "\\begin{tabular}{c}\\def\\y#1.{\\begin{tabular}{lcr}\\y\\x}\\y\\x"
    check(read_text(tmp_path, text), {"main.tex": text})


@pytest.mark.slow
@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=3000)
@given(bits=st.lists(st.sampled_from(BITS), max_size=120))
def test_any_long_order_of_commands(tmp_path: Path, bits: list[str]):
    text = "".join(bits)
    check(read_text(tmp_path, text), {"main.tex": text})
