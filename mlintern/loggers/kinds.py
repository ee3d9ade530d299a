"""Which logger a configuration names, and the log of a cell with it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlintern.core.errors import UserError
from mlintern.loggers.log import CellLog, Logger
from mlintern.loggers.rows import shown_name


def check(config: Mapping[str, Any]) -> None:
    """Raises UserError for a config group `logger` that names no logger."""
    kind = config.get("kind")
    if kind not in ("none", "csv", "tensorboard", "wandb"):
        raise UserError(f"logger.kind={kind}: choose none, csv, tensorboard or wandb")
    if kind == "wandb":
        if config.get("mode") not in ("online", "offline", "disabled"):
            raise UserError(f"logger.mode={config.get('mode')}: choose online, offline or disabled")
        if not isinstance(config.get("project"), str) or not config["project"]:
            raise UserError(f"logger.project={config.get('project')}: give the name of a project at W&B")


def open_log(
    config: Mapping[str, Any], folder: Path, facts: Mapping[str, Any], say: Callable[[str], None] = print
) -> CellLog:
    """The log of a cell with this composed config, whose record goes to `folder`.

    `facts` are what is known of it before it is trained: cell_id, slug, variant, levels, audit; a cell that is run by
    itself, outside of any study, goes by its folder and its model.
    """
    check(config["logger"])
    options = config["logger"]
    alone = {"cell_id": folder.name, "slug": config["paper"]["slug"], "levels": {}}
    model = str(config["model"].get("_target_", "model")).rsplit(".", 1)[-1]
    facts = {**alone, "variant": model, **facts, "config": config}
    name = shown_name(facts)
    logger: Logger | None = None
    if options["kind"] == "csv":
        from mlintern.loggers.csv_files import Csv

        logger = Csv(folder)
    elif options["kind"] == "tensorboard":
        from mlintern.loggers.tensorboard import TensorBoard

        logger = TensorBoard(folder, str(facts["cell_id"]))
    elif options["kind"] == "wandb" and options["mode"] != "disabled":
        from mlintern.loggers.tracker import WandB

        logger = WandB(folder, facts, say)
    return CellLog(logger, name, config["trainer"]["max_steps"], say)
