# ruff: noqa: E501  LaTeX fixtures read better unbroken
"""Who wrote it, its title, and what stands above the columns."""

from pathlib import Path

import pytest

from tests.paper.latex.sources import document


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (r"\author{Ada One \\ ETH Town \\ \texttt{a@b.ch} \And Ben Two\thanks{Equal} \\ Data Team Ltd \AND Cy Three$^\dag$ \\ Big Co}", ("Ada One", "Ben Two", "Cy Three")),
        (r"\author{Ada One$^1$ \quad Ben Two$^{1,2}$ \\ Cy Three \\ $^1$University of Here}", ("Ada One", "Ben Two", "Cy Three")),
        (r"\author{Ada One, Ben Two and Cy Three}", ("Ada One", "Ben Two", "Cy Three")),
        (r"\author{Ada One~~~Ben Two\ \ \ Cy Three}", ("Ada One", "Ben Two", "Cy Three")),
    ],
)  # fmt: skip
def test_authors_without_their_affiliations(tmp_path: Path, source: str, names: tuple[str, ...]):
    assert document(tmp_path, "x", source).authors == names


def test_what_stands_across_both_columns_is_read(tmp_path: Path):
    source = r"\twocolumn[\icmltitle{On Learning} \begin{icmlauthorlist}\icmlauthor{Ada One}{x}\icmlauthor{Ben Two}{y}\end{icmlauthorlist} \vskip 0.3in] Text."
    d = document(tmp_path, source)
    assert (d.title, d.authors, d.text) == ("On Learning", ("Ada One", "Ben Two"), "Text.")
    kept = document(
        tmp_path,
        r"\twocolumn[\begin{@twocolumnfalse}\begin{abstract}We learn.\end{abstract}\end{@twocolumnfalse}] Text.",
    )
    assert (kept.abstract, kept.text) == ("We learn.", "We learn.\n\nText.")
