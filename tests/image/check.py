#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""check.py [--only PATTERN]: starts the built image in QEMU and uses it. Prints TAP; each test has a
machine of its own."""
import argparse
import fnmatch
import os
import random
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from machine import Machine, free_port  # noqa: E402
from updates import test_update, test_update_bad, test_update_cut  # noqa: E402,F401


def used(machine, subject="first"):
    """A message goes in by SMTP and comes out by IMAP."""
    machine.start()
    machine.wait_up()
    machine.wait_console("postern: ready ")
    machine.send(subject)
    machine.wait(f"{subject} in the mailbox", lambda: subject in machine.subjects())


def test_short():
    """One start under SeaBIOS with answers on the boot partition; the password is gone after it."""
    machine = Machine()
    try:
        used(machine)
        machine.cut()
        left = machine.answers_on_disk()
        assert "hostname=" in left and "password" not in left, left
    finally:
        machine.destroy()


def test_uefi():
    machine = Machine(uefi=True)
    try:
        used(machine)
    finally:
        machine.destroy()


def test_kill():
    """Twenty power cuts during mail: what was promised is there."""
    machine, promised = Machine(), []
    try:
        for i in range(20):
            machine.start()
            machine.wait_up()
            machine.wait_console("postern: ready ")
            for j in range(random.randint(1, 8)):
                machine.send(f"mail-{i}-{j}")
                promised.append(f"mail-{i}-{j}")
            machine.cut()
        machine.start()
        machine.wait_up()
        machine.wait("all that was promised", lambda: set(promised) <= set(machine.subjects()))
    finally:
        machine.destroy()


def test_closed_ports():
    """No service but mail: what docs/appliance.md lists is what answers."""
    machine = Machine()
    try:
        machine.ports = {**machine.ports, **{p: free_port() for p in (22, 23, 80, 111, 123, 443)}}
        used(machine)
        for port in (22, 23, 80, 111, 443):
            assert not machine.banner(port), port
        for port, first in ((25, "220 "), (143, "* OK"), (587, "220 ")):
            assert machine.banner(port).startswith(first), port
    finally:
        machine.destroy()


def start_with(**options):
    machine = Machine(**options)
    try:
        used(machine)
    finally:
        machine.destroy()


def test_clock_2020():
    start_with(clock="2020-01-01T00:00:00")


def test_memory_128():
    start_with(memory=128)


def test_unset():
    """Without answers the machine says so, and serves nothing."""
    machine = Machine(answers=None)
    try:
        machine.start()
        machine.wait_console("has not been set up")
        assert not machine.banner(25).startswith("220 ")
        machine.cut()
    finally:
        machine.destroy()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--only", default="*")
    pattern = p.parse_args().only
    tests = [(n[5:], f) for n, f in globals().items() if n.startswith("test_")]
    tests = [t for t in tests if fnmatch.fnmatch(t[0], pattern)]
    failed = 0
    for number, (name, function) in enumerate(tests, 1):
        began = time.monotonic()
        try:
            function()
            result = "ok"
        except Exception:
            traceback.print_exc(file=sys.stdout)
            result, failed = "not ok", failed + 1
        print(f"{result} {number} - image/{name} ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
