"""An arXiv of our own for each test."""

from collections.abc import Iterator

import pytest

from tests.paper.fetch.fetching import HTML_BODY, PDF_BODY, SOURCE
from tests.paper.fetch.loopback_arxiv import LoopbackArxiv, Version, serve


@pytest.fixture
def arxiv() -> Iterator[LoopbackArxiv]:
    with serve() as server:
        server.add("2101.00001", Version(source=SOURCE, html=HTML_BODY, pdf=PDF_BODY))
        yield server
