"""The recorded dialogue of an authoring: every request with its answer, one file each, found by the request's hash.

It is the memory that lets a crashed authoring go on without paying twice, the evidence that provenance names, and what
`llm.provider=replay` answers from.
"""

import dataclasses
from pathlib import Path

from mlintern import files
from mlintern.author.messages import Answer, Request, Usage
from mlintern.author.redact import redact


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
        return Answer(**{**record["answer"], "usage": Usage(**record["answer"]["usage"])})

    def forget(self, request: Request) -> None:
        """Drop the recorded answer to `request`, if there is one."""
        self.path(request).unlink(missing_ok=True)

    def record(self, request: Request, answer: Answer) -> None:
        """Keep an answer. Only the request's hash is kept, not its text: the prompt holds the paper's words."""
        files.write_json(
            self.path(request),
            {
                "stage": request.stage,
                "request_sha256": request.sha256(),
                "answer": {**dataclasses.asdict(answer), "text": redact(answer.text)},
            },
        )
