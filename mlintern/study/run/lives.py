"""The lives of a study's cells, as many at a time as there are workers, and what is heard of them."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from mlintern.study.run.life import TICK, Life, Work
from mlintern.study.workers.desk import Desk
from mlintern.study.workers.pool import Event, Pool

ENDS = ("done", "failed", "out_of_memory")
"""Kinds of the last event of a cell."""


class Lives:
    """Sees cells through, in the order given; what happens comes as events of one task per cell, named after it."""

    def __init__(self, pool: Pool, desk: Desk):
        self.pool, self.desk = pool, desk
        self.waiting: deque[Work] = deque()
        self.lives: list[Life] = []

    def add(self, work: Work) -> None:
        """One more cell, at the end."""
        self.waiting.append(work)

    def run(self, works: Sequence[Work]) -> Iterator[Event]:
        """`started`, `progress`, `waiting`, `told`, `retried`; and for each cell at last `done`, `failed` or
        `out_of_memory`. Whoever consumes them may `add` cells on the way. Raises UserError for a user's mistake.
        """
        self.waiting.extend(works)
        answers: deque[Any] = deque()

        def hear() -> None:
            answers.extend(self.desk.hear())

        self.pool.watch(self.desk.channel, hear)
        try:
            yield from self._begin()
            for event in self.pool.run([], lambda: bool(self.lives or self.waiting)):
                for life in list(self.lives):
                    if event is not TICK and event.task in life.concerns:
                        life.take(event)
                    elif not event.task.name and life.waits_for_lock:
                        life.take(TICK)
                while answers:
                    answer = answers.popleft()
                    for life in list(self.lives):
                        if answer in life.concerns:
                            life.take(answer)
                yield from self._heard()
                yield from self._begin()
                if not event.task.name:
                    yield event
        finally:
            self.pool.unwatch(self.desk.channel)
            for life in self.lives:
                life.abandon()
            self.lives.clear()
            self.waiting.clear()

    def _begin(self) -> Iterator[Event]:
        """Start cells while workers are to be had."""
        while self.waiting and sum(life.computing for life in self.lives) < self.pool.size:
            life = Life(self.waiting.popleft(), self.pool, self.desk)
            self.lives.append(life)
            life.start()
            yield from self._heard()

    def _heard(self) -> Iterator[Event]:
        """What lives have to tell; those that are over are let go."""
        for life in list(self.lives):
            while life.told:
                yield life.told.popleft()
            if life.over is not None:
                self.lives.remove(life)
                yield life.over
