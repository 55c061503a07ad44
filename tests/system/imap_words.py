# SPDX-License-Identifier: ISC
"""Words of IMAP responses and sets of numbers, for the model (imap_model.py)."""
import re


class Wrong(AssertionError):
    pass


def want(condition, *what):
    if not condition:
        raise Wrong(" ".join(str(w) for w in what))


def parse(data):
    """A response without its line end as nested lists; atoms and strings as str."""
    stack, at, n = [[]], 0, len(data)
    while at < n:
        c = data[at:at + 1]
        if c == b" ":
            at += 1
        elif c == b"(":
            stack.append([])
            at += 1
        elif c == b")":
            done = stack.pop()
            stack[-1].append(done)
            at += 1
        elif c == b'"':
            text, at = b"", at + 1
            while data[at:at + 1] != b'"':
                at += data[at:at + 1] == b"\\"
                text += data[at:at + 1]
                at += 1
            at += 1
            stack[-1].append(text.decode("latin-1"))
        elif c == b"{":
            end = data.index(b"}\r\n", at)
            size = int(data[at + 1:end])
            at = end + 3 + size
            stack[-1].append(data[end + 3:at].decode("latin-1"))
        else:
            m = re.compile(rb"[^ ()\[\]]*(\[[^\]]*\](<\d+>)?)?").match(data, at)
            want(m.end() > at, "cannot read", data[at:at + 40])
            stack[-1].append(m.group().decode("latin-1"))
            at = m.end()
    want(len(stack) == 1, "parentheses", data)
    return stack[0]


def numbers(text):
    """"1:3,7" as a list."""
    out = []
    for part in text.split(","):
        lo, _, hi = part.partition(":")
        lo, hi = int(lo), int(hi or lo)
        want(0 < lo <= hi < 2 ** 32, "not a set", text)
        out += range(lo, hi + 1)
    return out


def as_set(values, rng):
    """Numbers as a set in one of its spellings."""
    values, parts, i = sorted(values), [], 0
    while i < len(values):
        j = i
        while j + 1 < len(values) and values[j + 1] == values[j] + 1:
            j += 1
        if j > i:
            parts.append(f"{values[i]}:{values[j]}" if rng.random() < .8 else f"{values[j]}:{values[i]}")
        else:
            parts.append(str(values[i]))
        i = j + 1
    rng.shuffle(parts)
    return ",".join(parts)
