"""Dialogues of real papers as they were played, wrong turns included: what is kept of them and how they are replayed.

tests/author/dialogues/<paper>/ has the answers as `mlintern.author.asking.dialogue` records them (its words sealed);
`played.json` has what else the requests hold, and the outcome of every vetting in order. While prompts, and what the
reader makes of the paper, are those of the play, each request must be the very one that was answered; where they have
changed since, answers are taken in order, and what comes out is checked all the same.

`python -m tests.author.dialogues 1706.03762 authoring/arxiv_1706_03762 3 TITLE AUTHOR …` keeps a dialogue that was just
played, with the llm.max_repairs that it was played with.
"""

import dataclasses
import hashlib
import json
import shutil
import sys
import sysconfig
from pathlib import Path

from mlintern.author.asking.asker import Asker
from mlintern.author.asking.dialogue import Dialogue
from mlintern.author.asking.messages import Answer, TextBlock, Usage
from mlintern.author.asking.money import Ledger
from mlintern.author.asking.prompting import prompt_hashes
from mlintern.author.asking.providers.replay import ReplayProvider
from mlintern.author.asking.rendering import paper_block
from mlintern.author.asking.sealing import unseal
from mlintern.author.authoring import Authoring
from mlintern.author.draft.engine_facts import engine_facts
from mlintern.author.forms import Completion, Critique, Extraction, Mended, Outline, Repaired, Written
from mlintern.author.grounding import complaints, coverage, ground, grounded_spec, supports
from mlintern.author.grounding.authors_code import AuthorsCode
from mlintern.core import files
from mlintern.core.errors import UserError
from mlintern.paper.ids import PaperId
from mlintern.paper.read import read

FOLDER = Path(__file__).parent / "dialogues"
FORMS = (Outline, Extraction, Completion, Mended, Written, Repaired, Critique)
ROOT = Path(__file__).resolve().parents[2]
PAPERS = next((p for up in (1, 2) if (p := ROOT.parents[up - 1] / "shared" / "papers").is_dir()), None)
"""The papers' texts, which are no part of this repository."""


class Played:
    """Answers of one kept dialogue: by the request's hash (`strict`), or in order."""

    model, paid, name = "played", False, "played"

    def __init__(self, folder, strict):
        self.strict, self.asked = strict, []
        records = [files.read_json(path) for path in folder.glob("*-*.json")]
        self.waiting = sorted(records, key=lambda record: record["number"])

    def count_tokens(self, request):
        return 0

    def ask(self, request, progress):
        self.asked.append(request)
        fitting = [record for record in self.waiting if record["stage"] == request.stage]
        if self.strict:
            fitting = [record for record in fitting if record["request_sha256"] == request.sha256()]
        if not fitting:
            raise UserError(f"played: no answer to this {request.stage} request is left; play the paper again")
        self.waiting.remove(fitting[0])
        answer = fitting[0]["answer"]
        paper = next(block.text for block in request.blocks if isinstance(block, TextBlock))
        text = unseal(answer["text"], paper, keep_lost=not self.strict)
        return Answer(**{**answer, "text": text, "usage": Usage(**answer["usage"])})


def authoring(paper, provider, work, packs, vet, played):
    """An authoring of a shared paper as it was played."""
    document = read(PAPERS / paper / "main.tex")
    document = dataclasses.replace(document, title=played["title"], authors=tuple(played["authors"]))
    asker = Asker(provider, Dialogue(work / "dialogue"), Ledger(work / "spent.json", 100.0))
    from mlintern.author.command import example_pack
    from mlintern.core.roots import PACKS

    repairs = played.get("max_repairs", 3)
    id = PaperId.parse(f"{paper}v{played.get('version', 1)}")
    one = Authoring(document, id, asker, work, packs, vet, example=example_pack(PACKS), max_repairs=repairs)
    one.code = authors_code(paper, played.get("code"))
    return one


def authors_code(paper, given):
    """The authors' code that a play had beside the paper: files of the paper's folder, or of an installed package."""
    if given is None:
        return None
    packages = Path(sysconfig.get_path("purelib"))
    paths = [PAPERS / paper / name if (PAPERS / paper / name).exists() else packages / name for name in given["files"]]
    return AuthorsCode.from_mapping({**given, "files": [str(path) for path in paths]})


def replay(paper, tmp_path):
    """(the authoring, ready to run; its provider) of a kept dialogue."""
    folder = FOLDER / paper
    played = files.read_json(folder / "played.json")
    provider = Played(folder, strict=False)
    outcomes = list(played["vettings"])
    one = authoring(paper, provider, tmp_path / "work", tmp_path / "papers", lambda *_: outcomes.pop(0), played)
    provider.strict = played["asked_with"] == asked_with(one)
    return one, provider


def asked_with(one):
    """Hashes of what requests are made of, beside the answers themselves.

    Prompts, forms, the paper, the engine, and the rules by which answers are checked and what fails is listed back.
    """
    files = one.code.files if one.code else None
    paper = hashlib.sha256(paper_block(one.document, files).text.encode()).hexdigest()
    rest = json.dumps([engine_facts(), one.example, *(form.model_json_schema() for form in FORMS)])
    rules = "".join(
        Path(module.__file__).read_text() for module in (complaints, coverage, ground, grounded_spec, supports)
    )
    checks = hashlib.sha256(rules.encode()).hexdigest()
    return {**prompt_hashes(), "paper": paper, "checks": checks, "rest": hashlib.sha256(rest.encode()).hexdigest()}


def keep(paper, work, max_repairs, title, authors, **more):
    """Replay what was played in `work` and keep it sealed, in order, with what vetting said each time.

    `more` is what else the play was given: the paper's `version`, `code` (files, repository) of its authors.
    """
    folder, scratch = FOLDER / paper, work.parent / f"{work.name}.kept"
    shutil.rmtree(scratch, ignore_errors=True)
    if (work / "vetted").is_dir():
        shutil.copytree(work / "vetted", scratch / "vetted")
    said = []

    def vet(*_):
        raise UserError("this draft was not vetted in the play; finish it first")

    played = {"title": title, "authors": authors, "max_repairs": max_repairs, **more}
    one = authoring(paper, ReplayProvider(work / "dialogue"), scratch, scratch / "papers", vet, played)
    inner = one.vetted
    one.vetted = lambda *given: said.append(inner(*given)) or said[-1]
    try:
        print(one.run().pack)
    except UserError as error:
        print(error)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(exist_ok=True)
    shutil.copytree(scratch / "dialogue", folder)
    text = json.dumps({**played, "asked_with": asked_with(one), "vettings": said}, indent=1, ensure_ascii=False)
    files.write_text(folder / "played.json", text + "\n")
    shutil.rmtree(scratch)


if __name__ == "__main__":
    keep(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5:])
