# SPDX-License-Identifier: ISC
"""The tests' end of faults.so (tests/crash/faults.h): loads it into the daemons of this mount
namespace, gives orders, reads counters and the recording."""
import collections
import ctypes
import errno
import mmap
import os
import shutil
import struct
import subprocess

PROGRAMS = ["master", "logger", "accounts", "queue", "mailbox", "postern"]
KINDS = ["write", "sync", "rename", "link", "unlink", "mkdir", "allocate", "truncate", "open"]
ACTIONS = {"none": 0, "fail": 1, "half": 2, "kill-before": 3, "kill-after": 4, "kill-half": 5}
MAGIC = 0x31544C5541465350
LOG_START = 4096
FOREVER = 0xFFFFFFFF
UNKNOWN = -(1 << 63)
CLONE_NEWNS = 0x00020000
# Offsets in struct faults.
AT_LOG, AT_ORDER, AT_HITS, AT_RECORDING, AT_USED, AT_COUNT = 8, 24, 56, 64, 72, 80
PROGRAMS_MAX = 8

ERRNOS = {name: getattr(errno, name) for name in ("EIO", "ENOSPC", "EDQUOT", "EINTR")}
# What may happen to a call of each kind; EINTR only where the system call can be interrupted.
FAULTS = {
    "write": ["EIO", "ENOSPC", "EDQUOT", "EINTR", "half", "kill-before", "kill-half", "kill-after"],
    "sync": ["EIO", "ENOSPC", "EDQUOT", "EINTR", "kill-before", "kill-after"],
    "rename": ["EIO", "ENOSPC", "EDQUOT", "kill-before", "kill-after"],
    "link": ["EIO", "ENOSPC", "EDQUOT", "kill-before", "kill-after"],
    "unlink": ["EIO", "ENOSPC", "EDQUOT", "kill-before", "kill-after"],
    "mkdir": ["EIO", "ENOSPC", "EDQUOT", "kill-before", "kill-after"],
    "allocate": ["EIO", "ENOSPC", "EDQUOT", "EINTR", "kill-before", "kill-after"],
    "truncate": ["EIO", "ENOSPC", "EDQUOT", "EINTR", "kill-before", "kill-after"],
    "open": ["EIO", "ENOSPC", "EDQUOT", "EINTR", "kill-before", "kill-after"],
}

Entry = collections.namedtuple(
    "Entry", "at kind program created result inode other offset name to data")


def own_mounts():
    """From here on mounts of this process and its children are seen by nobody else."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    # In a chroot whose root is no mount point this fails, and is not needed.
    subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True)


class Faults:
    """The library in a folder of its own; only programs started after this have it."""

    def __init__(self, library, folder, log_bytes=0):
        self.folder = folder
        os.makedirs(folder)
        os.chmod(folder, 0o755)
        self.library = os.path.join(folder, "faults.so")
        shutil.copy(library, self.library)
        self.path = self.library + ".orders"
        size = LOG_START + log_bytes
        with open(self.path, "wb") as f:
            f.truncate(size)
            f.write(struct.pack("<QQQ", MAGIC, LOG_START, size))
        self.file = open(self.path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), size)
        self.mounted = False

    def mount(self):
        """/etc as it is, and in it the file that makes the loader take the library along."""
        etc = os.path.join(self.folder, "etc")
        subprocess.run(["cp", "-a", "/etc/.", etc], check=True)
        with open(os.path.join(etc, "ld.so.preload"), "w") as f:
            f.write(self.library + "\n")
        subprocess.run(["mount", "--bind", etc, "/etc"], check=True)
        self.mounted = True

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "-l", "/etc"], check=True)
        self.mounted = False
        self.map.close()
        self.file.close()

    # --- orders
    def _u64(self, at):
        return struct.unpack_from("<Q", self.map, at)[0]

    def disarm(self):
        struct.pack_into("<I", self.map, AT_ORDER, 0)

    def arm(self, program, kind, at, fault, times=1):
        """From the at-th call of this kind from now on, so many times."""
        action, error = ("fail", ERRNOS[fault]) if fault in ERRNOS else (fault, 0)
        self.disarm()
        self.map[AT_HITS:AT_HITS + 8] = bytes(8)
        begin = self.count(program, kind)
        struct.pack_into("<IIIiIQ", self.map, AT_ORDER + 4, PROGRAMS.index(program),
                         KINDS.index(kind), ACTIONS[action], error, times, begin + at)
        struct.pack_into("<I", self.map, AT_ORDER, 1)

    @property
    def hits(self):
        return self._u64(AT_HITS)

    def count(self, program, kind):
        index = PROGRAMS.index(program) * len(KINDS) + KINDS.index(kind)
        return self._u64(AT_COUNT + 8 * index)

    def counts(self):
        return {(p, k): self.count(p, k) for p in PROGRAMS for k in KINDS}

    # --- the recording
    def record(self, on=True):
        struct.pack_into("<I", self.map, AT_RECORDING, 1 if on else 0)

    def clock(self):
        """What is recorded so far, in bytes: entries beyond were begun later."""
        return self._u64(AT_USED)

    def rewind(self):
        """Forgets what was recorded; only while nothing runs that could be recording."""
        used = min(self.clock(), len(self.map) - LOG_START)
        self.map[AT_USED:AT_USED + 8] = bytes(8)
        self.map[LOG_START:LOG_START + used] = bytes(used)

    def entries(self):
        if struct.unpack_from("<I", self.map, AT_RECORDING + 4)[0]:
            raise AssertionError("the recording is too long for its file")
        at, found, used = 0, [], self.clock()
        while at < used:
            size, kind, program, created, _, result, inode, other, offset, n, m = (
                struct.unpack_from("<IBBBBqQQQII", self.map, LOG_START + at))
            if size == 0:
                raise AssertionError("an entry was not finished")
            begin = LOG_START + at + 48
            data, name, to = b"", "", ""
            if KINDS[kind] == "write":
                data = self.map[begin:begin + n]
            else:
                name = self.map[begin:begin + n].decode()
                to = self.map[begin + n:begin + n + m].decode()
            found.append(Entry(at, KINDS[kind], PROGRAMS[program], bool(created), result, inode,
                               other, offset, name, to, data))
            at += size
        return found
