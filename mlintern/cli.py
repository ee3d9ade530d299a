"""The command line, `python -m mlintern`: subcommands by name; anything with `=` is a Hydra run."""

import errno
import importlib
import signal
import sys
from collections.abc import Sequence

from mlintern import __version__
from mlintern.core import printing
from mlintern.core.errors import Terminated, UserError
from mlintern.packs import entering, places, snapshot

COMMANDS = {
    "read": ("mlintern.paper.command", "read a paper into a document: sections, tables, figures"),
    "author": ("mlintern.author.command", "have a language model write a paper's pack; grounded, vetted, sandboxed"),
    "review": ("mlintern.author.review", "what a pack says, from where, and what was assumed"),
    "audit": ("mlintern.audit.command", "check any split for leakage; useful without anything else of this tool"),
    "verify": ("mlintern.study.verify.command", "train a recorded cell again and compare it step by step"),
    "diff": ("mlintern.study.verify.diff", "what differs between two recorded runs, and where it first showed"),
    "compare": (
        "mlintern.study.verify.compare",
        "two cells: paired differences over shared seeds and shared test examples",
    ),
    "status": ("mlintern.study.run.status", "how far a paper's studies are: finished, running, failed, time left"),
    "report": ("mlintern.commands.report", "write a paper's report again from its records"),
    "opinions": ("mlintern.commands.opinions", "have a model look at the paper's own figures; marked as opinion"),
    "approve": ("mlintern.commands.approve", "say that you read a pack as it is now; kept in your state folder"),
    "doctor": ("mlintern.commands.doctor", "what this machine and environment are, and whether they match the lock"),
}

OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE}
"""Errors that no code can help: no space, no files left to open."""

INTERRUPTED = "interrupted; the same command continues where it stopped"

HELP = """mlintern: does the paper hold up?

  python -m mlintern paper=2011.14439                         the paper's whole study, ending in a report
  python -m mlintern paper=2011.14439 model=cnn seed=3        one cell of it; any Hydra override works
  python -m mlintern -m paper=2011.14439 model=mlp,cnn seed=0,1,2      a Hydra multirun, one cell per job
  python -m mlintern paper=2011.14439 study=quick             one seed; study.budget_hours=2 trims a study, seeds last
  python -m mlintern paper=2011.14439 hydra/launcher=joblib   the study's cells as jobs: joblib, submitit_slurm, ray
  python -m mlintern -m paper=2011.14439 'optimizer.lr=interval(1e-4,1e-1)' hydra/sweeper=optuna       a search
  python -m mlintern paper=2011.14439 --cfg job               the composed configuration; nothing is run

An argument with `=` makes it a Hydra run. Naming a coordinate (model, data, ablation, protocol, seed) runs one cell;
every other override applies to the whole study. Interrupted or killed, the same command continues.

commands:
{commands}

  --debug        show tracebacks
  --version      print the version
  --help         this text; `python -m mlintern <command> --help` for a command's own
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (by default the process's own); returns the exit code. A user's mistake is one line."""
    printing.never_fail()
    if argv is None:
        end_on_signals()
        snapshot.permit()
    argv = sys.argv[1:] if argv is None else argv
    try:
        return dispatch([argument for argument in argv if argument != "--debug"])
    except UserError as error:
        if "--debug" in argv:
            raise
        said = f"{snapshot.ROOT}: {snapshot.GONE}" if snapshot.gone() else snapshot.as_seen(str(error))
        print(f"mlintern: {said}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as signalled:
        print(f"\nmlintern: {INTERRUPTED}", file=sys.stderr)
        return interrupted_code(signalled)
    except BrokenPipeError:  # `| head` has seen enough
        sys.stdout = None
        return 141
    except (ImportError, OSError) as error:
        if "--debug" in argv:
            raise
        if snapshot.gone():
            said = f"{snapshot.ROOT}: {snapshot.GONE}"
        elif isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
            said = f"{error.filename or 'output'}: {error.strerror}"
            if error.filename is None:
                sys.stdout = None  # on a full disk what is left to print cannot be printed at the end either
        else:
            raise
        print(f"mlintern: {said}", file=sys.stderr)
        return UserError.exit_code


def end_on_signals() -> None:
    """Have SIGTERM, and SIGHUP where it is not ignored, end this process as Ctrl-C does."""

    def end(number: int, frame: object) -> None:
        raise Terminated

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, end)


def interrupted_code(signalled: KeyboardInterrupt) -> int:
    """The exit code of a command that a signal ended, as shells count: 130 for Ctrl-C, 143 for SIGTERM."""
    return 128 + (signal.SIGTERM if isinstance(signalled, Terminated) else signal.SIGINT)


def dispatch(argv: list[str]) -> int:
    """Choose between help, a subcommand and a Hydra run."""
    if not argv or argv[0] in ("--help", "-h", "help"):
        rows = "\n".join(f"  {name:<10} {what}" for name, (_, what) in COMMANDS.items())
        print(HELP.format(commands=rows), end="")
        return 0
    if argv[0] == "--version":
        print(f"mlintern {__version__}")
        return 0
    from mlintern.core import environment

    environment.refuse_known_bad()
    if argv[0] in COMMANDS:
        return int(importlib.import_module(COMMANDS[argv[0]][0]).main(argv[1:]))
    if not any("=" in argument for argument in argv):
        raise UserError(
            f"{argv[0]}: no such command; choose {', '.join(COMMANDS)}, or run a paper with paper=<arXiv id>"
        )
    argv = places.enter_project(argv)
    if not {a for a in argv if a.startswith("-")} - {
        "-m",
        "--multirun",
    }:  # else Hydra shows something, or it is no flag
        entering.enter_snapshot(argv)
    from mlintern.commands.hydra_run import run

    return run(argv)
