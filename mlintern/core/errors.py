"""The errors a user can mend.

Everything a user can get wrong (a file, a key, an id, a missing key) ends as one line that names the thing, what is
wrong with it and the fix. The command line prints that line and exits with `UserError.exit_code`; a traceback is shown
only with `--debug`.
"""


class UserError(Exception):
    """Something the user can mend: one line that names the file or key, what is wrong, and the fix."""

    exit_code = 2

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))


class Damaged(UserError):
    """A file that this tool wrote is not as it was written: torn, edited, emptied, replaced."""


class Absent(Damaged):
    """A file that should be there is not."""


class NothingToTrain(UserError):
    """The paper has nothing that this tool could train (a survey, a sampling method): a result, not a fault."""

    exit_code = 3


class LeakRefused(UserError):
    """Training was refused because the audit has a finding at or above `audit.fail_on`."""

    exit_code = 1


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP came: everything ends as after Ctrl-C."""


class Interrupted(Exception):
    """A run was asked to stop; a checkpoint of its last step is on disk, and the same command continues."""
