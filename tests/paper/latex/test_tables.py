# ruff: noqa: E501  LaTeX fixtures read better unbroken
"""Every construct that papers build tables with, in sources of our own."""

from pathlib import Path

import pytest

from mlintern.paper.latex.read import read_latex
from tests.paper.latex.sources import document, only, rows


def test_spans_and_rules(tmp_path: Path):
    t = only(
        tmp_path,
        r"""\begin{table}\caption{Two tasks.}\label{tab:two}
    \begin{tabular}{@{}l|cc|c@{}} \toprule[1pt]
    \multirow{2}{*}{Model} & \multicolumn{2}{c|}{Accuracy} & \multirow{2}*{Time} \\ \cmidrule(lr){2-3}
     & top-1 & top-5 & \\ \midrule
    A & 1.5 & 2.5 & \multirow{2}{1cm}{3 h} \\[2pt]
    B & \multicolumn{1}{r}{4.5} & 5.5 & \\ \specialrule{1pt}{2pt}{2pt} \addlinespace
    \multicolumn{4}{l}{\textit{larger}} \\
    C & -- & & 6 h \\ \bottomrule
    \end{tabular}\end{table}""",
    )
    assert (t.rows, t.columns, t.header_rows, t.header_columns) == (6, 4, 2, 1)
    assert t.grid()[0] == ["Model", "Accuracy", "Accuracy", "Time"]
    assert t.grid()[1] == ["Model", "top-1", "top-5", "Time"]
    assert t.header_of(2) == ("Accuracy", "top-5")
    assert t.cell(3, 3) is t.cell(2, 3)
    assert t.grid()[4] == ["larger"] * 4
    assert t.rules == (0, 2, 4, 6)
    assert (t.number, t.label, t.caption) == ("1", "tab:two", "Two tasks.")
    assert t.cell(5, 2).blank
    assert t.alignment == "lccc"


def test_multirow_in_every_form(tmp_path: Path):
    g = rows(
        tmp_path,
        "lcc",
        r"\multirow[t]{2}{*}[-2pt]{A} & 1 & 2 \\ & 3 & 4 \\ \hline & 5 & 6 \\ \multirow{-2}{*}{B} & 7 & 8 \\ \multirow{2}*{C} & 9 & 0 \\ & 1 & 2",
    )
    assert [r[0] for r in g] == ["A", "A", "B", "B", "C", "C"]
    g = rows(
        tmp_path,
        "lcc",
        r"\textbf{\multirow{2}{*}{A}} & \multicolumn{2}{c}{\multirow{2}{*}{x}} \\ & \multicolumn{2}{c}{} \\ B & 1 & 2",
    )
    assert g == [["A", "x", "x"], ["A", "x", "x"], ["B", "1", "2"]]


def test_a_multirow_that_claims_rows_with_text_is_cut_and_doubtful(tmp_path: Path):
    t = only(tmp_path, r"\begin{tabular}{lc} \multirow{3}{*}{A} & 1 \\ & 2 \\ B & 3 \end{tabular}")
    assert [r[0] for r in t.grid()] == ["A", "A", "B"]
    assert t.cell(0, 0).doubtful


def test_macros_make_cells_and_rows(tmp_path: Path):
    preamble = r"""\newcommand{\row}[3]{#1 & #2 & #3 \\} \def\two#1/#2;{#1 & #2} \newcommand\sep{\\ \midrule} \newcommand{\opt}[2][0.5]{$#2\pm#1$}
    \let\oldrow\row \newcommand{\bt}{\begin{tabular}{lcc}} \newcommand{\et}{\end{tabular}} \DeclareMathOperator{\acc}{acc}"""
    t = only(
        tmp_path, r"\bt \row{a}{1}{2} b & \two 3/4; \sep \oldrow{c}{\opt{7}}{\opt[0.1]{8}} $\acc$ & & \\ \et", preamble
    )
    assert [r[:2] for r in t.grid()] == [["a", "1"], ["b", "3"], ["c", "7±0.5"], ["acc", ""]]
    assert t.cell(2, 2).number.spread == 0.1
    assert t.rules == (2,)


def test_columns_joined_by_printed_material(tmp_path: Path):
    t = only(
        tmp_path,
        r"""\begin{tabular}{l r@{\,$\pm$\,}l r@{.}l} \hline Model & \multicolumn{2}{c}{Accuracy} & \multicolumn{2}{c}{Loss} \\ \hline
       A & 94.1 & 0.3 & 1 & 25 \\ B & \multicolumn{2}{c}{--} & 0 & 5 \\ \end{tabular}""",
    )
    assert (t.rows, t.columns) == (3, 3)
    assert (t.cell(1, 1).number.value, t.cell(1, 1).number.spread) == (94.1, 0.3)
    assert t.cell(1, 2).number.value == 1.25
    assert t.grid()[2] == ["B", "--", "0.5"] or t.grid()[2] == ["B", "–", "0.5"]


def test_column_types_and_repetitions(tmp_path: Path):
    t = only(
        tmp_path,
        r"\begin{tabular}{Y{2cm}*{3}{C}>{\bfseries}r<{\%}!{\vrule width 1pt}p{2cm}D{.}{.}{-1}} a & 1 & 2 & 3 & 4 & e & 6.5 \\ b & 1 & 2 & 3 & 5 & f & 7.5 \end{tabular}",
        r"\newcolumntype{C}{>{\centering\arraybackslash}p{1cm}}\newcolumntype{Y}[1]{>{\raggedright}p{#1}}",
    )
    assert t.columns == 7
    assert t.cell(0, 4).number.unit == "%"
    assert t.cell(0, 4).bold
    assert t.alignment == "llllrll"


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (r"\begin{tabular*}{\linewidth}{@{\extracolsep{\fill}}lc}", r"\end{tabular*}"), (r"\begin{tabularx}{\textwidth}{Xc}", r"\end{tabularx}"),
        (r"\begin{tabulary}{10cm}{LC}", r"\end{tabulary}"), (r"\resizebox{\columnwidth}{!}{\begin{tabular}{lc}", r"\end{tabular}}"),
        (r"\resizebox{\columnwidth}{!}{%" + "\n" + r"\begin{tabular}[t]{lc}", r"\end{tabular}}"), (r"\scalebox{0.8}{\begin{tabular}{lc}", r"\end{tabular}}"),
        (r"\begin{adjustbox}{max width=\textwidth}\begin{tabular}{lc}", r"\end{tabular}\end{adjustbox}"), (r"\adjustbox{width=5cm}{\begin{tabular}{lc}", r"\end{tabular}}"),
        (r"\rotatebox{90}{\begin{tabular}{lc}", r"\end{tabular}}"), (r"\begin{longtable}{lc}", r"\end{longtable}"), (r"\begin{center}\small\begin{tabular}{lc}", r"\end{tabular}\end{center}"),
        (r"\begin{threeparttable}\begin{tabular}{lc}", r"\end{tabular}\begin{tablenotes}\item a note\end{tablenotes}\end{threeparttable}"),
        (r"{\setlength{\tabcolsep}{3pt}\renewcommand{\arraystretch}{1.2}\begin{tabular}{lc}", r"\end{tabular}}"), (r"\makebox[\textwidth][c]{\begin{tabular}{lc}", r"\end{tabular}}"),
        (r"\begin{tabu} to \linewidth {X[l]X[c]}", r"\end{tabu}"), (r"\begin{tblr}{colspec={lc}, hline{1}={1pt}}", r"\end{tblr}"), (r"\begin{NiceTabular}{lc}", r"\end{NiceTabular}"),
        (r"\begin{minipage}{0.5\linewidth}\begin{tabular}{lc}", r"\end{tabular}\end{minipage}"), (r"\fontsize{8}{9}\selectfont\begin{tabular}{lc}", r"\end{tabular}"),
        (r"\tabcolsep=3pt \begin{tabular}{lc}", r"\end{tabular}"), (r"\vskip 0.1in\begin{tabular}{lc}", r"\end{tabular}"), (r"\mytab", r"\endmytab"),
        (r"\begin{turn}{90}\begin{tabular}{lc}", r"\end{tabular}\end{turn}"), (r"\footnotesize\centerline{\begin{tabular}{lc}", r"\end{tabular}}"), (r"\begin{ctab}{5}", r"\end{ctab}"),
    ],
)  # fmt: skip
def test_whatever_holds_the_grid(tmp_path: Path, begin: str, end: str):
    preamble = r"\def\mytab{\begin{tabular}{lc}}\def\endmytab{\end{tabular}}\newenvironment{ctab}[1]{\begin{center}\begin{tabular}{lc}}{\end{tabular}\end{center}}"
    for outside in ("table", "table*", "sidewaystable", "wraptable"):
        extra = "{r}{5cm}" if outside == "wraptable" else "[!ht]"
        t = only(
            tmp_path,
            f"\\begin{{{outside}}}{extra}\\centering\\caption{{Cap.}}\n{begin} a & 1 \\\\ b & 2 \\\\ {end}\n\\end{{{outside}}}",
            preamble,
        )
        assert t.grid() == [["a", "1"], ["b", "2"]]
        assert (t.number, t.caption) == ("1", "Cap.")


def test_longtable_heads_are_read_once(tmp_path: Path):
    t = only(
        tmp_path,
        r"""\begin{longtable}{lc} \caption{Long one.}\label{tab:long}\\ \toprule name & value \\ \midrule \endfirsthead
      \multicolumn{2}{c}{continued} \\ name & value \\ \midrule \endhead \midrule \multicolumn{2}{r}{next page} \\ \endfoot \bottomrule \endlastfoot
      a & 1 \\ b & 2 \\ \end{longtable}""",
    )
    assert t.grid() == [["name", "value"], ["a", "1"], ["b", "2"]]
    assert (t.number, t.caption, t.label, t.header_rows) == ("1", "Long one.", "tab:long", 1)


def test_nested_and_stacked_cells(tmp_path: Path):
    g = rows(
        tmp_path,
        "lc",
        r"\makecell[l]{two\\lines} & \shortstack{3\\4} \\ \begin{tabular}[c]{@{}c@{}}tall\\cell\end{tabular} & \tabincell{c}{5\\6} \\ \thead{h\\i} & \parbox{2cm}{7 \\ 8}",
        r"\newcommand{\tabincell}[2]{\begin{tabular}{@{}#1@{}}#2\end{tabular}}",
    )
    assert g == [["two lines", "3 4"], ["tall cell", "5 6"], ["h i", "7 8"]]


def test_diagonal_head(tmp_path: Path):
    assert rows(tmp_path, "lc", r"\diagbox{row}{col} & x \\ a & 1")[0][0] == r"row \ col"


def test_side_by_side_grids_in_a_layout(tmp_path: Path):
    d = document(
        tmp_path,
        r"""\begin{table}\caption{Both.}\begin{tabular}{cc}
      \begin{tabular}{lc} m & v \\ a & 1 \\ \end{tabular} & \begin{tabular}{lc} m & v \\ b & 2 \\ \end{tabular} \\ (a) left & (b) right \end{tabular}\end{table}""",
    )
    assert [(t.number, t.part, t.grid()[1]) for t in d.tables] == [("1", "a", ["a", "1"]), ("1", "b", ["b", "2"])]


def test_subtables_minipages_and_subfloats(tmp_path: Path):
    grid = r"\begin{tabular}{lc} m & v \\ %s & %d \\ \end{tabular}"
    d = document(
        tmp_path,
        r"\begin{table}\begin{subtable}{.5\textwidth}"
        + grid % ("a", 1)
        + r"\caption{Left.}\label{tab:l}\end{subtable}\hfill\begin{subtable}{.5\textwidth}"
        + grid % ("b", 2)
        + r"\caption{Right.}\end{subtable}\caption{All.}\label{tab:all}\end{table} See \ref{tab:l} and \cref{tab:all}.",
    )
    assert [(t.number, t.part, t.subcaption, t.caption) for t in d.tables] == [
        ("1", "a", "Left.", "All."),
        ("1", "b", "Right.", "All."),
    ]
    assert "See 1a and Table 1." in d.text
    d = document(
        tmp_path,
        r"\begin{table}\begin{minipage}{.5\textwidth}\caption{One.}"
        + grid % ("a", 1)
        + r"\end{minipage}\begin{minipage}{.5\textwidth}\caption{Two.}"
        + grid % ("b", 2)
        + r"\end{minipage}\end{table}",
    )
    assert [(t.number, t.part, t.caption) for t in d.tables] == [("1", "", "One."), ("2", "", "Two.")]
    d = document(
        tmp_path,
        r"\begin{table}\caption{All.}\subfloat[First]{"
        + grid % ("a", 1)
        + r"}\quad\subfloat[Second]{"
        + grid % ("b", 2)
        + r"}\end{table}",
    )
    assert [(t.part, t.subcaption) for t in d.tables] == [("a", "First"), ("b", "Second")]
    d = document(
        tmp_path,
        r"\begin{figure}\includegraphics{x}\caption{F.}\captionof{table}{T.}"
        + grid % ("a", 1)
        + r"\end{figure}\begin{table}\caption{N.}"
        + grid % ("b", 2)
        + r"\end{table}",
    )
    assert [(t.number, t.caption) for t in d.tables] == [("1", "T."), ("2", "N.")]
    assert d.figures[0].caption == "F."


def test_grids_of_pictures_are_no_tables(tmp_path: Path):
    d = document(
        tmp_path,
        r"\begin{figure}\begin{tabular}{cc}\includegraphics{a}&\includegraphics{b}\\(a)&(b)\end{tabular}\caption{P.}\end{figure}",
    )
    assert d.tables == ()
    assert d.figures[0].files == ("a", "b")


def test_blank_rows_and_spacing_columns(tmp_path: Path):
    t = only(
        tmp_path,
        r"\begin{tabular}{lccc} a & 1 & & 2 \\ \\[-5pt] \hline & & & \\ b & 3 & & 4 \\ \bottomrule \\ \end{tabular}",
    )
    assert t.grid() == [["a", "1", "", "2"], ["b", "3", "", "4"]]
    assert t.rules == (1, 2)


def test_ampersands_that_split_nothing(tmp_path: Path):
    g = rows(
        tmp_path,
        "lc",
        r"a \& b & {x & y} \\ \verb|c & d| & $\left\{\begin{array}{c} 1 & 2 \\ 3 & 4 \end{array}\right.$ \\",
    )
    assert (len(g), [len(r) for r in g]) == (2, [2, 2])
    assert g[0][0] == "a & b"


def test_a_bracket_that_is_no_length(tmp_path: Path):
    g = rows(tmp_path, "lc", "a & 1 \\\\\n[0.1, 0.2] & 2 \\\\ [3pt] b & 3")
    assert [r[0] for r in g] == ["a", "[0.1, 0.2]", "b"]


def test_comments_conditionals_and_inputs_inside(tmp_path: Path):
    (tmp_path / "body.tex").write_text("c & 3 \\\\\n")
    t = only(
        tmp_path,
        "\\begin{tabular}{lc}\na & 1 \\\\ % b & 2 \\\\\n\\iffalse x & 9 \\\\ \\fi\n\\input{body}\n\\ifcamera d & 4 \\\\ \\else e & 5 \\\\ \\fi\n\\end{tabular}",
        "\\newif\\ifcamera\\camerafalse",
    )
    assert [r[0] for r in t.grid()] == ["a", "c", "e"]


def test_numbering_by_section_and_in_the_appendix(tmp_path: Path):
    grid = r"\begin{table}\caption{C.}\begin{tabular}{lc} a & 1 \\ b & 2 \end{tabular}\end{table}"
    d = document(
        tmp_path, grid + r"\appendix\section{More}\renewcommand{\thetable}{A\arabic{table}}\setcounter{table}{0}" + grid
    )
    assert [t.number for t in d.tables] == ["1", "A1"]
    d = document(tmp_path, r"\section{S}" + grid + r"\section{T}" + grid, r"\numberwithin{table}{section}")
    assert [t.number for t in d.tables] == ["1.1", "2.1"]


def test_rows_with_too_many_cells_are_doubtful(tmp_path: Path):
    t = only(tmp_path, r"\begin{tabular}{lc} a & 1 & 7 \\ b & 2 \end{tabular}")
    assert [c.text for c in t.cells if c.doubtful] == ["7"]


def test_header_without_rules_and_numeric_grids(tmp_path: Path):
    t = only(tmp_path, r"\begin{tabular}{lc} name & value \\ a & 1 \\ b & 2 \end{tabular}")
    assert (t.header_rows, t.header_columns) == (1, 1)
    t = only(tmp_path, r"\begin{tabular}{ccc} 1 & 2 & 3 \\ 4 & 5 & 6 \\ 7 & 8 & 9 \end{tabular}")
    assert t.header_rows == 0


def test_a_longtable_prints_its_first_head_and_last_foot_once(tmp_path: Path):
    d = document(
        tmp_path,
        r"""\begin{longtable}{lr} \caption{Long.}\label{t:long} \\ \toprule Name & Value \\ \midrule \endfirsthead
        \caption[]{(continued)} \\ \toprule Name & Value \\ \midrule \endhead \multicolumn{2}{r}{next page} \\ \endfoot
        \bottomrule \multicolumn{2}{l}{One seed.} \\ \endlastfoot
        a & 1 \\ b & 2 \\ \end{longtable}
        \begin{table}\caption{Next.}\begin{tabular}{l}x\end{tabular}\end{table}""",
    )
    assert [(t.number, t.caption, t.label) for t in d.tables] == [("1", "Long.", "t:long"), ("2", "Next.", "")]
    assert d.tables[0].grid() == [["Name", "Value"], ["a", "1"], ["b", "2"], ["One seed.", "One seed."]]
    assert (d.tables[0].rules, d.tables[0].header_rows) == ((0, 1, 3), 1)


def test_tables_are_counted_in_the_order_of_the_source(tmp_path: Path):
    float_ = r"\begin{table}\caption{%s}\begin{tabular}{l}x\end{tabular}\end{table}"
    d = document(
        tmp_path,
        "Words of a paragraph. " + float_ % "One."
        + r"\begin{longtable}{l}\caption{Two.}\\ y\\ \end{longtable} Words." + float_ % "Three."
        + r"\begin{minipage}{1cm}\captionof{table}{Four.}\begin{tabular}{l}z\end{tabular}\end{minipage}"
        + float_ % "Five.",
    )  # fmt: skip
    assert sorted((t.number, t.caption) for t in d.tables) == [
        ("1", "One."),
        ("2", "Two."),
        ("3", "Three."),
        ("4", "Four."),
        ("5", "Five."),
    ]


def test_what_a_column_prints_before_a_cell_stands_before_an_empty_one_too(tmp_path: Path):
    preamble = r"\newcounter{n}\newcommand{\rn}{\stepcounter{n}\arabic{n}}"
    g = rows(tmp_path, r">{\rn.}l<{)}l", r"& a \\ & b \\", preamble)
    assert g == [["1.)", "a"], ["2.)", "b"]]


def test_an_item_of_a_list_loses_the_braces_around_all_of_it(tmp_path: Path):
    preamble = r"\newcommand{\pair}[2]{#1 & #2 \\}\newcommand{\one}[1]{\pair#1}"
    assert rows(tmp_path, "ll", r"\forcsvlist{\one}{{{1}{2}}, {3}{4}, {{5}{6}}}", preamble) == [
        ["1", "2"],
        ["3", "4"],
        ["5", "6"],
    ]


def test_some_classes_number_their_tables_in_roman(tmp_path: Path):
    table = "\\begin{table}\\caption{x}\\begin{tabular}{l}%d\\end{tabular}\\end{table}"
    for name, numbers in {"IEEEtran": ["I", "II"], "revtex4-2": ["I", "II"], "article": ["1", "2"]}.items():
        body = "".join(table % n for n in (1, 2))
        (tmp_path / "main.tex").write_text(f"\\documentclass[a4]{{{name}}}\\begin{{document}}{body}\\end{{document}}")
        d = read_latex(tmp_path / "main.tex")
        assert [t.number for t in d.tables] == numbers
        assert d.table(2).grid() == [["2"]]
    own = "\\renewcommand{\\thetable}{S\\arabic{table}}"
    (tmp_path / "main.tex").write_text(
        f"\\documentclass{{IEEEtran}}{own}\\begin{{document}}{table % 1}\\end{{document}}"
    )
    assert [t.number for t in read_latex(tmp_path / "main.tex").tables] == ["S1"]


def test_longtblr_has_its_caption_and_notes_among_its_options(tmp_path: Path):
    d = document(
        tmp_path,
        r"""\begin{longtblr}[caption={Long, {and} wide},label={t:l},note{a}={One seed.},remark{Note}={All runs.}]{colspec={lr},rowhead=1}
        Step & Loss \\ 100 & 2.5\TblrNote{a} \\ \end{longtblr}""",
    )
    assert [(t.number, t.caption, t.label) for t in d.tables] == [("1", "Long, and wide", "t:l")]
    assert d.find_quote("One seed.") and d.find_quote("All runs.")


def test_a_number_column_of_tabularray_rounds(tmp_path: Path):
    t = only(
        tmp_path,
        r"\begin{tblr}{colspec={Q[r]Q[c,si={table-format=2.1}]}} A & {b} \\ x & 12.34 \\ \end{tblr}",
        r"\sisetup{round-mode=places,round-precision=1}",
    )
    assert (t.grid(), t.alignment) == ([["A", "b"], ["x", "12.3"]], "rc")


def test_what_nicematrix_draws_is_no_cell(tmp_path: Path):
    body = r"\begin{NiceTabular}{lc}[hvlines] \CodeBefore \rowcolor{gray!10}{1} \Body A & 1 \\ B & 2 \\ \CodeAfter \line{1}{2} \end{NiceTabular}"
    assert only(tmp_path, body).grid() == [["A", "1"], ["B", "2"]]


def test_a_continued_float_keeps_its_number(tmp_path: Path):
    float_ = r"\begin{table}%s\caption{%s}\begin{tabular}{l}x\end{tabular}\end{table}"
    d = document(tmp_path, float_ % ("", "One") + float_ % (r"\ContinuedFloat", "more") + float_ % ("", "Two"))
    assert [(t.number, t.caption) for t in d.tables] == [("1", "One"), ("1", "more"), ("2", "Two")]
    assert d.missing == ()


def test_a_caption_in_no_float_belongs_to_the_grid_in_its_environment(tmp_path: Path):
    grid = r"\begin{tabular}{l}%s\end{tabular}"
    for first, second in (("%s\\captionof{table}{Mine}", "%s"), ("%s", "\\captionof{table}{Mine}%s")):
        body = "".join(rf"\begin{{center}}{one % (grid % n)}\end{{center}}" for n, one in enumerate((first, second)))
        owner = 0 if "caption" in first else 1
        assert [t.caption for t in document(tmp_path, body).tables] == ["Mine" if n == owner else "" for n in (0, 1)]
