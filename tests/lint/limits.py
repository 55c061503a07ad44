#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""limits.py: every limit stands in docs/limits.md. A limit is an enumerator NAME_MAX with a value, in any header
and in the code of the IMAP side; tests and what is named here are none."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
IMAP = ("imapd/", "mailbox/", "lib/imap/")
NOT_OURS = re.compile(r"_(test|fuzz|gen)\.c$|(^|/)(test|fake|memory)_|^(tests|bench)/|_table\.h$|golden|crashsim|"
                      r"harness|sandbox_probes")
NO_LIMITS = {
    "IMAP_RET_MAX": "the option MAX of RETURN",
    "ZONE_MAX": "minutes of a time zone, what a record may say",
    # room for texts of our own
    "CA_ERROR_MAX": "", "COMMAND_COLUMNS_MAX": "", "EVENT_TEXT_MAX": "", "HTTP_ERROR_MAX": "",
    "MACHINE_ERROR_MAX": "", "NET_TEXT_MAX": "", "POLICY_TEXT_MAX": "", "PROC_SANDBOX_TEXT_MAX": "",
    # of files of the machine and its own daemons
    "IMPORT_LINE_MAX": "the largest row of the database in hexadecimal",
    "JOURNAL_SEGMENT_MAX": "where offsets of 32 bits end",
    "BATCH_HEADS_MAX": "a mistake of ours is found before memory is full",
    "MACHINE_ENV_MAX": "a whole FAT12", "MACHINE_FILE_MAX": "a dozen lines",
    "OPEN_SEGMENTS_MAX": "descriptors kept for reading",
    "PROC_SANDBOX_PORTS_MAX": "ports of the settings",
    # follow from others
    "AUTH_MECHANISMS_MAX": "", "DKIM_BODIES_MAX": "", "DKIM_SIGNATURE_MAX": "", "IPREV_QUESTIONS_MAX": "",
    "JOB_ARENA_MAX": "", "JOB_FACTS_MAX": "", "JOB_REMOTE_MAX": "", "KEY_DIGEST_MAX": "",
    "KEY_SIGNATURE_MAX": "", "SPF_DOMAIN_MAX": "", "SPF_EXPANDED_MAX": "", "STORE_NOTES_MAX": "",
}


def files():
    listed = subprocess.run(["git", "ls-files", "*.h", "*.c"], cwd=ROOT, check=True, capture_output=True,
                            text=True).stdout.split()
    return [f for f in listed if not NOT_OURS.search(f) and (f.endswith(".h") or f.startswith(IMAP))]


def limits():
    for path in files():
        for name in re.findall(r"\b([A-Z][A-Z0-9_]*_MAX) =\s", (ROOT / path).read_text()):
            yield path, name


def main():
    table = (ROOT / "docs/limits.md").read_text()
    found = list(limits())
    bad = [f"{path}: {name} is not in docs/limits.md" for path, name in found
           if f"| `{name}` |" not in table and name not in NO_LIMITS]
    bad += [f"{name} is nowhere" for name in NO_LIMITS if name not in {n for _, n in found}]
    if len(found) < 250:
        bad.append(f"only {len(found)} limits found")
    print("\n".join(bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
