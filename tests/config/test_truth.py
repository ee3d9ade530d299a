"""A word where a class takes true or false is no silent yes."""

import pytest

from mlintern.config import Composer, arguments
from mlintern.core.errors import UserError
from tests.config.packs import SLUG, write


@pytest.mark.parametrize("word", ["no", "off", "flase", "'false'", "None"])
def test_a_word_is_refused(tmp_path, word):
    write(tmp_path, {})
    with Composer(SLUG, tmp_path / "papers") as made:
        with pytest.raises(UserError, match=r"optimizer\.amsgrad=.*: is a text, and every text counts as true; Adam"):
            made.compose([f"+optimizer.amsgrad={word}"])
        assert made.compose(["+optimizer.amsgrad=false"])[0].optimizer["amsgrad"] is False
        assert made.compose(["+loss.reduction=sum"])[0].loss["reduction"] == "sum"


def test_in_a_nested_object_too(tmp_path):
    pack = tmp_path / "papers" / "some"
    pack.mkdir(parents=True)
    (pack / "modules.py").write_text("class A:\n    def __init__(self, inner, deep=True):\n        pass\n")
    one = {"_target_": "papers.some.modules.A", "inner": 1, "deep": "no"}
    with pytest.raises(UserError, match=r"model\.inner\.deep=no"):
        arguments.check({"model": {**one, "inner": one, "deep": True}}, [tmp_path])
