#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""image.py [--seed S] [--copies N]: the power fails under a real file system.

An instance works on ext4 whose image is a file on XFS, both loop-mounted. While it works the file is
copied: XFS shares its blocks with the copy in one step and keeps writes out meanwhile, so that the
copy is what the disk held at that moment. Each copy is mounted (ext4 replays its journal), checked
with e2fsck, and a real instance is started on it."""
import argparse
import collections
import os
import random
import shutil
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "system"), HERE]
import inject  # noqa: E402
import orders  # noqa: E402
import power  # noqa: E402
from harness import Instance, Skip, need, run  # noqa: E402
from inject import USERS  # noqa: E402

XFS_BYTES, EXT4_BYTES = 3 << 30, 256 << 20  # sparse; XFS takes no less than 300 MB
Copy = collections.namedtuple("Copy", "name before after")


class Stack:
    """XFS in a file, on it the image of an ext4."""

    def __init__(self, home):
        self.home = home
        self.xfs, self.ext4 = os.path.join(home, "xfs"), os.path.join(home, "ext4")
        self.mounted = []

    def begin(self):
        need("mkfs.xfs")
        need("mkfs.ext4")
        os.mkdir(self.xfs)
        os.mkdir(self.ext4)
        outer, inner = self.xfs + ".image", os.path.join(self.xfs, "image")
        for path, size, make in ((outer, XFS_BYTES, ["mkfs.xfs", "-q", "-m", "reflink=1"]),
                                 (inner, EXT4_BYTES, ["mkfs.ext4", "-q", "-F"])):
            with open(path, "wb") as f:
                f.truncate(size)
            run(*make, path)
            self.mount(path, self.xfs if path == outer else self.ext4)
        os.chmod(self.ext4, 0o711)

    def mount(self, image, where):
        done = run("mount", "-o", "loop", image, where, check=False)
        if done.returncode != 0:
            raise Skip("no loop mounts here: " + done.stderr.strip())
        self.mounted.append(where)

    def copy(self, name):
        run("cp", "--reflink=always", self.xfs + "/image", os.path.join(self.xfs, name))

    def umount(self, where):
        run("umount", where)
        self.mounted.remove(where)

    def end(self):
        for where in reversed(self.mounted):
            run("umount", "-l", where, check=False)


class House(inject.House):
    """Without the library: the clock is that of the wall."""

    def __init__(self, home):
        self.home, self.faults = home, None
        self.begin()
        self.m = Instance(home=home, users=USERS)

    def clock(self):
        return time.monotonic_ns()


class Recovered(power.Restarted):
    clock = House.clock


def take_copies(stack, rng, number, stop):
    """Copies at random moments; when each was begun and done."""
    copies = []
    while len(copies) < number and not stop.is_set():
        stop.wait(rng.uniform(0.05, 0.4))
        before = time.monotonic_ns()
        stack.copy(f"copy{len(copies)}")
        copies.append(Copy(f"copy{len(copies)}", before, time.monotonic_ns()))
    return copies


def work(house, rng, stop):
    """Load until it is told to stop."""
    senders = [threading.Thread(target=send_until, args=(house, random.Random(rng.random()), stop))
               for _ in range(4)]
    for s in senders:
        s.start()
    while not stop.is_set():
        inject.imap(house)
        inject.accounts(house)
    for s in senders:
        s.join()


def send_until(house, rng, stop):
    while not stop.is_set():
        power.sender(house, rng, 1)


def recover(stack, house, copy):
    """Mounts one copy, starts an instance on it and checks."""
    where = os.path.join(stack.home, copy.name)
    os.mkdir(where)
    stack.mount(os.path.join(stack.xfs, copy.name), where)
    os.chmod(where, 0o711)
    folder = os.path.join(where, "d")
    promised = {t: users for t, users in house.promised.items()
                if house.clocks.get(t, 0) <= copy.before and t not in house.maybe_removed}
    again = Recovered(house, folder, promised, copy.before)
    try:
        again.m.start()
        again.settle()
        again.check_accounts()
        damage = [line for line in again.m.log().splitlines() if "damage" in line]
        assert not damage, "damage is said: " + "\n".join(damage)
        assert again.m.stop() == 0
        assert again.problem() is None
    except Exception:
        print("\n".join(again.m.log().splitlines()[-40:]) + again.m.said())
        raise
    finally:
        again.m.stop()
    stack.umount(where)
    run("e2fsck", "-fn", os.path.join(stack.xfs, copy.name))
    os.unlink(os.path.join(stack.xfs, copy.name))
    return len(promised)


def copies(seed, number, progress=print):
    """Takes and recovers that many; returns counts."""
    rng = random.Random(seed)
    home = tempfile.mkdtemp(prefix="postern-image-")
    os.chmod(home, 0o711)
    stack, house = Stack(home), None
    done = {"seed": seed, "copies": 0, "messages": 0, "promises": 0}
    try:
        stack.begin()
        house = House(stack.ext4)
        for user in USERS:
            house.send(inject.SMALL, [user])
        house.settle()
        stop, taken = threading.Event(), []
        worker = threading.Thread(target=work, args=(house, rng, stop))
        worker.start()
        try:
            taken = take_copies(stack, rng, number, stop)
        finally:
            stop.set()
            worker.join()
        house.settle()
        house.m.stop()
        done["messages"] = len(house.promised)
        for copy in taken:
            done["promises"] += recover(stack, house, copy)
            done["copies"] += 1
        return done
    except Skip:
        raise
    except Exception:
        progress(f"copy {done['copies']} of seed {seed}")
        raise
    finally:
        if house is not None:
            house.m.stop()
        stack.end()
        shutil.rmtree(home, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--copies", type=int, default=20)
    args = parser.parse_args()
    orders.own_mounts()
    print(f"seed {args.seed}", flush=True)
    print(copies(args.seed, args.copies))
    return 0


if __name__ == "__main__":
    sys.exit(main())
