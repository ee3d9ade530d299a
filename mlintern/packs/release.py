"""The packs that came with this release, by the hash of every file: `release_packs.json` in the package's data.

`python -m mlintern.packs.release` writes it anew; a test keeps it true.
"""

import json
import re
from pathlib import Path

from mlintern.core import files
from mlintern.packs.pack_files import everything

PACKS_FILE = Path(__file__).with_name("release_packs.json")
SLUGS = ("arxiv_2011_14439", "local_lesion_attention")
COMPOSED = "composed.yaml"
"""At the root of a pack: the main job writes it from conf/ and the pack's, and nothing is composed from it."""

_CACHE = re.compile(r"__pycache__/[\w.-]+\.pyc")


def is_of_the_release(folder: Path) -> bool:
    """Is every file of this pack, and nothing else, as this release brought it?"""
    known = json.loads(PACKS_FILE.read_text(encoding="utf-8")).get(folder.name)
    return known is not None and known == kept(folder)


def kept(folder: Path) -> dict[str, str]:
    """The hashes as the release keeps them: without bytecode caches, which are never read (`core.uncached`)."""
    return {
        name: value
        for name, value in everything(folder, f"papers/{folder.name}").items()
        if name not in (COMPOSED, "__pycache__") and not _CACHE.fullmatch(name)
    }


def main() -> None:
    """Write the hashes of the packs in papers/."""
    from mlintern.core.roots import PACKS

    files.write_json(PACKS_FILE, {slug: kept(PACKS / slug) for slug in SLUGS})


if __name__ == "__main__":
    main()
