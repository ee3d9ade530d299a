"""The bundled pack has the data of the published package, and the same bytes on any processor."""

import os
import subprocess
import sys

import numpy as np
import yaml

from mlintern.core.roots import PACKS, ROOT
from mlintern.data.prepare import fingerprints
from mlintern.engine.determinism import NUMPY_PINS


def published_and_ours():
    import mnist1d.data

    from papers.arxiv_2011_14439.modules import MNIST1D

    config = yaml.safe_load((PACKS / "arxiv_2011_14439/conf/data/mnist1d.yaml").read_text())["source"]
    del config["_target_"]
    return mnist1d.data.make_dataset(mnist1d.data.get_dataset_args()), MNIST1D(**config)()


def test_it_is_the_published_dataset():
    theirs, ours = published_and_ours()
    assert np.array_equal(ours["train"]["features"], theirs["x"].astype(np.float32))
    assert np.array_equal(ours["test"]["features"], theirs["x_test"].astype(np.float32))
    assert np.array_equal(ours["train"]["labels"], theirs["y"])
    assert np.array_equal(ours["test"]["labels"], theirs["y_test"])


def test_the_packages_own_standardisation_leaves_no_trace_in_the_clean_protocol():
    """It is one shift and one scale of everything: fitted on train, ours takes it out, whatever it was."""
    from mlintern.data.preprocess import Standardise

    _, ours = published_and_ours()
    train, test = (ours[part]["features"].astype(np.float64) for part in ("train", "test"))
    raw = [3.7 * part + 0.9 for part in (train, test)]  # as if the package had left them alone
    for one, other in zip((train, test), raw, strict=True):
        fitted, of_raw = Standardise(False).fit(train), Standardise(False).fit(raw[0])
        assert np.allclose(fitted.transform(one), of_raw.transform(other), rtol=0, atol=1e-12)


def test_the_cnn_has_the_parameters_that_its_authors_count():
    from papers.arxiv_2011_14439.modules import CNN

    assert sum(p.numel() for p in CNN().parameters()) == 5210


PREPARE = """
import sys
from pathlib import Path
from mlintern.config import Composer
from mlintern.data.prepare import prepare
from mlintern.engine.instantiate import build

with Composer("arxiv_2011_14439") as composer:
    config, _ = composer.compose(["data=mnist1d"])
prepare(build(config.data.source, "data.source"), Path(sys.argv[1]))
"""


def test_the_prepared_bytes_are_those_of_any_processor(tmp_path):
    """The fingerprints as they came out on one processor with AVX-512 and on one without."""
    environment = {**os.environ, **NUMPY_PINS}
    subprocess.run([sys.executable, "-c", PREPARE, str(tmp_path)], cwd=ROOT, env=environment, check=True)
    assert fingerprints(tmp_path) == {
        "train": "a5b7a7c36f8075ee85e8e4ba9425ebf148c1eeab31493f650990dcdf5eb33f3e",
        "test": "d2ec87a0b2d8a0c90285fa3da3a01eb9bff925f785add46d681d5e6bf38b9678",
    }


def test_the_pin_names_every_kernel_of_numpy_above_avx2():
    from numpy._core._multiarray_umath import __cpu_dispatch__  # type: ignore[import-not-found]

    assert set(__cpu_dispatch__) - {"X86_V3"} == set(NUMPY_PINS["NPY_DISABLE_CPU_FEATURES"].split())


def test_the_pin_holds():
    ask = "from numpy._core._multiarray_umath import __cpu_features__ as f; print(f['X86_V4'], f['AVX512_ICL'])"
    environment = {**os.environ, **NUMPY_PINS}
    done = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
