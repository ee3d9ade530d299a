"""Config group `data`: which dataset, and what an experiment does to it; a pack may add keys for `${data.…}`."""

import difflib
from collections.abc import Mapping
from typing import Any

from mlintern.core.errors import UserError
from mlintern.core.ranges import COUNT, Range
from mlintern.core.schema import FreeGroup
from mlintern.data.training import LabelNoise

_READ = "name source preprocess view classes num_workers train_size label_noise shuffle_labels".split()
"""What is read of the group."""


class Data(FreeGroup):
    """The group `data`, key for key as it was composed."""

    def __init__(self, plain: Mapping[str, Any]):
        super().__init__(plain)
        for key in set(self) - set(_READ):
            if near := difflib.get_close_matches(str(key), _READ, 1, 0.8):
                raise UserError(f"data.{key}: no such key; did you mean data.{near[0]}?")
        COUNT.check("data.num_workers", self.get("num_workers"))
        if self.classes is not None:
            Range(1, whole=True).check("data.classes", self.classes)
        if self.train_size is not None:
            Range(1, whole=True, fix="null for all examples").check("data.train_size", self.train_size)
        _ = self.label_noise

    @property
    def name(self) -> str:
        """How messages call it."""
        return str(self.get("name", ""))

    @property
    def source(self) -> Any:
        """What makes its parts."""
        return self.get("source")

    @property
    def preprocess(self) -> Mapping[str, Any] | None:
        """What is fitted on the protocol's parts and transforms every row."""
        return self.get("preprocess")

    @property
    def view(self) -> Mapping[str, Any] | None:
        """What changes every row before that, and is fitted on nothing."""
        return self.get("view")

    @property
    def classes(self) -> int | None:
        """How many classes there are, where the labels that are there do not say it."""
        return self.get("classes")

    @property
    def num_workers(self) -> int:
        """Loader processes; any number gives the same bits."""
        return int(self["num_workers"])

    @property
    def train_size(self) -> int | None:
        """So many of the training examples are kept; None keeps all."""
        return self.get("train_size")

    @property
    def label_noise(self) -> LabelNoise | None:
        """Labels that are made wrong."""
        said = self.get("label_noise")
        return None if said is None else LabelNoise.from_plain(said)

    @property
    def shuffle_labels(self) -> bool:
        """Is this the control that learns labels dealt anew?"""
        return bool(self.get("shuffle_labels"))
