#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Replays lib/spf/spf_cases.txt with pyspf (Debian's python3-spf) and compares.

The DNS is the table's, no packet is sent. Where pyspf says something else than the table, the table must say so
and why (a line "pyspf CODE BECAUSE"; the same code: its explanation differs); where the table says that it
does and it does not, that is an error, too. Prints TAP."""
import os
import re
import sys
import types

# Its DNS library looks for resolvers when it is loaded; here is none and none is needed.
sys.modules["dns"] = None
sys.modules["DNS"] = types.SimpleNamespace(
    Type=types.SimpleNamespace(SPF=99), DNSError=OSError, DiscoverNameServers=lambda: None)
import spf  # noqa: E402

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "spf", "spf_cases.txt")
RECEIVER, TIME = "mx.here.test", "1234567890"


def octets(text):
    return re.sub(rb"\\x(..)", lambda m: bytes([int(m[1], 16)]), text.encode())


def plain(name):
    """As lib/dns writes names: what is not plain is \\DDD."""
    name = name if isinstance(name, str) else name.decode("latin-1")
    return "".join(c if "!" <= c <= "~" and c not in '\\"' else f"\\{ord(c):03}"
                   for c in name).lower().rstrip(".")


class Zone:
    def __init__(self):
        self.records = []

    def lookup(self, name, qtype, *_):
        answers = []
        for owner, kind, value in self.records:
            if owner != plain(str(name)) or kind != qtype:
                continue
            if value in ("TEMP", "BOGUS"):
                raise spf.TempError("DNS")
            if kind == "TXT":
                data = [octets(part) for part in value.split("|")]
            elif kind == "MX":
                data = (10, value.rstrip("."))
            else:
                data = value
            answers.append(((str(name).lower(), qtype), data))
        return answers


class Case:
    def __init__(self, line, number, helo, zone):
        left, rest = line[2:].split(" = ", 1)
        words, self.what = rest.split(" # ", 1)
        self.number, self.helo, self.zone = number, octets(helo), zone
        self.mail, self.client = left.split()
        self.mail = octets(self.mail)
        self.want = words.split()[0]
        self.explanation, self.other, self.because = "", None, None

    def ask(self):
        """What pyspf says: the code, and the explanation of a fail."""
        spf.DNSLookup = self.zone.lookup
        sender = b"" if self.mail in (b"HELO", b"<>") else self.mail
        query = spf.query(i=self.client, s=sender.decode("utf-8", "surrogateescape"),
                          h=self.helo.decode("utf-8", "surrogateescape"), receiver=RECEIVER)
        query.t = TIME
        query.set_default_explanation("")
        code, _, text = query.check()
        return code, text if code == "fail" else ""


def cases():
    zone, helo, case = Zone(), "helo.test", None
    with open(TABLE) as table:
        for number, line in enumerate(table, 1):
            line = line.rstrip("\n")
            if line.startswith("> "):
                case.explanation = line[2:]
            elif line.startswith("pyspf "):
                case.other, case.because = line.split(" ", 2)[1:]
            elif line.startswith("zone "):
                zone, helo = Zone(), "helo.test"
            elif line.startswith("helo "):
                helo = line[5:]
            elif line.startswith("? "):
                case = Case(line, number, helo, zone)
                yield case
            elif line and line[0] != "#":
                owner, kind, value = line.split(" ", 2)
                zone.records.append((owner, kind, value))


def judge(case):
    """None when all is as the table says; else what is wrong."""
    try:
        code, text = case.ask()
    except Exception as problem:  # pyspf lets some inputs escape as errors of Python
        code, text = "crash", str(problem)
    if code != (case.other or case.want):
        return f"pyspf says {code} ({text})"
    same = code == case.want and text == case.explanation
    if case.other and same:
        return "the table tells of a difference that is none"
    if not case.other and not same:
        return f"pyspf explains {text!r}"
    return None


def main():
    bad = total = 0
    for case in list(cases()):
        wrong = judge(case)
        total += 1
        if wrong:
            bad += 1
            print(f"# spf_cases.txt:{case.number}: {case.what}: want {case.want}, {wrong}")
    print(f"# pyspf {spf.__version__} about {total} cases")
    print(f"{'not ok' if bad or total < 250 else 'ok'} 1 - pyspf agrees, or the table says why not")
    return 1 if bad or total < 250 else 0


if __name__ == "__main__":
    sys.exit(main())
