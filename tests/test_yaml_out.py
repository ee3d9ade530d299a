"""What is written reads back the same, in YAML 1.1 and in ours."""

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlintern.core import strict_yaml, yaml_out

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=12) | st.sampled_from(
    ["no", "1412.6980", "1e-4", "1:30", "~", "on", "2020-01-01", "0x1f", "=", "<<"]
)
values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values)
def test_written_values_read_back_alike_under_both_rules(value):
    text = yaml_out.dump(value)
    assert strict_yaml.parse(text, "t").value == value
    assert yaml.safe_load(text) == value


def test_equal_objects_are_written_twice():
    shared = {"a": [1, 2]}
    assert "&" not in yaml_out.dump([shared, shared])


def test_a_comment_stands_first():
    assert yaml_out.dump({"a": 1}, "what it is") == "# what it is\na: 1\n"


@pytest.mark.parametrize("text", ["\x85", "a\u2028b", "a\u2029", "a\rb", "a\r\n b", "a\nb"])
def test_line_breaks_of_all_kinds_are_kept(text):
    for value in (text, [text], {text: text}):
        written = yaml_out.dump(value)
        assert strict_yaml.parse(written, "t").value == value
        assert yaml.safe_load(written) == value
