"""The host's side of the trusted process: questions to it, and its answers as they come.

See `mlintern.study.workers.scorer` for what may be asked.
"""

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import IO, Any

from mlintern.core.errors import UserError
from mlintern.core.roots import ROOT
from mlintern.core.schema import plain

_CHUNK = 1 << 16


@dataclasses.dataclass(eq=False)
class Question:
    """Something asked, and its answer once it is there."""

    number: int
    writing: int | None = None
    """The end of the pipe that outputs are to be written to, until it is handed over or closed."""
    answer: dict[str, Any] | None = None
    error: str | None = None

    def close(self) -> None:
        """Let go of the pipe's end: whoever was given it has a copy."""
        if self.writing is not None:
            os.close(self.writing)
            self.writing = None


class Desk:
    """The trusted process, started at the first question."""

    def __init__(self, environment: Mapping[str, str]):
        self.environment = {**environment, "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}  # as Lightning has it in a worker
        self.open: dict[int, Question] = {}
        self._numbers = 0
        self._pending = bytearray()
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    def __enter__(self) -> "Desk":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def started(self) -> bool:
        return self._channel is not None

    @property
    def channel(self) -> socket.socket:
        """Where answers come from; the process is started where it was not."""
        if self._channel is None:
            self._channel, theirs = socket.socketpair()
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "mlintern.study.workers.scorer", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=self._errors,
                    stderr=self._errors,
                    env={**self.environment, "PYTHONPATH": str(ROOT)},
                    cwd=ROOT,
                    pass_fds=[theirs.fileno()],
                )
        return self._channel

    def ask(self, what: str, question: Mapping[str, Any], *, frames: bool = False) -> Question:
        """Put a question; with `frames`, outputs are to come through `Question.writing`."""
        self._numbers += 1
        asked = Question(self._numbers)
        handles = []
        if frames:
            reading, asked.writing = os.pipe()
            handles.append(reading)
        line = (
            json.dumps({"id": asked.number, "ask": what, "frames": frames, **question}, default=plain).encode() + b"\n"
        )
        try:
            self._send(line, handles)
        finally:
            for handle in handles:
                os.close(handle)
        self.open[asked.number] = asked
        return asked

    def ended(self, question: Question) -> None:
        """Tell that whoever sent outputs for a question is gone."""
        question.close()
        if question.number in self.open:
            self._send(json.dumps({"ended": question.number}).encode() + b"\n", [])

    def hear(self) -> list[Question]:
        """The questions that were answered meanwhile; waits for the first. Raises UserError where the process died."""
        try:
            data = self.channel.recv(_CHUNK)
        except ConnectionResetError:
            data = b""
        if not data:
            raise UserError(f"the scorer, which is the tool's own process, has ended{self._last_words()}; run again")
        self._pending += data
        *lines, self._pending = self._pending.split(b"\n")
        answered = []
        for line in lines:
            message = json.loads(line)
            question = self.open.pop(message["id"])
            question.answer, question.error = message.get("answer"), message.get("error")
            question.close()
            answered.append(question)
        return answered

    def wait(self, question: Question) -> dict[str, Any]:
        """Its answer; raises UserError where that is an error."""
        while question.answer is None and question.error is None:
            self.hear()
        if question.error is not None:
            raise UserError(question.error)
        assert question.answer is not None
        return question.answer

    def close(self) -> None:
        """End the process."""
        for question in self.open.values():
            question.close()
        self.open.clear()
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._errors is not None:
            self._errors.close()
        self._channel = self._process = self._errors = None

    def _send(self, line: bytes, handles: list[int]) -> None:
        try:
            sent = socket.send_fds(self.channel, [line], handles) if handles else 0
            self.channel.sendall(line[sent:])
        except OSError:
            raise UserError(f"the scorer, which is the tool's own process, has ended{self._last_words()}") from None

    def _last_words(self) -> str:
        """What it wrote last, in brackets."""
        if self._errors is None or self._process is None:
            return ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._errors.seek(0)
        lines = self._errors.read()[-4000:].decode(errors="replace").strip().splitlines()
        return f" ({lines[-1]})" if lines else ""
