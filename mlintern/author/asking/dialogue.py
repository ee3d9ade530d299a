"""The recorded dialogue of an authoring: every request with its answer, one file each, found by the request's hash.

It is the memory that lets a crashed authoring go on without paying twice, the evidence that provenance names, and what
`llm.provider=replay` answers from. Neither the paper's text nor sentences of it are kept: what an answer quotes is
sealed (see `sealing`), and opened with the request's own copy of the paper.
"""

import dataclasses
from pathlib import Path

from mlintern.author.asking.messages import Answer, Request, TextBlock, Usage
from mlintern.author.asking.sealing import seal, unseal
from mlintern.core import files


class Dialogue:
    """A folder of `<stage>-<hash>.json` files."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def path(self, request: Request) -> Path:
        """Where the answer to `request` is kept."""
        return self.folder / f"{request.stage}-{request.sha256()[:16]}.json"

    def find(self, request: Request) -> Answer | None:
        """The recorded answer to exactly this request, or None. Raises UserError for a broken file."""
        path = self.path(request)
        if not path.exists():
            return None
        record = files.read_json(path)
        if record["request_sha256"] != request.sha256():
            return None
        answer = Answer(**{**record["answer"], "usage": Usage(**record["answer"]["usage"])})
        return dataclasses.replace(answer, text=unseal(answer.text, _paper(request)))

    def forget(self, request: Request) -> None:
        """Drop the recorded answer to `request`, if there is one."""
        self.path(request).unlink(missing_ok=True)

    def record(self, request: Request, answer: Answer) -> None:
        """Keep an answer and the hash of its request, without the paper's words."""
        number = 1 + max((files.read_json(path).get("number", 0) for path in self.folder.glob("*.json")), default=0)
        files.write_json(
            self.path(request),
            {
                "number": number,
                "stage": request.stage,
                "request_sha256": request.sha256(),
                "answer": {**dataclasses.asdict(answer), "text": seal(answer.text, _paper(request))},
            },
        )


def _paper(request: Request) -> str:
    """The paper's text as the request has it: its first block."""
    return next((block.text for block in request.blocks if isinstance(block, TextBlock)), "")
