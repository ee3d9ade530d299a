"""The typed configuration: plain values and back, and what is said of a key that its annotations do not allow."""

import dataclasses
import json
import pickle

import pytest

from mlintern.config import Composer, Config
from mlintern.core.errors import UserError
from mlintern.core.records import record
from mlintern.core.schema import plain
from tests import configs

NOISE = {"fraction": 0.5, "parts": ["train", "test"]}


@pytest.mark.parametrize("changes", [{}, {"data": {"label_noise": NOISE, "own": [1]}}, {"audit": {"ledger": "runs"}}])
def test_plain_values_come_back_as_they_were(changes):
    given = configs.plain(**changes)
    made = Config.from_plain(given)
    assert made.plain() == given
    assert Config.from_plain(made.plain()) == made
    assert json.loads(json.dumps({"config": made}, default=plain)) == {"config": given}
    assert record.stable_hash(made.plain()) == record.stable_hash(given)


def test_a_composed_configuration_comes_back_as_it_was():
    with Composer("arxiv_2011_14439") as composer:
        made, _ = composer.compose(["model=cnn", "trainer.clip_norm=1", "study.seeds=[0,1]"])
    again = Config.from_plain(json.loads(json.dumps(made.plain())))
    assert again == made == pickle.loads(pickle.dumps(made))
    assert made.plain()["trainer"]["clip_norm"] == 1.0 and made.plain()["study"]["seeds"] == [0, 1]


def test_nothing_of_it_can_be_changed():
    made = configs.config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.trainer.max_steps = 3
    with pytest.raises(TypeError):
        made.model["width"] = 3


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"trainer": {"max_step": 3}}, "trainer.max_step: no such key; did you mean trainer.max_steps? there are acc"),
        ({"sedd": 3}, "sedd: no such key; did you mean seed? there are seed, paper, model"),
        ({"protocol": {"select_on": "test", "split_seed": True}}, "protocol.split_seed=True: not a whole number"),
        ({"protocol": {"fit_on": "train"}}, "protocol.fit_on=train: not a list"),
        ({"determinism": {"level": "odd"}}, "determinism.level=odd: choose strict, portable or fast"),
        ({"study": {"seeds": [0, "a"]}}, "study.seeds.1=a: not a whole number"),
        ({"study": {"controls": "perhaps"}}, "study.controls=perhaps: not true or false"),
        ({"llm": {"timeout_s": 0}}, "llm.timeout_s=0.0: must be a number above 0"),
        ({"run": None}, "run=null: needs a mapping of keys to values"),
        ({"model": [1]}, "model=[1]: not a mapping of keys to values"),
        ({"data": {"num_worker": 3}}, "data.num_worker: no such key; did you mean data.num_workers?"),
        ({"data": {"label_noise": {"fraction": 2}}}, "data.label_noise.fraction=2.0: must be a number at least 0"),
    ],
)
def test_what_is_off_is_one_line_that_names_the_key(changes, says):
    with pytest.raises(UserError) as refused:
        configs.config(**changes)
    assert str(refused.value).startswith(says)


def test_a_key_without_a_value_is_named():
    given = configs.plain()
    del given["trainer"]["order"]
    with pytest.raises(UserError, match=r"trainer\.order: no value; give trainer\.order=…"):
        Config.from_plain(given)
