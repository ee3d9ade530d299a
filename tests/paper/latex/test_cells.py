# ruff: noqa: E501  LaTeX fixtures read better unbroken
"""What stands in a cell: numbers in every dress, marks, notes, and where they were typed."""

from pathlib import Path

import pytest

from tests.paper.latex.sources import cell, document, only


@pytest.mark.parametrize(
    ("source", "value", "spread"),
    [
        (r"94.1", 94.1, None), (r"$94.1$", 94.1, None), (r"\textbf{94.1}", 94.1, None), (r"$\mathbf{94.1}$", 94.1, None), (r"{\bf 94.1}", 94.1, None),
        (r"\textbf{\underline{94.1}}", 94.1, None), (r"$\bm{94.1}$", 94.1, None), (r"\textcolor{red}{94.1}", 94.1, None), (r"\textcolor[HTML]{FF0000}{94.1}", 94.1, None),
        (r"\phantom{0}94.1", 94.1, None), (r"\hphantom{$-$}94.1", 94.1, None), (r"\cellcolor{gray!20}94.1", 94.1, None), (r"\cellcolor[gray]{.9} 94.1", 94.1, None),
        (r"\colorbox{yellow}{94.1}", 94.1, None), (r"\mbox{94.1}", 94.1, None), (r"\makecell{94.1}", 94.1, None), (r"\rule{0pt}{2ex}94.1", 94.1, None),
        (r"94.1$^{\dagger}$", 94.1, None), (r"94.1\textsuperscript{*}", 94.1, None), (r"$94.1^*$", 94.1, None), (r"94.1\tnote{a}", 94.1, None),
        (r"94.1\footnote{From their paper.}", 94.1, None), (r"94.1~\cite{k}", 94.1, None), (r"{94.1}", 94.1, None), (r"\small 94.1", 94.1, None),
        (r"\num{94.1}", 94.1, None), (r"\hspace{2pt}94.1\hfill", 94.1, None), (r"\raisebox{1pt}{94.1}", 94.1, None), (r"$\underline{94.1}$", 94.1, None),
        (r"94.1 % a comment", 94.1, None), (r"\fbox{94.1}", 94.1, None), (r"\uline{94.1}", 94.1, None), (r"\emph{94.1}", 94.1, None),
        (r"$94.1 \pm 0.3$", 94.1, 0.3), (r"$94.1\pm0.3$", 94.1, 0.3), (r"94.1 $\pm$ 0.3", 94.1, 0.3), (r"$94.1_{\pm 0.3}$", 94.1, 0.3), (r"94.1$_{\pm0.3}$", 94.1, 0.3),
        (r"94.1\tiny{$\pm$0.3}", 94.1, 0.3), (r"94.1{\tiny$\pm$0.3}", 94.1, 0.3), (r"94.1 {\scriptsize $\pm$ 0.3}", 94.1, 0.3), (r"$94.1_{(0.3)}$", 94.1, 0.3),
        (r"94.1 (0.3)", 94.1, 0.3), (r"94.1\,(0.3)", 94.1, 0.3), (r"94.1 ± 0.3", 94.1, 0.3), (r"$\mathbf{94.1} \pm 0.3$", 94.1, 0.3), (r"\textbf{94.1} $\pm$ 0.3", 94.1, 0.3),
        (r"94.1\textsubscript{±0.3}", 94.1, 0.3), (r"94.1\std{0.3}", 94.1, 0.3), (r"\res{94.1}{0.3}", 94.1, 0.3), (r"$94.1\,{\scriptstyle\pm\,0.3}$", 94.1, 0.3),
        (r"\num{94.1(3)}", 94.1, 0.3), (r"\num{94.1 +- 0.3}", 94.1, 0.3), (r"94.1$\scriptstyle\pm 0.3$", 94.1, 0.3), (r"$94.1\text{\tiny$\pm$0.3}$", 94.1, 0.3),
        (r"$94.1{\color{gray}\pm 0.3}$", 94.1, 0.3), (r"\ensuremath{94.1\pm0.3}", 94.1, 0.3), (r"\ensuremath{\mathbf{94.1}_{0.3}}", 94.1, 0.3), (r"$\ensuremath{94.1}_{\pm 0.3}$", 94.1, 0.3), (r"$\bm{94.1 \pm 0.3}$", 94.1, 0.3), (r"\ms{94.1}{0.3}", 94.1, 0.3),
    ],
)  # fmt: skip
def test_a_number_in_any_dress(tmp_path: Path, source: str, value: float, spread: float | None):
    preamble = r"""\newcommand{\std}[1]{{\tiny$\pm$#1}} \def\res#1#2{$#1_{\pm #2}$} \NewDocumentCommand{\ms}{m m}{#1\,{\footnotesize($\pm$#2)}}"""
    found = cell(tmp_path, source, preamble)
    assert found.number is not None, found
    assert (found.number.value, found.number.spread, found.number.doubtful, found.doubtful) == (
        value,
        spread,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("source", "bold", "underline", "italic"),
    [
        (r"\textbf{94.1}", True, False, False), (r"{\bf 94.1}", True, False, False), (r"$\mathbf{94.1}$", True, False, False), (r"{\boldmath$94.1$}", True, False, False),
        (r"\boldmath$94.1$", True, False, False), (r"\underline{94.1}", False, True, False), (r"\textbf{\underline{94.1}}", True, True, False),
        (r"\textit{94.1}", False, False, True), (r"94.1", False, False, False), (r"\textbf{94.1} $\pm$ 0.35", True, False, False), (r"\bfseries 94.1", True, False, False),
        (r"$\underline{94.1}$", False, True, False), (r"\best{94.1}", True, False, False), (r"\textbf{\textit{94.1}}", True, False, True),
    ],
)  # fmt: skip
def test_marks(tmp_path: Path, source: str, bold: bool, underline: bool, italic: bool):
    found = cell(tmp_path, source, r"\newcommand\best[1]{\textbf{#1}}")
    assert (found.bold, found.underline, found.italic) == (bold, underline, italic)


def test_a_style_ends_with_its_cell(tmp_path: Path):
    t = only(tmp_path, r"\begin{tabular}{cc} \bf a & b \\ \textbf{c & d} \\ e & f \end{tabular}")
    assert [c.bold for c in t.cells if c.text in "bef"] == [False, False, False]


def test_cells_lead_back_to_what_was_typed(tmp_path: Path):
    d = document(
        tmp_path,
        "\\row{first}{94.1}{0.3}",
        "\\newcommand{\\row}[3]{\\begin{tabular}{lc} #1 & $#2 \\pm #3$ \\\\ x & y \\end{tabular}}",
    )
    number = d.tables[0].cell(0, 1)
    source = (tmp_path / "main.tex").read_text()
    found = d.source_span(number.start, number.start + 4)
    assert source[found.start : found.end] == "94.1"


def test_siunitx_columns(tmp_path: Path):
    t = only(
        tmp_path,
        r"""\begin{tabular}{l S[table-format=2.2(2)] S s} \toprule {Model} & {Acc.\ (\%)} & {n} & {u} \\ \midrule
      A & 94.10(32) & 1e5 & \kilo\byte \\ B & 9.5 \pm 0.1 & 12345 & x \\ C & {--} & \bfseries 3.5 & \\ \bottomrule \end{tabular}""",
    )
    assert t.grid()[0][:3] == ["Model", "Acc. (%)", "n"]
    a, b = t.cell(1, 1).number, t.cell(2, 1).number
    assert (a.value, a.spread, a.doubtful) == (94.1, 0.32, False)
    assert (b.value, b.spread) == (9.5, 0.1)
    assert t.cell(1, 2).number.value == 1e5
    assert t.cell(3, 2).number.value == 3.5
    assert t.cell(3, 1).numbers == ()


def test_quantities(tmp_path: Path):
    assert cell(tmp_path, r"\SI{12.5}{\milli\second}").number.unit == "ms"
    assert cell(tmp_path, r"\qty{40}{\giga\byte}").number.value == 40
    assert cell(tmp_path, r"\SI{94.1}{\percent}").number.unit == "%"
    assert cell(tmp_path, r"\num{3e-4}").number.value == 3e-4
    assert cell(tmp_path, r"\numrange{1}{5}").number.high == 5


def test_unknown_command_makes_the_cell_doubtful(tmp_path: Path):
    found = cell(tmp_path, r"\mystery{3pt}94.1")
    assert found.doubtful
    assert all(n.doubtful for n in found.numbers)
    d = document(tmp_path, r"\mystery{x}")
    assert [(m.kind, m.name) for m in d.missing] == [("macro", r"\mystery")]


def test_footnotes_of_cells_are_kept(tmp_path: Path):
    found = cell(tmp_path, r"94.1\footnote{Our rerun.}")
    assert found.notes == ("Our rerun.",)
    assert cell(tmp_path, r"94.1$^{\ddagger}$").notes == ("‡",)
    t = only(
        tmp_path,
        r"\begin{table}\begin{threeparttable}\caption{C.}\begin{tabular}{lc} a & 1\tnote{*} \\ b & 2 \end{tabular}\begin{tablenotes}\item[*] rerun\end{tablenotes}\end{threeparttable}\end{table}",
    )
    assert any("rerun" in note for note in t.notes)


def test_changes_beside_numbers(tmp_path: Path):
    for source in (
        r"76.1{\scriptsize(+1.2)}",
        r"76.1 \textcolor{green}{(+1.2)}",
        r"76.1$_{\textcolor{green}{+1.2}}$",
        r"76.1 $\uparrow$1.2",
        r"$76.1_{\uparrow 1.2}$",
        r"76.1 (\textcolor{red}{$\uparrow$1.2})",
    ):
        found = cell(tmp_path, source)
        assert found.number is not None, (source, found)
        assert (found.number.value, found.number.change, found.number.spread) == (76.1, 1.2, None), source


def test_results_kept_under_names(tmp_path: Path):
    preamble = r"""\makeatletter \newcommand{\setres}[2]{\@namedef{res@#1}{#2}} \newcommand{\res}[1]{\@nameuse{res@#1}} \makeatother
    \setres{a}{81.2} \newcommand{\key}{b}\setres{\key}{79.9} \csdef{res@c}{77.1} \newcommand{\resx}[1]{\csname res@#1\endcsname}"""
    t = only(
        tmp_path,
        r"\begin{tabular}{lll} \res{a} & \res{b} & \resx{c} \\ \res{\key} & \csuse{res@a} & \res{none} \end{tabular}",
        preamble,
    )
    assert [c.number and c.number.value for c in t.cells] == [81.2, 79.9, 77.1, 79.9, 81.2, None]
    assert [c.doubtful for c in t.cells] == [False] * 5 + [True]


def test_a_counter_says_its_value_where_it_stands(tmp_path: Path):
    preamble = r"\newcounter{n}[section]\setcounter{n}{7}\newcommand{\next}{\stepcounter{n}\arabic{n}}"
    t = only(
        tmp_path,
        r"\begin{tabular}{lll} \arabic{n} & \next & \next \\ \then & \Alph{n} & \roman{n} \end{tabular}",
        preamble,
    )
    assert t.grid() == [["7", "8", "9"], ["9", "I", "ix"]]


def test_what_a_drawing_in_a_cell_shows_is_doubtful(tmp_path: Path):
    preamble = r"\newcommand*\circled[1]{\tikz[baseline=(char.base)]{\node[shape=circle,draw] (char) {#1};}}"
    t = only(
        tmp_path,
        r"\begin{tabular}{lll} \circled{1} two & \tikz[baseline]\node[draw]{81.2}; & \tikz\draw (0,0) -- (1,1);3 \end{tabular}",
        preamble,
    )
    assert [(c.text, c.doubtful) for c in t.cells] == [("two", True), ("", True), ("3", False)]


def test_what_stands_before_the_first_and_after_the_last_column_is_printed(tmp_path: Path):
    t = only(tmp_path, r"\begin{tabular}{@{(}r@{)~}l@{ (}r@{)}} 1 & a & 3 \\ 2 & b & 4 \end{tabular}")
    assert t.grid() == [["(1) a (3)"], ["(2) b (4)"]]
    t = only(tmp_path, r"\begin{tabular}{lr@{\,\%}} a & 81.2 \\ b & 79.9 \end{tabular}")
    assert [c.number and (c.number.value, c.number.unit) for c in t.cells if c.column == 1] == [
        (81.2, "%"),
        (79.9, "%"),
    ]


def test_a_rule_of_any_width_is_no_text(tmp_path: Path):
    preamble = r"\makeatletter\def\hlinewd#1{\noalign{\ifnum0=`}\fi\hrule \@height #1 \futurelet\reserved@a\@xhline}\makeatother"
    t = only(
        tmp_path, r"\begin{tabular}{lr} \hlinewd{1pt} a & 1 \\ \hline b & 2 \\ \hlinewd{1pt} \end{tabular}", preamble
    )
    assert (t.grid(), t.rules) == ([["a", "1"], ["b", "2"]], (0, 1, 2))
