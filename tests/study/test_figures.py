"""The report's figures, from records and the maps beside them."""

import numpy as np
import pytest

from mlintern.core.records.record import MAPS_FILE
from mlintern.report.page import pictures
from mlintern.study.account.figures import probe_figures, read_maps


def record(seed, value, probes=("looks",)):
    levels = {"data": "images", "protocol": "clean", "depth": "two"}
    metrics = {"test": {"accuracy": 0.9, "looks": value}}
    base = {"cell_id": f"cell{seed}", "variant": "vit", "levels": levels, "seed": seed, "metrics": metrics}
    return {**base, "probes": list(probes)} if probes else base


def test_values_over_seeds_with_an_interval():
    (figure,) = probe_figures([[record(0, 1.0), record(1, 2.0), record(2, 3.0)]], lambda _: {})
    assert (figure.probe, figure.variant, figure.data, figure.protocol) == ("looks", "vit", "images", "clean")
    assert figure.levels == {"depth": "two"}
    assert figure.mean == pytest.approx(2.0)
    assert (figure.ci_low, figure.ci_high) == pytest.approx((2 - 2.484, 2 + 2.484), abs=1e-3)  # t(2) = 4.303
    assert figure.n == 3 and figure.examples == [] and figure.seed is None


def test_one_seed_and_equal_seeds_have_no_interval():
    for runs in ([record(0, 1.0)], [record(0, 1.0), record(1, 1.0)]):
        (figure,) = probe_figures([runs], lambda _: {})
        assert figure.ci_low is None and figure.ci_high is None


def test_metrics_that_are_no_probes_make_no_figure():
    assert probe_figures([[record(0, 1.0, probes=())]], lambda _: {}) == []


@pytest.mark.parametrize("inputs", [(2, 1, 8, 8), (2, 3, 8, 8), (2, 8, 8), (2, 200, 200)])
def test_maps_are_read_and_drawn(tmp_path, inputs):
    (tmp_path / "cell0").mkdir()
    maps = np.zeros((2, 4, 4))
    maps[:, 1, 2] = 0.5
    regions = np.zeros((2, *inputs[-2:]), dtype=bool)
    regions[:, :4, :4] = True
    pictures_in = np.random.default_rng(0).normal(size=inputs)
    np.savez(tmp_path / "cell0" / MAPS_FILE, inputs=pictures_in, annotations=regions, looks=maps)
    (figure,) = probe_figures([[record(0, 1.0)]], read_maps(tmp_path))
    assert figure.seed == 0 and len(figure.examples) == 2
    example = figure.examples[0]
    assert np.array(example.map)[1, 2] == 255 and np.array(example.map).sum() == 255
    assert np.array(example.picture).min() == 0 and np.array(example.picture).max() <= 255
    assert example.region and example.region[0][0] == 255 and example.region[-1][-1] == 0
    assert max(len(example.picture), len(example.picture[0])) <= 64
    for pair in pictures.pairs(figure):
        assert all(uri.startswith("data:image/png;base64,iVBOR") for uri in pair)


def test_what_is_no_picture_is_not_drawn(tmp_path):
    (tmp_path / "cell0").mkdir()
    np.savez(tmp_path / "cell0" / MAPS_FILE, inputs=np.zeros((2, 8)), looks=np.ones((2, 4, 4)))
    (figure,) = probe_figures([[record(0, 1.0)]], read_maps(tmp_path))
    assert figure.examples == []
