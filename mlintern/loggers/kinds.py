"""Which logger a configuration names, and the log of a cell with it."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from mlintern.core.errors import UserError
from mlintern.core.schema import Group
from mlintern.loggers.log import CellLog, Logger
from mlintern.loggers.rows import shown_name


@dataclasses.dataclass(frozen=True)
class LoggerOptions(Group):
    """Config group `logger`."""

    KEY: ClassVar[str] = "logger"
    IF_SAID: ClassVar[frozenset[str]] = frozenset({"project", "mode"})
    kind: Literal["none", "csv", "tensorboard", "wandb"]
    project: str | None = None
    """Of W&B alone, as is the mode."""
    mode: Literal["online", "offline", "disabled"] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind == "wandb" and self.mode is None:
            raise UserError("logger.mode: choose online, offline or disabled")
        if self.kind == "wandb" and not self.project:
            raise UserError(f"logger.project={self.project}: give the name of a project at W&B")

    @property
    def wants_steps(self) -> bool:
        """Does it take steps while training goes on? The others have them from the record."""
        return self.kind == "wandb" and self.mode == "online"


def open_log(
    options: LoggerOptions, steps: int, folder: Path, facts: Mapping[str, Any], say: Callable[[str], None] = print
) -> CellLog:
    """The log of a cell of so many steps, whose record goes to `folder`.

    `facts` are what is known of it before it is trained: cell_id, slug, variant, levels, audit, and its config, plain.
    """
    logger: Logger | None = None
    if options.kind == "csv":
        from mlintern.loggers.csv_files import Csv

        logger = Csv(folder)
    elif options.kind == "tensorboard":
        from mlintern.loggers.tensorboard import TensorBoard

        logger = TensorBoard(folder, str(facts["cell_id"]))
    elif options.kind == "wandb" and options.mode != "disabled":
        from mlintern.loggers.tracker import WandB

        logger = WandB(folder, options.project, options.mode, facts, say)
    return CellLog(logger, shown_name(facts), steps, say)
