# SPDX-License-Identifier: ISC
"""Every C file and script names its licence in its first lines; no marks of unfinished work."""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MARKS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
bad = count = 0
for where, folders, names in os.walk(TOP):
    folders[:] = [f for f in folders if f not in ("build", ".git", "corpus")]
    for name in names:
        path = os.path.join(where, name)
        executable = os.access(path, os.X_OK)
        if not name.endswith((".c", ".h", ".py")) and not executable:
            continue
        count += 1
        with open(path, errors="replace") as f:
            text = f.read()
        shown = os.path.relpath(path, TOP)
        if "SPDX-License-Identifier: ISC" not in "\n".join(text.splitlines()[:3]):
            print(f"{shown}: no licence line")
            bad += 1
        for number, line in enumerate(text.splitlines(), 1):
            if MARKS.search(line):
                print(f"{shown}:{number}: mark of unfinished work")
                bad += 1
print(f"{count} files")
sys.exit(1 if bad or not count else 0)
