"""Answers by hand: each request becomes a file to paste into any assistant; save the answer beside it and run again."""

import base64
import json
from pathlib import Path

from mlintern.author.asking.messages import Answer, FileBlock, Request, Usage
from mlintern.author.asking.providers.base import Progress, Provider
from mlintern.core import files
from mlintern.core.errors import UserError

_SUFFIX = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "application/pdf": "pdf",
}


class ManualProvider(Provider):
    """Writes `<stage>-<hash>.request.md` and reads `<stage>-<hash>.answer.json` (or `.answer.txt`)."""

    name = "manual"
    model = "manual"
    paid = False

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def ask(self, request: Request, progress: Progress) -> Answer:
        """The saved answer; raises UserError naming the request's file and the answer's when there is none yet."""
        name = f"{request.stage}-{request.sha256()[:16]}"
        for answer in (self.folder / f"{name}.answer.json", self.folder / f"{name}.answer.txt"):
            if answer.exists():
                try:
                    text = answer.read_text(encoding="utf-8")
                except (OSError, UnicodeDecodeError) as error:
                    raise UserError(f"{answer}: cannot be read as UTF-8 text ({error}); save it again") from None
                return Answer(text=text, model="manual", usage=Usage())
        path = self.folder / f"{name}.request.md"
        files.write_text(path, self._text(request, name))
        raise UserError(
            f"llm.provider=manual: the {request.stage} request is {path}; paste it into any assistant, save its answer "
            f"as {self.folder / f'{name}.answer.json'} and run the same command again"
        )

    def _text(self, request: Request, name: str) -> str:
        parts = [request.system]
        for i, block in enumerate(request.blocks):
            if isinstance(block, FileBlock):
                attachment = self.folder / f"{name}.{i}.{_SUFFIX[block.media_type]}"
                with files.atomic_path(attachment) as draft:
                    draft.write_bytes(base64.b64decode(block.data))
                parts.append(f"(Attach the file {attachment.name}: {block.name}.)")
            else:
                parts.append(block.text)
        schema = json.dumps(request.schema, indent=1, ensure_ascii=False)
        parts.append(f"Answer with one JSON object and nothing else. It must satisfy this JSON schema:\n\n{schema}")
        return "\n\n---\n\n".join(parts) + "\n"
