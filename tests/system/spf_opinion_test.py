# SPDX-License-Identifier: ISC
"""The cases of SPF as pyspf sees them (tests/spf_second_opinion.py)."""
import os
import subprocess

from harness import *

OPTIONS = None


def test_pyspf(_):
    """Debian's own Python has the package, whichever is first in PATH."""
    script = os.path.join(TOP, "tests", "spf_second_opinion.py")
    run = subprocess.run(["/usr/bin/python3", script], capture_output=True, text=True)
    print(run.stdout + run.stderr)
    assert run.returncode == 0, run.stdout + run.stderr
