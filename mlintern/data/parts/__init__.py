"""Datasets that code generates, views and preprocessing, a file each: a config may build the classes of every file
here, so none opens anything (`mlintern.core.targets.parts` looks)."""
