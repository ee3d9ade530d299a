"""`mlintern approve SLUG`: the human's word that a pack was read and may run outside the sandbox."""

import argparse
import getpass
from collections.abc import Sequence

from mlintern.errors import UserError
from mlintern.pack import LOCK_FILE, Pack


def main(argv: Sequence[str]) -> int:
    """Record the approval in pack.lock with the hash of every file; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mlintern approve", description=__doc__)
    parser.add_argument("slug", help="the pack's folder below papers/, such as arxiv_2011_14439")
    parser.add_argument("--by", default=None, help="who approves; by default your user name")
    arguments = parser.parse_args(list(argv))
    if not Pack.exists(arguments.slug):
        raise UserError(f"{arguments.slug}: no such pack in papers/")
    pack = Pack(arguments.slug)
    changed = pack.changed()
    pack.approve(arguments.by or getpass.getuser())
    print(
        f"approved {len(pack.hashes())} files of papers/{pack.slug}, {len(changed)} new or changed: {LOCK_FILE} written"
    )
    return 0
