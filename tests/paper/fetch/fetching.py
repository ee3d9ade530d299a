"""What the tests of fetching share: a paper in all its forms, and how it is asked for."""

from pathlib import Path

import pytest

from mlintern.core.errors import UserError
from mlintern.paper.fetch.paper_files import Fetched, fetch
from mlintern.paper.ids import PaperId
from tests.paper.fetch.loopback_arxiv import HTML, TEX, Body, LoopbackArxiv, minimal_pdf, source

HTML_BODY = Body(HTML, "text/html; charset=utf-8")


PDF_BODY = Body(minimal_pdf(), "application/pdf")


SOURCE = source({"main.tex": TEX, "sections/model.tex": b"Hello", "fig.png": bytes(range(256)) * 40})


def get(arxiv: LoopbackArxiv, cache: Path, text: str = "2101.00001", **changes: object) -> Fetched:
    return fetch(PaperId.parse(text), arxiv.settings(cache, **changes))


def problem(arxiv: LoopbackArxiv, cache: Path, text: str = "2101.00001", **changes: object) -> str:
    with pytest.raises(UserError) as caught:
        get(arxiv, cache, text, **changes)
    leftovers = [
        path for path in cache.rglob("*") if path.is_file() and "papers" in path.parts and path.suffix == ".json"
    ]
    assert leftovers == []  # nothing that a second read would take for a paper
    return str(caught.value)
