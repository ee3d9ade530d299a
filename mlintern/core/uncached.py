"""Packs are imported from their sources alone: no bytecode cache is read or written, no compiled file is taken.

A cache is a file that nobody reads, and Python believes one that says it needs no check. Libraries keep theirs.
"""

import os
import sys
from importlib.machinery import FileFinder, SourceFileLoader
from types import CodeType, ModuleType

from mlintern.core import patience

PACKAGE = "papers"
"""The namespace package whose members are packs."""


class SourceOnly(SourceFileLoader):
    """Compiles the source anew at every import."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def exec_module(self, module: ModuleType) -> None:
        with patience.within(patience.IMPORT):
            super().exec_module(module)


def _is_packs(path: str) -> bool:
    """Asked of every folder that something is imported from: text alone, for a Path takes thirty times as long."""
    given = os.path.abspath(path) + os.sep
    return any(given.startswith(os.path.join(os.path.abspath(root), PACKAGE, "")) for root in sys.path)


def _finder(path: str) -> FileFinder:
    """The finder for a folder of packs; for any other, ImportError hands it to Python's own."""
    if not _is_packs(path):
        raise ImportError(f"{path} holds no pack")
    return FileFinder(path, (SourceOnly, [".py"]))


def install() -> None:
    """Import packs so from now on, in this process; a second call changes nothing."""
    if _finder not in sys.path_hooks:
        sys.path_hooks.insert(0, _finder)
        for path in filter(_is_packs, list(sys.path_importer_cache)):
            del sys.path_importer_cache[path]
