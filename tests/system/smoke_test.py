# SPDX-License-Identifier: ISC
"""The whole way of one message; the only suite that also runs without root."""
from harness import *

OPTIONS = {}


def test_message_comes_in_and_is_read(m):
    text = message("first message", "Line one.\r\n.dot line\r\nGr\u00fc\u00dfe.\r\n").encode()
    m.send(text)
    m.wait_count(1)
    (stored,) = m.messages().values()
    assert stored.endswith(text), f"the stored message does not end with the sent bytes:\n{stored!r}"
    head = stored[:-len(text)]
    assert head.startswith(b"Return-Path: <sender@example.net>\r\n"), head
    assert b"\r\nReceived: from " in head, head


def test_second_run_is_refused(m):
    done = run(m.command, "run", "--dir", m.folder, check=False)
    assert done.returncode != 0, "two masters on one instance"
    assert m.count() == 1


def test_stop_and_start_keep_mail(m):
    assert m.stop() == 0
    m.start()
    assert m.count() == 1


def test_status_lists_every_daemon(m):
    out = m.cli("status").stdout
    for name in ("logger", "keys", "resolver", "accounts", "reputation", "auth", "smtpd", "submission", "queue",
                 "delivery", "imapd"):
        assert re.search(rf"\b{name}\b", out), f"{name} is missing:\n{out}"
