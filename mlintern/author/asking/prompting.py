"""Requests of the stages: a prompt file, the paper's text, and what earlier stages found."""

import hashlib
from importlib import resources

from pydantic import BaseModel

from mlintern.author.asking.messages import Block, Request, TextBlock
from mlintern.claims.parsing import kinds_in_words

PROMPTS = ("system", "outline", "extract", "complete", "mend", "write", "critique", "repair")


def prompt(name: str) -> str:
    """The text of one prompt file, with the kinds of claims that there are where it names them."""
    text = resources.files("mlintern.author").joinpath("prompts", f"{name}.md").read_text(encoding="utf-8")
    return text.replace("<<kinds of claims>>", kinds_in_words())


def prompt_hashes() -> dict[str, str]:
    """{name: sha256} of all prompt files, for provenance."""
    return {name: hashlib.sha256(prompt(name).encode()).hexdigest() for name in PROMPTS}


def request(stage: str, paper: TextBlock, form: type[BaseModel], *parts: Block | tuple[str, str]) -> Request:
    """One stage's request: the paper first, so that it is cached across stages, then `parts`, then the prompt.

    A part given as (tag, text) is fenced as data.
    """
    blocks: list[Block] = [paper]
    for part in parts:
        blocks.append(part if not isinstance(part, tuple) else TextBlock(f"<{part[0]}>\n{part[1]}\n</{part[0]}>"))
    blocks.append(TextBlock(prompt(stage)))
    return Request(stage=stage, system=prompt("system"), blocks=tuple(blocks), schema=form.model_json_schema())
