"""The authors' code beside the paper: files that the user gives (`code.files`), or somebody's notes of facts about it.

A value that the paper leaves unsaid and the code states is neither the paper's nor an assumption: `source: code`. It is
grounded as the paper's values are: the quote must stand in the file, and say the value.
"""

import dataclasses
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlintern.author.grounding import supports
from mlintern.author.grounding.ground import LONGEST_QUOTE, Ungrounded
from mlintern.core.errors import UserError
from mlintern.spec.sourced import CodeLocator, Value

LONGEST = 400_000  # characters of all files together: about 100,000 tokens
_SUFFIXES = frozenset({".py", ".md", ".txt", ".rst", ".yaml", ".yml", ".json", ".toml", ".cfg", ".ini", ".sh"})
_KEYS = ("files", "repository", "commit")
_TRUTH = re.compile(r"(\w+)[\"']?\s*[=:]\s*([Tt]rue|[Ff]alse)\b")
"""An argument or entry that is true or false: `shuffle=False`, `"bias": true`."""


@dataclasses.dataclass(frozen=True)
class AuthorsCode:
    """Text files of one repository."""

    repository: str
    """Its address, as locators name it."""
    files: Mapping[str, str]
    """{name: text}."""
    commit: str | None = None

    @classmethod
    def from_mapping(cls, given: Mapping[str, Any]) -> "AuthorsCode | None":
        """Read `code.files` (files or folders), `code.repository`, `code.commit`; None where no files are named.

        Raises UserError naming the key for what cannot be read, and for more text than a request can carry.
        """
        if unknown := sorted(set(given) - set(_KEYS)):
            raise UserError(f"code.{unknown[0]} is not a setting; there are {', '.join(_KEYS)}")
        named = given.get("files") or []
        names = [named] if isinstance(named, str) else list(named)
        if not names:
            return None
        repository = str(given.get("repository") or "").strip()
        if not repository:
            raise UserError("code.repository: say where the code of code.files is from, such as its address")
        texts: dict[str, str] = {}
        for name in map(str, names):
            for label, path in _files_of(Path(name)):
                if label in texts:
                    raise UserError(f"code.files: two files are called {label}; give the folder that holds both")
                texts[label] = _text_of(path)
        size = sum(map(len, texts.values()))
        if size > LONGEST:
            raise UserError(
                f"code.files hold {size:,} characters, more than {LONGEST:,}; name the files that set up the training"
            )
        return cls(repository, texts, str(given["commit"]) if given.get("commit") else None)

    def place(self, file: str, quote: str, value: Value | None, key: str = "") -> CodeLocator | Ungrounded:
        """The place of `quote` in `file`, if the words there say `value` (and speak of `key`, for well-known keys)."""
        if (lines := self._lines(file, quote)) is None:
            return Ungrounded(self._lacks(file, quote))
        first, text = lines
        if isinstance(value, bool) and (given := _truths(quote, key)):
            reason = "" if value in given else f"the quote has it {given[0]}"
        else:
            reason = supports.why_not(quote, value, key, text)
        return (
            Ungrounded(reason)
            if reason
            else CodeLocator(repository=self.repository, file=file, commit=self.commit, line=first)
        )

    def holds(self, quote: str) -> bool:
        """Whether one of the files has these words, white space aside."""
        return any(self._lines(file, quote) is not None for file in self.files)

    def hashes(self) -> dict[str, str]:
        """{file: sha256 of its text}."""
        return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in self.files.items()}

    def _lacks(self, file: str, quote: str) -> str:
        if file not in self.files:
            return f"the authors' code has no file {file!r}; it has {', '.join(self.files)}"
        if not quote.strip() or len(quote) > LONGEST_QUOTE:
            return f"the quote has {len(quote)} characters; between 1 and {LONGEST_QUOTE} may prove one value"
        return f"the quote does not stand in {file}"

    def _lines(self, file: str, quote: str) -> tuple[int, str] | None:
        """(number of the first line, the lines) that `quote` stands in, white space aside."""
        words = quote.split()
        if file not in self.files or not words or len(quote) > LONGEST_QUOTE:
            return None
        text = self.files[file]
        found = re.search(r"\s+".join(map(re.escape, words)), text)
        if found is None:
            return None
        start = text.rfind("\n", 0, found.start()) + 1
        end = text.find("\n", found.end())
        return text.count("\n", 0, start) + 1, text[start : end if end >= 0 else len(text)]


def _truths(quote: str, key: str) -> list[bool]:
    """The truth values that `quote` gives to what the key's last part is called."""
    words = supports.words_of(key.rsplit(".", 1)[-1])
    named = [(m[1].casefold(), m[2].casefold() == "true") for m in _TRUTH.finditer(quote)]
    return [truth for name, truth in named if any(word[:4] in name for word in words)]


def _files_of(path: Path) -> list[tuple[str, Path]]:
    """(name, path) of a file, or of the text files below a folder."""
    if path.is_file():
        return [(path.name, path)]
    if not path.is_dir():
        raise UserError(f"code.files: there is no file or folder {path}")
    found = [p for p in sorted(path.rglob("*")) if p.is_file() and p.suffix.lower() in _SUFFIXES]
    found = [p for p in found if not any(part.startswith(".") for part in p.relative_to(path).parts)]
    if not found:
        raise UserError(f"code.files: {path} holds no text file ({', '.join(sorted(_SUFFIXES))})")
    return [(p.relative_to(path).as_posix(), p) for p in found]


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"code.files: {path} cannot be read as text: {error}") from None
