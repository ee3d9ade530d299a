"""Hydra runs: `paper=<id>` and overrides. A single run composes here; multirun, launchers, sweepers and Hydra's own
flags go to Hydra."""

import os
import sys
from collections.abc import Sequence, Set

from hydra.core.override_parser.types import IntervalSweep, Override
from rich.console import Console

from mlintern.config import Composer, no_environment, search_path
from mlintern.core.errors import UserError
from mlintern.core.roots import CONF, PACKS
from mlintern.packs import snapshot
from mlintern.packs.entering import enter_snapshot
from mlintern.packs.pack import Pack
from mlintern.paper.ids import PaperId, papers_in, rewrite_paper_override
from mlintern.sandbox import policy

MULTIRUN = {"-m", "--multirun"}
SHOWING = {"-c", "--cfg", "-i", "--info", "--resolve", "-p", "--package", "--hydra-help", "-sc", "--shell-completion"}
"""Hydra's flags that show something and run nothing."""


def run(argv: Sequence[str]) -> int:
    """Run a command line that holds overrides; returns the exit code."""
    papers = papers_in(list(argv))
    if not papers:
        given = next((a for a in argv if a.lstrip("+").startswith("paper=")), None)
        raise UserError(f"{given}: no arXiv id, file or slug" if given else "paper: not given; add paper=<arXiv id>")
    if missing := [paper for paper in papers if not Pack.exists(paper.slug)]:
        settings = [a for a in argv if a.startswith(("llm.", "paper.", "code."))]
        for paper in missing:
            author_pack(paper, settings)
        argv = [a for a in argv if a not in settings]
        enter_snapshot(argv)
    elif code := next((a for a in argv if a.startswith("code.")), None):
        raise UserError(f"{code}: is for authoring, and papers/{papers[0].slug}/ is there already; leave it out")
    rewritten = rewrite_paper_override(list(argv))
    if any(a.startswith(("hydra/launcher=", "hydra/sweeper=")) for a in rewritten) and not MULTIRUN & set(rewritten):
        rewritten.append("-m")  # a launcher is for many jobs: those of the study, or the one cell that is named
    flags = {a.split("=")[0] for a in rewritten if a.startswith("-")}
    if unknown := flags - MULTIRUN - SHOWING:
        raise UserError(f"{min(unknown)}: no such flag; see --help")
    policy.say(policy.from_overrides([a for a in rewritten if not a.startswith("-")]))
    slugs = list(dict.fromkeys(paper.slug for paper in papers))
    began = [snapshot.CodeState(slug) for slug in slugs]
    try:
        return _run(slugs, rewritten, flags)
    finally:
        for said in dict.fromkeys(state.said() for state in began):
            if said and not flags & SHOWING:
                print(f"mlintern: {said}", file=sys.stderr)


def _run(slugs: Sequence[str], rewritten: Sequence[str], flags: Set[str]) -> int:
    """Run a command line whose papers have packs, here or by Hydra."""
    if flags:  # packs have options of the same names, so each paper is a multirun of its own
        named = {s: [f"paper={s}" if a.lstrip("+").startswith("paper=") else a for a in rewritten] for s in slugs}
        return max(run_hydra(slug, named[slug]) for slug in slugs)
    if len(slugs) > 1:
        raise UserError(f"paper={','.join(slugs)}: several papers at once need -m (multirun)")
    from mlintern.study.run.job import run_paper

    return run_paper(slugs[0], [a for a in rewritten if not a.lstrip("+").startswith("paper=")], Console())


def author_pack(paper: PaperId, settings: Sequence[str]) -> None:
    """Author the pack of a paper that has none and show its review; what then runs, runs in the sandbox.

    Raises a UserError that says what is missing where that cannot be.
    """
    from mlintern.author.command import author_paper, parse_settings, summary
    from mlintern.author.review import review

    given = parse_settings(settings)
    if given["llm"].get("provider", "anthropic") == "anthropic" and not os.environ.get("ANTHROPIC_API_KEY"):
        raise UserError(
            f"paper={paper}: there is no pack papers/{paper.slug}/, and none can be authored: ANTHROPIC_API_KEY is not "
            "set; set it, or give llm.provider=manual, or choose a paper that has a pack"
        )
    console = Console()
    console.print(f"[bold]{paper}[/] has no pack yet: authoring papers/{paper.slug}/", highlight=False)
    done = author_paper(paper, given, console=console)
    review(done.pack, console)
    console.print(summary(done), highlight=False, markup=False)


def check_first(slug: str, argv: Sequence[str]) -> str:
    """Compose the first of the jobs that a command line asks for, with all checks, before Hydra builds a launcher or a
    sweeper from it; returns its `run.dir`, the user's. Raises UserError."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    given = [a for a in argv if "=" in a and not a.startswith("-")]
    try:
        parsed = OverridesParser.create().parse_overrides(given)
        first = [_first_value(override) for override in parsed]
    except HydraException as error:
        raise UserError(f"{str(error).splitlines()[0]}; see Hydra's override syntax") from None
    with Composer(slug) as composer:
        config, _ = composer.compose(first)
    return config.run.dir


def _first_value(override: Override) -> str:
    """An override as it is, or the first of the values that it sweeps."""
    if not override.is_sweep_override():
        return override.input_line or ""
    if override.is_discrete_sweep():
        return f"{override.get_key_element()}={next(iter(override.sweep_string_iterator()))}"
    value = override.value()
    assert isinstance(value, IntervalSweep), "the one sweep of Hydra's that is not discrete"
    return f"{override.get_key_element()}={value.start}"


def run_hydra(slug: str, argv: Sequence[str]) -> int:
    """Hand a command line to hydra.main: multirun, sweepers, launchers, --cfg and the like."""
    import hydra

    from mlintern.study.sweeps.cell_job import CellJob

    run_dir = check_first(slug, argv)
    task = CellJob(slug)
    before = sys.argv
    overrides = [a for a in argv if "=" in a and not a.startswith("-")]
    flags = [a for a in argv if a not in overrides]  # last: Hydra's parser takes overrides in one place only
    if not any(a.startswith("hydra.sweep.dir=") for a in overrides):  # a pack's run.dir must not get there
        quoted = run_dir.replace("\\", "\\\\").replace("'", "\\'")
        overrides.append(f"hydra.sweep.dir='{quoted}/multirun'")
    sys.argv = ["mlintern", *overrides, search_path(PACKS / slug), *flags]
    try:
        with no_environment():
            hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")(task)()
    except SystemExit as stop:
        task.codes.append(2 if stop.code else 0)
    finally:
        sys.argv = before
    return max(task.codes, default=0)
