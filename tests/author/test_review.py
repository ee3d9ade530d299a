"""What a human is shown before approving a pack."""

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from mlintern.author.review import review, visible
from mlintern.core.errors import UserError

BUNDLED = Path(__file__).resolve().parent.parent.parent / "papers" / "arxiv_2011_14439"


def shown(pack):
    out = io.StringIO()
    review(pack, Console(file=out, width=200))
    return out.getvalue()


def test_the_bundled_pack_is_shown_whole():
    text = shown(BUNDLED)
    for part in (
        "Scaling Down Deep Learning with MNIST-1D", "optimizer.lr", "not said by the paper",
        "code: CODE_FACTS.md line 7",
        "published scale: 4000 training and 1000 test samples",
        "tab:benchmark row 2 column 3", "94 ± 2", "cnn_drop", "not tested", "class CNN", "made by a language model",
        "mlintern approve arxiv_2011_14439",
    ):  # fmt: skip
        assert part in text


def test_nothing_hides_in_what_is_shown(tmp_path):
    pack = tmp_path / "arxiv_2011_14439"
    shutil.copytree(BUNDLED, pack)
    with (pack / "modules.py").open("a") as file:
        file.write("# \x1b[8m hidden \u202e reversed [bold]x[/bold]\n")
    text = shown(pack)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert r"\u001b[8m hidden \u202e reversed [bold]x[/bold]" in text
    assert visible("a\tb\n\x07é∞") == "a\tb\n\\u0007é∞"


def test_a_pack_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="papers/x: no such pack"):
        review(tmp_path / "x", Console())
