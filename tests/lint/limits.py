#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""limits.py: every limit of the IMAP side stands in docs/limits.md. A limit is an enumerator NAME_MAX with
a value in the folders below; tests and what is named here are none."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = ["imapd", "mailbox", "lib/imap"]
NO_LIMITS = {
    "IMAP_RET_MAX": "the option MAX of RETURN",
    "ZONE_MAX": "minutes of a time zone, what a record may say",
}


def limits():
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).glob("*.[ch]")):
            if re.search(r"_(test|fuzz)\.c$|^(test_|memory_)", path.name):
                continue
            for name in re.findall(r"\b([A-Z][A-Z0-9_]*_MAX) = ", path.read_text()):
                yield path.relative_to(ROOT), name


def main():
    table = (ROOT / "docs/limits.md").read_text()
    found = list(limits())
    bad = [f"{path}: {name} is not in docs/limits.md" for path, name in found
           if f"| `{name}` |" not in table and name not in NO_LIMITS]
    bad += [f"{name} is nowhere" for name in NO_LIMITS if name not in {n for _, n in found}]
    if len(found) < 50:
        bad.append(f"only {len(found)} limits found")
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
