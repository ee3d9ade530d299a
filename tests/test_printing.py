"""The command line under a locale that has few characters."""

import os
import subprocess
import sys

from mlintern.core.roots import ROOT


def test_an_ascii_terminal_takes_every_message():
    environment = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    code = (
        "import sys; from mlintern.cli import main; code = main(['--version']); "
        "print('1 ' + chr(0x2026) + ' 2'); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(b"1 ? 2\n")
