#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""check.py [--only PATTERN]: starts the built image in QEMU and uses it. Prints TAP; each test has a
machine of its own. POSTERN_IMAGE is another folder than build/image, with POSTERN_IMAGE_KEEP the folders
of the machines stay."""
import argparse
import fnmatch
import os
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import build  # noqa: E402
import copies  # noqa: E402
import figures  # noqa: E402
import forms  # noqa: E402
import inside  # noqa: E402
import setup  # noqa: E402
import trouble  # noqa: E402
import updates  # noqa: E402
import writes  # noqa: E402
from machine import Machine  # noqa: E402


def test_short():
    """One start under SeaBIOS with answers on the boot partition; the password is gone after it."""
    with Machine() as machine:
        machine.use()
        machine.cut()
        left = machine.answers_on_disk()
        assert "hostname=" in left and "password" not in left, left


def tests():
    """Name and function of each, in the order in which they are worth their time."""
    found = [("short", test_short)]
    for module in (forms, setup, inside, figures, trouble, updates, copies, writes, build):
        found += [(n[5:], f) for n, f in vars(module).items() if n.startswith("test_")]
    return found


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--only", default="*")
    pattern = p.parse_args().only
    chosen = [t for t in tests() if fnmatch.fnmatch(t[0], pattern)]
    failed = 0
    for number, (name, function) in enumerate(chosen, 1):
        began = time.monotonic()
        try:
            function()
            result = "ok"
        except Exception:
            traceback.print_exc(file=sys.stdout)
            result, failed = "not ok", failed + 1
        print(f"{result} {number} - image/{name} ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
