# SPDX-License-Identifier: ISC
"""The cases of SPF as pyspf sees them (tests/spf_second_opinion.py)."""
import subprocess

from harness import *

OPTIONS = None


def test_pyspf(_):
    """Debian's own Python has the package, whichever is first in PATH."""
    run = subprocess.run(["/usr/bin/python3", os.path.join(HERE, "..", "spf_second_opinion.py")],
                         capture_output=True, text=True)
    print(run.stdout + run.stderr)
    assert run.returncode == 0, run.stdout + run.stderr
