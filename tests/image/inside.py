# SPDX-License-Identifier: ISC
"""Inside of the booted machine: its open ports, and who may write or execute which file, are what the tables of
docs/appliance.md say."""
import concurrent.futures
import os
import re

from machine import TOP, Machine, free_port

CLOSED = (22, 23, 80, 111, 123, 443)
# Folders whose files the kernel does not keep from being written: all others are on the read-only root.
WRITABLE = ("/data", "/dev", "/run", "/tmp")
LIST = ("find / -path /proc -prune -o -path /sys -prune -o ! -type l -exec stat -c '%A %a %u %n' {} + "
        "| sort -k 4 | uniq")


def table(heading):
    """Rows of the table below a heading of docs/appliance.md, as lists of cells."""
    with open(os.path.join(TOP, "docs", "appliance.md")) as f:
        text = f.read().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip().strip("`") for cell in line.strip("|\n").split("|")]
            for line in text.splitlines() if line.startswith("|")]
    return rows[2:]


def documented_ports():
    found = {}
    for ports, service, *_ in table("Open ports"):
        for word in ports.split(","):
            found[int(word.strip().split("/")[0])] = (word.strip().split("/")[1], service)
    return found


def source(*path):
    with open(os.path.join(TOP, *path)) as f:
        return f.read()


def test_ports():
    """The table, the firewall, the list of services and the machine name the same ports."""
    wanted = documented_ports()
    accepted = re.search(r"tcp dport \{ (.*?) \} accept", source("image", "root", "nftables")).group(1)
    assert sorted(wanted) == sorted(int(p) for p in accepted.split(",")), accepted
    services = re.findall(r"^LISTENER\(\w+, \w+, (\d+)\)", source("lib", "proc", "process_table.h"), re.M)
    assert sorted(wanted) == sorted(int(p) for p in services if p != "0")
    with Machine() as machine:
        machine.ports = {**machine.ports, **{p: free_port() for p in CLOSED}}
        machine.use()
        machine.log_in()
        text = machine.must("busybox netstat -lntu")
        open_here = set()
        for line in text.splitlines():
            words = line.split()
            if words and words[0].startswith(("tcp", "udp")):
                open_here.add((words[0][:3], int(words[3].rsplit(":", 1)[1])))
        assert open_here == {(kind, port) for port, (kind, _) in wanted.items()}, text
        # All at once: what is dropped is only known by its silence.
        with concurrent.futures.ThreadPoolExecutor(len(CLOSED)) as pool:
            assert list(pool.map(machine.banner, CLOSED)) == [""] * len(CLOSED)
        for port, first in ((25, "220 "), (143, "* OK"), (587, "220 ")):
            assert machine.banner(port).startswith(first), port


def uid_of(owner):
    """A number, or the name of a process: its uid as the programs have it when they give up root."""
    known = {"root": 0, "ntpd": 105}
    base = int(re.search(r"general_daemon_uid_base.*?COUNT, (\d+)", source("lib", "settings", "settings_table.h"),
                         re.S).group(1))
    first_user = int(re.search(r"general_mailbox_uid_base.*?COUNT, (\d+)",
                               source("lib", "settings", "settings_table.h"), re.S).group(1))
    for name, offset in re.findall(r"^PROCESS\((\w+), (\d+),", source("lib", "proc", "process_table.h"), re.M):
        known[name] = base + int(offset)
    known["mailbox"] = first_user + 1  # of account 1
    return known[owner]


class Row:
    """A row of the table; * stands for any part of one name, ** for any names."""

    def __init__(self, path, mode, owner, what):
        words = re.split(r"(\*\*|\*)", path)
        self.pattern = re.compile("".join({"*": "[^/]*", "**": ".*"}.get(w, re.escape(w)) for w in words) + "$")
        self.path, self.what, self.met = path, what, False
        self.kind, self.mode = mode.split()[0], int(mode.split()[1], 8)
        self.uid = uid_of(owner)

    def fits(self, kind, path):
        return self.kind == kind and self.pattern.match(path)


KINDS = {"-": "file", "d": "folder", "s": "socket", "c": "device", "b": "disk", "p": "fifo"}


def counts(kind, mode, path):
    """More may be done with it than to read it: the root is never written, so there only programs count."""
    if path.startswith(tuple(w + "/" for w in WRITABLE)) or path in WRITABLE:
        return True
    return kind == "file" and mode & 0o111 != 0


def faults(text, rows):
    found = []
    for line in text.splitlines():
        letters, mode, uid, path = line.split(" ", 3)
        kind, mode = KINDS[letters[0]], int(mode, 8)
        if not counts(kind, mode, path):
            if mode & 0o22 and path != "/":
                found.append("may be written by others: " + line)
            continue
        row = next((r for r in rows if r.fits(kind, path)), None)
        if row is None:
            found.append("not in the table: " + line)
            continue
        row.met = True
        if (mode, int(uid)) != (row.mode, row.uid):
            found.append(f"the table says {row.mode:o} {row.uid}: {line}")
    return found + ["nothing there: " + r.path for r in rows if not r.met and "(sometimes)" not in r.what]


def test_permissions():
    """Every file of the machine that can be written or executed is in the table, with its mode and owner."""
    rows = [Row(*cells) for cells in table("Files that may be written or executed")]
    with Machine() as machine:
        machine.use()
        machine.log_in()
        wrong = faults(machine.must(LIST), rows)
        assert not wrong, "\n".join(wrong)
