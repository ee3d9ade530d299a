"""`mlintern approve SLUG`: the human's word that they read a pack as it is now. Its code stays in the sandbox.

The linter goes first: what it finds is to be mended, or there is no approval. Kept in the user's state folder.
"""

import argparse
import getpass
import sys
from collections.abc import Sequence

from mlintern.core.errors import UserError
from mlintern.packs import approval, snapshot
from mlintern.vet.run import check_pack

_MOST_SHOWN = 40


def main(argv: Sequence[str]) -> int:
    """Vet the pack and keep the approval; returns the exit code."""
    parser = argparse.ArgumentParser(prog="mlintern approve", description=__doc__)
    parser.add_argument("slug", help="the pack's folder below papers/, such as arxiv_2011_14439")
    parser.add_argument("--by", default=None, help="who approves; by default your user name")
    arguments = parser.parse_args(list(argv))
    place = approval.folder_of(arguments.slug)
    pack = snapshot.project() / "papers" / arguments.slug
    if not pack.is_dir() or pack.is_symlink():
        raise UserError(f"{arguments.slug}: no such pack in papers/")
    found = check_pack(pack)
    if found:
        for refusal in found[:_MOST_SHOWN]:
            print(refusal, file=sys.stderr)
        count = f"{len(found)} finding{'s' * (len(found) > 1)}"
        raise UserError(f"papers/{pack.name}: not approved: {count} of the linter, listed above; mend them first")
    before = approval.latest(pack.name)
    given = approval.approve(pack, arguments.by or getpass.getuser())
    count = sum(value not in ("folder",) for value in given.files.values())
    print(f"papers/{pack.name}: approved by {given.by} as it is now, {count} files, sha256 {given.sha256[:16]}")
    if before is not None:
        print(f"Since {before.by} approved it on {before.at[:10]}: {approval.changes(before, given)}")
    print(f"This says that you read it; its code runs in the sandbox all the same. Kept in {place}")
    return 0
