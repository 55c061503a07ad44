# SPDX-License-Identifier: ISC
"""Writes casemap_table.h: what i;unicode-casemap (rfc5051) makes of each character, from the Unicode data
of this Python. python3 lib/mail/casemap_table.py > lib/mail/casemap_table.h"""
import sys
import unicodedata


def titlecase(c):
    """The simple mapping: where the full one has several characters there is no simple one."""
    t = c.title()
    return t if len(t) == 1 else c


def decompose(c):
    words = unicodedata.decomposition(c).split()
    if words and words[0].startswith("<"):
        words.pop(0)
    if not words:
        return c
    return "".join(decompose(chr(int(w, 16))) for w in words)


def rows():
    for code in range(0x80, 0x110000):
        if 0xd800 <= code < 0xe000:
            continue
        c = chr(code)
        to = decompose(titlecase(c))
        if to != c:
            yield code, to.encode()


def escaped(data):
    return "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in data)


def main():
    table = list(rows())
    pool = b""
    for _, to in sorted(table, key=lambda row: (-len(row[1]), row[0])):
        if to not in pool:
            pool += to
    print("/* SPDX-License-Identifier: ISC */")
    print(f"/* Written by casemap_table.py from Unicode {unicodedata.unidata_version}: CASEMAP(code, place in "
          "CASEMAP_POOL, bytes) for")
    print(" * every character beyond ASCII that changes, ascending. */")
    line = ""
    for code, to in table:
        word = f"CASEMAP(0x{code:x},{pool.index(to)},{len(to)})"
        if len(line) + len(word) > 118:
            print(line)
            line = ""
        line += word
    print(line)
    print("#ifdef CASEMAP_WANT_POOL")
    print("#define CASEMAP_POOL \\")
    parts = [escaped(pool[i:i + 28]) for i in range(0, len(pool), 28)]
    print(" \\\n".join(f'    "{p}"' for p in parts))
    print("#endif")


sys.exit(main())
