# ruff: noqa: E501  LaTeX fixtures read better unbroken
"""Prose, structure, references, files and what is missing; hostile and broken sources."""

from pathlib import Path

import pytest

from mlintern.core.errors import UserError
from mlintern.paper.document.document import Document
from mlintern.paper.latex.read import read_latex
from tests.paper.work import calls_in

MOST_CALLS = 20_000_000
"""That the budget of a source without end allows."""


def document(tmp_path: Path, body: str, preamble: str = "", **files: str) -> Document:
    for name, text in files.items():
        path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    source = "\\documentclass{article}\n" + preamble + "\n\\begin{document}\n" + body + "\n\\end{document}\nnot read"
    (tmp_path / "main.tex").write_text(source)
    return read_latex(tmp_path)


def test_front_matter_and_sections(tmp_path: Path):
    d = document(
        tmp_path,
        r"""\maketitle \begin{abstract}We show it. % not this
    \end{abstract} \section{Introduction}\label{sec:intro} First words. \subsection*{Unnumbered} More. \subsection[short]{A \textbf{bold} title $x^2$} Text.
    \section{Methods} See Section~\ref{sec:intro} and \autoref{app:more}. \paragraph{Data.} We use it. \appendix \section{More}\label{app:more} Extra.""",
        r"\title{A \emph{Title} of Ours}\author{Ada Lovelace\thanks{x} \and Alan M. Turing \\ Some University}",
    )
    assert (d.title, d.authors[:2], d.abstract) == (
        "A Title of Ours",
        ("Ada Lovelace", "Alan M. Turing"),
        "We show it.",
    )
    assert [(s.number, s.title, s.level, s.appendix) for s in d.sections] == [
        ("1", "Introduction", 1, False),
        ("", "Unnumbered", 2, False),
        ("1.1", "A bold title x^{2}", 2, False),
        ("2", "Methods", 1, False),
        ("", "Data.", 4, False),
        ("A", "More", 1, True),
    ]
    assert "See Section 1 and Appendix A." in d.text
    assert "not read" not in d.text
    inner = d.section_at(d.text.index("We use it"))
    assert inner is not None
    assert inner.title == "Data."
    first = d.sections[0]
    assert "First words" in d.text[first.start : first.end]
    assert "Methods" not in d.text[first.start : first.end]


def test_quotes_lead_back_to_the_source(tmp_path: Path):
    d = document(
        tmp_path,
        "We train \\ours{} with a learning\nrate of $10^{-4}$ and $\\beta_1=0.9$, for 1{,}024 steps---``long'' enough~\\cite{k}.",
        r"\newcommand{\ours}{OurNet\xspace}",
    )
    source = (tmp_path / "main.tex").read_text()
    for quote in (
        "learning rate of 1e-4",
        r"learning rate of $10^{-4}$",
        "β_1 = 0.9",
        r"$\beta_1=0.9$",
        "1024 steps",
        'steps-"long" enough',
        "OurNet with a learning",
        "enough [k]",
    ):
        found = d.find_quote(quote)
        assert found is not None, quote
        assert found.span is not None
    span = d.find_quote("rate of 10^{-4}").span
    assert source[span.start : span.end].startswith("rate of $10^{-4")
    span = d.find_quote("OurNet").span
    assert source[span.start : span.end].startswith("\\ours")
    assert d.find_quote("learning rate of 10^{-3}") is None
    assert d.find_quote("024 steps") is None


@pytest.mark.parametrize("printed", [r"$\{1,10,100\}$", r"$\{1, 10, 100\}$"])
@pytest.mark.parametrize("quote", ["in {1,10,100}", "in {1, 10, 100}", r"in $\{1,10,100\}$", r"in \{1, 10, 100\}"])
def test_the_members_of_a_set_are_quoted_with_and_without_spaces(tmp_path: Path, printed: str, quote: str):
    d = document(tmp_path, f"The size is searched in {printed} for all.")
    assert d.find_quote(quote) is not None
    assert d.find_quote(quote.replace("100", "200")) is None


def test_mathematics_in_the_text(tmp_path: Path):
    d = document(
        tmp_path,
        r"$\frac{1}{2}$; $\frac{a+b}{c}$; $\sqrt{d_k}$; $x_{i}^{2}$; $\hat{y}\le 3\times10^{-4}$; $\mathcal{O}(n \log n)$; $\left\|w\right\|_2$; \(a \in \mathbb{R}^d\); $f'$; 50\,\%; caf\'e; na\"{\i}ve; \v{S}koda; Erd\H{o}s",
    )
    for want in (
        "1/2",
        "(a+b)/c",
        "√(d_{k})",
        "x_{i}^{2}",
        "ŷ≤3×10^{-4}",
        "O(n log n)",
        "‖w‖_{2}",
        "a ∈ R^{d}",
        "f'",
        "50 %",
        "café",
        "naïve",
        "Škoda",
        "Erdős",
    ):
        assert want in d.text, (want, d.text)


def test_equations_keep_their_latex_and_numbers(tmp_path: Path):
    d = document(
        tmp_path,
        r"""\begin{equation}\label{eq:a} y = \W x \end{equation} \[ z = 1 \] \begin{align} a &= 1 \label{eq:b}\\ b &= 2 \nonumber \\ c &= 3 \label{eq:c} \end{align}
      \begin{equation*} q \end{equation*} $$ w $$ \be u \ee \begin{equation} t \tag{$*$} \end{equation} By \eqref{eq:a}, \ref{eq:b}, \cref{eq:c}.""",
        r"\newcommand{\W}{\mathbf{W}}\def\be{\begin{equation}}\def\ee{\end{equation}}",
    )
    assert [e.number for e in d.equations] == ["1", "", "2–3", "", "", "4", "*"]
    assert d.equations[0].latex == r"\label{eq:a} y = \W x"
    assert "By (1), 2, Equation 3." in d.text


def test_files_are_found_and_missing_ones_named(tmp_path: Path):
    d = document(
        tmp_path,
        r"""\input{sections/intro} \include{sections/method.tex} \input sections/plain
      \input{gone} \includegraphics{figs/plot} \includegraphics{nofig} See Appendix~\ref{app:x}. Cited \citep{known,unknown}. \bibliography{refs}""",
        r"\usepackage{ours}\graphicspath{{art/}}",
        sections__intro_dot_tex="Intro words. \\input{sections/deep}",
        sections__deep_dot_tex="Deep words.",
        sections__method_dot_tex="Method words.",
        sections__plain_dot_tex="Plain words.",
        ours_dot_sty="\\newcommand{\\never}{x}\\newcommand{\\styled}{from the style}",
        art__figs__plot_dot_png="",
        refs_dot_bib="@article{known, title = {A {T}itle}, author={A. Bee}, year = 2020, doi={10.1/x}}",
    )
    for words in ("Intro words.", "Deep words.", "Method words.", "Plain words."):
        assert words in d.text
    assert {s.name for s in d.sources} >= {
        "main.tex",
        "sections/intro.tex",
        "sections/deep.tex",
        "ours.sty",
        "refs.bib",
    }
    missing = {(m.kind, m.name) for m in d.missing}
    assert missing >= {("input", "gone"), ("figure", "nofig"), ("appendix", "app:x"), ("citation", "unknown")}
    assert ("figure", "figs/plot") not in missing
    assert [(r.label, r.title, r.year, r.url) for r in d.references] == [("known", "A Title", "2020", "10.1/x")]
    assert [f.files for f in d.figures] == [("art/figs/plot.png",), ("nofig",)]


def test_bbl_beside_the_source(tmp_path: Path):
    d = document(
        tmp_path,
        r"As in \cite{a}. \bibliography{refs}",
        main_dot_bbl="\\begin{thebibliography}{9}\n\\bibitem[Ada(2020)]{a} Ada. \\newblock \\emph{On it}. arXiv:2001.00001, 2020.\n\\bibitem{b} Bob. 1999.\n\\end{thebibliography}",
    )
    assert [(r.label, r.year) for r in d.references] == [("a", "2020"), ("b", "1999")]
    assert "On it" in d.references[0].text
    assert not [m for m in d.missing if m.kind in ("citation", "bibliography")]


def test_an_appendix_that_is_not_there(tmp_path: Path):
    d = document(tmp_path, "Proofs are in the Appendix.")
    assert [m.kind for m in d.missing] == ["appendix"]
    assert d.missing[0].span is not None
    assert document(tmp_path, r"Proofs are in the Appendix. \appendix \section{Proofs} here").missing == ()


def test_the_root_is_found(tmp_path: Path):
    (tmp_path / "aaa.tex").write_text("\\section{Part}")
    (tmp_path / "supplement.tex").write_text("\\documentclass{article}\\begin{document}S\\end{document}")
    (tmp_path / "ms.tex").write_text("\\documentclass{article}\\begin{document}\\input{aaa}M\\end{document}")
    (tmp_path / "old.tex").write_text("%\\documentclass{article}\\begin{document}")
    assert "M" in read_latex(tmp_path).text
    (tmp_path / "00README.XXX").write_text("supplement.tex toplevelfile\n")
    assert read_latex(tmp_path).text == "S"


def test_a_file_without_suffix_or_preamble(tmp_path: Path):
    (tmp_path / "paper").write_text("\\documentclass{article}\\begin{document}Old style\\end{document}")
    assert read_latex(tmp_path).text == "Old style"
    (tmp_path / "part.tex").write_text("Only \\textbf{a part} of a paper.")
    assert read_latex(tmp_path / "part.tex").text == "Only a part of a paper."


@pytest.mark.parametrize(
    ("data", "want"),
    [
        ("\\usepackage[latin1]{inputenc}\\begin{document}caf\u00e9\\end{document}".encode("latin-1"), "café"), ("\ufeff\\begin{document}café\\end{document}".encode(), "café"),
        ("\\begin{document}caf\u00e9 \u2013\\end{document}".encode("cp1252"), "café –"), ("\\begin{document}café\\end{document}".encode("utf-16"), "café"),
        (b"\\begin{document}a\\\r\nb\r\n\r\nc\\end{document}", "a b\n\nc"), (b"\\begin{document}x\xff\xfe\x00y\\end{document}", None),
    ],
)  # fmt: skip
def test_encodings(tmp_path: Path, data: bytes, want: str | None):
    (tmp_path / "main.tex").write_bytes(data)
    d = read_latex(tmp_path)
    assert want is None or d.text == want


def test_conditionals(tmp_path: Path):
    d = document(
        tmp_path,
        r"""\iffalse hidden \ifx a b\fi \else shown \fi \ifdraft draft\else final\fi \ifdefined\ours yes\fi \ifdefined\theirs no\else neither\fi
      \ifthenelse{\equal{\venue}{arxiv}}{on arXiv}{elsewhere} \ifnum 2<1 wrong\else right\fi \begin{comment} secret \end{comment} \ifcase1 zero\or one\or two\fi \iftoggle{long}{L}{S}""",
        r"\newif\ifdraft \draftfalse \def\ours{x}\def\venue{arxiv}\newtoggle{long}\toggletrue{long}",
    )
    assert d.text.replace(" ", "") == "shownfinalyesneitheronarXivrightoneL"


def test_macros_of_every_kind(tmp_path: Path):
    d = document(
        tmp_path,
        r"\a{1}{2}|\b 3.|\c[x]{y}|\c{y}|\d|\e*{z}|\f{w}|\g<u>{v}|\begin{box2}{t}inner\end{box2}|\h|\csname a\endcsname{5}{6}|\expandafter\i\j|\k",
        r"""\newcommand{\a}[2]{#2#1}\def\b#1.{[#1]}\newcommand\c[2][o]{#1#2}\let\d=\LaTeX\NewDocumentCommand{\e}{s m}{\IfBooleanTF{#1}{star#2}{#2}}
      \providecommand{\f}[1]{f#1}\NewDocumentCommand{\g}{D<>{d} m}{#1#2}\newenvironment{box2}[1]{<#1:}{>}\DeclareMathOperator*{\h}{argmax}\def\i#1{(#1)}\def\j{{jj}}\renewcommand{\k}{\a{p}{q}}""",
    )
    assert d.text == "21|[3]|xy|oy|LaTeX|starz|fw|uv|<t:inner>|argmax|65|(jj)|qp"


def test_floats_wait_for_the_end_of_their_paragraph(tmp_path: Path):
    d = document(
        tmp_path,
        "One sentence\\footnote{A note.} goes \\begin{table}\\caption{C}\\begin{tabular}{cc} a & 1 \\\\ b & 2 \\end{tabular}\\end{table} on here.\n\nNext.",
    )
    assert d.find_quote("One sentence goes on here.") is not None
    kinds = [b.kind for b in d.blocks]
    assert kinds == ["paragraph", "footnote", "caption", "table", "paragraph"]
    assert [d.text[b.start : b.end] for b in d.blocks][1] == "A note."


def test_lists_code_and_algorithms(tmp_path: Path):
    d = document(
        tmp_path,
        "\\begin{itemize}\\item one \\item[x] two\\end{itemize}\\begin{enumerate}\\item first\\label{it}\\item second\\end{enumerate}\\begin{lstlisting}\na = {1}  # \\x\n\\end{lstlisting} Step~\\ref{it}, \\verb|a_b{|.\\begin{algorithm}\\caption{Ours}\\begin{algorithmic}\\STATE go \\FOR{$i<3$} \\State run \\ENDFOR\\end{algorithmic}\\end{algorithm}",
    )
    for want in ("• one", "x two", "1. first", "2. second", "a = {1}  # \\x", "Step 1, a_b{.", "i<3"):
        assert want in d.text, d.text
    assert not [m for m in d.missing if m.kind == "macro"]


def quickly(tmp_path: Path, source: str) -> Document:
    (tmp_path / "main.tex").write_text(source)
    found: list[Document] = []
    calls = calls_in(lambda: found.append(read_latex(tmp_path / "main.tex")))
    assert calls < MOST_CALLS
    return found[0]


@pytest.mark.parametrize(
    "source",
    [
        "\\def\\a{\\a}\\a", "\\def\\a{\\a\\a}\\a", "\\def\\a{x\\b}\\def\\b{y\\a}\\a", "\\newcommand{\\a}[1]{\\a{#1#1}}\\a{x}",
        "".join(f"\\def\\{chr(97 + i)}{{\\{chr(98 + i)}\\{chr(98 + i)}\\{chr(98 + i)}}}" for i in range(25)) + "\\def\\z{ha}\\a",
        "\\newenvironment{e}{\\begin{e}}{\\end{e}}\\begin{e}x\\end{e}", "\\newcolumntype{Q}{QQ}\\begin{tabular}{Q}a&b\\\\\\end{tabular}", "\\let\\a\\b\\let\\b\\a\\a",
        "\\begin{tabular}{*{999}{*{999}{*{999}{c}}}}a&b\\\\\\end{tabular}", "\\def\\a#1{\\a{\\a{#1}}}\\a{x}", "\\expandafter" * 5000 + "x",
    ],
    ids=str,
)  # fmt: skip
def test_endless_macros_end(tmp_path: Path, source: str):
    d = quickly(tmp_path, source + " and the rest")
    assert d.schema == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    ["{" * 20_000, "}" * 20_000, "$" * 20_001, "\\textbf{" * 5_000, "\\begin{itemize}\\item " * 5_000, "\\begin{tabular}{c}" * 400, "^{_{" * 10_000, "\\frac{" * 5_000, "\\iftrue" * 20_000,
     "\\if" * 10_000, "&" * 20_000, "\\\\" * 20_000, "\\begin{table}\\caption{" * 300, "a " * 100_000, "x" * 3_000_000, "\\footnote{" * 2_000, "\\sqrt[" * 1_000, "\\section{" * 2_000, "%" * 100_000,
     "\\multirow{99999999}{*}{x}", "\\multicolumn{99999999}{c}{x}", "\\setcounter{section}{99999999999999}\\section{x}", "\\begin{minipage}" * 3_000, "\\hat" * 10_000, "\\begin{equation}" * 3_000],
    ids=lambda s: s[:20],
)  # fmt: skip
def test_deep_and_long_sources_end(tmp_path: Path, source: str):
    quickly(tmp_path, source)
    quickly(tmp_path, "\\begin{table}\\begin{tabular}{ll} a & " + source + "\\\\ b & c \\end{tabular}\\end{table}")


def test_nothing_outside_the_folder_is_opened(tmp_path: Path):
    (tmp_path / "secret.tex").write_text("SECRET")
    inside = tmp_path / "paper"
    inside.mkdir()
    (inside / "link.tex").symlink_to(tmp_path / "secret.tex")
    (inside / "main.tex").write_text(
        "\\documentclass{a}\\begin{document}a\\input{../secret}\\input{"
        + str(tmp_path / "secret")
        + "}\\input{link}\\input{|ls}\\include{/etc/passwd}b\\end{document}"
    )
    d = read_latex(inside)
    assert "SECRET" not in d.text
    assert "root:" not in d.text
    assert len([m for m in d.missing if m.kind == "input"]) == 5


def test_a_file_that_includes_itself(tmp_path: Path):
    (tmp_path / "main.tex").write_text("\\documentclass{a}\\begin{document}a\\input{loop}b\\input{main}\\end{document}")
    (tmp_path / "loop.tex").write_text("l\\input{loop}")
    d = read_latex(tmp_path)
    assert d.text.startswith("a")
    assert any(m.kind == "limit" for m in d.missing)


def test_what_is_no_paper_is_refused_in_one_line(tmp_path: Path):
    with pytest.raises(UserError, match="no LaTeX source"):
        read_latex(tmp_path)
    with pytest.raises(UserError, match="no such file"):
        read_latex(tmp_path / "gone.tex")


def test_an_environment_of_cells_that_nobody_knows_is_said(tmp_path: Path):
    d = document(tmp_path, r"Text. \begin{fancygrid}{lc} model & acc \\ ours & 94.1 \\ \end{fancygrid} More text.")
    assert ("table", "fancygrid") in [(m.kind, m.name) for m in d.missing]
    assert document(tmp_path, r"AT\&T and \[ \begin{aligned} a &= b \\ c &= d \end{aligned} \] text").missing == ()


def test_environments_whose_body_is_an_argument(tmp_path: Path):
    d = document(
        tmp_path,
        r"\begin{scaled}{3cm} m & acc \\ \hline a & 94.1 \\ \end{scaled} After it.",
        r"\usepackage{environ}\NewEnviron{scaled}[1]{\resizebox{#1}{!}{\begin{tabular}{lc}\BODY\end{tabular}}}",
    )
    assert [t.grid() for t in d.tables] == [[["m", "acc"], ["a", "94.1"]]]
    assert "After it." in d.text


def test_a_macro_that_ends_in_xspace(tmp_path: Path):
    d = document(
        tmp_path,
        r"\ours is best. \ours, \ours{} and \ours\ (\ours) win; \emph{\ours} too. \ours (ours) \ours$^2$",
        r"\newcommand{\ours}{\textsc{Net}\xspace}",
    )
    assert d.text.strip() == "Net is best. Net, Net and Net (Net) win; Net too. Net (ours) Net ^{2}"


def test_tests_that_the_source_does_not_decide_are_said(tmp_path: Path):
    body = r"A \ifconference short \else long \fi B \ifdim 0.01pt<0.05pt yes\else no\fi"
    d = document(tmp_path, body, r"\ifpreamblething\def\x{1}\fi")
    assert [(m.kind, m.name) for m in d.missing] == [("macro", r"\ifconference")]
    assert "A long B yes" in d.text


def test_other_documents_beside_the_paper_are_said(tmp_path: Path):
    whole = r"\documentclass{article}\begin{document}Other words.\end{document}"
    part = r"\documentclass{standalone}\begin{document}part\end{document}"
    files = {"supp_dot_tex": whole, "response_dot_tex": whole, "part_dot_tex": part}
    d = document(tmp_path, r"Words. \input{part} and more.", **files)
    assert [(m.kind, m.name) for m in d.missing] == [("text", "response.tex"), ("appendix", "supp.tex")]
    assert " ".join(d.text.split()) == "Words. part and more."


def test_what_includeonly_leaves_out_is_no_part_of_the_paper(tmp_path: Path):
    d = document(
        tmp_path, r"\include{one}\include{two}", r"\includeonly{two}", one_dot_tex="First.", two_dot_tex="Second."
    )
    assert d.text.strip() == "Second."


def test_loops_write_their_body_for_each_item(tmp_path: Path):
    d = document(
        tmp_path,
        r"\foreach \x in {1,...,3}{<\x>} \foreach \a/\b in {x/1, y/2}{\a=\b;} \forcsvlist{\emph}{p,q}",
        r"\usepackage{pgffor}",
    )
    assert " ".join(d.text.split()) == "<1><2><3> x=1;y=2; pq"


def test_a_caption_outside_any_float_takes_the_table_beside_it(tmp_path: Path):
    grid = r"\begin{tabular}{lc} m & acc \\ \hline a & 94.1 \\ \end{tabular}"
    d = document(
        tmp_path,
        rf"\begin{{minipage}}{{3cm}}\captionof{{table}}{{One.}}\label{{t:1}}{grid}\end{{minipage}} Words. {grid}",
    )
    assert [(t.number, t.caption, t.label) for t in d.tables] == [("1", "One.", "t:1"), ("", "", "")]


def test_a_macro_that_looks_at_the_next_character(tmp_path: Path):
    preamble = r"""\makeatletter \DeclareRobustCommand\onedot{\futurelet\@let@token\@onedot}
    \def\@onedot{\ifx\@let@token.\else.\null\fi\xspace} \def\eg{\emph{e.g}\onedot} \def\etal{\emph{et al}\onedot} \makeatother"""
    d = document(tmp_path, r"One, \eg, this by A \etal. Two \eg that.", preamble)
    assert d.text == "One, e.g., this by A et al. Two e.g. that."
    assert d.missing == ()


def test_xstring_chooses_by_text(tmp_path: Path):
    preamble = r"\newcommand{\dash}[1]{\IfStrEq{#1}{}{none}{#1}}\def\us{ours}"
    source = (
        r"\dash{} \dash{7} \IfSubStr{abc}{b}{in}{out} \IfBeginWith{\us}{th}{theirs}{mine} \IfEndWith{a.b}{b}{yes}{no}"
    )
    assert document(tmp_path, source, preamble).text == "none 7 in mine yes"


@pytest.mark.parametrize(
    "command", [r"\SetTblrInner{rowsep=1pt}", r"\titleformat{x}", r"\newcommand\x", r"\crefformat{a}"]
)
def test_a_command_short_of_an_argument_does_not_swallow_the_text(tmp_path: Path, command: str):
    d = document(tmp_path, "Kept.", command)
    assert d.text == "Kept."
