"""`python -m mlintern audit …`: the audit on its own, for files and folders of any origin."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mlintern.audit.report.audit_report import AuditReport, Finding, Price, Severity, Status
from mlintern.audit.report.options import AuditOptions
from mlintern.core.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from mlintern.audit.inputs.subject import Subject

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_STYLES = {Status.PASS: "green", Status.FAIL: "red", Status.INCONCLUSIVE: "yellow", Status.NOT_APPLICABLE: "dim"}
_WEIGHTS = {Severity.HIGH: "bold red", Severity.MEDIUM: "red", Severity.LOW: "yellow", Severity.INFO: "dim"}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UserError(f"audit: {message}; see python -m mlintern audit --help")


def horizon_of(text: str) -> float:
    """Seconds of a duration such as 7d, 12h or 90min; a bare number stays in the unit of the time column."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h|d|w)?\s*", text)
    if not match:
        raise UserError(f"--horizon {text}: not a duration; write 7d, 12h, 90min or a number")
    return float(match[1]) * _SECONDS[match[2] or ""]


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = _Parser(
        prog="python -m mlintern audit",
        description="Look for leakage between train and test: what leaks, what it is worth, how to repair it.",
        epilog="Exit code 0: nothing at or above --fail-on; 1: findings; 2: the input cannot be used.",
    )
    made.add_argument("path", nargs="?", type=Path, help="an .npz (x_train, y_train, x_test, y_test), a folder of "
                      "images (train/<class>/…), a saved dataset folder, or a table with --split-column")  # fmt: skip
    files = made.add_argument_group("tables, one per part (.parquet, .csv, .feather, .jsonl)")
    files.add_argument("--train", type=Path)
    files.add_argument("--test", type=Path)
    files.add_argument("--valid", type=Path)
    columns = made.add_argument_group("columns by name")
    columns.add_argument("--label", help="what is predicted")
    columns.add_argument("--group", help="who a row comes from: patient, user, site")
    columns.add_argument("--time", help="when a row was taken; train is then expected to end before test begins")
    columns.add_argument("--horizon", default="0", help="how far ahead is predicted: 7d, 12h (default: 0)")
    columns.add_argument("--id", help="a row's own id: no feature")
    columns.add_argument("--text", help="a column of texts")
    columns.add_argument("--image", help="a column of image paths or bytes")
    columns.add_argument("--split-column", help="column of one table that says train, test or valid")
    made.add_argument("--fail-on", default="high", choices=[s.value for s in Severity], help="(default: high)")
    made.add_argument("--acknowledge", default="", metavar="KIND,KIND", help="kinds that were seen and are accepted")
    made.add_argument("--independent-rows", action="store_true", help="no two rows share a source (patient, user, …)")
    made.add_argument("--price", default="probe", choices=["none", "probe"], help="a quick model prices leaks")
    made.add_argument(
        "--ledger", default="", metavar="FILE", help="test readings so far: a .jsonl, or a folder of runs"
    )
    made.add_argument("--score", type=float, help="the score just read off test: noted in --ledger after the audit")
    made.add_argument("--lower-is-better", action="store_true", help="--score is an error or a loss")
    made.add_argument("--memory", default="4GiB", help="bound for the audit's working arrays (default: 4GiB)")
    made.add_argument("--backend", default="local", choices=["local", "ray"], help="where large checks are computed")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--out", type=Path, help="write the report as JSON")
    made.add_argument("--repair", type=Path, metavar="FOLDER", help="write a repaired split and its certificate there")
    made.add_argument("--debug", action="store_true", help="show a traceback for errors")
    return made


def read_subject(args: argparse.Namespace) -> "Subject":
    """The audited data, from whichever form was given."""
    from mlintern.audit.inputs import read

    options = AuditOptions(
        fail_on=args.fail_on,
        acknowledge=tuple(filter(None, args.acknowledge.split(","))),
        price=args.price,
        memory=args.memory,
        seed=args.seed,
        backend=args.backend,
        horizon=horizon_of(args.horizon),
        independent_rows=args.independent_rows,
        ledger=args.ledger,
    )
    roles = {role: getattr(args, role) for role in ("label", "group", "time", "id", "text", "image")}
    if args.path is not None:
        if args.train or args.test or args.valid:
            raise UserError("audit: give one path, or --train and --test, not both")
        return read.subject_from_path(args.path, roles, options, args.split_column)
    if not args.train or not args.test:
        raise UserError("audit: nothing to audit; give --train and --test, or one .npz, folder or table")
    paths = {"train": args.train, "test": args.test, **({"valid": args.valid} if args.valid else {})}
    return read.subject_from_tables(paths, roles, options)


def price_text(price: Price | None) -> str:
    """A price in words: `+3.1 points (1.2 to 5.0)`."""
    if price is None:
        return "not priced"
    if price.low <= 0 <= price.high:
        return f"not distinguishable from nothing: {price.points:+.1f} points ({price.low:.1f} to {price.high:.1f})"
    return f"{price.points:+.1f} points ({price.low:.1f} to {price.high:.1f})"


def show(report: AuditReport, console: "Console") -> None:
    """Print checks, findings and the verdict for a reader who has never seen an audit."""
    from rich.table import Table

    table = Table(title="Leakage checks", title_justify="left", expand=False)
    for column in ("check", "status", "what was seen"):
        table.add_column(column, overflow="fold")
    for check in report.checks:
        style = _STYLES[check.status]
        table.add_row(check.name, f"[{style}]{check.status.value.replace('_', ' ')}[/]", _escaped(check.reason))
    console.print(table)
    for finding in sorted(report.findings, key=lambda f: f.severity, reverse=True):
        _show_finding(finding, console)
    console.print(f"[bold]{_escaped(report.summary())}[/]")
    if report.ceiling is not None:
        said = f"nearest neighbours leave room for an accuracy of at most {report.ceiling.accuracy:.3f} on test"
        console.print(f"[dim]{said}[/]", highlight=False)


def _show_finding(finding: Finding, console: "Console") -> None:
    style = _WEIGHTS[finding.severity]
    console.print(
        f"[{style}]{finding.severity}[/] [bold]{finding.kind}[/] {' - '.join(finding.splits)}: "
        f"{finding.count:,} affected ({100 * finding.fraction:.1f} %)"
    )
    if finding.examples:
        shown = "; ".join(" = ".join(map(str, example.values())) for example in finding.examples[:3])
        console.print(f"  for example  {_escaped(shown)}")
    if finding.price is not None:
        price = finding.price
        console.print(
            f"  price        {price_text(price)}; {price.metric} {price.with_leak:.3f} with it, "
            f"{price.without_leak:.3f} without ({_escaped(price.measured_with)})"
        )
        if price.note:
            console.print(f"               {_escaped(price.note)}")
    if finding.repair:
        console.print(f"  repair       {_escaped(finding.repair)}")


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def run(args: argparse.Namespace) -> int:
    """Audit, show, write; the exit code."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from mlintern.audit.run import audit_subject

    subject = read_subject(args)
    errors = Console(stderr=True)
    bar = Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=errors, transient=True)
    with bar as progress:
        task = progress.add_task("reading")

        def step(name: str, done: int, total: int) -> None:
            progress.update(task, description=name, completed=done, total=total)

        report = audit_subject(subject, step)
    show(report, Console())
    if args.out is not None:
        report.write(args.out)
    if args.score is not None:
        _note(subject, args.score, not args.lower_is_better)
    if args.repair is not None:
        _repair(subject, report, args.repair)
    return 1 if report.blocking(subject.options.fail_on, subject.options.acknowledge) else 0


def _note(subject: "Subject", score: float, higher: bool) -> None:
    """Write the reading down, under the time it was taken."""
    import datetime

    from mlintern.audit.report.ledger import SeenScore, note_reading

    if not subject.options.ledger:
        raise UserError("--score needs --ledger: which file keeps the readings?")
    taken = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    reading = SeenScore(subject.test.fingerprint(), taken, score, higher_is_better=higher)
    note_reading(Path(subject.options.ledger), reading)


def _repair(subject: "Subject", report: AuditReport, folder: Path) -> None:
    """Write a repaired split where findings connect rows; say what moved and how it fares."""
    from mlintern.audit.price.repair import reassigned, repaired_subject, write_repair
    from mlintern.audit.run import audit_subject

    assignment = reassigned(subject, report)
    moved = int((assignment.origin != assignment.part).sum())
    if not moved:
        print("repair: no finding connects rows of two parts, so there is nothing to move")
        return
    after = audit_subject(repaired_subject(subject, assignment))
    write_repair(subject, report, assignment, after, folder)
    print(f"repair: {moved} rows moved, written to {folder} with a certificate; audited again: {after.summary()}")


def main(argv: Sequence[str] | None = None) -> int:
    """The command's exit code: 0 clean, 1 findings at or above --fail-on, 2 unusable input."""
    debug = "--debug" in (sys.argv if argv is None else argv)
    try:
        return run(parser().parse_args(argv))
    except UserError as error:
        if debug:
            raise
        print(error, file=sys.stderr)
        return error.exit_code
