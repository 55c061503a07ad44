# SPDX-License-Identifier: ISC
"""Power cuts at every write of an update. QEMU keeps a log of what the machine writes to its disk, in the format of
Linux' dm-log-writes: so it is known what lay between two flushes, of which a cut may leave any sectors."""
import os
import random
import struct

from machine import MIB, Machine
from updates import SLOT_A, SLOT_FILE, SLOT_MIB, Stick, at_console

SECTOR, FLUSH, FUA, DISCARD, MARK = 512, 1, 2, 4, 8
MAGIC = 0x6A736677736872
ENV_AT, SLOT_B = 36 * MIB, SLOT_A + SLOT_MIB * MIB
SEEDS = 4  # which sectors are lost, for each cut


def logging_disk(machine):
    """QEMU's words for a disk whose writes are logged."""
    machine.log = os.path.join(machine.home, "writes")
    with open(machine.log, "w"):
        pass
    machine.kind = "none"
    machine.words = ["-blockdev", f"driver=file,filename={machine.disk},node-name=f",
                     "-blockdev", f"driver=file,filename={machine.log},node-name=l",
                     "-blockdev", "driver=blklogwrites,file=f,log=l,node-name=d",
                     "-device", "virtio-blk-pci,drive=d"]


def entries(path):
    """(sector, bytes, flags) of each write, in order."""
    found = []
    with open(path, "rb") as f:
        assert struct.unpack("<Q", f.read(8))[0] == MAGIC
        at, size = SECTOR, os.path.getsize(path)
        while at + SECTOR <= size:
            f.seek(at)
            sector, count, flags, _ = struct.unpack("<QQQQ", f.read(32))
            if count == 0 and flags == 0:
                break
            data = b""
            if not flags & (DISCARD | MARK):
                f.seek(at + SECTOR)
                data = f.read(count * SECTOR)
                at += len(data)
            found.append((sector, data, flags))
            at += SECTOR
    return found


class Region:
    """A part of the disk: what is on it for sure, and what was written since the last flush."""

    def __init__(self, disk, at, size):
        self.at, self.pending = at, []
        with open(disk, "rb") as f:
            f.seek(at)
            self.stable = bytearray(f.read(size))

    def write(self, sector, data):
        start = sector * SECTOR - self.at
        for i in range(0, len(data), SECTOR):
            if 0 <= start + i < len(self.stable):
                self.pending.append((start + i, data[i:i + SECTOR]))

    def flush(self):
        for at, data in self.pending:
            self.stable[at:at + SECTOR] = data
        self.pending = []

    def after_cut(self, rng):
        """Any of the sectors that were not flushed; all of them without a generator."""
        state = bytearray(self.stable)
        for at, data in self.pending:
            if rng is None or rng.random() < 0.5:
                state[at:at + SECTOR] = data
        return state


def first_slot(env):
    """Which slot the boot loader takes, as image/grub.cfg says."""
    at = env.index(b"# GRUB Environment Block")
    words = dict(line.split("=", 1) for line in env[at:at + 1024].decode().split("\n") if "=" in line)
    order = words.get("order", "ab")
    order = order if order == "ba" else "ab"
    return next((s for s in order if words.get("try_" + s) in ("1", "2", "3")), order[0])


def check(env, slot, good):
    """The boot loader takes the old slot, or the new one which is whole."""
    if first_slot(env) == "a":
        return "a"
    assert slot[:len(good) - 4096] == good[:-4096] and slot[-4096:] == good[-4096:], "half a system would be started"
    return "b"


def cuts(log, env, slot, good, began):
    """Checks each cut from the update's first write on; how often each slot was the first."""
    counts = {"a": 0, "b": 0}
    for number, (sector, data, flags) in enumerate(log):
        if flags & FLUSH:
            env.flush()
            slot.flush()
        if number >= began:
            last = sector + len(data) // SECTOR
            assert last <= SLOT_A // SECTOR or sector >= SLOT_B // SECTOR, "the running slot was written"
        env.write(sector, data)
        slot.write(sector, data)
        if flags & FUA:
            env.flush()
            slot.flush()
        if number >= began:
            for rng in [None] + [random.Random(number * SEEDS + i) for i in range(SEEDS)]:
                counts[check(env.after_cut(rng), slot.after_cut(rng), good)] += 1
    return counts


def test_update_writes():
    with Stick() as stick, Machine(extra=[stick.path]) as machine:
        stick.add("good.slot", "9.0.0", 1000)
        env, slot = Region(machine.disk, ENV_AT, MIB), Region(machine.disk, SLOT_B, SLOT_MIB * MIB)
        logging_disk(machine)
        assert machine.boot() == "a"
        at_console(machine)
        began = len(entries(machine.log))
        machine.must("postern update /run/usb/good.slot")
        machine.cut()
        log = entries(machine.log)
        with open(os.path.join(stick.home, "good.slot"), "rb") as f:
            good = f.read()
        assert len(good) == os.path.getsize(SLOT_FILE)
        counts = cuts(log, env, slot, good, began)
        assert counts["a"] > 0 and counts["b"] > 0, counts
        print(f"# {sum(counts.values())} power cuts at {len(log) - began} writes of an update: "
              f"{counts['a']} times the old system starts, {counts['b']} times the new one", flush=True)
