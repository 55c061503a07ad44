# SPDX-License-Identifier: ISC
"""Each test that a page of docs/ names exists: `NAME_test.py:test_x`, `NAME_test.c:test_x` (the name of a file is
enough where only one has it), `fuzz/NAME`. Threats (T000) of a table stand once, in their order."""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAMED = re.compile(r"`([\w/]+_test\.(?:c|py)):(test_\w+)`")
FUZZ = re.compile(r"`fuzz/(\w+)`")
LOOSE = re.compile(r"`([\w/]+_test\.(?:c|py)|test_\w+)`")
DEFINED = {"c": r"(?m)^{}\(", "py": r"(?m)^def {}\("}
bad = count = 0


def sources():
    """Paths by the name of the file."""
    found = {}
    for where, folders, names in os.walk(TOP):
        folders[:] = [f for f in folders if f not in ("build", ".git", "corpus")]
        for name in names:
            if name.endswith(("_test.c", "_test.py", "_fuzz.c")):
                found.setdefault(name, []).append(os.path.join(where, name))
    return found


def complain(page, number, what):
    global bad
    print(f"docs/{page}:{number}: {what}")
    bad += 1


def check_name(page, number, path, test, files):
    with_path = [p for p in files.get(os.path.basename(path), ()) if p.endswith("/" + path)]
    if len(with_path) != 1:
        complain(page, number, f"{path}: {len(with_path) or 'no'} such files")
        return
    with open(with_path[0]) as f:
        if not re.search(DEFINED[path.rpartition(".")[2]].format(test), f.read()):
            complain(page, number, f"{path} has no {test}")


def check_page(page, files):
    global count
    last = 0
    with open(os.path.join(TOP, "docs", page)) as f:
        lines = f.read().splitlines()
    for number, line in enumerate(lines, 1):
        for path, test in NAMED.findall(line):
            count += 1
            check_name(page, number, path, test, files)
        for name in FUZZ.findall(line):
            if len(files.get(name + "_fuzz.c", ())) != 1:
                complain(page, number, f"no fuzz target {name}")
        threat = re.match(r"\| T(\d{3}) ", line)
        if threat and LOOSE.search(line):
            complain(page, number, "a test without its file, or a file without its test")
        if threat and int(threat.group(1)) <= last:
            complain(page, number, f"T{threat.group(1)} stands behind T{last:03}")
        last = int(threat.group(1)) if threat else last


found = sources()
for name in sorted(os.listdir(os.path.join(TOP, "docs"))):
    if name.endswith(".md"):
        check_page(name, found)
print(f"{count} tests are named")
sys.exit(1 if bad or not count else 0)
