"""Rewrite the golden losses: `python -m tests.golden.write`. A deliberate act; it wants a CHANGELOG line.

A change of bits that is meant raises ENGINE_VERSION first (cells with other bits must have other ids); the file of the
older version then stays as it is.
"""

import json

from mlintern.core import files
from tests.golden.runs import ROOT, bits


def main() -> None:
    from mlintern.engine import ENGINE_VERSION

    path = ROOT / f"tests/golden/engine_{ENGINE_VERSION}.json"
    old = json.loads(path.read_text())["runs"] if path.exists() else {}
    new = bits()
    for name in sorted(old.keys() | new["runs"].keys()):
        said = "unchanged" if old.get(name) == new["runs"].get(name) else "changed" if name in old else "new"
        print(f"{name}: {said if name in new['runs'] else 'gone'}")
    files.write_json(path, new)
    print(f"wrote {path.relative_to(ROOT)}; if bits changed, say so in CHANGELOG.md")


if __name__ == "__main__":
    main()
