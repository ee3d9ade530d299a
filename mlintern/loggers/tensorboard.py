"""`logger=tensorboard`: one event file in `tensorboard/`, written anew when training goes on and when it has ended.

The records are TensorBoard's own protocol buffers, written without torch, which this side does not import.
"""

import os
import time
from pathlib import Path
from typing import BinaryIO

from mlintern.core import files
from mlintern.loggers.log import Finished, Logger
from mlintern.loggers.rows import LOSS, LR, LoggedRow, curve, finals, read_steps

FOLDER = "tensorboard"


class TensorBoard(Logger):
    """One cell's event file: scalars of the learning curve as they come, loss and learning rate at the end."""

    def __init__(self, folder: Path, cell_id: str):
        self.path = folder / FOLDER / f"events.out.tfevents.0000000000.{cell_id}"
        self.handle: BinaryIO | None = None

    def start(self) -> None:
        self.close()
        if self.path.parent.is_dir() and not self.path.parent.is_symlink():
            for other in self.path.parent.glob("events.out.tfevents.*"):  # of earlier versions, one for each sitting
                other.unlink()
        with files.atomic_file(self.path) as handle:
            _head(handle)
        self.handle = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC), "ab")

    def row(self, row: LoggedRow) -> None:
        if self.handle is None:
            self.start()
        assert self.handle is not None
        for name, value in row.named().items():
            _write(self.handle, name, value, row.step)
        self.handle.flush()

    def finish(self, done: Finished) -> None:
        self.close()
        with files.atomic_file(self.path) as handle:
            _head(handle)
            for row in curve(done.run):
                for name, value in row.named().items():
                    _write(handle, name, value, row.step)
            last = 0
            for step, loss, lr in read_steps(done.folder).rows():
                _write(handle, LOSS, loss, step)
                _write(handle, LR, lr, step)
                last = step
            for name, value in finals(done.run).items():
                _write(handle, name, value, last)

    def close(self) -> None:
        if self.handle is not None:
            self.handle.close()
            self.handle = None


def _head(handle: BinaryIO) -> None:
    from tensorboard.compat.proto import event_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    RecordWriter(handle).write(event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())


def _write(handle: BinaryIO, name: str, value: float, step: int) -> None:
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=name, simple_value=value)])
    event = event_pb2.Event(wall_time=time.time(), step=step, summary=summary)
    RecordWriter(handle).write(event.SerializeToString())
