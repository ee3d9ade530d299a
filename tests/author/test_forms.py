"""Values in a form's text."""

import pytest

from mlintern.author.forms import Pair, coordinates, value_of


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.1", 0.1), ("1e-4", 1e-4), ("3", 3), ("true", True), ("null", None), ("adam", "adam"), ('"adam"', "adam"),
     ("[0.9, 0.98]", [0.9, 0.98]), (" cosine ", "cosine"), ("1/8", "1/8")],
)  # fmt: skip
def test_values_are_json_or_the_word_itself(text, value):
    assert value_of(text) == value
    assert type(value_of(text)) is type(value)


@pytest.mark.parametrize("text", ['{"a": 1}', "[[1]]", "NaN", "Infinity", "1e999", "[1, -Infinity]"])
def test_what_no_configuration_can_hold_is_refused(text):
    with pytest.raises(ValueError, match="must be|not a finite"):
        value_of(text)


def test_coordinates_keep_their_types():
    pairs = [Pair(name="variant", value="cnn"), Pair(name="depth", value="3"), Pair(name="betas", value="[1, 2]")]
    assert coordinates(pairs) == {"variant": "cnn", "depth": 3, "betas": "[1, 2]"}
