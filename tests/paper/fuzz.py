"""Fuzz one reader for as long as you like; what breaks it is shrunk, printed and kept.

    python -m tests.paper.fuzz latex --minutes 30        (or html, or archive)
    python -m tests.paper.fuzz latex --minutes 30 --atheris

Hypothesis builds the inputs (tests/paper/fuzz_inputs.py). With --atheris they are led by coverage instead, and the
first failure ends the run; atheris is in no lock: `pip install atheris` into an environment of its own and name its
site-packages in PYTHONPATH. A reader must end within seconds and within memory, with a Document whose offsets hold or
with one UserError, and must write nothing outside its folder. Make a test of what is found.
"""

import argparse
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from hypothesis import HealthCheck, Phase, seed, settings

CPU_SECONDS = 20
"""For one input."""
MEMORY_BYTES = 4_000_000_000
INPUTS_PER_ROUND = 50


class TooSlowError(Exception):
    """One input took more than `CPU_SECONDS`."""


def _too_slow(number: int, frame: FrameType | None) -> None:
    raise TooSlowError(f"more than {CPU_SECONDS} s")


def timed(one: Callable[..., None]) -> Callable[..., None]:
    """The reader with an alarm that counts its own CPU time, so that a busy machine raises no alarm."""

    def run(source: object) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS, 1)  # again, if it hits a callback that swallows it
        try:
            one(source)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    return run


def by_hypothesis(name: str, minutes: float, first_seed: int, keep: Path) -> int:
    """Rounds of random inputs until the time is over (the last one is finished); the number of different failures."""
    from tests.paper.fuzz_inputs import READERS

    strategy, one = READERS[name]
    end = time.monotonic() + 60 * minutes
    number, inputs = first_seed, 0
    failures: set[tuple[object, ...]] = set()

    def counted(source: object) -> None:
        nonlocal inputs
        inputs += 1
        try:
            timed(one)(source)
        except TooSlowError:  # shrinking it would take longer than the whole run
            failures.add(("slow", number))
            (keep / f"{name}-{number}-slow-{inputs}.txt").write_text(repr(source), encoding="utf-8")
            print(f"{name}: seed {number}: an input took more than {CPU_SECONDS} s", flush=True)

    while time.monotonic() < end:
        try:
            seed(number)(_settings()(_given(strategy, counted)))()
        except Exception as error:  # noqa: BLE001  whatever the reader raises is what this program is for
            where = traceback.extract_tb(error.__traceback__)[-1]
            key = (type(error).__name__, where.filename, where.lineno)
            if key not in failures:
                failures.add(key)
                text = "".join(traceback.format_exception(error))
                (keep / f"{name}-{number}.txt").write_text(text, encoding="utf-8", errors="backslashreplace")
                print(f"{name}: seed {number} broke it, {text[-3000:]}", flush=True)
        number += 1
        print(f"{name}: {inputs} inputs, {len(failures)} different failures", file=sys.stderr, flush=True)
    print(f"{name}: {inputs} inputs in {minutes:g} min, seeds {first_seed}-{number - 1}, {len(failures)} failures")
    return len(failures)


def _settings() -> settings:
    return settings(
        max_examples=INPUTS_PER_ROUND,
        deadline=None,
        database=None,
        print_blob=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def by_atheris(name: str, minutes: float, keep: Path) -> None:
    """Coverage-guided; does not return (libFuzzer ends the process)."""
    import atheris  # in no lock: it is for whoever fuzzes

    with atheris.instrument_imports(include=["mlintern.paper"]):  # which nothing may have imported before
        from tests.paper.fuzz_inputs import READERS
    strategy, one = READERS[name]
    fuzz = _settings()(_given(strategy, timed(one))).hypothesis.fuzz_one_input  # type: ignore[attr-defined]
    options = [
        f"-max_total_time={60 * minutes:.0f}",
        "-max_len=8192",
        "-len_control=0",
        f"-artifact_prefix={keep}/",
        "-rss_limit_mb=4096",
    ]
    atheris.Setup([sys.argv[0], *options], fuzz)
    atheris.Fuzz()


def _given(strategy: object, one: Callable[..., None]) -> Callable[..., None]:
    from hypothesis import given

    def test(source: object) -> None:
        one(source)

    return given(source=strategy)(test)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.paper.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("reader", choices=("latex", "html", "archive"))
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0, help="of the first round; later rounds count up")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-found"), help="where failures are written")
    parser.add_argument("--atheris", action="store_true")
    options = parser.parse_args(argv)
    options.keep.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGVTALRM, _too_slow)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    if options.atheris:
        by_atheris(options.reader, options.minutes, options.keep)
    return 1 if by_hypothesis(options.reader, options.minutes, options.seed, options.keep) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
