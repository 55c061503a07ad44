# SPDX-License-Identifier: ISC
"""Whom a message says to be from: everything a logged-in user could try in the header, and what
real mail programs write. What is refused is not stored; what is accepted shows a sender of his own."""
import email
import email.policy

from harness import *
from sender import *

OPTIONS = dict(users=(USER, BOB))
BOSS = "boss@bank.example"
ME = f"From: {USER}\r\n".encode()
NOT_YOURS, BROKEN = b"5.7.1", b"5.6.0"
ENCODED = base64.b64encode(BOSS.encode())

# Header bytes, the enhanced code of the refusal.
SPOOFED = [
    (b"From: %s\r\n" % BOSS.encode(), NOT_YOURS),
    (b"From: <%s>\r\n" % BOSS.encode(), NOT_YOURS),
    (b"From: Alice <%s>\r\n" % BOB.encode(), NOT_YOURS),
    (b"from:%s\r\n" % BOSS.encode(), NOT_YOURS),
    (b"FROM: Alice <%s>\r\n" % BOSS.encode(), NOT_YOURS),
    (b"From:\r\n %s\r\n" % BOSS.encode(), NOT_YOURS),
    (b"From: alice\r\n\t<%s>\r\n" % BOSS.encode(), NOT_YOURS),
    (b"From: alice@example.org\r\n", NOT_YOURS),
    (b"From: alice@[127.0.0.1]\r\n", NOT_YOURS),
    (b"From: nobody@example.test\r\n", NOT_YOURS),
    (ME + b"Sender: %s\r\n" % BOSS.encode(), NOT_YOURS),
    (ME + b"Resent-From: %s\r\n" % BOSS.encode(), NOT_YOURS),
    (ME + b"Resent-Sender: %s\r\n" % BOSS.encode(), NOT_YOURS),
    (b"From: %s, %s\r\nSender: %s\r\n" % (USER.encode(), BOSS.encode(), USER.encode()), NOT_YOURS),
    # names that show another address
    (b'From: "%s" <%s>\r\n' % (BOSS.encode(), USER.encode()), NOT_YOURS),
    (b'From: "Boss <%s>" <%s>\r\n' % (BOSS.encode(), USER.encode()), NOT_YOURS),
    (b"From: %s (%s)\r\n" % (USER.encode(), BOSS.encode()), NOT_YOURS),
    (b"From: Alice (%s) <%s>\r\n" % (BOSS.encode(), USER.encode()), NOT_YOURS),
    (b"From: =?utf-8?q?boss=40bank=2Eexample?= <%s>\r\n" % USER.encode(), NOT_YOURS),
    (b"From: =?utf-8?b?%s?= <%s>\r\n" % (ENCODED, USER.encode()), NOT_YOURS),
    (b"From: =?utf-8?q?boss?=\r\n =?utf-8?q?=40bank.example?= <%s>\r\n" % USER.encode(), NOT_YOURS),
    (b'From: "=?utf-8?q?boss=40bank.example?=" <%s>\r\n' % USER.encode(), NOT_YOURS),
    ("From: boss\uff20bank.example <%s>\r\n".encode() % USER.encode(), NOT_YOURS),
    # twice, or nowhere
    (b"", BROKEN),
    (b"Resent-From: %s\r\n" % USER.encode(), BROKEN),
    (ME + ME, BROKEN),
    (ME + b"From: %s\r\n" % BOSS.encode(), BROKEN),
    (b"From: %s\r\n" % BOSS.encode() + ME, BROKEN),
    (ME + b"Sender: %s\r\nSender: %s\r\n" % (USER.encode(), BOSS.encode()), BROKEN),
    (ME + b"Subject: a\r\nSubject: b\r\n", BROKEN),
    (ME + b"To: a@example.org\r\nTo: b@example.org\r\n", BROKEN),
    (b"From: %s, alice+x@example.test\r\n" % USER.encode(), BROKEN),
    # what some programs take for a field and others do not
    (ME + b"From : %s\r\n" % BOSS.encode(), BROKEN),
    (ME + b"From\t: %s\r\n" % BOSS.encode(), BROKEN),
    (b"From %s Sat Nov 28 13:00:00 2026\r\n" % BOSS.encode() + ME, BROKEN),
    (b" From: %s\r\n" % BOSS.encode() + ME, BROKEN),
    (ME + b"just words\r\n", BROKEN),
    (ME + b"X: a\r\nFrom\xc2\xa0: %s\r\n" % BOSS.encode(), BROKEN),
    (ME + b"\xef\xbb\xbfFrom: %s\r\n" % BOSS.encode(), BROKEN),
    (ME + b"Fr\0om: %s\r\n" % BOSS.encode(), BROKEN),
    (ME + b"X: a\0\r\n", BROKEN),
    (b"From: %s\r\n \r\n %s\r\n" % (USER.encode(), BOSS.encode()), BROKEN),
    # what one program reads as this address and another as that
    (b"From: staff: %s;\r\n" % USER.encode(), BROKEN),
    (b"From: %s:%s;\r\n" % (BOSS.encode(), USER.encode()), BROKEN),
    (b"From: <@bank.example:%s>\r\n" % USER.encode(), BROKEN),
    (b"From: <%s> <%s>\r\n" % (BOSS.encode(), USER.encode()), BROKEN),
    (b"From: %s <%s>\r\n" % (BOSS.encode(), USER.encode()), BROKEN),
    (b"From: %s %s\r\n" % (BOSS.encode(), USER.encode()), BROKEN),
    (b"From: <%s> %s\r\n" % (USER.encode(), BOSS.encode()), BROKEN),
    (b"From: %s(<%s>)\r\n" % (BOSS.encode(), USER.encode()), BROKEN),
    (b"From: (%s) %s\r\n" % (BOSS.encode(), USER.encode()), BROKEN),
    (b"From: %s (a (%s) b)\r\n" % (USER.encode(), BOSS.encode()), BROKEN),
    (b"From: alice(x)@example.test\r\n", BROKEN),
    (b"From: alice @ example.test\r\n", BROKEN),
    (b'From: "boss@bank.example> <x"@example.test\r\n', BROKEN),
    (b'From: "alice+<boss@bank.example>"@example.test\r\n', BROKEN),
    (b"From: =?utf-8?q?boss=40bank.example?=@example.test\r\n", BROKEN),
    (b"From: %s,\r\n" % USER.encode(), BROKEN),
    (b"From: ,%s\r\n" % USER.encode(), BROKEN),
    (b"From: Boss, Big <%s>\r\n" % USER.encode(), BROKEN),
    (b"From: %s; %s\r\n" % (USER.encode(), BOSS.encode()), BROKEN),
    (b"From: <%s\r\n" % USER.encode(), BROKEN),
    (b"From:\r\n", BROKEN),
    (b"From: alice\r\n", BROKEN),
    (b"From: <>\r\n", BROKEN),
    (ME + b"Sender: %s, %s\r\n" % (USER.encode(), USER.encode()), BROKEN),
    # names that are not what they seem
    (b"From: =?utf-8?q?a=0D=0AFrom:_boss=40bank.example?= <%s>\r\n" % USER.encode(), BROKEN),
    (b"From: =?utf-8?q?boss=00?= <%s>\r\n" % USER.encode(), BROKEN),
    (b"From: =?utf-8?q?=E2=80=AEelpmaxe.knab?= <%s>\r\n" % USER.encode(), BROKEN),
    (b"From: =?utf-7?q?boss+AEA-bank.example?= <%s>\r\n" % USER.encode(), BROKEN),
    (b"From: =?utf-8?q?=3D=3Futf-8=3Fq=3Fboss=3F=3D?= <%s>\r\n" % USER.encode(), BROKEN),
    (b"From: J\xf6rg <%s>\r\n" % USER.encode(), BROKEN),
    (b'From: "open <%s>\r\n' % USER.encode(), BROKEN),
]

# Header bytes that must go through, from real programs; and what is shown.
GOOD = [
    (ME, ("", USER)),
    (b"From: Alice Liddell <%s>\r\n" % USER.encode(), ("Alice Liddell", USER)),
    (b'From: "Liddell, Alice" <%s>\r\n' % USER.encode(), ("Liddell, Alice", USER)),
    (b"From: Alice B. Liddell <alice+x@example.test>\r\n", ("Alice B. Liddell", "alice+x@example.test")),
    (b"From: =?UTF-8?Q?J=C3=B6rg_M=C3=BCller?= <%s>\r\n" % USER.encode(), ("J\u00f6rg M\u00fcller", USER)),
    (b"From: =?iso-8859-1?Q?J=F6rg?=\r\n =?utf-8?B?IE3DvGxsZXI=?= <%s>\r\n" % USER.encode(), None),
    (b'From: "%s" <%s>\r\n' % (USER.encode(), USER.encode()), (USER, USER)),
    (b"From: '%s' <%s>\r\n" % (b"alice", USER.encode()), ("'alice'", USER)),
    (b"From: %s (Cron Daemon)\r\n" % USER.encode(), ("Cron Daemon", USER)),
    (b"From: Alice (at work) <%s>\r\n" % USER.encode(), None),
    (b"From:\r\n %s\r\n" % USER.encode(), ("", USER)),
    (b"From: %s, alice+x@example.test\r\nSender: %s\r\n" % (USER.encode(), USER.encode()), None),
    (ME + b"Subject: a\r\n \r\n b\r\nX-From: boss@bank.example\r\n", ("", USER)),
]


def give(c, header, body=b"From: boss@bank.example\r\n"):
    """One message; the reply to its content with all lines."""
    c.expect(f"MAIL FROM:<{USER}>", 250)
    c.expect(f"RCPT TO:<{BOB}>", 250)
    c.expect("DATA", 354)
    c.send(header + b"\r\n" + body + b".\r\n")
    return c.lines()


def check_refused(c, header, code):
    lines = give(c, header)
    assert len(lines) == 3, f"{header[-200:]!r}: want a refusal in two languages and its page, got {lines}"
    for line in lines:
        assert line[:3] == b"550" and line[4:].startswith(code + b" "), f"{header[-200:]!r}: want {code}, got {lines}"


def test_spoofed_senders_are_refused(m):
    assert len(SPOOFED) >= 40
    before = m.count(user=BOB)
    with Secure(m).login() as c:
        for header, code in SPOOFED:
            check_refused(c, header, code)
        assert give(c, ME + b"Subject: last\r\n")[-1].startswith(b"250"), "the session goes on"
    arrived(m, "last")
    assert m.count(user=BOB) == before + 1, "something refused was delivered"
    wait_until("the queue is empty", 20 * SLOW,
               lambda: not json.loads(m.cli("--json", "queue", "list").stdout)["rows"])


def test_bare_line_ends_are_refused(m):
    for header in (ME + b"X: a\rFrom: boss@bank.example\r\n", ME + b"X: a\nFrom: boss@bank.example\r\n",
                   ME + b"X: a\n\nFrom: boss@bank.example\r\n", b"From: alice\r<boss@bank.example>\r\n",
                   ME + b"X: a\r\r\nFrom: boss@bank.example\r\n"):
        with Secure(m).login() as c:
            check_refused(c, header, BROKEN)


def test_no_second_message_is_smuggled(m):
    """Commands may be sent ahead here: what others take for the end of data must not be one."""
    before = m.count(user=BOB)
    second = (f"MAIL FROM:<{USER}>\r\nRCPT TO:<{BOB}>\r\nDATA\r\n").encode() + ME + b"\r\nsmuggled\r\n.\r\n"
    for end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n.\r\r\n", b"\r\n\0.\r\n"):
        with Secure(m).login() as c:
            lines = give(c, ME, b"first" + end + second[:-3])
            want = b"250" if b"\0" in end else b"550"
            assert lines[-1].startswith(want), (end, lines)
            c.expect("NOOP", 250)
    with Secure(m).login() as c:
        assert give(c, ME + b"Subject: behind\r\n")[-1].startswith(b"250")
    arrived(m, "behind")
    assert m.count(user=BOB) == before + 2


def test_header_without_end_of_it(m):
    """A message that is all header, and chunks that split it anywhere."""
    with Secure(m).login() as c:
        for header, want in ((b"From: boss@bank.example\r\n", 550), (ME + b"Subject: all header\r\n", 250)):
            c.expect(f"MAIL FROM:<{USER}>", 250)
            c.expect(f"RCPT TO:<{BOB}>", 250)
            c.expect("DATA", 354)
            c.send(header + b".\r\n")
            assert c.reply()[0] == want, header
    arrived(m, "all header")
    with Secure(m).login() as c:
        for header, want in ((b"From: boss@bank.example\r\n\r\n", 550), (ME + b"Subject: single bytes\r\n\r\n", 250)):
            c.expect(f"MAIL FROM:<{USER}>", 250)
            c.expect(f"RCPT TO:<{BOB}>", 250)
            c.send(b"".join(b"BDAT 1\r\n" + header[n:n + 1] for n in range(len(header))) + b"BDAT 0 LAST\r\n")
            replies = [c.reply()[0] for _ in range(len(header) + 1)]
            assert replies[-1] == want and set(replies[:-1]) == {250}, (header, replies)
    arrived(m, "single bytes")


def test_sender_behind_a_long_header(m):
    """A From that comes after a megabyte is not seen, so the message is refused."""
    filler = b"X: " + b"x" * 60 + b"\r\n"
    with Secure(m).login() as c:
        for size, late in ((1 << 20, b"From: boss@bank.example\r\n"), (1 << 20, ME), (300 << 10, b"")):
            check_refused(c, (ME if late != ME else b"") + filler * (size // len(filler)) + late, BROKEN)
        check_refused(c, filler * 1000 + b"From: boss@bank.example\r\n", NOT_YOURS)
        assert give(c, filler * 1000 + b"Subject: long\r\n" + ME)[-1].startswith(b"250")
    arrived(m, "long")


def test_many_senders(m):
    def fields(count):
        return b"Sender: %s\r\nFrom: " % USER.encode() + b", ".join(
            b"alice+%d@example.test" % n for n in range(count)) + b"\r\n"
    with Secure(m).login() as c:
        check_refused(c, fields(40), BROKEN)
        check_refused(c, fields(12) + b"Resent-From: %s\r\n" % BOSS.encode(), NOT_YOURS)
        assert give(c, fields(12) + b"Subject: many\r\n")[-1].startswith(b"250")
    arrived(m, "many")


def test_what_is_accepted_is_shown_as_checked(m):
    with Secure(m).login() as c:
        for n, (header, _) in enumerate(GOOD):
            if b"Subject:" not in header:
                header += b"Subject: good %d\r\n" % n
            lines = give(c, header)
            assert lines[-1].startswith(b"250"), f"{header!r}: {lines}"
    for n, (header, shown) in enumerate(GOOD):
        if b"Subject:" in header or shown is None:
            continue
        one = email.message_from_bytes(arrived(m, f"good {n}"), policy=email.policy.default)
        who = one["From"].addresses[0]
        assert who.addr_spec == shown[1], (header, who)
        assert who.display_name == shown[0] or shown[0] == "Cron Daemon", (header, who)


def test_envelope_of_imap_shows_the_same(m):
    client = m.imap(BOB)
    client.select("INBOX", readonly=True)
    _, data = client.fetch("1:*", "(ENVELOPE)")
    client.logout()
    text = repr(data)
    assert '"alice" "example.test"' in text and '"bank.example"' not in text, text
