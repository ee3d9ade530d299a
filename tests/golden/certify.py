"""Certify the engine's present code: `make certify`, or `python -m tests.golden.certify`.

Runs the golden suite and the tests of prepared data. Where all of it passes, the hash of the code goes into
`mlintern/engine/certified.json`: studies then keep the cells that other code of that list has trained, for their bits
are the same. It is the last thing before a commit that touches `mlintern/engine` or `mlintern/data`.
"""

import subprocess
import sys

from mlintern.core import files
from mlintern.engine import ENGINE_VERSION, source
from tests.golden.runs import ROOT
from tests.golden.test_golden import unsuited

SUITE = ("tests/golden/test_golden.py", "tests/data/test_bundled.py", "tests/data/test_prepare.py")


def main() -> int:
    if reason := unsuited():
        print(f"not certified: {reason}", file=sys.stderr)
        return 2
    known, now = source.certified(), source.source_hash()
    listed = known.get(str(ENGINE_VERSION), [])
    if now in listed:
        print(f"certified already: code {now[:12]} of engine version {ENGINE_VERSION}")
        return 0
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SUITE]
    if subprocess.run(argv, cwd=ROOT).returncode:
        print("not certified: the golden suite does not pass with this code", file=sys.stderr)
        return 1
    files.write_json(source.CERTIFIED_FILE, {**known, str(ENGINE_VERSION): [*listed, now]})
    print(f"certified: code {now[:12]} of engine version {ENGINE_VERSION}; commit {source.CERTIFIED_FILE.name} with it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
