#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""power.py [--seed S] [--cuts N] [--starts N] [--fault PROGRAM KIND AT FAULT]: the power fails.

A real instance works under faults.so, which records the order of its writes, changes of directories
and syncs. Then disks are made as they may look after a power cut at any point of that:

- a write is certain when its file was synced after it; before that each 512-byte sector of it is
  there or not (each page of 4096 bytes of the accounts' data.db: see docs/durability.md);
- a name made, changed or removed is certain when its directory was synced after it; before that it
  is there or not, whatever became of others;
- after a sync that failed, what was written before it never becomes certain by a later sync.

Of each disk the independent reader checks every promise that was given before the cut; some are
given to a real instance, which must start, keep the promises, take mail and deliver it once."""
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
import reader  # noqa: E402
from harness import SLOW, USER, Instance, wait_until  # noqa: E402
from inject import (INLINE, LARGE, SMALL, USERS, House)  # noqa: E402

STORES = ["queue", "mail", "accounts"]
SECTOR, PAGE = 512, 4096
LOG_BYTES = 1 << 30  # sparse: costs what is recorded
O_TRUNC = os.O_TRUNC
NEVER = 1 << 62


class Object:
    """A file or directory as it was at the beginning; directories hold name -> Object. sector: what
    of a write is there as a whole or not at all."""

    def __init__(self, data=b"", names=None, sector=SECTOR):
        self.data, self.names, self.sector = data, names, sector


class Op:
    __slots__ = ("at", "kind", "obj", "offset", "data", "name", "to", "to_dir", "target", "certain")

    def __init__(self, at, kind, obj, **more):
        self.at, self.kind, self.obj = at, kind, obj
        self.certain = NEVER
        for name, value in more.items():
            setattr(self, name, value)


class Recording:
    """What was there at first, and every change with the moment from which it is certain."""

    def __init__(self, folder, stores=tuple(STORES)):
        self.by_inode, self.ops, self.owner = {}, [], {}
        self.open = collections.defaultdict(list)  # by object: what no sync has covered
        self.roots = {name: self.load(os.path.join(folder, name)) for name in stores}
        self.end = 0

    def load(self, path):
        st = os.lstat(path)
        if os.path.isdir(path):
            one = Object(names={n: self.load(os.path.join(path, n)) for n in os.listdir(path)})
        else:
            with open(path, "rb") as f:
                one = Object(f.read(), sector=sector_of(os.path.basename(path)))
        self.by_inode[st.st_ino] = one
        self.owner[one] = (st.st_uid, st.st_gid, st.st_mode & 0o7777)
        return one

    def add(self, entries, end):
        """Turns the recording into operations on objects."""
        now = {o: dict(o.names) for o in self.by_inode.values() if o.names is not None}
        self.end = end
        for e in entries:
            if e.result < 0 and e.result != orders.UNKNOWN and e.kind != "sync":
                continue
            one = self.by_inode.get(e.inode)
            if one is not None:
                getattr(self, "on_" + e.kind)(e, one, now)

    def op(self, e, kind, obj, **more):
        self.ops.append(Op(e.at, kind, obj, **more))
        self.open[obj].append(self.ops[-1])

    def on_write(self, e, one, _):
        data = e.data if e.result == orders.UNKNOWN else e.data[:e.result]
        self.op(e, "write", one, offset=e.offset, data=data)

    def on_allocate(self, e, one, _):
        self.op(e, "grow", one, offset=e.offset)

    def on_truncate(self, e, one, _):
        self.op(e, "size", one, offset=e.offset)

    def on_open(self, e, folder, now):
        if e.created or (e.result == orders.UNKNOWN and e.name not in now[folder]):
            one = Object(sector=sector_of(e.name))
            if e.other:
                self.by_inode[e.other] = one
            self.owner[one] = self.owner[folder][:2] + (0o600,)
            now[folder][e.name] = one
            self.op(e, "name", folder, name=e.name, target=one)
        elif e.offset & O_TRUNC:
            self.op(e, "size", now[folder][e.name], offset=0)

    def on_mkdir(self, e, folder, now):
        if e.other == 0:
            return
        one = Object(names={})
        self.by_inode[e.other] = one
        now[one] = {}
        self.owner[one] = (0, 0, 0o700)  # master gives it to whom it belongs
        now[folder][e.name] = one
        self.op(e, "name", folder, name=e.name, target=one)

    def on_link(self, e, folder, now):
        to = self.by_inode[e.other]
        now[to][e.to] = now[folder][e.name]
        self.op(e, "name", to, name=e.to, target=now[folder][e.name])

    def on_rename(self, e, folder, now):
        to = self.by_inode.get(e.other)
        if to is None or e.name not in now[folder]:
            return
        if e.result != orders.UNKNOWN:
            now[to][e.to] = now[folder].pop(e.name)
        self.op(e, "rename", folder, name=e.name, to=e.to, to_dir=to)

    def on_unlink(self, e, folder, now):
        if e.result != orders.UNKNOWN:
            now[folder].pop(e.name, None)
        self.op(e, "unlink", folder, name=e.name)

    def on_sync(self, e, one, _):
        if e.result >= 0:
            for op in self.open[one]:
                op.certain = e.at
        if e.result >= 0 or one.names is None:  # directories: the file system's own journal
            self.open[one].clear()

    # --- a disk after the cut
    def disk(self, cut, rng, mode):
        """name of store -> Object: what may be there. mode: what becomes of the uncertain: `none`
        of it, `all` of it, each `some`times."""
        files = {}

        def copy(one):
            made = files[one] = Object(bytearray(one.data),
                                       None if one.names is None else dict(one.names))
            for child in (one.names or {}).values():
                copy(child)
            return made

        def of(one):
            return files.get(one) or copy(one)

        for root in self.roots.values():
            copy(root)
        for op in self.ops:
            if op.at >= cut:
                break
            sure = op.certain < cut
            if op.kind == "write":
                write(of(op.obj).data, op, sure, rng, mode)
            elif not sure and (mode == "none" or mode == "some" and rng.random() < 0.5):
                continue
            elif op.kind == "size":
                resize(of(op.obj).data, op.offset)
            elif op.kind == "grow":
                data = of(op.obj).data
                resize(data, max(len(data), op.offset))
            elif op.kind == "name":
                of(op.target)
                of(op.obj).names[op.name] = op.target
            elif op.kind == "unlink":
                of(op.obj).names.pop(op.name, None)
            elif op.kind == "rename" and op.name in of(op.obj).names:
                of(op.to_dir).names[op.to] = of(op.obj).names.pop(op.name)
        return files

    def materialise(self, files, folder):
        for name, root in self.roots.items():
            self.put(files, root, os.path.join(folder, name))

    def put(self, files, one, path):
        uid, gid, mode = self.owner[one]
        made = files[one]
        if made.names is None:
            with open(path, "wb") as f:
                f.write(made.data)
        else:
            os.mkdir(path)
            for name, child in made.names.items():
                self.put(files, child, os.path.join(path, name))
        os.chown(path, uid, gid)
        os.chmod(path, mode)


def sector_of(name):
    return PAGE if name == "data.db" else SECTOR


def resize(data, size):
    if size < len(data):
        del data[size:]
    else:
        data.extend(bytes(size - len(data)))


def write(data, op, sure, rng, mode):
    if sure or mode == "all":
        resize(data, max(len(data), op.offset + len(op.data)))
        data[op.offset:op.offset + len(op.data)] = op.data
        return
    if mode == "none":
        return
    # All of it, none, up to somewhere, or any sectors: disks do each of these.
    style, at, sector = rng.randrange(4), 0, op.obj.sector
    until = rng.randrange(len(op.data) + 1)
    while at < len(op.data):
        n = min(sector - (op.offset + at) % sector, len(op.data) - at)
        if style == 0 or (style == 1 and at < until) or (style == 2 and rng.random() < 0.5):
            resize(data, max(len(data), op.offset + at + n))
            data[op.offset + at:op.offset + at + n] = op.data[at:at + n]
        at += n


# --- the load --------------------------------------------------------------------------------------
class Told(threading.Thread):
    """Asks for UIDs as a client does, and remembers which it was told when."""

    def __init__(self, house, stop):
        super().__init__(daemon=True)
        self.house, self.stop, self.told = house, stop, {}

    def run(self):
        while not self.stop.is_set():
            for account, user in enumerate(USERS, 1):
                try:
                    for uid, text in self.house.m.messages(user).items():
                        token = reader.token_of(text.replace(b"\r\n", b"\n"))
                        self.told.setdefault((account, uid), (token, self.house.clock()))
                except Exception:  # it is being stopped or killed
                    pass
                self.stop.wait(0.05)


def sender(house, rng, count):
    for _ in range(count):
        house.send(rng.choice((SMALL, SMALL, SMALL, INLINE, LARGE)),
                   USERS if rng.random() < 0.4 else [rng.choice(USERS)])


def load(house, rng, steps):
    """Mail from several sides, IMAP and administration, now and then an end of all processes."""
    for _ in range(steps):
        workers = [threading.Thread(target=sender, args=(house, random.Random(rng.random()), 6))
                   for _ in range(4)]
        for w in workers:
            w.start()
        inject.imap(house)
        inject.accounts(house)
        for w in workers:
            w.join()
        what = rng.random()
        if what < 0.3:
            inject.recovery(house)
        elif what < 0.6:
            inject.stop(house)
        elif what < 0.8:
            inject.turnover(house, 180)
        else:
            inject.bulk(house, 220)
    house.settle()


class Night:
    """A recorded run and the disks made of it."""

    def __init__(self, seed, steps, fault=None):
        self.rng = random.Random(seed)
        self.house = House(LOG_BYTES)
        house = self.house
        for user in USERS:
            house.send(SMALL, [user])
        house.settle()
        inject.quiet(house)
        os.sync()
        self.recording = Recording(house.m.folder)
        house.faults.record()
        stop = threading.Event()
        told = Told(house, stop)
        told.start()
        if fault:
            house.faults.arm(*fault)
        load(house, self.rng, steps)
        stop.set()
        told.join(20 * SLOW)
        house.faults.disarm()
        inject.quiet(house)
        house.check()
        house.m.stop()
        house.faults.record(False)
        if "died program=queue" in house.m.log():
            house.unknown.update(house.doubtful)
            house.refused -= set(house.doubtful)
        self.told = told.told
        self.recording.add(house.faults.entries(), house.faults.clock())
        self.hits = house.faults.hits

    def cut(self):
        """A moment before or after some operation; of rare kinds as often as of common ones."""
        kinds = collections.defaultdict(list)
        for op in self.recording.ops:
            kinds[op.kind].append(op.at)
        return self.rng.choice(kinds[self.rng.choice(sorted(kinds))]) + self.rng.choice((0, 1))

    def expect(self, cut):
        """What had been promised at the cut."""
        house = self.house
        return {t: users for t, users in house.promised.items()
                if house.clocks.get(t, 0) <= cut and t not in house.maybe_removed}

    def read(self, cut, mode, folder):
        """One disk, read by the independent reader."""
        os.makedirs(folder)
        self.recording.materialise(self.recording.disk(cut, self.rng, mode), folder)
        waiting = reader.Queue(os.path.join(folder, "queue")).tokens()
        found = {a: box.tokens() for a, box in reader.mailboxes(folder).items()}
        known, self.house.uids = self.house.uids, {}
        removed, self.house.removed = self.house.removed, {
            t for t in self.house.removed if self.house.clocks.get("-" + t, NEVER) <= cut}
        refused, unknown = self.house.refused, self.house.unknown
        self.house.refused = self.house.refused_at(cut)
        self.house.unknown = {**unknown, **dict.fromkeys(refused - self.house.refused)}
        try:
            problem = self.house.judge(waiting, found, self.expect(cut), complete=False)
        finally:
            self.house.uids, self.house.removed = known, removed
            self.house.refused, self.house.unknown = refused, unknown
        if problem:
            raise AssertionError(problem)
        self.same_uids(found, cut)

    def same_uids(self, found, cut):
        for (account, uid), (token, clock) in self.told.items():
            if clock > cut:
                continue
            here = [t for (_, u), t in found.get(account, {}).items() if u == uid]
            if here and here[0] != token:
                raise AssertionError(f"UID {uid} of mailbox {account} was {token}, is {here[0]}")

    def start(self, cut, mode):
        """One disk, given to a real instance."""
        house = self.house
        home = tempfile.mkdtemp(prefix="postern-power-")
        os.chmod(home, 0o711)
        folder = os.path.join(home, "d")
        shutil.copytree(house.m.folder, folder, ignore=lambda path, names: [
            n for n in names if n in STORES + ["log", "control.sock"]
            and path == house.m.folder], copy_function=copy_with_owner)
        os.chmod(folder, os.stat(house.m.folder).st_mode & 0o7777)
        self.recording.materialise(self.recording.disk(cut, self.rng, mode), folder)
        copy_owners(house.m.folder, folder)
        keep = shutil.copytree(folder, home + "/before", ignore=shutil.ignore_patterns("*.sock"))
        again = Restarted(house, folder, self.expect(cut), cut)
        try:
            again.m.start()
            again.settle()
            again.check_accounts()
            damage = [line for line in again.m.log().splitlines() if "damage" in line]
            assert not damage, "damage is said: " + "\n".join(damage)
            self.same_uids({a: b.tokens() for a, b in reader.mailboxes(folder).items()}, cut)
        except Exception:
            print("\n".join(again.m.log().splitlines()[-40:]) + again.m.said())
            print(f"kept: {keep}")
            again.m.stop()
            raise
        again.m.stop()
        shutil.rmtree(home)

    def close(self):
        self.house.close()


class Restarted(House):
    """The instance on a disk after the cut, with the promises given before it."""

    def __init__(self, before, folder, promised, cut):
        self.m = Instance.__new__(Instance)
        self.m.__dict__.update(before.m.__dict__)
        self.m.folder, self.m.proc = folder, None
        self.m.output, self.m.read_from = folder + ".output", 0
        self.m.logged = 0
        self.home, self.faults = os.path.dirname(folder), before.faults
        self.tokens, self.lock = before.tokens + 100000, before.lock
        self.promised = dict(promised)
        self.refused = before.refused_at(cut)
        self.unknown = {**before.unknown, **before.promised,
                        **dict.fromkeys(before.refused - self.refused)}
        for token in self.promised:
            self.unknown.pop(token, None)
        self.removed = {t for t in before.removed if before.clocks.get("-" + t, NEVER) <= cut}
        self.maybe_removed = set(before.maybe_removed)
        self.uids, self.clocks, self.doubtful = {}, {}, {}
        self.aliases = {a: at for a, at in before.aliases.items() if at <= cut}
        self.accounts = {a: s if before.clocks.get("@" + a, NEVER) <= cut else "unknown"
                         for a, s in before.accounts.items()}


def copy_with_owner(source, target):
    shutil.copy2(source, target)
    st = os.stat(source)
    os.chown(target, st.st_uid, st.st_gid)


def copy_owners(source, target):
    """Directories as they were: copytree leaves them with root."""
    for path, _, _ in os.walk(source):
        there = os.path.join(target, os.path.relpath(path, source))
        if os.path.isdir(there):
            st = os.stat(path)
            os.chown(there, st.st_uid, st.st_gid)


MODES = ["none", "some", "some", "some", "all"]


def replay(seed, cuts, starts, steps=4, progress=print, fault=None):
    """Records one run and cuts the power so many times; returns counts."""
    night = Night(seed, steps, fault)
    done = {"seed": seed, "operations": len(night.recording.ops), "read": 0, "started": 0,
            "messages": len(night.house.promised), "hits": night.hits}
    scratch = tempfile.mkdtemp(prefix="postern-power-", dir="/dev/shm")
    try:
        for number in range(max(cuts, starts)):
            for kind, limit in (("read", cuts), ("started", starts)):
                if number >= limit:
                    continue
                cut, mode = night.cut(), night.rng.choice(MODES)
                if fault and number % 2:
                    cut = night.recording.end
                state = night.rng.getstate()
                try:
                    if kind == "read":
                        night.read(cut, mode, os.path.join(scratch, "d"))
                        shutil.rmtree(os.path.join(scratch, "d"))
                    else:
                        night.start(cut, mode)
                except Exception:
                    night.rng.setstate(state)
                    progress(f"power cut at {cut} of {night.recording.end}, {mode} of what was "
                             f"not certain ({kind} {number}, seed {seed}, fault {fault})")
                    raise
                done[kind] += 1
    finally:
        shutil.rmtree(scratch)
        night.close()
    return done


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compress", action="store_true", help="with mailbox.compress")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--fault", nargs=4, metavar=("PROGRAM", "KIND", "AT", "FAULT"))
    args = parser.parse_args()
    if args.compress:
        inject.SETTINGS.append(("mailbox.compress", "yes"))
    orders.own_mounts()
    print(f"seed {args.seed}", flush=True)
    began = time.monotonic()
    fault = args.fault and (*args.fault[:2], int(args.fault[2]), args.fault[3])
    print(replay(args.seed, args.cuts, args.starts, args.steps, fault=fault),
          f"{time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
