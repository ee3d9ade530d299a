# ruff: noqa: E501  markup reads worse when it is wrapped
"""What the fuzzer feeds the readers, and what must hold afterwards."""

import gzip
import io
import shutil
import tarfile
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from mlintern.core.errors import UserError
from mlintern.paper.document.document import Document
from mlintern.paper.fetch.archive import ArchiveLimits, unpack
from mlintern.paper.html.read import read_page
from mlintern.paper.latex.read import read_latex
from tests.paper.latex.test_fuzz import BITS, check

SNIPPETS = [
    "\\begin{table}[t]\\centering\\caption{Accuracy (\\%).}\\label{tab:a}\\begin{tabular}{l|S[table-format=2.1]@{\\,$\\pm$\\,}r*{2}{c}}\\toprule \\multirow{2}{*}{Model} & \\multicolumn{2}{c}{A} & B \\\\ \\cmidrule(lr){2-3} & x & y & z \\\\ \\midrule MLP\\tnote{a} & 94.1 & 0.3 & $10^{-3}$ \\\\ \\bottomrule\\end{tabular}\\end{table}",
    "\\newcommand{\\row}[3][x]{#1 & #2 & \\textbf{#3} \\\\}\\begin{tabular}{ccc}\\row{1}{2}\\row[q]{3}{$4_{\\pm 0.1}$}\\end{tabular}",
    "\\begin{figure*}\\subfloat[a]{\\includegraphics[width=1cm]{f}}\\begin{subfigure}{.5\\linewidth}\\includegraphics{g}\\caption{s}\\end{subfigure}\\caption{F \\cite{k}, see \\cref{tab:a}}\\end{figure*}",
    "\\begin{algorithm}\\begin{algorithmic}\\State $x\\gets 1$\\For{$i=1$}\\If{a}\\EndIf\\EndFor\\end{algorithmic}\\end{algorithm}",
    "\\begin{align}a&=b\\label{e}\\\\c&=\\frac{1}{2}\\nonumber\\end{align}",
    "\\def\\a#1#2.{#2#1}\\edef\\b{\\a xy.}\\let\\c=\\b\\expandafter\\def\\csname d e\\endcsname{\\c}\\csname d e\\endcsname",
    "\\begin{longtable}{ll}\\caption{L}\\\\\\hline a&b\\\\\\endfirsthead\\hline a&b\\\\\\endhead 1&2\\\\\\end{longtable}",
    "\\begin{thebibliography}{9}\\bibitem[A(1999)]{k} A. B. \\emph{T}. 1999.\\end{thebibliography}",
    "\\begin{tblr}{colspec={ll},row{1}={bg=red}}\\SetCell[c=2]{c} a & \\\\ 1 & 2\\end{tblr}",
    "\\input{part}", "\\include{sub/part}", "\\input{main}", "\\bibliography{refs}", "\\usepackage{own}", "\\newif\\ifdraft\\ifdraft a\\else b\\fi",
    "\\ifthenelse{\\equal{a}{b}}{x}{y}", "\\catcode`\\@=11 ", "\\makeatletter\\@ifnextchar[{a}{b}\\makeatother", "\\SI{1.0(2)e3}{\\m\\per\\s}", "\\ExplSyntaxOn x \\ExplSyntaxOff",
    "\\setcounter{table}{99999}", "\\renewcommand{\\thetable}{\\Roman{table}}", "\\foreach \\x in {1,...,9} {\\x}", "\\loop\\repeat", "\\newtheorem{t}{T}[section]\\begin{t}[n] x\\end{t}",
]  # fmt: skip

TAGS = [
    "<p class='ltx_p'>", "</p>", "<table class='ltx_tabular'>", "</table>", "<thead class='ltx_thead'>", "<tbody>", "<tr class='ltx_tr'>", "</tr>", "<td rowspan=2>", "<td colspan='999999'>", "<th class='ltx_th ltx_border_tt'>", "<td>", "</td>",
    "<td rowspan=0>", "<td colspan=-1>", "<td rowspan='1e9'>", "<span class='ltx_tabular'>", "<span class='ltx_tr'>", "<span class='ltx_td ltx_colspan_2'>", "<span class='ltx_td ltx_rowspan_3'>", "</span>", "&amp;", "&#0;", "&#x110000;", "&nosuch;", "&lt",
    "<math alttext='10^{-3}'><mi>x</mi></math>", "<math alttext=\"\\frac{1}{\">", "<math><semantics><annotation encoding='application/x-tex'>x_{</annotation></semantics></math>", "<figure class='ltx_table' id='T1'>", "</figure>", "<figcaption class='ltx_caption'><span class='ltx_tag ltx_tag_table'>Table 1: </span>c</figcaption>", "<sup>", "<sub>",
    "<section class='ltx_section' id=S1>", "<section class='ltx_appendix'>", "</section>", "<h2 class='ltx_title ltx_title_section'><span class='ltx_tag'>1 </span>", "<h2>", "<h6>", "</h2>", "<div class='ltx_abstract'>", "<div>", "</div>", "<span class='ltx_note ltx_role_footnote'><span class='ltx_note_content'>",
    "<li class='ltx_bibitem'>", "<b>", "<img src=x>", "<img src='data:image/png;base64,AA'>", "<img src='../../etc/passwd'>", "<table class='ltx_equation'>", "<figure class='ltx_figure'>", "<figure class='ltx_figure ltx_figure_panel'>", "<pre>", "<h3>", "<article class='ltx_document'>", "<html>", "<body>", "<head>", "<title>t</title>",
    "<script>alert(1)</script>", "<script>", "<style>", "<!--", "-->", "<![CDATA[", "]]>", "<!DOCTYPE html [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>", "<?xml version='1.0' encoding='utf-16'?>", "<meta charset='utf-7'>", "<svg>", "<template>", "<frameset>", "<select><option>", "<textarea>", "<a href='javascript:x'>", "<base href='file:///'>",
    "<cite class='ltx_cite'>", "<span class='ltx_ERROR'>\\foo</span>", "<div class='ltx_listing'><div class='ltx_listingline'>", "<dl><dt>", "<ol><li>", "<td style='color:red;font-weight:bold'>", "<div class='ltx_authors'><span class='ltx_personname'>A", "94.1", "±", " ", "\n", "\x00", "\u202e",
]  # fmt: skip

NAMES = st.one_of(
    st.sampled_from(["main.tex", "a/b.tex", "../x", "a/../../x", "/x", "~x", "C:\\x", "..\\x", ".", "./", "", "a/", "d/" * 30 + "x", "n" * 300, "é.tex", "x\0y", "a//b", "main.tex/c", "00README.json", " ", "\n", "CON", "x.pdf", "x.html", "\u202ex.tex", "..", "a/..", "trees"]),
    st.text(max_size=6),
)  # fmt: skip
TYPES = st.sampled_from([b"0", b"\0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"S", b"L", b"K", b"x", b"g", b"Z"])
CONTENTS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"\\documentclass{article}\\begin{document}x\\end{document}", b"<html>x</html>", b"%PDF-1.4\n%%EOF", b"\0" * 2_000_000]),
)  # fmt: skip


def _one_line(error: UserError) -> None:
    """What a user is told is one line, whatever the input holds."""
    assert str(error).isprintable(), repr(str(error))


def _repeated(piece: str) -> st.SearchStrategy[str]:
    """A piece many times over, now and then up to some ten thousand characters: those take as long as a whole round."""
    return st.sampled_from([3] * 12 + [30] * 6 + [300] * 2 + [3000]).map(
        lambda times: piece * min(times, 30_000 // len(piece) + 1)
    )


def _texts(pieces: list[str], longest: int) -> st.SearchStrategy[str]:
    one = st.sampled_from(pieces)
    any_piece = st.one_of(one, one, one, one.flatmap(_repeated), st.text(max_size=8))
    return st.lists(any_piece, max_size=longest).map("".join)


@st.composite
def latex_folders(draw: st.DrawFn) -> dict[str, str]:
    """A folder of LaTeX sources by name."""
    body = draw(_texts([*BITS, *SNIPPETS], 50))
    frames = [("", ""), ("\\documentclass{article}\\begin{document}", "\\end{document}")]
    frames.append(("\\begin{document}\\begin{table}\\begin{tabular}{l|cc}", "\\end{tabular}\\caption{x}\\end{table}"))
    before, after = draw(st.sampled_from(frames))
    names = draw(st.lists(st.sampled_from(["part.tex", "sub/part.tex", "refs.bib", "main.bbl", "own.sty"]), max_size=2))
    return {"main.tex": before + body + after} | {name: draw(_texts([*BITS, *SNIPPETS], 15)) for name in names}


def read_latex_folder(files: dict[str, str]) -> None:
    """Whatever the files say, reading them ends with a Document whose offsets hold."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
        document = read_latex(folder / "main.tex")
        texts = {name: (folder / name).read_bytes().decode("utf-8", "replace") for name in files}
        if all(source.encoding == "utf-8" for source in document.sources):
            check(document, texts)
        assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == set(files)
    finally:
        shutil.rmtree(folder)


@st.composite
def pages(draw: st.DrawFn) -> bytes:
    """A page of tags in any order, in any of the encodings that pages come in."""
    text = draw(_texts(TAGS, 60))
    data = text.encode(draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-16", "latin-1"])), "replace")
    return draw(st.sampled_from([b"", b"", b"<!DOCTYPE html>", b"\xef\xbb\xbf"])) + data + draw(st.binary(max_size=3))


def read_any_page(page: bytes) -> None:
    """A page is a Document whose offsets hold, or one UserError."""
    try:
        document = read_page(page, "page.html")
    except UserError as error:
        _one_line(error)
        return
    last = 0
    for piece in document.offsets:
        assert last <= piece.start < piece.end <= len(document.text)
        assert piece.source_start <= piece.source_end
        last = piece.end
    for table in document.tables:
        assert len(table.grid()) == table.rows
        for cell in table.cells:
            assert document.text[cell.start : cell.end].strip() == cell.text
    assert Document.from_json(document.to_json()) == document


def _tar(members: list[tuple[str, bytes, bytes]], form: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, kind, data in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(data), "main.tex" if kind in (b"1", b"2") else ""
            try:
                tar.addfile(info, io.BytesIO(data))
            except ValueError:  # a name that this format cannot say
                continue
    return out.getvalue()


def _zip(members: list[tuple[str, bytes, bytes]]) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as zipped:
        warnings.simplefilter("ignore")  # names that stand twice are meant
        for name, kind, data in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = {b"2": 0o120777, b"3": 0o20666, b"5": 0o40755}.get(kind, 0o100644) << 16
            zipped.writestr(info, data)
    return out.getvalue()


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """An archive of odd members, damaged in places, wrapped in gzip any number of times."""
    members = draw(st.lists(st.tuples(NAMES, TYPES, CONTENTS), max_size=6))
    try:
        form = draw(st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT, -1]))
        data = bytearray(_zip(members) if form < 0 else _tar(members, form))
    except (ValueError, UnicodeError):
        data = bytearray(draw(st.binary(max_size=600)))
    for _ in range(draw(st.integers(0, 3))):
        if not data:
            break
        at = int(draw(st.floats(0, 1, exclude_max=True)) * min(len(data), 4096))
        new = draw(st.binary(min_size=1, max_size=12))
        data[at : at + len(new)] = new
    whole = bytes(data[: int(len(data) * draw(st.sampled_from([1, 1, 1, 0.9, 0.5]))) + 1])
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2]))):
        whole = gzip.compress(whole, 1)
    return whole[: int(len(whole) * draw(st.sampled_from([1, 1, 1, 0.7])))]


def unpack_any(data: bytes) -> None:
    """Either regular files below the folder, within the limits, or one UserError; nothing else, nowhere else."""
    top = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        folder = top / "cache" / "folder"
        folder.mkdir(parents=True)
        (top / "archive").write_bytes(data)
        limits = ArchiveLimits(files=50, total_bytes=3_000_000)
        try:
            unpack(top / "archive", folder, "archive", limits)
        except UserError as error:
            _one_line(error)
        else:
            inside = list(folder.rglob("*"))
            assert any(path.is_file() for path in inside)
            assert all((path.is_file() or path.is_dir()) and not path.is_symlink() for path in inside)
            assert sum(path.stat().st_size for path in inside if path.is_file()) <= limits.total_bytes
        assert {path.name for path in top.iterdir()} == {"archive", "cache"}
        assert {path.name for path in (top / "cache").iterdir()} == {"folder"}
    finally:
        shutil.rmtree(top)


READERS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], None]]] = {
    "latex": (latex_folders(), read_latex_folder),
    "html": (pages(), read_any_page),
    "archive": (archives(), unpack_any),
}
