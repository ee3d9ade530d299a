"""What documents say of the house: links lead somewhere, versions agree, names exist."""

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import mlintern
from tests import imports
from tests.docs import test_guides as guides

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md")])
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The names under which a page's headings can be linked to, as GitHub makes them."""
    found: set[str] = set()
    for title in re.findall(r"^#+ +(.+?)\s*$", _FENCED.sub("", page.read_text()), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        found.add(next(name for i in range(len(found) + 1) if (name := f"{slug}-{i}" if i else slug) not in found))
    return found


def broken(page: Path) -> list[str]:
    """The relative links of a page that lead nowhere."""
    found = []
    for link in _LINK.findall(_FENCED.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(page):
    assert broken(page) == []


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A `b` c\n# A b c\n[a](gone.md) [b](#a-b-c) [c](#a-b-c-1) [d](#a-b-c-2) [e](https://x.y) [f](page.md#no)"
    )
    assert broken(page) == ["gone.md", "#a-b-c-2", "page.md#no"]


def test_make_targets_that_documents_name_exist():
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"`make ([a-z]+)", page.read_text())) <= known, page.name


def test_versions_agree():
    log = (ROOT / "CHANGELOG.md").read_text()
    titles = re.findall(r"^## (.*)$", log, re.MULTILINE)
    released = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d\d-\d\d)", title) for title in titles[1:]]
    assert titles[0] == "[Unreleased]"
    assert all(released), titles
    versions = [tuple(map(int, found.groups()[:3])) for found in released]
    assert sorted(set(versions), reverse=True) == versions
    days = [found[4] for found in released]
    assert sorted(days, reverse=True) == days
    newest = ".".join(map(str, versions[0]))
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (newest, days[0]) == (mlintern.__version__, cited["date-released"])
    assert cited["version"] == newest


def test_hosted_ci_runs_what_ci_runs():
    steps = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["all"]["steps"]
    assert steps[-1] == {"run": ".ci/run"}


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def defined(body: list[ast.stmt]) -> Iterator[tuple[str, list[ast.stmt]]]:
    """(name, what it holds) of all that a block defines."""
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            yield statement.name, statement.body
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            yield statement.name, []
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            yield from ((target.id, []) for target in targets if isinstance(target, ast.Name))


def exists(name: str, root: Path = ROOT) -> bool:
    """Whether a dotted name is a room, a file, or something that a file defines; nothing is imported."""
    place, parts = root, name.split(".")
    while parts and (place / parts[0]).is_dir():
        place /= parts.pop(0)
    if not parts:
        return True
    path = place / f"{parts[0]}.py"
    if path.is_file():
        parts.pop(0)
    else:
        path = place / "__init__.py"
    body = parsed(path).body
    for part in parts:
        inner = dict(defined(body)).get(part)
        if inner is None:
            return False
        body = inner
    return True


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name == "docs"], ids=lambda page: page.name)
def test_every_name_and_file_that_a_page_points_to_is_there(page):
    text = page.read_text()
    names = set(re.findall(r"`(mlintern(?:\.\w+)+)`", text))
    paths = set(re.findall(r"`((?:mlintern|conf|pipelines|tests|portability|hydra_plugins)/[\w./-]*)`", text))
    assert sorted(name for name in names if not exists(name)) == []
    written = guides.files(page)  # by the reader of a guide
    shown = {*written, *(path.rpartition("/")[0] + "/" for path in written)}
    assert sorted(path for path in paths - shown if not (ROOT / path).exists()) == []


def test_a_name_that_is_gone_is_found():
    assert exists("mlintern.study.run.session.Session.prepare")
    assert exists("mlintern.audit.run.CHECKS")
    assert not exists("mlintern.study.run.session.Session.prepares")
    assert not exists("mlintern.study.runs")
    assert not exists("mlintern.cli.main.argv")


def test_the_picture_of_rooms_is_that_of_the_imports():
    page = imports.PAGE.read_text()
    assert imports.drawn(page) == page, "docs/architecture.md: rooms import otherwise; run `python -m tests.imports`"
