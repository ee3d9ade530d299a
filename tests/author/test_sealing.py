"""Recorded answers hold none of the paper's sentences, and are whole again for whoever has the paper."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlintern.author.asking.sealing import seal, unseal
from mlintern.core.errors import UserError

PAPER = 'We trained it for "ten" epochs with a rate of 0.1 and β_1 = 0.9. Nothing else was done\nto it at all, ever.'


def test_a_quote_is_gone_and_comes_back():
    text = json.dumps({"quote": 'for "ten" epochs with a rate of 0.1', "value": 0.1}, ensure_ascii=False)
    sealed = seal(text, PAPER)
    assert "epochs with" not in sealed
    assert json.loads(sealed)["value"] == 0.1
    assert unseal(sealed, PAPER) == text


def test_short_phrases_and_misquotes_stay():
    for text in ("with a rate of", "we never trained it for long"):
        assert seal(text, PAPER) == text


def test_another_paper_does_not_open_a_seal():
    sealed = seal("with a rate of 0.1 and", PAPER)
    with pytest.raises(UserError, match="quotes 6 words that this paper does not hold"):
        unseal(sealed, PAPER.replace("rate", "speed"))
    assert unseal(sealed, PAPER.replace("rate", "speed"), keep_lost=True) == sealed


@given(st.lists(st.sampled_from([*PAPER.split(), "x", "\n", "  ", '"', "\\", "⟦"])), st.booleans())
def test_the_same_bytes_come_back(words, as_json):
    text = " ".join(words)
    text = json.dumps([text, {"a": text}], ensure_ascii=False) if as_json else text
    assert unseal(seal(text, PAPER), PAPER) == text
