"""A paper's pack: the folder papers/<slug>/ and its hashes. Who has read it is kept in `mlintern.packs.approval`."""

import functools
from pathlib import Path
from typing import Any

from mlintern.core.errors import UserError
from mlintern.core.roots import PACKS
from mlintern.packs.pack_code import needed
from mlintern.packs.pack_files import content_sha256, counted_files, is_code, joined

NOT_PART = {"composed.yaml"}
"""Files of the folder that are made from the others."""


class Pack:
    """One pack on disk. Raises UserError where a file that every pack needs is missing."""

    def __init__(self, slug: str, packs: Path = PACKS):
        self.slug, self.folder = slug, packs / slug
        needed = [self.folder / "spec.yaml", self.folder / "conf" / "paper" / f"{slug}.yaml"]
        for path in needed:
            if not path.is_file():
                raise UserError(f"{_shown(path)}: missing; restore it (git checkout) or author the pack again")
        self.code = sorted([*self.folder.glob("modules.py"), *self.folder.glob("modules/**/*.py")])
        if not self.code:
            raise UserError(
                f"{_shown(self.folder / 'modules.py')}: missing; restore it (git checkout) or author the pack again"
            )

    @staticmethod
    def exists(slug: str, packs: Path = PACKS) -> bool:
        return (packs / slug).is_dir()

    def files(self) -> dict[str, Path]:
        """{path in the pack: file} of all that counts; see `mlintern.packs.pack_files`."""
        return counted_files(self.folder, str(_shown(self.folder)))

    def hashes(self) -> dict[str, str]:
        """{path in the pack: sha256} of every file that is part of it; line endings do not count."""
        return {name: content_sha256(path) for name, path in self.files().items() if name not in NOT_PART}

    def sha256(self) -> str:
        """One hash over the whole pack."""
        return joined(self.hashes())

    def code_files(self) -> dict[str, Path]:
        """{path in the pack: file} of the code, and of what code may read: all but what says what the pack is."""
        return {name: path for name, path in self.files().items() if is_code(name)}

    def code_sha256(self) -> str:
        """One hash over the pack's code: what of the pack, beside its configuration, determines a result."""
        return joined({name: content_sha256(path) for name, path in self.code_files().items()})

    def code_for(self, *configs: Any) -> str:
        """One hash over the code that the targets in `configs` depend on; empty where they have none in the pack.

        The code is read once: what a study asks of one Pack is of one state.
        """
        files, hashes = self._code
        names = needed(self.slug, files, configs)
        return joined({name: hashes[name] for name in names}) if names else ""

    @functools.cached_property
    def _code(self) -> tuple[dict[str, Path], dict[str, str]]:
        files = self.code_files()
        return files, {name: content_sha256(path) for name, path in files.items()}


def _shown(path: Path) -> Path:
    return path.relative_to(PACKS.parent) if path.is_relative_to(PACKS.parent) else path
