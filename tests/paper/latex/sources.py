"""Small sources around a table, read."""

from pathlib import Path

from mlintern.paper.document.document import Cell, Document, Table
from mlintern.paper.latex.read import read_latex


def document(tmp_path: Path, body: str, preamble: str = "") -> Document:
    source = "\\documentclass{article}\n" + preamble + "\n\\begin{document}\n" + body + "\n\\end{document}\n"
    (tmp_path / "main.tex").write_text(source)
    return read_latex(tmp_path / "main.tex")


def only(tmp_path: Path, body: str, preamble: str = "") -> Table:
    tables = document(tmp_path, body, preamble).tables
    assert len(tables) == 1, [t.grid() for t in tables]
    return tables[0]


def rows(tmp_path: Path, spec: str, body: str, preamble: str = "") -> list[list[str]]:
    return only(tmp_path, f"\\begin{{tabular}}{{{spec}}}\n{body}\n\\end{{tabular}}", preamble).grid()


def cell(tmp_path: Path, content: str, preamble: str = "") -> Cell:
    found = only(
        tmp_path,
        f"\\begin{{tabular}}{{lc}}\nmodel & score \\\\ \\hline\nours & {content} \\\\\n\\end{{tabular}}",
        preamble,
    ).cell(1, 1)
    assert found is not None
    return found
