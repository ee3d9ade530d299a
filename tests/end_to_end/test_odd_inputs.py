"""Odd surroundings of the command: each ends in a result or in one line."""

import subprocess
import sys

import pytest

from mlintern.core.errors import UserError
from mlintern.core.roots import ROOT
from mlintern.packs.entering import enter_snapshot

LISTED = [sys.executable, "-m", "mlintern", "--help"]


def shell(line):
    return subprocess.run(
        ["sh", "-c", line, "sh", *LISTED], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_lead_nowhere(closed):
    done = shell(f'exec "$@" {closed}')
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_no_file_takes_the_place_of_a_closed_stream(tmp_path):
    code = (
        "from mlintern.core import printing; printing.never_fail()\n"
        f"file = open({str(tmp_path / 'file')!r}, 'w'); print('said'); print(file.fileno(), file=file)"
    )
    subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code], cwd=ROOT, timeout=60, check=True
    )
    assert int((tmp_path / "file").read_text()) > 2


def test_output_that_cannot_be_written_is_one_line():
    done = shell('exec "$@" > /dev/full')
    assert (done.returncode, done.stderr) == (2, "mlintern: output: No space left on device\n")


def test_an_interrupt_while_modules_are_read_is_one_line():
    code = (
        "import runpy, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'mlintern.cli': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "runpy.run_module('mlintern', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (130, "\nmlintern: interrupted before anything began\n")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("run.dir=papers/local_lesion_attention/out", "give another folder, like runs"),
        ("run.dir=''", "run.dir=: the project's own code, packs and settings stand there"),
        ("run.dir=./runs/..", "run.dir=./runs/..: the project's own code"),
        ("run.data_dir=conf/data", "give another folder, like data"),
        ("run.report_dir=mlintern/report", "give another folder, like report"),
    ],
)
def test_results_do_not_go_where_a_studys_state_is_taken_of(given, says):
    """Each run would make the next another one, and none would be finished already."""
    with pytest.raises(UserError) as refused:
        enter_snapshot(["paper=local_lesion_attention", given])
    assert says in str(refused.value)
    enter_snapshot(["paper=local_lesion_attention", "run.dir=runs", "run.data_dir=/tmp/data"])
