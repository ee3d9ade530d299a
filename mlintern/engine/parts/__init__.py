"""Models, losses, metrics, optimizers, schedules, augmentations, methods and probes, a file each: a config may build
the classes of every file here, so none opens anything (`mlintern.core.targets.parts` looks)."""
