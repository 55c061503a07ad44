#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Replays the test suite for rfc7208 that comes with pyspf (Debian's python3-spf) with lib/spf.

spf_suite.py SPF_TEST [SUITE]

SPF_TEST is the program of lib/spf/spf_test.c: it gets the suite as a table of its own form and says what
comes out. Prints TAP; a case counts as right when the code is one of those the suite allows, and the
explanation is the one that it names."""
import gzip
import os
import re
import subprocess
import sys
import tempfile

import yaml

SUITE = "/usr/share/doc/python3-spf/rfc7208-tests.yml.gz"
TYPES = ("TXT", "A", "AAAA", "MX", "PTR")
AT_LEAST = 200  # cases: with fewer it is not the suite
ALIASES_MAX = 8
# Where letters may be of either size: the example in rfc7208:7.4 has them small, the suite does not.
ANY_CASE = {"v-macro-ip6"}


def escaped(text):
    """\\xHH for all that the table would read in another way."""
    return "".join(c if "!" <= c <= "~" and c not in '\\|"' else "".join(f"\\x{b:02x}" for b in c.encode("latin-1"))
                   for c in text)


def owner_text(name):
    return "".join(c if "!" <= c <= "~" and c not in '\\"' else f"\\{ord(c):03}" for c in name).lower().rstrip(".")


def value_text(kind, value):
    if kind == "MX":
        return value[1] if value[1] else "."
    if kind == "TXT":
        return "|".join(escaped(part) if part else "" for part in ([value] if isinstance(value, str) else value))
    return value


def records_of(rows):
    """{type: [values]} of one name; silent: what else is asked gets no answer."""
    found, silent = {}, "TIMEOUT" in rows
    for row in rows:
        for kind, value in row.items() if isinstance(row, dict) else ():
            found.setdefault(kind, []).append(value)
    if "TXT" not in found and "SPF" in found:
        found["TXT"] = found["SPF"]  # as the suite wants its policies to be published
    if found.get("TXT") == ["NONE"]:
        del found["TXT"]
    return found, silent


def zone_lines(data):
    names = {owner_text(name): records_of(rows) for name, rows in data.items()}
    for name, (found, silent) in names.items():
        target, steps = name, 0
        while "CNAME" in names.get(target, ({}, False))[0] and steps < ALIASES_MAX:
            target, steps = owner_text(names[target][0]["CNAME"][0]), steps + 1
        if steps:
            found, silent = names.get(target, ({}, False)) if steps < ALIASES_MAX else ({}, True)
        for kind in TYPES:
            for value in found.get(kind, ["TEMP"] if silent else []):
                yield f"{name} {kind} {value if value == 'TEMP' else value_text(kind, value)}"


def table_of(suite):
    """The lines of the table, and by line number the case that stands there."""
    lines, cases = [], {}
    for group in suite:
        lines.append("zone " + group["description"])
        lines += zone_lines(group["zonedata"])
        for name, case in group["tests"].items():
            lines.append("helo " + escaped(case["helo"]))
            mail = escaped(case["mailfrom"]) if case["mailfrom"] else "<>"
            lines.append(f"? {mail} {case['host']} = none # {name}")
            cases[len(lines)] = (name, case)
    return lines, cases


def wrong(case, code, explanation, any_case):
    allowed = case["result"] if isinstance(case["result"], list) else [case["result"]]
    if code not in allowed:
        return f"want {' or '.join(allowed)}, got {code}"
    want = case.get("explanation")
    if any_case:
        want, explanation = want.lower(), explanation.lower()
    if code == "fail" and want and (explanation or "DEFAULT") != want:
        return f"want the explanation {want!r}, got {explanation!r}"
    return None


def main():
    program, path = sys.argv[1], (sys.argv + [SUITE])[2]
    if not os.path.exists(path):
        print(f"ok 1 - # SKIP {path} is not there")
        return 0
    with gzip.open(path, "rt", encoding="utf-8") as f:
        lines, cases = table_of(list(yaml.safe_load_all(f)))
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as table:
        table.write("\n".join(lines) + "\n")
        table.flush()
        said = subprocess.run([program, "--say", table.name], capture_output=True, text=True, check=True).stdout
    got = {int(m[1]): (m[2], m[3]) for m in re.finditer(r"^(\d+) (\w+) ?(.*)$", said, re.M)}
    bad = 0
    for number, (name, case) in cases.items():
        why = wrong(case, *got[number], name in ANY_CASE) if number in got else "nothing was said"
        bad += why is not None
        if why:
            print(f"# {name}: {why}")
    good = not bad and len(cases) >= AT_LEAST
    print(f"#! {len(cases)} cases of others for SPF, {bad} otherwise here")
    print(f"{'ok' if good else 'not ok'} 1 - as the suite wants it")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
