"""The bundled pack draws the data that the published package draws, and the same bytes on any processor."""

import os
import subprocess
import sys

import numpy as np
import yaml

from mlintern.config import PACKS, ROOT
from mlintern.data.prepare import fingerprints
from mlintern.engine.determinism import NUMPY_PINS


def test_it_is_the_published_dataset_without_its_standardisation():
    import mnist1d.data

    from papers.arxiv_2011_14439.modules import CNN, Mnist1d

    config = yaml.safe_load((PACKS / "arxiv_2011_14439/conf/data/mnist1d.yaml").read_text())["source"]
    del config["_target_"]
    ours = Mnist1d(**config)()
    theirs = mnist1d.data.make_dataset(mnist1d.data.get_dataset_args())
    raw = np.concatenate([ours["train"]["features"], ours["test"]["features"]])
    standardised = (raw - raw.mean()) / raw.std()
    assert np.array_equal(standardised[:4000], theirs["x"])
    assert np.array_equal(standardised[4000:], theirs["x_test"])
    assert np.array_equal(ours["test"]["labels"], theirs["y_test"])
    assert sum(p.numel() for p in CNN().parameters()) == 5210


PREPARE = """
import sys
from pathlib import Path
from mlintern.config import Composer
from mlintern.data.prepare import prepare
from mlintern.engine.instantiate import build

with Composer("arxiv_2011_14439") as composer:
    config, _ = composer.compose(["data=mnist1d"])
prepare(build(config["data"]["source"], "data.source"), Path(sys.argv[1]))
"""


def test_the_prepared_bytes_are_those_of_any_processor(tmp_path):
    """The fingerprints as they came out on one processor with AVX-512 and on one without."""
    environment = {**os.environ, **NUMPY_PINS}
    subprocess.run([sys.executable, "-c", PREPARE, str(tmp_path)], cwd=ROOT, env=environment, check=True)
    assert fingerprints(tmp_path) == {
        "train": "92be8968e1542cb0c0b825f95673177d90704e23062f35739b1dc1d08e9ff95d",
        "test": "a5e49080913f30a0667210d174547bd360cd9cc2bfaa54c11a979e6c2dc282f4",
    }


def test_the_pin_names_every_kernel_of_numpy_above_avx2():
    from numpy._core._multiarray_umath import __cpu_dispatch__

    assert set(__cpu_dispatch__) - {"X86_V3"} == set(NUMPY_PINS["NPY_DISABLE_CPU_FEATURES"].split())


def test_the_pin_holds():
    ask = "from numpy._core._multiarray_umath import __cpu_features__ as f; print(f['X86_V4'], f['AVX512_ICL'])"
    environment = {**os.environ, **NUMPY_PINS}
    done = subprocess.run([sys.executable, "-c", ask], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
