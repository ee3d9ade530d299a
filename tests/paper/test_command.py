"""`mlintern read` as a user runs it: every kind of input, and what it says when it cannot."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlintern.cli import main
from mlintern.paper.document.document import Document
from tests.paper.fetch.loopback_arxiv import Body, LoopbackArxiv, Version, minimal_pdf, serve, source, tarball
from tests.paper.html.pages import PAGE

LONG = "What a heading says that is far longer than the eighty columns that a terminal has when nobody asks for more"
TEX = rf"""\documentclass{{article}}\title{{On Learning}}\begin{{document}}\maketitle
\section{{{LONG}}}We train.\subsection{{Inner}}More.\section{{Results}}
\begin{{table}}\caption{{Accuracy.}}\begin{{tabular}}{{lc}}\hline Model & MNIST \\ \hline MLP & 94.1 $\pm$ 0.3 \\ \hline
\end{{tabular}}\end{{table}}\end{{document}}""".encode()
BARE = b"\\documentclass{article}\\begin{document}No tables here.\\end{document}"


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs `mlintern read` with a cache and an output of the test's own; exit code, output, errors."""

    def read(*arguments: str) -> tuple[int, str, str]:
        own = [f"paper.cache_dir={tmp_path / 'cache'}", "--out", str(tmp_path / "out" / "document.json")]
        try:
            code = main(["read", *arguments, *own])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return read


@pytest.fixture
def arxiv() -> Iterator[LoopbackArxiv]:
    with serve() as server:
        pdf = Body(minimal_pdf(), "application/pdf")
        server.add("2101.00001", Version(source=source({"main.tex": TEX})), title="On Learning")
        server.add("2101.00002", Version(source=pdf))
        yield server


def put(folder: Path, name: str, data: bytes) -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return str(folder / name)


@pytest.mark.parametrize(
    ("name", "data", "road"),
    [
        ("main.tex", TEX, "latex"),
        ("paper.tar.gz", tarball({"main.tex": TEX}), "latex"),
        ("paper.gz", gzip.compress(TEX), "latex"),
        ("page.html", PAGE.encode(), "html"),
        ("paper.pdf", minimal_pdf(), "pdf"),
    ],
)
def test_every_kind_of_file(run, tmp_path: Path, name: str, data: bytes, road: str) -> None:
    code, out, err = run(put(tmp_path, name, data))
    assert (code, err) == (0, "")
    assert f"by the {road} road" in out
    document = Document.load(tmp_path / "out" / "document.json")
    assert document.road == road
    assert document.text.strip()


def test_a_folder(run, tmp_path: Path) -> None:
    put(tmp_path, "draft/ms.tex", TEX)
    code, out, _ = run(f"{tmp_path}/draft")
    assert code == 0
    assert "1  2 x 2  Accuracy." in out


@pytest.mark.parametrize("text", ["2101.00001", "arXiv:2101.00001v1", "https://arxiv.org/abs/2101.00001?context=cs.LG"])
def test_an_id_and_an_address(run, arxiv: LoopbackArxiv, tmp_path: Path, text: str) -> None:
    code, out, err = run(text, f"paper.arxiv_url={arxiv.url}", "paper.request_interval_s=0")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "On Learning"
    assert "Ada Example, Ben Example" in out
    written = json.loads((tmp_path / "out" / "document.json").read_text())
    assert (written["id"], written["version"]) == ("2101.00001", "v1")


def test_why_not_a_better_road_is_said(run, arxiv: LoopbackArxiv) -> None:
    code, out, _ = run("2101.00002", f"paper.arxiv_url={arxiv.url}", "paper.request_interval_s=0")
    assert code == 0
    assert "note: source: the authors submitted a PDF only" in out


def test_headings_are_shown_whole_and_as_a_tree(run, tmp_path: Path) -> None:
    _, out, _ = run(put(tmp_path, "main.tex", TEX))
    assert f"├── 1 {LONG}\n│   └── 1.1 Inner\n└── 2 Results\n" in out


def test_a_table_is_drawn_and_nothing_is_written(run, tmp_path: Path) -> None:
    code, out, _ = run(put(tmp_path, "main.tex", TEX), "--table", "1")
    assert code == 0
    lines = [line for line in out.splitlines() if line.strip()]
    assert lines[:2] == ["Table 1", "Accuracy."]
    assert [line.split("  ")[0] for line in lines if not line.startswith("─")][2:] == ["Model", "MLP"]
    assert "94.1 ± 0.3" in out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("data", "says"), [(TEX, "no table 7; give one of 1"), (BARE, "found no table in this paper")])
def test_a_table_that_is_not_there(run, tmp_path: Path, data: bytes, says: str) -> None:
    code, out, err = run(put(tmp_path, "main.tex", data), "--table", "7")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert says in err


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("empty.tex", b"", "the file is empty"),
        ("empty.html", b"", "the file is empty"),
        ("noise.tex", bytes(range(256)) * 20, "not the kind of file"),
        ("noise.html", bytes(range(256)) * 20, "not the kind of file"),
        ("figure.tex", b"%!PS-Adobe-3.0\n", "not the kind of file"),
        ("words.pdf", b"words", "not the kind of file"),
        ("notes.docx", b"PK\x03\x04", "cannot read this kind of file"),
        ("broken.tar.gz", tarball({"main.tex": TEX})[:40], "damaged"),
    ],
)
def test_what_cannot_be_read_is_one_line(run, tmp_path: Path, name: str, data: bytes, says: str) -> None:
    code, out, err = run(put(tmp_path, name, data))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert name in err
    assert says in err
    assert not (tmp_path / "out").exists()


def test_a_pipe_is_refused_and_not_waited_for(run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "main.tex")
    code, _, err = run(str(tmp_path / "main.tex"))
    assert code == 2
    assert "neither a file nor a folder" in err


def test_a_source_beyond_the_limit_is_named_as_the_user_named_it(run, tmp_path: Path) -> None:
    huge = tarball({"main.tex": b"\\documentclass{article}" + b"a" * (9 << 20)})
    code, _, err = run(put(tmp_path, "paper.tar.gz", huge))
    assert code == 2
    assert "paper.tar.gz: main.tex is larger than 8 MB" in err


def test_a_tex_file_among_very_many_files(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in a home folder: what lies near it is enough."""
    monkeypatch.setattr("mlintern.paper.latex.source.files.MAX_FILES", 3)
    for n in range(5):
        put(tmp_path, f"home/deep/other{n}.txt", b"x")
    put(tmp_path, "home/part.tex", b"Part.")
    code, out, _ = run(put(tmp_path, "home/main.tex", BARE.replace(b"No", b"\\input{part}No")))
    assert code == 0
    assert "limit files" in out
    assert "Part." in Document.load(tmp_path / "out" / "document.json").text


def test_links_in_a_folder_lead_nowhere(run, tmp_path: Path) -> None:
    secret = put(tmp_path, "secret.tex", b"The secret.")
    put(tmp_path, "draft/main.tex", BARE.replace(b"No", b"\\input{link}\\input{../secret}No"))
    (tmp_path / "draft" / "link.tex").symlink_to(secret)
    (tmp_path / "draft" / "self").symlink_to(tmp_path / "draft")
    code, _, _ = run(f"{tmp_path}/draft")
    assert code == 0
    document = Document.load(tmp_path / "out" / "document.json")
    assert "secret" not in document.text
    assert [m.name for m in document.missing if m.kind == "input"] == ["link", "../secret"]


@pytest.mark.parametrize("setting", ["arxiv_url=x", "paper.nothing=1", "paper.attempts=many"])
def test_a_setting_that_is_none(run, tmp_path: Path, setting: str) -> None:
    code, _, err = run(put(tmp_path, "main.tex", BARE), setting)
    assert code == 2
    assert setting.partition("=")[0] in err


def loaded(program: str) -> set[str]:
    """Top-level modules that are loaded after a program ran in a fresh interpreter."""
    script = f"{program}\nimport sys; print('\\n' + '\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.splitlines()}


def test_help_loads_none_of_the_heavy_libraries() -> None:
    help = "from mlintern.cli import main\ntry: main(['read', '--help'])\nexcept SystemExit: pass"
    modules = loaded(help)
    assert "mlintern" in modules
    heavy = {
        "torch",
        "numpy",
        "lightning",
        "pydantic",
        "httpx",
        "lxml",
        "rich",
        "PIL",
        "pdfplumber",
        "omegaconf",
        "hydra",
    }
    assert modules & heavy == set()


def test_no_module_of_the_rooms_loads_torch() -> None:
    everything = (
        "import importlib, pkgutil, mlintern.paper, mlintern.author\n"
        "for room in (mlintern.paper, mlintern.author):\n"
        "    for module in pkgutil.walk_packages(room.__path__, room.__name__ + '.'):\n"
        "        importlib.import_module(module.name)"
    )
    assert "torch" not in loaded(everything)


def test_what_is_missing_is_shown_by_reason_and_many_figures_hide_nothing(
    tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    figures = "".join(f"\\begin{{figure}}\\includegraphics{{f{n}}}\\caption{{x}}\\end{{figure}}" for n in range(30))
    text = f"\\documentclass{{article}}\\begin{{document}}Text. {figures}\\input{{lost}}\\end{{document}}"
    code, out, _ = run(put(tmp_path, "main.tex", text.encode()))
    shown = out.split("Missing\n")[1].splitlines()
    assert code == 0
    assert shown[:2] == [
        "  input lost: \\input names a file that the source does not hold",
        "  figure f0, f1, f2, f3 and 26 more: the image file is not in the source",
    ]


def test_a_command_without_a_paper_asks_for_the_paper_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["read"])
    assert capsys.readouterr().err.endswith("the following arguments are required: paper\n")
