"""A language model looks at the paper's own figures and says whether they show what is claimed.

An opinion is no evidence: it moves no verdict, and the report prints it as what it is, beside what was measured.
"""

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from mlintern.author.asking.asker import Asker
from mlintern.author.asking.messages import Request, TextBlock
from mlintern.author.asking.prompting import prompt
from mlintern.author.asking.rendering import defused, figure_blocks
from mlintern.author.command import WORK, read_with_figures
from mlintern.author.forms import Form
from mlintern.author.settings import LlmSettings, make_asker
from mlintern.core.errors import UserError
from mlintern.paper.document.document import Document
from mlintern.paper.document.parts import Figure
from mlintern.paper.ids import PaperId
from mlintern.spec.paper_spec import Claim, PaperSpec

_MENTION = re.compile(r"\bFig(?:ure|\.)?s?\.?[\s~]*\(?([A-Z]?\d+(?:\.\d+)?)", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z(])|\n{2,}")


class Look(Form):
    """What the figure shows of one claim."""

    claim: str = Field(description="Its id.")
    seen: str
    verdict: Literal["shows it", "shows otherwise", "cannot tell"]


class Looks(Form):
    """One entry for each claim."""

    claims: list[Look]


@dataclasses.dataclass(frozen=True)
class Resting:
    """A figure and the claims that rest on it."""

    figure: Figure
    claims: tuple[Claim, ...]


def look(paper: PaperId, spec: PaperSpec, source: Path | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the model says of every figure that claims of `spec` rest on, as `ask` has it; empty where none does.

    `source` is the paper itself, where it is not to be fetched. Raises UserError where a model cannot be asked.
    """
    folder = WORK / paper.slug
    asker = make_asker(LlmSettings.from_plain(settings["llm"]), folder, lambda text: None)
    read = PaperId.parse(str(source)) if source else _pinned(paper, spec)
    document = read_with_figures(read, settings["paper"], folder)
    resting = figures_of(spec, document)
    return ask(asker, resting, document, folder) if resting else {}


def figures_of(spec: PaperSpec, document: Document) -> list[Resting]:
    """The figures with pixels that claims rest on: those that the spec names, else those that the claim's sentence or
    the one before it speaks of, or whose caption it is."""
    found: dict[str, list[Claim]] = {}
    for claim in spec.claims:
        for figure in document.figures:
            if any(figure.pixels) and _rests_on(claim, figure, document):
                found.setdefault(figure.id, []).append(claim)
    return [Resting(figure, tuple(found[figure.id])) for figure in document.figures if figure.id in found]


def _rests_on(claim: Claim, figure: Figure, document: Document) -> bool:
    if claim.figure is not None:
        return claim.figure in (figure.id, figure.label, figure.number)
    if claim.locator.span is None:
        return False
    start, end = claim.locator.span
    if figure.start <= start and end <= figure.end:
        return True
    text = document.text
    paragraph = text.rfind("\n\n", 0, start) + 1
    breaks = [paragraph, *(match.end() for match in _SENTENCE.finditer(text, paragraph)), len(text)]
    before = [place for place in breaks if place <= start][-2:]  # the claim's sentence and the one that leads to it
    last = min(place for place in breaks if place >= end)
    return bool(figure.number) and figure.number in _MENTION.findall(text[before[0] : last])


def ask(asker: Asker, resting: Sequence[Resting], document: Document, folder: Path) -> dict[str, Any]:
    """{claim id: {"verdict", "seen", "figure", "model", "prompt_sha256"}}, one request for each figure."""
    opinions: dict[str, Any] = {}
    for item in resting:
        wanted = {claim.id: claim.statement for claim in item.claims}
        looks = asker.ask(_request(item, wanted, document, folder), Looks, functools.partial(_complaint, wanted))
        for look in looks.claims:
            opinions[look.claim] = {
                "verdict": look.verdict,
                "seen": look.seen,
                "figure": f"figure {item.figure.number}" if item.figure.number else item.figure.id,
                "model": ", ".join(sorted(asker.models)),
                "prompt_sha256": hashlib.sha256(prompt("look").encode()).hexdigest(),
            }
    return opinions


def _request(item: Resting, wanted: Mapping[str, str], document: Document, folder: Path) -> Request:
    images = figure_blocks(document, [item.figure.id], folder)
    if not images:
        raise UserError(f"{item.figure.id}: its image is too large to be shown; give a smaller one")
    claims = json.dumps(wanted, ensure_ascii=False, indent=1)
    text = TextBlock(
        f"<figures>\n{item.figure.id}: {defused(item.figure.caption)}\n</figures>\n\n<claims>\n{claims}\n</claims>"
    )
    blocks = (*images, text, TextBlock(prompt("look")))
    return Request("look", prompt("system"), blocks, Looks.model_json_schema(), max_tokens=8_000)


def _complaint(wanted: Mapping[str, str], found: Looks) -> str:
    given = [look.claim for look in found.claims]
    if sorted(given) == sorted(wanted):
        return ""
    return f"give each of these claims one entry, and no others: {', '.join(wanted)}"


def _pinned(paper: PaperId, spec: PaperSpec) -> PaperId:
    """The paper in the version that the pack was made from."""
    return dataclasses.replace(paper, version=paper.version or spec.paper.version)
