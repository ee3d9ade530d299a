"""Answers from a recorded dialogue: an authoring again, bit for bit, without a key or a network."""

from pathlib import Path

from mlintern.author.asking.dialogue import Dialogue
from mlintern.author.asking.messages import Answer, Request
from mlintern.author.asking.providers.base import Progress, Provider
from mlintern.core.errors import UserError


class ReplayProvider(Provider):
    """Answers exactly the requests that were recorded; any other one is an error, never a guess."""

    name = "replay"
    model = "replay"
    paid = False

    def __init__(self, folder: Path):
        if not Path(folder).is_dir():
            raise UserError(f"llm.replay={folder}: no such folder; record a dialogue with another llm.provider first")
        self.dialogue = Dialogue(folder)

    def ask(self, request: Request, progress: Progress) -> Answer:
        answer = self.dialogue.find(request)
        if answer is None:
            raise UserError(
                f"llm.provider=replay: {self.dialogue.folder} has no answer to this {request.stage} request "
                f"({request.sha256()[:16]}): the paper, a prompt or an earlier answer is another one than was recorded"
            )
        progress(answer.text)
        return answer
