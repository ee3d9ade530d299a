"""`mlintern author ID`: read a paper, write its pack; a language model proposes, the paper and the sandbox decide."""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from mlintern.author.asking.asker import Asker
from mlintern.author.asking.providers.base import Progress
from mlintern.author.authoring import Authored, Authoring, Say
from mlintern.author.grounding.authors_code import AuthorsCode
from mlintern.author.grounding.grounded_spec import version_of
from mlintern.author.settings import LlmSettings, make_asker
from mlintern.core import strict_yaml
from mlintern.core.errors import UserError
from mlintern.core.roots import PACKS
from mlintern.paper.document.document import Document
from mlintern.paper.ids import PaperId

WORK = Path("authoring")
"""Drafts, recorded dialogues and ledgers: authoring/<slug>/. Not part of the project."""
EXAMPLE = "local_lesion_attention"
"""The pack that the writer is shown."""


def main(argv: Sequence[str]) -> int:
    """Author one paper; returns the exit code. NothingToTrain (exit 3) and UserError pass through."""
    parser = argparse.ArgumentParser(
        prog="mlintern author",
        description="Read a paper and write its pack, papers/<slug>/. It runs in the sandbox, always.",
    )
    parser.add_argument("paper", help="arXiv id or URL, or a local .tex, .pdf, .html, archive or folder")
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="key=value",
        help="such as llm.budget_usd=3; code.files=[train.py,models.py] code.repository=URL give the authors' code",
    )
    arguments = parser.parse_args(list(argv))
    settings = parse_settings(arguments.settings)
    console = Console(stderr=True)
    done = author_paper(PaperId.parse(arguments.paper), settings, console=console)
    print(summary(done))
    return 0


def parse_settings(given: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`llm.x=…`, `paper.x=…` and `code.x=…` arguments as {"llm": {...}, …}; raises UserError naming a bad one."""
    found: dict[str, dict[str, Any]] = {"llm": {}, "paper": {}, "code": {}}
    for setting in given:
        key, equals, text = setting.partition("=")
        group, _, name = key.partition(".")
        if not equals or group not in found or not name:
            raise UserError(
                f"{setting}: not understood; settings read like llm.budget_usd=3, paper.offline=true or "
                "code.files=train.py"
            )
        if group == "paper":
            found["paper"][name] = text
            continue
        value = strict_yaml.parse(text, key).value
        if group == "code":
            found["code"][name] = value
            continue
        outer, _, inner = name.partition(".")
        if inner:
            found["llm"].setdefault(outer, {})[inner] = value
        else:
            found["llm"][name] = value
    return found


def author_paper(paper: PaperId, settings: dict[str, dict[str, Any]], *, console: Console) -> Authored:
    """Fetch, read and author one paper. `settings` is {"llm": {...}, "paper": {...}, "code": {...}}.

    Raises NothingToTrain and UserError; what can be known to fail (a key, a price) fails before anything is fetched.
    """
    from mlintern.author.draft.alternatives import without_dead
    from mlintern.author.draft.vetting import vet_pack

    folder = WORK / paper.slug
    llm = LlmSettings.from_plain(settings["llm"])
    code = AuthorsCode.from_mapping(settings.get("code", {}))
    with console.status(f"{paper}") as status:
        asker = make_asker(llm, folder, lambda text: None)
        asker.progress, say = _live(asker, console, status)
        say("read: fetching and parsing")
        document = read_with_figures(paper, settings["paper"], folder)
        authoring = Authoring(
            document=document,
            paper=dataclasses.replace(paper, version=paper.version or version_of(document)),
            asker=asker,
            work=folder,
            packs=PACKS,
            vet=vet_pack,
            prune=without_dead,
            example=example_pack(PACKS),
            max_repairs=llm.max_repairs,
            figures=folder,
            code=code,
            say=say,
        )
        return authoring.run()


def read_with_figures(paper: PaperId, settings: dict[str, Any], folder: Path) -> Document:
    """The paper, fetched and read, with its figures drawn below `folder`, which their paths are relative to."""
    from mlintern.paper.fetch.paper_files import fetch
    from mlintern.paper.figures.pixels import draw_figures
    from mlintern.paper.read import read_fetched
    from mlintern.paper.settings import PaperSettings

    fetched = fetch(paper, PaperSettings.from_mapping(settings))
    document = read_fetched(fetched)
    if fetched.road == "latex" and document.figures:
        source = fetched.path if fetched.path.is_dir() else fetched.path.parent
        document = draw_figures(document, source, folder / "figures")
    return document


def example_pack(packs: Path) -> str:
    """The files of the example pack that a writer of packs should imitate; empty where it is not there."""
    folder = packs / EXAMPLE
    paths = [*sorted(folder.glob("conf/**/*.yaml")), folder / "modules.py"]
    return "\n\n".join(
        f"== {path.relative_to(folder).as_posix()}\n{path.read_text(encoding='utf-8')}"
        for path in paths
        if path.is_file()
    )


def summary(done: Authored) -> str:
    """What was written and what is open, for the terminal."""
    spec = done.spec
    stated = sum(setting.source == "paper" for setting in spec.settings)
    in_code = sum(setting.source == "code" for setting in spec.settings)
    from_code = f", {in_code} from its code" if in_code else ""
    lines = [
        f"papers/{spec.paper.slug}/ is written: {spec.paper.title}",
        f"  {stated} settings stated{from_code}, {len(spec.unsaid)} assumed; "
        f"{len(list(spec.testable_cells()))} results and {sum(claim.testable for claim in spec.claims)} claims to test",
        *(f"  assumed though given as stated: {name}" for name in done.assumed),
        *(f"  left out: {line}" for line in done.dropped),
        *(f"  open: {line}" for line in done.doubts),
        f"next: mlintern review {spec.paper.slug}, then mlintern approve {spec.paper.slug}",
    ]
    return "\n".join(lines)


def _live(asker: Asker, console: Console, status: Any) -> tuple[Progress, Say]:
    """What shows an answer growing, and what prints a stage's line with the money spent so far."""
    characters, stage = 0, ""

    def money() -> str:
        tokens = sum(asker.ledger.tokens)
        return f"  (${asker.ledger.spent_usd:.2f} of ${asker.ledger.limit_usd:g}, {tokens:,} tokens)" if tokens else ""

    def progress(text: str) -> None:
        nonlocal characters
        characters += len(text)
        status.update(f"{stage} … {characters:,} characters{money()}")

    def say(line: str) -> None:
        nonlocal characters, stage
        characters, stage = 0, line
        console.print(f"{line}{money()}", highlight=False, markup=False)
        status.update(line)

    return progress, say
