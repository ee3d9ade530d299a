"""The stages of authoring, in order: outline, extract, ground, write, vet, critique, repair.

A language model proposes in five of them; what it proposes is grounded, checked and vetted by deterministic code, and
what fails goes back to it with the reason, a bounded number of times. Every answer is recorded, so that running again
after a crash goes on from there. The result is a draft until all of it holds; only then does it become papers/<slug>/.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from mlintern import __version__
from mlintern.author import provenance
from mlintern.author.asking.asker import Asker
from mlintern.author.asking.messages import TextBlock
from mlintern.author.asking.prompting import prompt_hashes, request
from mlintern.author.asking.rendering import figure_blocks, paper_block
from mlintern.author.draft import drafting
from mlintern.author.draft.engine_facts import engine_facts, engine_options
from mlintern.author.forms import (
    Completion,
    Component,
    Critique,
    Extraction,
    Mended,
    ModelInput,
    Outline,
    Repaired,
    Written,
)
from mlintern.author.grounding import coverage, ground, grounded_spec
from mlintern.author.grounding.authors_code import AuthorsCode
from mlintern.author.grounding.complaints import complaints
from mlintern.author.grounding.ledger import with_unlisted
from mlintern.core import files
from mlintern.core.errors import NothingToTrain, UserError
from mlintern.paper.document.document import Document
from mlintern.paper.ids import PaperId
from mlintern.spec.paper_spec import PaperSpec, text_of

Vet = Callable[[Path, PaperSpec, list[ModelInput]], list[str]]
"""Composes and runs a draft inside the sandbox; returns what is wrong with it, each naming file and line."""

Prune = Callable[[Path, PaperSpec], tuple[PaperSpec, list[str]]]
"""Takes out of a spec the alternatives that do not train in a draft, and says which and why."""

Say = Callable[[str], None]
"""Called with one line per stage begun or finished."""


@dataclasses.dataclass(frozen=True)
class Authored:
    """A finished pack."""

    pack: Path
    spec: PaperSpec
    assumed: list[str]
    """Settings that were given as stated and became assumptions."""
    dropped: list[str]
    doubts: list[str]
    """What the critique could not settle; for the human who reviews."""


@dataclasses.dataclass(frozen=True)
class Compared:
    """What a critique says of code and paper, beside what matches."""

    problems: list[str]
    """Where the code is not the paper's, and the files could be written otherwise."""
    doubts: list[str]
    """What it cannot tell, and differences for which neither paper nor code has words."""
    as_stated: list[str]
    """Where the code is not the paper's because the spec says so itself: reductions, assumptions, what is left out."""


@dataclasses.dataclass
class Authoring:
    """One paper's authoring."""

    document: Document
    paper: PaperId
    asker: Asker
    work: Path
    """Folder of this paper's drafts, results and record."""
    packs: Path
    """Where finished packs go."""
    vet: Vet
    prune: Prune = lambda draft, spec: (spec, [])
    example: str = ""
    """A finished pack's files, shown to the writer."""
    max_repairs: int = 3
    figures: Path | None = None
    """What the Document's image paths are relative to."""
    code: AuthorsCode | None = None
    """The authors' code, where the user gave it."""
    say: Say = lambda line: None
    passed_over: list[str] = dataclasses.field(default_factory=list)
    """Places whose numbers nothing took up and nobody explained, for provenance."""
    not_tried: list[str] = dataclasses.field(default_factory=list)
    """Alternatives to what is assumed that were taken out, and why, for provenance."""

    def run(self) -> Authored:
        """All stages. Raises NothingToTrain (exit 3, no pack), UserError with what is open and where the draft is."""
        target = self.packs / self.paper.slug
        if target.exists():
            raise UserError(f"papers/{self.paper.slug} exists already; move it away to author the paper again")
        outline = self.outline()
        extraction = self.extract(outline)
        grounded = self.ground(outline, extraction)
        draft = self.work / "project" / "papers" / self.paper.slug
        written, compared = self.write(grounded.spec, draft)
        self.say("alternatives: a few steps with each")
        spec, self.not_tried = self.prune(draft, with_unlisted(draft, grounded.spec))
        grounded = dataclasses.replace(grounded, spec=spec)
        made = {
            "spec.yaml": self._spec_text(spec),
            "provenance.yaml": provenance.provenance_text(self._provenance(grounded, compared)),
        }
        drafting.put_down(written, made, target)
        return Authored(target, grounded.spec, grounded.assumed, grounded.dropped, compared.doubts)

    def outline(self) -> Outline:
        """What kind of paper it is. Raises NothingToTrain where nothing in it can be trained."""
        self.say("outline: what kind of paper this is")

        def check(outline: Outline) -> str:
            place = ground.ground_quote(self.document, outline.evidence)
            if isinstance(place, ground.Ungrounded):
                return f"evidence: {place.reason}; quote one sentence exactly"
            if outline.trainable and not any(e.trainable_here for e in outline.experiments):
                return "trainable is true, but no experiment is trainable_here"
            return ""

        outline = self.asker.ask(request("outline", self._paper, Outline), Outline, check)
        self._save("outline", outline.model_dump_json(indent=1))
        if not outline.trainable:
            raise NothingToTrain(
                f"{self.paper}: nothing to train: {outline.why} (kind of paper: {outline.kind}; no pack was written)"
            )
        return outline

    def extract(self, outline: Outline) -> Extraction:
        """Settings, tables, claims and factors, each with the words that should prove it.

        What the answer passes over is listed back once, and what does not hold is asked for once more.
        """
        self.say("extract: settings, tables, claims")
        images = figure_blocks(self.document, outline.figures, self.figures) if self.figures else []
        given = [("outline", outline.model_dump_json(indent=1)), ("engine_options", engine_options())]
        asked = request("extract", self._paper, Extraction, *images, *given)
        extraction = self.asker.ask(asked, Extraction, lambda found: self._complaints(outline, found))
        extraction = self.complete(outline, extraction)
        settings, claims = grounded_spec.failures(extraction, self.document, self.code)
        if settings or claims:
            self.say(f"extract: {len(settings)} settings and {len(claims)} claims do not hold; asking once more")
            lines = [
                *(f"setting {k}: {v}" for k, v in settings.items()),
                *(f"claim {k}: {v}" for k, v in claims.items()),
            ]
            again = request(
                "mend",
                self._paper,
                Mended,
                ("extraction", extraction.model_dump_json(indent=1)),
                ("problems", "\n".join(lines)),
            )
            before = extraction
            mended = self.asker.ask(
                again, Mended, lambda found: self._complaints(outline, grounded_spec.mend(before, found))
            )
            extraction = grounded_spec.mend(before, mended)
        self._save("extraction", extraction.model_dump_json(indent=1))
        return extraction

    def complete(self, outline: Outline, extraction: Extraction) -> Extraction:
        """`extraction` with what it passed over: numbers of the paper that nothing took up are listed back, once."""
        gaps = coverage.gaps(extraction, self.document)
        if not gaps:
            return extraction
        self.say(f"extract: {len(gaps)} sentences and tables hold numbers that nothing took up; asking once")
        asked = request(
            "complete",
            self._paper,
            Completion,
            ("extraction", extraction.model_dump_json(indent=1)),
            ("passed_over", coverage.listed(gaps)),
        )
        completion = self.asker.ask(
            asked, Completion, lambda found: self._complaints(outline, grounded_spec.complete(extraction, found))
        )
        completed = grounded_spec.complete(extraction, completion)
        explained = {gap.id for gap in completion.unmapped} & {gap.id for gap in gaps}
        self._save("passed_over", completion.model_dump_json(include={"unmapped"}, indent=1))
        left = {gap.where for gap in coverage.gaps(completed, self.document)}
        self.passed_over = [gap.where for gap in gaps if gap.where in left and gap.id not in explained]
        return completed

    def _complaints(self, outline: Outline, extraction: Extraction) -> str:
        return complaints(extraction, outline, self.document, self.paper, self.code)

    def ground(self, outline: Outline, extraction: Extraction) -> grounded_spec.Grounded:
        """The spec that the paper bears out; no language model has a part in it."""
        grounded = grounded_spec.build_spec(outline, extraction, self.document, self.paper, self.code)
        broken = ground.reground(grounded.spec, self.document)
        if broken:
            raise UserError(f"{self.paper}: grounding disagrees with itself at {broken[0].path}: {broken[0].reason}")
        self.say(
            f"ground: {len(list(grounded.spec.locators()))} places hold, {len(grounded.assumed)} became assumptions, "
            f"{len(grounded.dropped)} were dropped"
        )
        return grounded

    def write(self, spec: PaperSpec, draft: Path) -> tuple[Written, Compared]:
        """Files that pass vetting and critique, and the critique. Raises UserError with what is open."""
        spec_text = self._spec_text(spec)
        given = [("engine", engine_facts()), ("spec", spec_text), ("slug", self.paper.slug)]
        if self.example:
            given.append(("example_pack", self.example))
        self.say("write: configuration and modules")
        written = self.asker.ask(request("write", self._paper, Written, *given), Written, self._check_written)
        answers = ""
        for round_number in range(self.max_repairs + 1):
            drafting.put_down(written, {"spec.yaml": spec_text}, draft)
            problems = self.vetted(draft, spec, written, spec_text)
            disputable = not problems
            if not problems:
                compared = self.critique(spec_text, written, answers)
                if not compared.problems:
                    return written, compared
                problems = compared.problems
            self._save("problems", "\n".join(problems))
            if round_number < self.max_repairs:
                self.say(f"repair {round_number + 1} of {self.max_repairs}: {len(problems)} problems")
                round_name = f"Round {round_number + 1} of {self.max_repairs}."
                written, answers = self.repair(given, written, problems, round_name, disputable)
        raise UserError(
            f"{self.paper}: {len(problems)} problems are open after {self.max_repairs} repairs (llm.max_repairs), the "
            f"first: {problems[0]}; the draft is {draft}, all problems in {self.work / 'problems.txt'}"
        )

    def repair(
        self, given: list[tuple[str, str]], written: Written, problems: list[str], round_name: str, disputable: bool
    ) -> tuple[Written, str]:
        """The files with `problems` mended, and the writer's answers to points that it disputes, for the next critique.

        Only points of a critique are `disputable`: what a program found is no matter of opinion.
        """
        ids = {f"p{number}": problem for number, problem in enumerate(problems, 1)}
        kind = "comparison with the paper" if disputable else "checks by programs"
        listed = "\n".join([f"{round_name} Found by: {kind}.", *(f"{key}: {text}" for key, text in ids.items())])
        parts = [*given, ("files", drafting.plain(written)), ("problems", listed)]

        def check(repair: Repaired) -> str:
            named = [one.problem for one in repair.disputed]
            if named and not disputable:
                return "disputed: these problems were found by programs; mend them"
            if unknown := [name for name in named if name not in ids]:
                return f"disputed: there is no problem {unknown[0]}; ids are p1 to p{len(ids)}"
            have = {file.path for file in written.files}
            if absent := [path for path in repair.removed if path not in have]:
                return f"removed: there is no file {absent[0]}"
            mended = drafting.repaired(written, repair)
            if mended == written and len(named) < len(ids):
                return "no file changes, and not every problem is disputed"
            return self._check_written(mended)

        repair = self.asker.ask(request("repair", self._paper, Repaired, *parts), Repaired, check)
        answers = "\n".join(f"{ids[one.problem]}\n  answer: {one.reason}" for one in repair.disputed)
        return drafting.repaired(written, repair), answers

    def vetted(self, draft: Path, spec: PaperSpec, written: Written, spec_text: str) -> list[str]:
        """What is wrong with the draft; the same files under the same version are not run twice."""
        what = f"{__version__}\n{spec_text}\n{written.model_dump_json()}"
        path = self.work / "vetted" / f"{hashlib.sha256(what.encode()).hexdigest()[:16]}.json"
        if path.exists():
            return [str(problem) for problem in files.read_json(path)]
        self.say("vet: composing and running the draft in the sandbox")
        problems = self.vet(draft, spec, written.inputs)
        files.write_json(path, problems)
        return problems

    def critique(self, spec_text: str, written: Written, answers: str = "") -> Compared:
        """Code against paper. `answers` are the writer's to points of the critique before, which it disputes.

        A difference counts as a problem only with words of the paper, or of its code, for it; without them it is a
        doubt. One that the spec states itself is neither: writing the files anew cannot mend what the study was planned
        to leave out.
        """
        self.say("critique: code against paper, component by component")
        parts = [("engine", engine_facts()), ("spec", spec_text), ("files", drafting.numbered(written))]
        if answers:
            parts.append(("answers", answers))
        critique = self.asker.ask(request("critique", self._paper, Critique, *parts), Critique)
        self._save("critique", critique.model_dump_json(indent=1))
        compared = Compared([], [], [])
        for component in critique.components:
            line = "; ".join(filter(None, [f"{component.component}: {component.code}", component.fix]))
            if component.verdict in ("differs", "missing") and self._has_place(component):
                compared.problems.append(line)
            elif component.verdict == "as_stated":
                compared.as_stated.append(line)
            elif component.verdict != "matches":
                compared.doubts.append(line)
        return compared

    def _has_place(self, component: Component) -> bool:
        if self.code and self.code.holds(component.quote):
            return True
        return not isinstance(ground.ground_quote(self.document, component.quote), ground.Ungrounded)

    def _check_written(self, written: Written) -> str:
        return "\n".join(drafting.problems_of(written, self.paper.slug)[:30])

    @cached_property
    def _paper(self) -> TextBlock:
        return paper_block(self.document, self.code.files if self.code else None)

    def _spec_text(self, spec: PaperSpec) -> str:
        head = f"What {self.paper} says, value by value, and where it says it (locators and hashes only)."
        return text_of(spec, head)

    def _provenance(self, grounded: grounded_spec.Grounded, compared: Compared) -> provenance.Provenance:
        incoming, outgoing = self.asker.ledger.tokens
        return provenance.Provenance(
            schema_version=1,
            made_by="model",
            tool=f"mlintern {__version__}",
            document=provenance.document_record(self.document),
            code=provenance.code_record(self.code) if self.code else None,
            grounding=provenance.grounding_record(grounded.spec, self.document, grounded.assumed, grounded.dropped),
            model=provenance.ModelRecord(
                provider=self.asker.provider.name,
                models=sorted(self.asker.models),
                prompts=prompt_hashes(),
                requests=self.asker.asked,
                usd=self.asker.ledger.spent_usd,
                input_tokens=incoming,
                output_tokens=outgoing,
            ),
            notes=[
                *(f"Numbers that nothing took up: {place}" for place in self.passed_over),
                *(f"Alternative, taken out: {line}" for line in self.not_tried),
                *(f"Open after the critique: {doubt}" for doubt in compared.doubts),
                *(f"Not the paper's, as the spec says: {line}" for line in compared.as_stated),
            ],
        )

    def _save(self, name: str, text: str) -> None:
        suffix = "json" if text.startswith(("{", "[")) else "txt"
        files.write_text(self.work / f"{name}.{suffix}", text + "\n")
