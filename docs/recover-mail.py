#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Recovers all mail of one mailbox without Postern, as docs/formats.md describes it.

recover-mail.py DIR/mail/ACCOUNT OUTPUT

Makes OUTPUT with one Maildir per folder ("a/b" below "a"), with flags and dates; keywords stand in
a file "keywords" of the Maildir. Reads the mailbox only; damaged records are named and left out.
"""
import os
import struct
import sys
import zlib

FLAGS = [(0, "S"), (1, "R"), (2, "F"), (3, "T"), (4, "D")]  # bit, letter of Maildir


class Reader:
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

    def fixed(self, kind):
        value, = struct.unpack_from("<" + kind, self.data, self.at)
        self.at += struct.calcsize("<" + kind)
        return value

    def text(self):
        n = self.number()
        self.at += n
        return self.data[self.at - n:self.at].decode("utf-8", "replace")

    def runs(self, with_flags):
        end = 0
        for _ in range(self.number()):
            first = end + self.number()
            end = first + self.number()
            yield range(first, end + 1), self.number() if with_flags else 0


def segments(folder):
    """The bytes of each segment as far as they are valid, in order, with number and salt."""
    found, cut = [], {}
    for name in sorted(n for n in os.listdir(folder) if n.endswith(".seg")):
        with open(os.path.join(folder, name), "rb") as f:
            data = f.read()
        if data[:8] != b"PSTNJRNL" or zlib.crc32(data[:64]) != struct.unpack_from("<I", data, 64)[0]:
            print(f"{name}: damaged header, left out", file=sys.stderr)
            continue
        number, salt, before, end, was_cut = struct.unpack_from("<QQQII", data, 24)
        found.append((number, salt, name, data))
        if was_cut:
            cut[before] = end
    return [(salt, name, data[:cut.get(number, len(data))]) for number, salt, name, data in found]


def large(folder, number):
    """Content in a file of its own; None: its message was expunged since, or it is lost."""
    try:
        with open(os.path.join(folder, f"{number:016x}.big"), "rb") as f:
            return f.read()
    except OSError:
        return None


def records(folder):
    """Type, meta and content of all good records, in order."""
    for salt, name, data in segments(folder):
        at, end, salt = 4096, 4096, struct.pack("<Q", salt)
        while 0 <= at <= len(data) - 64:
            head = data[at:at + 64]
            if at % 8 or head[:4] != b"rec1" or \
                    zlib.crc32(head[:60], zlib.crc32(salt)) != struct.unpack_from("<I", head, 60)[0]:
                at = data.find(b"rec1", at + 1)
                continue
            if at != end:
                print(f"{name}: damaged from {end} to {at}, left out", file=sys.stderr)
            meta_len, meta_crc, size, crc = struct.unpack_from("<IIQI", head, 8)
            big, = struct.unpack_from("<Q", head, 40)
            begin = at + 64 + meta_len
            stop = begin + (0 if big else size)
            meta = data[at + 64:begin]
            content = large(folder, big) if big else data[begin:stop]
            if zlib.crc32(meta) != meta_crc:
                print(f"{name}: damaged record at {at}, left out", file=sys.stderr)
            elif content is not None and (len(content) != size or zlib.crc32(content) != crc):
                print(f"{name}: damaged content at {at}, left out", file=sys.stderr)
                yield head[4], meta, None
            else:
                yield head[4], meta, content
            at = end = stop + -stop % 8


class Mailbox:
    def __init__(self, folder):
        self.names, self.contents, self.folders, self.keywords = {}, {}, {}, {}
        self.next_folder = 1
        for kind, meta, content in records(folder):
            self.apply(kind, Reader(meta), content)
        self.drop_deleted()

    def drop_deleted(self):
        for number in [n for n in self.folders if n < self.next_folder and n not in self.names]:
            del self.folders[number]

    def put(self, folder, uid, email, flags, modseq):
        messages = self.folders.setdefault(folder, {})
        if uid not in messages or messages[uid][2] < modseq:
            messages[uid] = (email, flags, modseq)

    def apply(self, kind, r, content):
        if kind == 2:  # FOLDERS
            self.next_folder, _, count = r.number(), r.number(), r.number()
            self.names = {}
            for _ in range(count):
                number, *_ = r.number(), r.number(), r.number(), r.number()
                self.names[number] = r.text()
            self.drop_deleted()
        elif kind == 4:  # KEYWORDS
            folder = r.number()
            self.keywords[folder] = [r.text() for _ in range(r.number())]
        elif kind in (6, 7):  # ARRIVAL, CONTENT
            folder, uid, modseq, flags, _, email, _, seconds = r.fixed("I"), r.fixed("I"), \
                r.fixed("Q"), r.fixed("Q"), r.fixed("q"), r.fixed("Q"), r.fixed("Q"), r.fixed("q")
            if content is not None:
                self.contents[email] = (content, seconds)
            if kind == 6:
                self.put(folder, uid, email, flags, modseq)
        elif kind == 8:  # COPY
            folder, uid, modseq, _, count = (r.number() for _ in range(5))
            for i in range(count):
                self.put(folder, uid + i, r.fixed("Q"), r.number(), modseq)
        elif kind == 9:  # FLAGS
            folder, modseq = r.number(), r.number()
            for uids, flags in r.runs(True):
                for uid in uids:
                    if uid in self.folders.get(folder, {}):
                        self.put(folder, uid, self.folders[folder][uid][0], flags, modseq)
        elif kind == 10:  # EXPUNGE
            folder, _, _ = r.number(), r.number(), r.number()
            for uids, _ in r.runs(False):
                for uid in uids:
                    self.folders.get(folder, {}).pop(uid, None)
        elif kind == 11:  # CHUNK
            folder, low, high, _, _, count = (r.number() for _ in range(6))
            uid, named = low - 1, {}
            for _ in range(count):
                uid += r.number()
                named[uid] = r.fixed("Q"), r.number(), r.number(), r.number()
            messages = self.folders.setdefault(folder, {})
            for uid in [u for u in messages if low <= u <= high and u not in named]:
                del messages[uid]
            for uid, (email, modseq, flags, _) in named.items():
                self.put(folder, uid, email, flags, modseq)


def directory(out, name):
    """Where a folder's Maildir is: never outside of out, never where a Maildir has its own."""
    levels = [("_" + p if p in ("", ".", "..", "cur", "new", "tmp", "keywords") else p)
              for p in name.replace("\0", "_").split("/")]
    path = os.path.join(out, *levels)
    for sub in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(path, sub), exist_ok=True)
    return path


def write(box, out):
    written = lost = 0
    for folder in sorted({*box.folders, *box.names}):
        path = directory(out, box.names.get(folder, f"recovered-{folder}"))
        for uid, (email, flags, _) in sorted(box.folders.get(folder, {}).items()):
            if email not in box.contents:
                print(f"{path}: content of UID {uid} is lost", file=sys.stderr)
                lost += 1
                continue
            content, seconds = box.contents[email]
            name = f"{seconds}.{uid}.postern:2," + "".join(
                sorted(letter for bit, letter in FLAGS if flags >> bit & 1))
            target = os.path.join(path, "cur", name)
            with open(target, "wb") as f:
                f.write(content)
            os.utime(target, (seconds, seconds))
            words = [w for k, w in enumerate(box.keywords.get(folder, [])) if flags >> 8 + k & 1]
            if words:
                with open(os.path.join(path, "keywords"), "a", encoding="utf-8") as f:
                    f.write(" ".join([name, *words]) + "\n")
            written += 1
    print(f"{written} messages recovered, {lost} lost")
    return 1 if lost else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(write(Mailbox(sys.argv[1]), sys.argv[2]))
