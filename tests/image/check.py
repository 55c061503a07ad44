#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""check.py [--only PATTERN]: starts the built image in QEMU and uses it. Prints TAP; each test has a
machine of its own. POSTERN_IMAGE is another folder than build/image, with POSTERN_IMAGE_KEEP the folders
of the machines stay."""
import argparse
import fnmatch
import os
import subprocess
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import build  # noqa: E402
import clock  # noqa: E402
import copies  # noqa: E402
import figures  # noqa: E402
import forms  # noqa: E402
import inside  # noqa: E402
import setup  # noqa: E402
import trouble  # noqa: E402
import updates  # noqa: E402
import writes  # noqa: E402
from machine import ADMIN, LIMIT, PASSWORD, Machine  # noqa: E402


def submit(machine, subject):
    """With a login over TLS, by swaks."""
    done = subprocess.run(
        ["swaks", "--server", "127.0.0.1", "--port", str(machine.ports[587]), "--tls", "--auth", "PLAIN", "--auth-user",
         ADMIN, "--auth-password", PASSWORD, "--from", ADMIN, "--to", ADMIN, "--ehlo", "client.example.net",
         "--header", "Subject: " + subject, "--timeout", str(LIMIT)], capture_output=True)
    assert done.returncode == 0, done.stdout.decode()


def read_by_curl(machine, subject):
    found = subprocess.run(
        ["curl", "--silent", "--show-error", "--insecure", "--user", f"{ADMIN}:{PASSWORD}", "--url",
         f"imaps://127.0.0.1:{machine.ports[993]}/INBOX?SUBJECT%20{subject}"], check=True, capture_output=True).stdout
    assert found.startswith(b"* SEARCH 2"), found


def test_short():
    """One start under SeaBIOS with answers on the boot partition; the password is gone after it. Mail from outside
    and with a login."""
    with Machine() as machine:
        machine.use()
        submit(machine, "submitted")
        machine.wait_mail("submitted")
        read_by_curl(machine, "submitted")
        machine.cut()
        left = machine.answers_on_disk()
        assert "hostname=" in left and "password" not in left, left


def tests():
    """Name and function of each, in the order in which they are worth their time."""
    found = [("short", test_short)]
    for module in (forms, setup, clock, inside, figures, trouble, updates, copies, writes, build):
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
