# ruff: noqa: E501  markup reads worse when it is wrapped
"""Pages that are broken or mean harm: read or refused in bounded work."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlintern.core.errors import UserError
from mlintern.paper.document.document import Document
from mlintern.paper.html.read import read_page
from tests.paper.work import calls_in


def read(page: str) -> Document:
    return read_page(page.encode(), "page.html")


def hostile_pages() -> dict[str, str]:
    deep = "<div>" * 30_000 + "x" + "</div>" * 30_000
    return {
        "deep": deep,
        "deep spans": "<p>" + "<span>" * 30_000 + "x",
        "deep tables": "<table><tr><td>" * 3_000 + "x",
        "unclosed tags": '<a "' * 100_000 + "x",
        "bare brackets": "<" * 60_000 + "x",
        "paragraphs": "<p>" * 20_000 + "x",
        "entities": "&lt;" * 40_000,
        "unknown entities": "&unknown;" * 20_000,
        "one line": "<p>" + "word " * 300_000,
        "huge spans": "<table><tr><td rowspan='999999999' colspan='999999999'>x</td></tr><tr><td>y</td></tr></table>",
        "odd spans": "<table><tr><td rowspan='-3' colspan='x'>x</td><td rowspan='0'>y</td></tr></table>",
        "many cells": "<table>" + ("<tr>" + "<td>1" * 100) * 100 + "</table>",
        "spanning cells": "<table>" + "<tr><td colspan=1000>1</td></tr>" * 1000 + "</table>",
        "nested math": "<math alttext='" + "{" * 50_000 + "x'>x</math> y",
        "deep mathml": "<p>" + "<math>" + "<msup>" * 2_000 + "x</math> y",
        "doctype bomb": '<!DOCTYPE html [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><p>&b;&b; x</p>',
        "external": '<!DOCTYPE html SYSTEM "file:///etc/passwd"><p>x</p>',
        "attributes": "<p " + " ".join(f"a{n}='{n}'" for n in range(50_000)) + ">x</p>",
        "nul": "<p>a\0b\0c</p>",
        "comments": "<!--" * 50_000 + "x --> y",
        "lists": "<ul><li>" * 5_000 + "x",
        "figures": "<figure><figcaption>Table 1: x</figcaption>" * 2_000,
        "sections": "<section class='ltx_section'><h2 class='ltx_title'>x</h2>" * 3_000,
    }


CALLS_PER_CHARACTER = 60
"""Of Python functions; a page of nothing but cells takes 28, one of nothing but paragraphs 29."""


@pytest.mark.parametrize("case", hostile_pages())
def test_hostile_pages_are_read_or_refused_in_bounded_work(case: str) -> None:
    page = hostile_pages()[case]
    read("<p>what the first page imports</p>")
    found: list[Document] = []

    def attempt() -> None:
        with contextlib.suppress(UserError):
            found.append(read(page))

    assert calls_in(attempt) < CALLS_PER_CHARACTER * len(page) + 10_000
    assert all("root:" not in document.text for document in found)


def test_a_grid_that_is_too_large_is_cut_and_said() -> None:
    document = read(hostile_pages()["spanning cells"])
    assert [missing.kind for missing in document.missing] == ["limit"]


fragments = st.lists(
    st.one_of(
        st.sampled_from([
            "<p class='ltx_p'>", "</p>", "<table class='ltx_tabular'>", "</table>", "<tr>", "</tr>", "<td rowspan=2>", "<td>",
            "<span class='ltx_tabular'>", "<span class='ltx_tr'>", "<span class='ltx_td ltx_colspan_2'>", "</span>", "&amp;",
            "<math alttext='10^{-3}'><mi>x</mi></math>", "<figure class='ltx_table'>", "</figure>", "<figcaption>", "<sup>",
            "<section class='ltx_section'>", "</section>", "<h2 class='ltx_title'>", "<div class='ltx_abstract'>", "</div>",
            "<span class='ltx_note ltx_role_footnote'><span class='ltx_note_content'>", "<li class='ltx_bibitem'>", "<b>", "<img src=x>",
            "<table class='ltx_equation'>", "<figure class='ltx_figure'>", "<pre>", "<h3>", "<article class='ltx_document'>",
        ]),
        st.text(max_size=12),
    ),
    max_size=40,
)  # fmt: skip


@given(fragments)
@settings(max_examples=400, deadline=None)
def test_any_markup(parts: list[str]) -> None:
    page = "".join(parts)
    try:
        document = read_page(page.encode("utf-8", "surrogatepass"), "page.html")
    except UserError:
        return
    text = page
    for piece in document.offsets:
        if piece.exact:
            assert document.text[piece.start : piece.end] == text[piece.source_start : piece.source_end]
    for table in document.tables:
        assert len(table.grid()) == table.rows
        for cell in table.cells:
            assert document.text[cell.start : cell.end].strip() == cell.text
    assert Document.from_json(document.to_json()) == document
