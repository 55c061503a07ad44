# SPDX-License-Identifier: ISC
"""DKIM and ARC beside dkimpy, opendkim-testmsg and openssl (tests/dkim_second_opinion.py)."""
import os
import subprocess

from harness import *

OPTIONS = None
TOOL = os.path.join(TOP, "build", "obj-san" if SAN else "obj-release", "bench", "dkim_tool")


def test_others_agree(_):
    """Debian's own Python has the packages, whichever is first in PATH."""
    run = subprocess.run(["/usr/bin/python3", os.path.join(TOP, "tests", "dkim_second_opinion.py"), TOOL],
                         capture_output=True, text=True)
    print(run.stdout + run.stderr)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("\nok ") == 7, run.stdout
