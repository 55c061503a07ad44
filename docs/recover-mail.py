#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Recovers all mail of one mailbox without Postern, as docs/formats.md describes it.

recover-mail.py DIR/mail/ACCOUNT OUTPUT

Makes OUTPUT with one Maildir per folder ("a/b" below "a"), with flags and dates; keywords stand in
a file "keywords" of the Maildir. Reads the mailbox only; damaged records are named and left out.
Compressed messages need the program zstd.
"""
import collections, os, struct, subprocess, sys, zlib

def number(meta):
    value = shift = 0
    for byte in iter(meta.popleft, None):
        value, shift = value | (byte & 127) << shift, shift + 7
        if byte < 128:
            return value

def fixed(meta, kind):
    return struct.unpack("<" + kind, bytes(meta.popleft() for _ in range(struct.calcsize("<" + kind))))

def text(meta):
    return bytes(meta.popleft() for _ in range(number(meta))).decode("utf-8", "replace")

def complain(*words):
    print(*words, "left out", file=sys.stderr)

def segments(folder):
    """Name, salt and bytes of each segment, as far as they are valid, in order."""
    found, cut = [], {}
    for name in sorted(n for n in os.listdir(folder) if n.endswith(".seg")):
        with open(os.path.join(folder, name), "rb") as f:
            data = f.read()
        if data[:8] != b"PSTNJRNL" or zlib.crc32(data[:64]) != struct.unpack_from("<I", data, 64)[0]:
            complain(name, "damaged header")
            continue
        this, salt, before, end, was_cut = struct.unpack_from("<QQQII", data, 24)
        found.append((this, name, struct.pack("<Q", salt), data))
        cut.update({before: end} if was_cut else {})
    return [(name, salt, data[:cut.get(this, len(data))]) for this, name, salt, data in found]

def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return None  # its message was expunged since, or it is lost

def records(folder):
    """Type, meta and content of all good records, in order; content None: lost."""
    for name, salt, data in segments(folder):
        at = end = 4096
        while 0 <= at <= len(data) - 64:
            head = data[at:at + 64]
            crc, = struct.unpack_from("<I", head, 60)
            if at % 8 or head[:4] != b"rec1" or zlib.crc32(head[:60], zlib.crc32(salt)) != crc:
                at = data.find(b"rec1", at + 1)
                continue
            if at != end:
                complain(name, f"damaged from {end} to {at}")
            length, meta_crc, size, crc, big = struct.unpack("<IIQI12xQ", head[8:48])
            begin = at + 64 + length
            stop = begin + (0 if big else size)
            meta = data[at + 64:begin]
            content = read(f"{folder}/{big:016x}.big") if big else data[begin:stop]
            if content is not None and (len(content) != size or zlib.crc32(content) != crc):
                complain(name, f"damaged content at {at}")
                content = None
            if zlib.crc32(meta) == meta_crc:
                yield head[4], collections.deque(meta), content
            else:
                complain(name, f"damaged record at {at}")
            at = end = stop + -stop % 8

def runs(meta, with_flags):
    end = 0
    for _ in range(number(meta)):
        first = end + number(meta)
        end = first + number(meta)
        flags = number(meta) if with_flags else 0
        yield from ((uid, flags) for uid in range(first, end + 1))

def recover(folder):
    names, next_folder, contents, keywords = {}, 1, {}, {}
    folders = collections.defaultdict(dict)  # id -> UID -> (MODSEQ, email id, flags)
    for kind, meta, content in records(folder):
        if kind == 2:  # FOLDERS
            next_folder, _, count = number(meta), number(meta), number(meta)
            rows = [[number(meta) for _ in range(4)] + [text(meta)] for _ in range(count)]
            names = {row[0]: row[4] for row in rows}
            for gone in [f for f in folders if f < next_folder and f not in names]:
                del folders[gone]
        elif kind == 4:  # KEYWORDS
            where = number(meta)
            keywords[where] = [text(meta) for _ in range(number(meta))]
        elif kind in (6, 7):  # ARRIVAL, CONTENT
            where, uid, modseq, flags, _, email, _, seconds, _, bits = fixed(meta, "IIQQqQQqhH")
            if content is not None:
                contents[email] = content, seconds, bits & 2
            if kind == 6:
                folders[where][uid] = max(folders[where].get(uid, ()), (modseq, email, flags))
        elif kind == 8:  # COPY
            where, first, modseq, _, count = (number(meta) for _ in range(5))
            for uid in range(first, first + count):
                new = modseq, *fixed(meta, "Q"), number(meta)
                folders[where][uid] = max(folders[where].get(uid, ()), new)
        elif kind == 9:  # FLAGS
            where, modseq = number(meta), number(meta)
            for uid, flags in runs(meta, True):
                if uid in folders[where] and modseq > folders[where][uid][0]:
                    folders[where][uid] = modseq, folders[where][uid][1], flags
        elif kind == 10:  # EXPUNGE
            where, _, _ = number(meta), number(meta), number(meta)
            for uid, _ in runs(meta, False):
                folders[where].pop(uid, None)
        elif kind == 11:  # CHUNK
            where, low, high, _, _, count = (number(meta) for _ in range(6))
            uid, named = low - 1, {}
            for _ in range(count):
                uid += number(meta)
                email, modseq, flags, _ = *fixed(meta, "Q"), number(meta), number(meta), number(meta)
                named[uid] = modseq, email, flags
            for uid in set(folders[where]).intersection(range(low, high + 1)) - set(named):
                del folders[where][uid]
            for uid, new in named.items():
                folders[where][uid] = max(folders[where].get(uid, ()), new)
    for gone in [f for f in folders if f < next_folder and f not in names]:
        del folders[gone]
    return names, folders, contents, keywords

def directory(out, name):
    """A folder's Maildir: never outside of out, never where a Maildir has its own."""
    levels = [("_" + p if p in ("", ".", "..", "cur", "new", "tmp", "keywords") else p)
              for p in name.replace("\0", "_").split("/")]
    for sub in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(out, *levels, sub), exist_ok=True)
    return os.path.join(out, *levels)

def write(out, names, folders, contents, keywords):
    written = lost = 0
    for folder in sorted({*folders, *names}):
        path = directory(out, names.get(folder, f"recovered-{folder}"))
        for uid, (_, email, flags) in sorted(folders[folder].items()):
            content, seconds, packed = contents.get(email, (None, 0, 0))
            if packed:
                done = subprocess.run(["zstd", "-dcq"], input=content, capture_output=True)
                content = done.stdout if done.returncode == 0 else None
            if content is None:
                complain(path, f"content of UID {uid} is lost:")
                lost += 1
                continue
            letters = "".join(sorted(x for bit, x in enumerate("SRFTD") if flags >> bit & 1))
            name = f"{seconds}.{uid}.postern:2,{letters}"
            with open(os.path.join(path, "cur", name), "wb") as f:
                f.write(content)
            os.utime(f.name, (seconds, seconds))
            words = [w for k, w in enumerate(keywords.get(folder, [])) if flags >> 8 + k & 1]
            if words:
                with open(os.path.join(path, "keywords"), "a", encoding="utf-8") as f:
                    print(name, *words, file=f)
            written += 1
    print(f"{written} messages recovered, {lost} lost")
    return 1 if lost else 0

if __name__ == "__main__":
    sys.exit(write(sys.argv[2], *recover(sys.argv[1])) if len(sys.argv) == 3 else __doc__)
