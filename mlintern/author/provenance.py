"""How a pack came to be: by whom, from which text, with which prompts and answers, and what grounding found.

`provenance.yaml` holds hashes and counts, never the paper's sentences, a prompt or an answer.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StrictFloat, StrictInt

from mlintern.author.grounding.authors_code import AuthorsCode
from mlintern.author.grounding.ground import reground, text_hash
from mlintern.core import strict_yaml, yaml_out
from mlintern.paper.document.document import Document
from mlintern.spec.paper_spec import PaperSpec
from mlintern.spec.sourced import Name, Sha256, SpecRecord, Text


class SourceFile(SpecRecord):
    name: Text
    sha256: Sha256


class DocumentRecord(SpecRecord):
    """The text that the spec rests on."""

    text_sha256: Sha256
    """Of the Document's plain text, which spans point into."""
    sources: list[SourceFile]


class CodeRecord(SpecRecord):
    """The authors' code that values with `source: code` were read in."""

    repository: Text
    commit: Text | None = None
    files: list[SourceFile]


class Grounding(SpecRecord):
    """What grounding did: counts."""

    locators: StrictInt = Field(ge=0)
    """Places of the paper that the spec rests on."""
    broken: StrictInt = Field(ge=0)
    """Locators that did not hold when the pack was written; a written pack has none."""
    became_assumptions: list[Text] = Field(default_factory=list)
    """Keys of settings whose quote did not hold, and which stand as assumptions."""
    dropped: list[Text] = Field(default_factory=list)
    """Claims and cells that were left out, each with the reason."""


class ModelRecord(SpecRecord):
    """What a language model had to do with it."""

    provider: Text
    models: list[Text]
    prompts: dict[Name, Sha256]
    """{stage: sha256 of its prompt file}."""
    requests: list[Sha256]
    """Hashes of the requests whose answers were used, in order."""
    usd: Annotated[StrictFloat, Field(ge=0)]
    input_tokens: StrictInt = Field(ge=0)
    output_tokens: StrictInt = Field(ge=0)


class Provenance(SpecRecord):
    """One pack's `provenance.yaml`."""

    schema_version: Literal[1]
    made_by: Literal["hand", "model"]
    tool: Text
    """mlintern and its version."""
    document: DocumentRecord
    code: CodeRecord | None = None
    """None where no code was given beside the paper."""
    grounding: Grounding
    model: ModelRecord | None = None
    """None for a pack made by hand."""
    notes: list[Text] = Field(default_factory=list)


def document_record(document: Document) -> DocumentRecord:
    """The hashes of a Document's text and files."""
    sources = [SourceFile(name=source.name, sha256=source.sha256) for source in document.sources]
    return DocumentRecord(text_sha256=text_hash(document), sources=sources)


def code_record(code: AuthorsCode) -> CodeRecord:
    """The hashes of the files of the authors' code."""
    files = [SourceFile(name=name, sha256=sha256) for name, sha256 in code.hashes().items()]
    return CodeRecord(repository=code.repository, commit=code.commit, files=files)


def grounding_record(spec: PaperSpec, document: Document, assumed: list[str], dropped: list[str]) -> Grounding:
    """Counts of what holds and what does not, checked anew against `document`."""
    return Grounding(
        locators=sum(1 for _ in spec.locators()),
        broken=len(reground(spec, document)),
        became_assumptions=assumed,
        dropped=dropped,
    )


def provenance_text(provenance: Provenance) -> str:
    """The text of `provenance.yaml`."""
    value = provenance.model_dump(exclude_none=True)
    return yaml_out.dump(value, "How this pack came to be; see mlintern/author/provenance.py.")


def load_provenance(path: Path) -> Provenance:
    """Read `provenance.yaml`. Raises UserError naming file, line and field for anything that is off."""
    return strict_yaml.validate(Provenance, strict_yaml.load(path), str(path))
