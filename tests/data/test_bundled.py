"""The bundled pack draws the data that the published package draws."""

import numpy as np
import yaml

from mlintern.config import PACKS


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
