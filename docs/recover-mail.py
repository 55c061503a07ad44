#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""recover-mail.py DIR/mail/ACCOUNT OUTPUT: all mail of one mailbox without Postern, as docs/formats.md describes it.
OUTPUT: a Maildir per folder, keywords in its file "keywords". Damage is named. Compressed messages need "zstd"."""
import collections, io, os, pathlib, re, struct, subprocess, sys, zlib
HEADS = {2: "nnn", 4: "nn", 8: "nnnnn", 9: "nnn", 10: "nnnn", 11: "nnnnnn"}  # by type: folder, more numbers, count
SUBFOLDERS, U64 = ("cur", "new", "tmp"), struct.Struct("<Q")

def number(meta):
    byte = meta.read(1)[0]
    return byte if byte < 128 else byte & 127 | number(meta) << 7

READ = {"n": number, "t": lambda m: m.read(number(m)).decode(errors="replace"), "Q": lambda m: U64.unpack(m.read(8))[0]}

def take(meta, kinds):  # n: a number, t: a text, Q: a u64
    return [READ[kind](meta) for kind in kinds]

def records(folder):
    """Type, meta and content of all good records, in order; content None: it is damaged or gone."""
    segments, cut = [], {}
    for path in sorted(folder.glob("*.seg")):
        data = path.read_bytes().ljust(4096, b"\0")
        this, salt, before, end, was_cut, crc = struct.unpack_from("<24xQ8sQII8xI", data)
        segments.append((path.name, this, salt, data))
        if was_cut and zlib.crc32(data[:64]) == crc:
            cut[before] = end
    for name, this, salt, data in segments:
        data, end = data[:cut.get(this)], 4096
        for at in (found.start() for found in re.finditer(b"rec1", data[:-60])):
            length, meta_crc, size, crc, big, head_crc = struct.unpack_from("<8xIIQI12xQ12xI", data, at)
            meta, begin = data[at + 64:at + 64 + length], at + 64 + length
            sums = zlib.crc32(data[at:at + 60], zlib.crc32(salt)), zlib.crc32(meta)
            if at < end or at % 8 or sums != (head_crc, meta_crc):
                continue
            if at > end:
                print(name, f"damaged from {end} to {at}", file=sys.stderr)
            large = folder / f"{big:016x}.big"
            content = data[begin:begin + size] if not big else large.read_bytes() if large.exists() else None
            if content is not None and zlib.crc32(content) != crc:
                content = print(name, f"damaged content at {at}", file=sys.stderr)  # None
            end = (begin + (0 if big else size) + 7) // 8 * 8
            yield data[at + 4], io.BytesIO(meta), content
        if data[end:].strip(b"\0"):
            print(name, f"damaged from {end} on", file=sys.stderr)

def main(source, out):
    names, next_folder, contents, keywords, lost = {}, 1, {}, collections.defaultdict(list), []
    folders = collections.defaultdict(dict)  # id -> UID -> (MODSEQ, email id, flags)
    for kind, meta, content in records(pathlib.Path(source)):
        new, end = {}, 0
        if kind in HEADS:
            where, *head, count = take(meta, HEADS[kind])
        if kind == 2:  # FOLDERS
            next_folder, names = where, dict(take(meta, "nnnnt")[::4] for _ in range(count))
        elif kind == 4:  # KEYWORDS
            keywords[where] = take(meta, "t" * count)
        elif kind in (6, 7):  # ARRIVAL, CONTENT
            where, uid, modseq, flags, _, email, _, seconds, _, bits = struct.unpack("<IIQQqQQqhH", meta.read(60))
            contents.update({email: (content, seconds, bits & 2)} if content is not None else {})
            new = {uid: (modseq, email, flags)} if kind == 6 else {}
        elif kind == 8:  # COPY
            new = {uid: (head[1], *take(meta, "Qn")) for uid in range(head[0], head[0] + count)}
        elif kind in (9, 10):  # FLAGS, EXPUNGE
            for _ in range(count):
                first, more, flags = take(meta, "nnn" if kind == 9 else "nn") + [0] * (kind == 10)
                uids = folders[where].keys() & range(end + first, end + first + more + 1)
                new.update({uid: (head[0], folders[where][uid][1], flags) for uid in uids})
                end += first + more
            if kind == 10:
                folders[where], new = {u: m for u, m in folders[where].items() if u not in new}, {}
        elif kind == 11:  # CHUNK
            first, last, uid = head[0], head[1], head[0] - 1
            for step, email, modseq, flags, _ in (take(meta, "nQnnn") for _ in range(count)):
                uid += step
                new[uid] = modseq, email, flags
            folders[where] = {u: m for u, m in folders[where].items() if not first <= u <= last or u in new}
        for uid, message in new.items():
            folders[where][uid] = max(folders[where].get(uid, ()), message)
    for folder in sorted({*names, *(f for f in folders if f >= next_folder)}):
        path = names.get(folder, f"recovered-{folder}").split("/")
        box = pathlib.Path(out, *("_" + p if p.strip(".") in {"", "keywords", *SUBFOLDERS} else p for p in path))
        for sub in SUBFOLDERS:
            (box / sub).mkdir(parents=True, exist_ok=True)
        for uid, (_, email, flags) in sorted(folders[folder].items()):
            content, seconds, packed = contents.get(email, (None, 0, 0))
            if packed:
                done = subprocess.run(["zstd", "-dcq"], input=content, stdout=subprocess.PIPE)
                content = done.stdout if done.returncode == 0 else None
            if content is None:
                lost.append(f"lost: {box} UID {uid}")
                continue
            letters = "".join(letter for letter, bit in zip("DFRST", (4, 2, 1, 0, 3)) if flags >> bit & 1)
            file = box / "cur" / f"{seconds}.{uid}.postern{folder}:2,{letters}"
            file.write_bytes(content)
            os.utime(file, (seconds, seconds))
            with open(box / "keywords", "a", encoding="utf-8") as f:
                print(file.name, *(word for bit, word in enumerate(keywords[folder], 8) if flags >> bit & 1), file=f)
    return "\n".join(lost) or None

sys.exit(main(*sys.argv[1:]) if len(sys.argv) == 3 else __doc__)
