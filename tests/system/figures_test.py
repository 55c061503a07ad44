# SPDX-License-Identifier: ISC
"""Memory and start-up stay below what was promised (make bench measures them properly)."""
from harness import *

OPTIONS = {}
REST_KIB, HELD_KIB, MAILBOX_PRIVATE_KIB, READY_S = 24 << 10, 32 << 10, 2 << 10, 0.5


def parts(m):
    rows = {name: sum(servers.pss_kib(p) for p in pids) for name, pids in m.daemons().items()}
    return sum(rows.values()), rows


def test_memory(m):
    if SAN:
        raise Skip("the sanitizer's own memory says nothing")
    m.imap().logout()
    m.send(message("one"), tls=True)
    m.wait_count(1)
    total, rows = parts(m)
    print(f"#! at rest {total} KiB PSS of {REST_KIB}")
    assert total <= REST_KIB, rows
    private = max(servers.private_kib(p) for p in m.daemons()["mailbox"])
    assert private <= MAILBOX_PRIVATE_KIB, private
    held = []
    for _ in range(95):  # with the tests' own sessions below the limit of one address
        c = m.raw()
        c.envelope()
        held.append(c)
    total, rows = parts(m)
    print(f"#! with {len(held)} SMTP sessions in DATA {total} KiB PSS of {HELD_KIB}")
    for c in held:
        c.close()
    assert total <= HELD_KIB, rows


def test_start_is_quick(m):
    times = []
    for _ in range(3):
        m.stop()
        times.append(m.start())
    print(f"#! start to ready {min(times):.3f} s of {READY_S}")
    assert min(times) < READY_S * SLOW, times
