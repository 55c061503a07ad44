# SPDX-License-Identifier: ISC
"""Sealed backups when the power fails, a call of the system fails, or the program is killed, at any of the
calls by which it writes: there is the old backup or the new one, whole; a directory that was to become an instance
is one or is none."""
import collections

from backups import *
from harness import *
import orders
import power

OPTIONS = dict(users=(USER,))
LOG_BYTES = 256 << 20  # sparse
MODES = ("none", "all", "some")


class Bench:
    """A folder with a disk in it, and a postern whose calls are recorded or fail."""
    made = None

    def __init__(self, m):
        if SAN:
            raise Skip("faults.so is not for the sanitizers")
        self.m = m
        self.faults = orders.Faults(os.path.join(OUT, "faults.so"), os.path.join(m.home, "faults"), LOG_BYTES)
        self.disk = os.path.join(m.home, "disk")
        self.target = os.path.join(self.disk, "usb")
        os.makedirs(self.target)
        send(m, 3)
        send(m, 1, 5 << 20)
        backup(m, self.target, check=True)

    def postern(self, *words, folder):
        return postern(*words, "--key", key_of(self.m), folder=folder,
                       env={**os.environ, "LD_PRELOAD": self.faults.library})

    def record(self, disk, name, *words, folder):
        """What a command does to disk/name."""
        recording = power.Recording(disk, [name])
        self.faults.rewind()
        self.faults.record()
        done = self.postern(*words, folder=folder)
        self.faults.record(False)
        assert done.returncode == 0, done
        recording.add(self.faults.entries(), self.faults.clock())
        return recording


def bench(m):
    Bench.made = Bench.made or Bench(m)
    return Bench.made


def cuts(recording, count):
    """Moments before and behind each operation: some of each kind, unless all are wanted."""
    kinds = collections.defaultdict(list)
    for op in recording.ops:
        kinds[op.kind] += [op.at, op.at + 1]
    if LONG:
        return sorted({at for ats in kinds.values() for at in ats})
    return sorted({random.choice(ats) for ats in kinds.values() for _ in range(count)})


def disks(m, recording, moments):
    """Each disk that may be there after a cut, and when that was."""
    for at in moments:
        for mode in MODES:
            after = os.path.join(m.home, "after")
            shutil.rmtree(after, ignore_errors=True)
            os.makedirs(after)
            recording.materialise(recording.disk(at, random, mode), after)
            yield after, at, mode


def test_power_cut_in_a_backup(m):
    b = bench(m)
    old = quiet_state(m)
    backup(m, b.target, check=True)
    send(m, 1)
    new = quiet_state(m)
    recording = b.record(b.disk, "usb", "backup", b.target, folder=m.folder)
    assert len(recording.ops) > 10, len(recording.ops)
    seen = collections.Counter()
    for after, at, mode in disks(m, recording, [recording.ops[0].at] + cuts(recording, 1)):
        state = state_of(restore(m, after + "/usb", check=True)[0])
        assert state in (old, new), (at, mode)
        seen[state == new] += 1
    for after, at, mode in disks(m, recording, [recording.end]):
        same(restore(m, after + "/usb", check=True)[0], new)
    assert seen[False] > 0, seen


def test_power_cut_in_a_restore(m):
    b = bench(m)
    before = quiet_state(m)
    backup(m, b.target, check=True)
    disk = os.path.join(m.home, "new")
    os.makedirs(disk + "/d")
    recording = b.record(disk, "d", "restore", b.target, folder=disk + "/d")
    instances = 0
    for after, at, mode in disks(m, recording, cuts(recording, 3) + [recording.end]):
        there = os.path.exists(after + "/d/postern.conf")
        assert there or at < recording.end, mode
        if there:
            same(after + "/d", before)
            assert os.path.exists(after + "/d/queue/renumber")
            assert os.path.exists(after + "/d/mail/1/dedupe-all")
            instances += 1
    assert instances >= len(MODES)


def test_calls_that_fail(m):
    b = bench(m)
    old = quiet_state(m)
    backup(m, b.target, check=True)
    send(m, 1)
    new = quiet_state(m)
    kept = os.path.join(m.home, "kept")
    shutil.copytree(b.target, kept)
    before = b.faults.counts()
    assert b.postern("backup", b.target, folder=m.folder).returncode == 0
    after = b.faults.counts()
    cases = [(kind, at, fault) for kind, faults in orders.FAULTS.items() for fault in faults
             for at in range(1, after["postern", kind] - before["postern", kind] + 1)]
    assert len(cases) > 60, len(cases)
    for kind, at, fault in cases if LONG else random.sample(cases, 15):
        shutil.rmtree(b.target)
        shutil.copytree(kept, b.target)
        b.faults.arm("postern", kind, at, fault)
        done = b.postern("backup", b.target, folder=m.folder)
        assert b.faults.hits == 1, (kind, at, fault)
        b.faults.disarm()
        state = state_of(restore(m, b.target, check=True)[0])
        what = (kind, at, fault, done)
        assert state in (old, new), what
        assert done.returncode in ((-9,) if fault.startswith("kill") else (0, 1)), what
        if done.returncode == 0:
            assert state == new, what
        elif done.returncode == 1 and kind != "unlink":
            # The head may stand although its directory could not be synced.
            assert state == old or kind == "sync", what
            assert state == new or set(os.listdir(b.target)) == set(os.listdir(kept)), what
