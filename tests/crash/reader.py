#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""reader.py DIR: reads the queue and the mailboxes of an instance from their bytes, by what
docs/formats.md (and lib/journal/journal_format.h, which it names) say, without any code of Postern.
Prints what is there; damage that a correct writer cannot leave raises Damage."""
import os
import re
import struct
import subprocess
import sys
import zlib

HEADER, RECORD = 4096, 64
META_MAX, INLINE_MAX = 1 << 20, 128 << 10
LAST, KILL = 1, 2
TOKEN = re.compile(rb"^X-Token: (\S+)", re.M | re.I)


class Damage(Exception):
    pass


class Record:
    __slots__ = ("segment", "offset", "size", "type", "kill", "seq", "large", "about", "meta",
                 "content_at", "content_size", "content_crc")


class Segment:
    """One file: its header, and the records below its end."""

    def __init__(self, number, data):
        self.number, self.data = number, data
        self.end = None
        if len(data) < HEADER or data[:8] != b"PSTNJRNL":
            raise Damage(f"segment {number}: no header")
        (version, _, self.kind, num, self.salt, self.prev, self.prev_end, self.cut,
         self.first_seq, crc) = struct.unpack_from("<II8sQQQIIQI", data, 8)
        if zlib.crc32(data[:64]) != crc or num != number or version != 1:
            raise Damage(f"segment {number}: header")
        self.salt_bytes = struct.pack("<Q", self.salt)

    def header(self, at):
        """A record's header, or None when there is none."""
        if at + RECORD > len(self.data) or self.data[at:at + 4] != b"rec1":
            return None
        head = self.data[at:at + RECORD]
        if struct.unpack_from("<I", head, 60)[0] != zlib.crc32(head[:60],
                                                              zlib.crc32(self.salt_bytes)):
            return None
        r = Record()
        r.segment, r.offset = self.number, at
        (r.type, flags, _, meta, meta_crc, r.content_size, r.content_crc, synced, r.seq, r.large,
         about, _) = struct.unpack_from("<BBHIIQIIQQQI", head, 4)
        if meta > META_MAX or (r.large == 0 and r.content_size > INLINE_MAX):
            return None
        r.kill = bool(flags & KILL)
        r.about = about
        r.meta = self.data[at + RECORD:at + RECORD + meta]
        r.content_at = at + RECORD + meta
        r.size = (RECORD + meta + (0 if r.large else r.content_size) + 7) & ~7
        good = len(r.meta) == meta and zlib.crc32(r.meta) == meta_crc and (
            r.large != 0 or zlib.crc32(self.data[r.content_at:r.content_at + r.content_size])
            == r.content_crc)
        return r, bool(flags & LAST), synced, good

    def headers_from(self, at):
        """All good headers at or behind an offset."""
        while True:
            at = self.data.find(b"rec1", at)
            if at < 0:
                return
            if at % 8 == 0:
                found = self.header(at)
                if found:
                    yield found
            at += 4

    def records(self):
        """Those that count. A segment whose end no later one tells ends with its last whole
        batch; what was on stable storage must be good."""
        found, batch, at, seq = [], [], HEADER, None
        limit = self.end if self.end is not None else len(self.data)
        while at < limit:
            one = self.header(at)
            if one is None or not one[3] or one[0].seq < self.first_seq or (
                    seq is not None and one[0].seq < seq):
                break
            batch.append(one[0])
            at += one[0].size
            seq = one[0].seq + 1
            if one[1] or self.end is not None:
                found += batch
                batch = []
        good = found[-1].offset + found[-1].size if found else HEADER
        if self.end is not None and good != self.end:
            raise Damage(f"segment {self.number}: bad record at {at}, its end is {self.end}")
        for r, _, synced, _ in self.headers_from(good) if self.end is None else ():
            if synced > good and synced <= r.offset:
                raise Damage(f"segment {self.number}: {good} to {synced} was synced and is bad")
        return found


class Journal:
    """All records in the order in which they count."""

    def __init__(self, folder, kind):
        self.folder = folder
        names = sorted(n for n in os.listdir(folder) if re.fullmatch(r"[0-9a-f]{16}\.seg", n))
        bad = [n for n in os.listdir(folder) if n.endswith(".bad")]
        if bad:
            raise Damage(f"{folder}: set aside: {bad}")
        self.segments = {}
        for name in names:
            with open(os.path.join(folder, name), "rb") as f:
                number = int(name[:16], 16)
                self.segments[number] = Segment(number, f.read())
        for s in self.segments.values():
            if s.kind.rstrip(b"\0").decode() != kind:
                raise Damage(f"{folder}: segment {s.number} is of kind {s.kind}")
            if s.prev in self.segments and s.prev < s.number:
                self.segments[s.prev].end = s.prev_end
        self.records = [r for n in sorted(self.segments) for r in self.segments[n].records()]

    def content(self, r):
        """Its bytes; None: the file of a large one is not there or not what it should be."""
        if r.large == 0:
            data = self.segments[r.segment].data
            return data[r.content_at:r.content_at + r.content_size]
        try:
            with open(os.path.join(self.folder, f"{r.large:016x}.big"), "rb") as f:
                data = f.read()
        except FileNotFoundError:
            return None
        good = len(data) == r.content_size and zlib.crc32(data) == r.content_crc
        return data if good else None


class Numbers:
    """LEB128 numbers of a meta, one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def number64(self):
        """An email id: 8 bytes."""
        self.at += 8
        return struct.unpack_from("<Q", self.data, self.at - 8)[0]

    def time(self):
        value = self.number()
        return value >> 1 ^ -(value & 1)

    def text(self):
        n = self.number()
        self.at += n
        return self.data[self.at - n:self.at].decode()

    def runs(self, count, flags):
        last = 0
        for _ in range(count):
            first = last + self.number()
            last = first + self.number()
            yield first, last, self.number() if flags else 0


FORMAT, FOLDERS, SUBSCRIPTIONS, KEYWORDS, COUNTERS, ARRIVAL, CONTENT, COPY, FLAGS, EXPUNGE, \
    CHUNK, BEGIN, END = range(1, 14)


class Message:
    __slots__ = ("email", "modseq", "flags", "number")

    def __init__(self, email, modseq, flags, number=0):
        self.email, self.modseq, self.flags, self.number = email, modseq, flags, number


class Mailbox:
    """folders: id -> (UIDVALIDITY, UIDNEXT, name); messages: (folder id, UID) -> Message."""

    def __init__(self, folder):
        self.journal = Journal(folder, "mailbox")
        self.folders, self.next_folder = {}, 1
        self.messages, self.contents, self.gone = {}, {}, set()
        self.packed = {}  # size of what is compressed
        self.uidnext = {}
        records = self.journal.records
        ends = {Numbers(r.meta).number() for r in records if r.type == END}
        start = max((i for i, r in enumerate(records)
                     if r.type == BEGIN and Numbers(r.meta).number() in ends), default=0)
        for i, r in enumerate(records):
            if r.type in (ARRIVAL, CONTENT):
                self.arrival(r, i >= start)
            elif r.type == FOLDERS:
                self.table(r)
            elif i >= start:
                self.apply(r)
        for key in [k for k in self.messages if k[0] not in self.folders or k in self.gone]:
            del self.messages[key]

    def arrival(self, r, counts):
        (folder, uid, modseq, flags, _, email, _, _, _, delivered, size, number, _) = struct.unpack(
            "<IIQQqQQqhHIQQ", r.meta)
        self.contents[email] = r
        if delivered & 2:
            self.packed[email] = size
        if r.type == ARRIVAL and counts:
            self.state(folder, uid, Message(email, modseq, flags, number if delivered & 1 else 0))

    def state(self, folder, uid, message):
        known = self.messages.get((folder, uid))
        if known is not None and known.email != message.email:
            raise Damage(f"{self.journal.folder}: UID {uid} of folder {folder} names two messages")
        self.uidnext[folder] = max(self.uidnext.get(folder, 1), uid + 1)
        if known is None or message.modseq > known.modseq:
            message.number = message.number or (known.number if known else 0)
            self.messages[folder, uid] = message

    def table(self, r):
        n = Numbers(r.meta)
        self.next_folder, _, count = n.number(), n.number(), n.number()
        self.folders = {}
        for _ in range(count):
            ident, validity, uidnext = n.number(), n.number(), n.number()
            n.number()
            self.folders[ident] = (validity, uidnext, n.text())
            self.uidnext[ident] = max(self.uidnext.get(ident, 1), uidnext)

    def apply(self, r):
        n = Numbers(r.meta)
        if r.type == COPY:
            folder, uid, modseq, _, count = (n.number(), n.number(), n.number(), n.time(),
                                             n.number())
            for i in range(count):
                self.state(folder, uid + i, Message(n.number64(), modseq, n.number()))
        elif r.type == FLAGS:
            folder, modseq, count = n.number(), n.number(), n.number()
            for first, last, flags in n.runs(count, True):
                for uid in range(first, last + 1):
                    known = self.messages.get((folder, uid))
                    if known is not None and modseq > known.modseq:
                        known.modseq, known.flags = modseq, flags
        elif r.type == EXPUNGE:
            folder, _, uidnext, count = n.number(), n.number(), n.number(), n.number()
            self.uidnext[folder] = max(self.uidnext.get(folder, 1), uidnext)
            for first, last, _ in n.runs(count, False):
                self.gone.update((folder, uid) for uid in range(first, last + 1))
        elif r.type == CHUNK:
            self.chunk(n)

    def chunk(self, n):
        folder, first, last, uidnext, _, count = (n.number() for _ in range(6))
        self.uidnext[folder] = max(self.uidnext.get(folder, 1), uidnext)
        uid, named = first - 1, set()
        for _ in range(count):
            uid += n.number()
            email, modseq, flags = n.number64(), n.number(), n.number()
            n.time()
            named.add(uid)
            self.state(folder, uid, Message(email, modseq, flags))
        self.gone.update(k for k in self.messages
                         if k[0] == folder and first <= k[1] <= last and k[1] not in named)

    def content(self, message):
        """The bytes of a message; raises when they are lost."""
        r = self.contents.get(message.email)
        data = self.journal.content(r) if r is not None else None
        if data is None:
            raise Damage(f"{self.journal.folder}: content of {message.email:x} is lost")
        if message.email in self.packed:
            done = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True)
            data = done.stdout
            if done.returncode != 0 or len(data) != self.packed[message.email]:
                raise Damage(f"{self.journal.folder}: compressed content of {message.email:x} is damaged")
        return data

    def tokens(self, name="INBOX"):
        """(UIDVALIDITY, UID) -> token of each message of a folder."""
        found = {}
        for (folder, uid), message in self.messages.items():
            validity, _, folder_name = self.folders[folder]
            if folder_name == name:
                found[validity, uid] = token_of(self.content(message))
        return found


REMOTE, NOBODY = 0xFFFFFFFF, 0xFFFFFFFE  # instead of an account
PENDING = 0


class Queued:
    def __init__(self, meta):
        """The envelope: queue/envelope.h, which docs/formats.md names."""
        version = meta[0]
        if version not in (1, 2):
            raise Damage(f"envelope of version {version}")
        deliveries, self.number, _, recipients = struct.unpack_from("<IQQI", meta, 4)
        at = 32
        for _ in range(4):
            at = skip_text(meta, at)
        self.recipients = []
        for _ in range(recipients):
            n = struct.unpack_from("<H", meta, at)[0]
            self.recipients.append(meta[at + 2:at + 2 + n].decode())
            at = skip_text(meta, skip_text(meta, at))
            if version == 1:
                at += 3 + 4 * struct.unpack_from("<H", meta, at + 1)[0]
            else:
                at = skip_text(meta, at) + 4
        at += 4 + struct.unpack_from("<I", meta, at)[0]
        targets = [struct.unpack_from("<II", meta, at + 8 * i) for i in range(deliveries)]
        self.accounts = [a for a, _ in targets]
        self.addresses = [self.recipients[i] for _, i in targets]
        at += 8 * deliveries
        self.states = meta[at:at + deliveries]
        if len(self.states) != deliveries or at + deliveries != len(meta):
            raise Damage("an envelope's length")


def skip_text(meta, at):
    return at + 2 + struct.unpack_from("<H", meta, at)[0]


class Queue:
    """messages: number -> Queued, each with its record."""

    MESSAGE, STATES, NUMBERS = 1, 2, 3

    def __init__(self, folder):
        self.journal = Journal(folder, "queue")
        self.messages = {}
        for r in self.journal.records:
            if r.type == self.MESSAGE:
                queued = Queued(r.meta)
                queued.record = r
                self.messages[queued.number] = queued
            elif r.type == self.STATES:
                number = struct.unpack_from("<Q", r.meta)[0]
                if r.kill:
                    self.messages.pop(number, None)
                elif number in self.messages:
                    queued = self.messages[number]
                    queued.states = r.meta[8:8 + len(queued.accounts)]

    def tokens(self):
        """token -> the accounts (for remote ones: addresses) that still wait for it."""
        found = {}
        for queued in self.messages.values():
            waiting = [address if account == REMOTE else account for account, address, state
                       in zip(queued.accounts, queued.addresses, queued.states)
                       if state == PENDING]
            if not waiting:
                continue
            data = self.journal.content(queued.record)
            if data is None:
                raise Damage(f"queue: content of {queued.number} is lost")
            token = token_of(data)
            if token in found:
                raise Damage(f"queue: {token} stands there twice")
            found[token] = waiting
        return found


def token_of(data):
    m = TOKEN.search(data)
    return m.group(1).decode() if m else None


def mailboxes(folder):
    """Account number -> Mailbox, of all that have been opened once."""
    mail = os.path.join(folder, "mail")
    found = {}
    for name in os.listdir(mail) if os.path.isdir(mail) else ():
        path = os.path.join(mail, name)
        if name.isdigit() and any(n.endswith(".seg") for n in os.listdir(path)):
            found[int(name)] = Mailbox(path)
    return found


def main():
    queue = Queue(os.path.join(sys.argv[1], "queue"))
    print(f"queue: {len(queue.messages)} messages")
    for number, queued in sorted(queue.messages.items()):
        print(f"  {number} for {' '.join(queued.recipients)}")
    for account, box in sorted(mailboxes(sys.argv[1]).items()):
        for ident, (validity, uidnext, name) in sorted(box.folders.items()):
            uids = sorted(uid for folder, uid in box.messages if folder == ident)
            print(f"mailbox {account} {name} UIDVALIDITY {validity} UIDNEXT "
                  f"{max(uidnext, box.uidnext.get(ident, 1))}: {len(uids)} messages")
            for uid in uids:
                message = box.messages[ident, uid]
                print(f"  {uid} flags {message.flags:x} {len(box.content(message))} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
