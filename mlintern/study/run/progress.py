"""What a run shows while it works: one live block on a terminal, plain lines everywhere else."""

import time
from collections.abc import Mapping

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mlintern.core.printing import duration
from mlintern.study.workers import notices

LINE_EVERY_S = 30.0


class Progress:
    """Cells done, running and to come, with the time left from the estimates and what has been measured since."""

    def __init__(
        self, console: Console, expected_s: Mapping[str, float], steps: Mapping[str, int], jobs: int, done: int
    ):
        self.console, self.expected, self.steps, self.jobs = console, dict(expected_s), steps, jobs
        self.finished: set[str] = set()
        self.before = done
        self.running: dict[str, int] = {}
        self.told: dict[str, set[str]] = {}
        """{cell: what its process told}."""
        self.began = time.monotonic()
        self.last_line = self.began
        self.live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None

    def __enter__(self) -> "Progress":
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.live:
            self.live.stop()

    @property
    def total(self) -> int:
        return len(self.expected) + self.before

    def share(self, name: str) -> float:
        """How much of a cell is done, 0 to 1."""
        if name in self.finished:
            return 1.0
        return min(1.0, self.running.get(name, 0) / max(1, self.steps[name]))

    def left_s(self) -> float:
        """Seconds left: what remains of the estimates, scaled by how the estimates have held so far."""
        done = sum(seconds * self.share(name) for name, seconds in self.expected.items())
        all_s = sum(self.expected.values())
        elapsed = time.monotonic() - self.began
        if done > 0.02 * all_s:
            return elapsed * (all_s - done) / done
        return max(0.0, all_s - done) / self.jobs

    def started(self, name: str) -> None:
        self.running[name] = 0
        self.show()

    def step(self, name: str, step: int) -> None:
        if name in self.running:
            self.running[name] = step
        self.show()

    def done(self, name: str, outcome: str) -> None:
        """Note a finished cell and say how it came out."""
        self.running.pop(name, None)
        self.finished.add(name)
        count = f"{len(self.finished) + self.before}/{self.total}"
        self._print(Text.assemble((f"{count:>7}", "dim"), f"  {name}  ", (outcome, "bold")))
        self.show()

    def stopped(self, name: str, message: str) -> None:
        """Note a cell that did not finish."""
        self.running.pop(name, None)
        self.say(f"{name}: {message}")

    def warned(self, name: str, message: str) -> None:
        """Show what a cell's code warned of; see `noted`."""
        self.noted(name, f"warning: {message}")

    def noted(self, name: str, message: str) -> None:
        """Show what a cell's process told: the same once, and so many of them."""
        before = self.told.setdefault(name, set())
        if message not in before and len(before) < notices.MOST:
            before.add(message)
            self.say(f"{name}: {message}")

    def say(self, line: str) -> None:
        """Say something that a user should see, as it is written: brackets of a pack's are no markup."""
        self._print(Text(line, style="yellow"))

    def _print(self, text: Text) -> None:
        (self.live.console if self.live else self.console).print(text, highlight=False)

    def show(self) -> None:
        if self.live:
            self.live.update(self._block())
        elif time.monotonic() - self.last_line >= LINE_EVERY_S:
            self.last_line = time.monotonic()
            running = ", ".join(f"{name} {self.share(name):.0%}" for name in self.running)
            done = len(self.finished) + self.before
            left = duration(self.left_s())
            self._print(Text(f"{done}/{self.total} cells done; running: {running}; about {left} left"))

    def _block(self) -> Group:
        grid = Table.grid(padding=(0, 2))
        for name in self.running:
            grid.add_row(Text("  ▸ " + name), ProgressBar(1.0, self.share(name), width=24), f"{self.share(name):4.0%}")
        waiting = self.total - self.before - len(self.finished) - len(self.running)
        done = len(self.finished) + self.before
        line = f"{done} of {self.total} cells done, {len(self.running)} running, {waiting} to come"
        return Group(Text(f"{line} · about {duration(self.left_s())} left", style="bold"), grid)
