"""Loggers (config group `logger`): csv, TensorBoard, W&B, on the trusted side, from the events of a cell's training.

No process that runs code of a pack has a key or writes a log. Logs are told numbers and can change none; one that
breaks says so in one line, and the run goes on. Whatever is killed, each row is there once in the end: files are
written anew from what is recorded, and what cannot be written anew (a run at W&B) gets rows once a checkpoint covers
them, under a number that the tracker itself takes once.

    log.py          one cell's log: checks what a training tells, hands it on, never fails
    kinds.py        the kinds of logs that a configuration can name
    rows.py         what is logged: rows of the learning curve, and of every step
    csv_files.py    curve.csv, steps.csv
    tensorboard.py  one event file
    tracker.py      W&B, from here: a process of its own, so that a network that hangs holds up nothing
    wandb_process.py  that process
"""

from mlintern.loggers.kinds import LoggerOptions, open_log
from mlintern.loggers.log import CellLog

__all__ = ["CellLog", "LoggerOptions", "open_log"]
