"""Every logger takes a curve for real."""

import pytest

from mlintern.engine import loggers
from mlintern.errors import UserError


@pytest.mark.parametrize(
    ("config", "leaves"),
    [
        ({"kind": "none"}, None),
        ({"kind": "csv"}, "curve.csv"),
        ({"kind": "tensorboard"}, "tensorboard/events*"),
        ({"kind": "wandb", "project": "test", "mode": "disabled"}, None),
        pytest.param(
            {"kind": "wandb", "project": "test", "mode": "offline"}, "wandb/offline-run-*", marks=pytest.mark.slow
        ),
    ],
)
def test_a_curve_is_logged(config, leaves, tmp_path):
    logger = loggers.make(config, tmp_path)
    for step in (1, 2):
        logger.log(step, {"valid/accuracy": step / 10})
    logger.close({"test": {"accuracy": 0.5}})
    assert leaves is None or list(tmp_path.glob(leaves))
    if config["kind"] == "csv":
        assert (tmp_path / "curve.csv").read_text().splitlines() == [
            "step,name,value",
            "1,valid/accuracy,0.1",
            "2,valid/accuracy,0.2",
        ]


@pytest.mark.parametrize("config", [{"kind": "paper"}, {"kind": "wandb", "project": "x", "mode": "loud"}])
def test_an_unknown_logger_is_named(config, tmp_path):
    with pytest.raises(UserError, match="logger"):
        loggers.make(config, tmp_path)
