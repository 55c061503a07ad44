# SPDX-License-Identifier: ISC
"""Our cases of SPF as pyspf sees them (tests/spf_second_opinion.py), and its own as we do (tests/spf_suite.py)."""
from harness import *

OPTIONS = None
TOOL = os.path.join(TOP, "build", "obj-san" if SAN else "obj-release", "test", "spf_test")


def played(script, *words):
    """Debian's own Python has the packages, whichever is first in PATH."""
    done = run("/usr/bin/python3", os.path.join(TOP, "tests", script), *words, check=False)
    print(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_pyspf(_):
    played("spf_second_opinion.py")


def test_suite_of_pyspf(_):
    if "SKIP" in (said := played("spf_suite.py", TOOL)):
        raise Skip(said.strip())
