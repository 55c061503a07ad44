# SPDX-License-Identifier: ISC
"""Traps that other mail servers fell into, as far as the reception of mail is concerned, each by its name.
Those about blocklists are in blocklist_test.py, those about bounces in reports_test.py."""
import json

from harness import *
from world import World

WORLD = World("""
$HOST mail.example.net 203.0.113.5 203.0.123.5 203.0.124.5 2001:db8:5::5
example.net. MX 10 mail.example.net.
pool.example.org. MX 10 mail.example.net.
pool.example.org. TXT "v=spf1 ip4:203.0.120.0/24 -all"
lonely.example.org. MX 10 mail.example.net.
""")
OPTIONS = dict(settings=[*WORLD.settings(), ("smtpd.connections-per-minute", "0"), ("smtpd.greet-delay", "0"),
                         ("reputation.greylist-delay", "1"), ("reputation.known-good", "1"),
                         ("smtpd.xclient-from", "198.51.100.250")])
FOREIGN = "RCPT TO:<somebody@elsewhere.example>"


def begin(c, sender="sender@example.net"):
    c.expect(None, 220)
    c.expect("EHLO mail.example.net", 250)
    c.expect(f"MAIL FROM:<{sender}>", 250)


def rcpt(m, source, sender, to=USER):
    with m.raw(source=source) as c:
        begin(c, sender)
        return c.command(f"RCPT TO:<{to}>")


def setting(m, name, value, worked):
    m.cli("config", "set", name, value)
    m.cli("reload")
    wait_until(f"{name} {value} works", 30 * SLOW, worked)


def test_nobody_may_relay_for_his_address(m):
    """IPv6 clients, the machine itself and private networks are no friends: only a login is."""
    for source, to in (("2001:db8:5::5", "2001:db8::25"), ("203.0.113.5", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"),
                       ("10.0.0.7", "127.0.0.1"), ("192.168.1.7", "192.0.2.25"), ("fd00::7", "2001:db8::25")):
        with m.raw(source=source, to=to) as c:
            begin(c)
            code, text = c.command(FOREIGN)
            assert code == 550 and text.startswith(b"5.7.1"), (source, code, text)


def test_mapped_address_is_the_ipv4_address(m):
    """::ffff:a.b.c.d is neither another client nor a trusted one."""
    with m.raw(source="198.51.100.250") as c:
        c.expect(None, 220)
        c.expect("EHLO proxy.example.net", 250)
        c.expect("XCLIENT ADDR=IPV6:::ffff:203.0.113.5", 220)
        start = m.log_size()
        c.expect("EHLO mail.example.net", 250)
        c.expect("MAIL FROM:<sender@example.net>", 250)
        c.expect(FOREIGN, 550)
        c.expect(f"RCPT TO:<{USER}>", 250)
        c.expect("QUIT", 221)
    m.wait_log(r'event=closed client=203\.0\.113\.5 name="mail.example.net"', start)


def test_who_guesses_recipients_learns_nothing_and_is_turned_away(m):
    texts, guesses = set(), 0
    while guesses < 1000:
        with m.raw(source="203.0.119.5") as c:
            code, _ = c.reply()
            if code == 421:
                break
            c.expect("EHLO mail.example.net", 250)
            c.expect("MAIL FROM:<sender@example.net>", 250)
            while code and guesses < 1000:
                code, text = c.command(f"RCPT TO:<user{guesses}@{DOMAIN}>")
                guesses += 1
                if code == 550:
                    texts.add(text.split(b"(")[0][:40])
    assert code == 421, "1,000 guesses and still welcome"
    assert len(texts) <= 1, texts
    assert rcpt(m, "203.0.124.5", "sender@example.net")[0] == 250, "others must not suffer"


def test_forged_senders_are_sent_no_bounces(m):
    start = m.log_size()
    with m.raw(source="203.0.123.5") as c:
        begin(c, "victim0@example.net")
        for n in range(1, 9):
            c.expect(f"RCPT TO:<nobody{n}@{DOMAIN}>", 550)
            c.expect("DATA", 554)
            c.expect("RSET", 250)
            c.expect(f"MAIL FROM:<victim{n}@example.net>", 250)
    m.wait_log("event=closed client=203.0.123.5", start)
    assert json.loads(m.cli("queue", "list", "--json").stdout)["rows"] == []
    assert not re.search(r"queue.*event=report", m.log(start))


def test_notification_to_many_is_refused_at_rcpt(m):
    """Behind DATA there is one answer for all; so a message without sender has one recipient."""
    with m.raw(source="203.0.124.5") as c:
        c.expect(None, 220)
        c.expect("EHLO mail.example.net", 250)
        c.expect("MAIL FROM:<>", 250)
        c.expect(f"RCPT TO:<{USER}>", 250)
        c.expect(f"RCPT TO:<postmaster@{DOMAIN}>", 550)


def test_pool_of_a_big_sender_waits_once(m):
    """Its servers take turns: SPF tells that they belong together."""
    setting(m, "smtpd.greylist", "all", lambda: rcpt(m, "203.0.121.9", "a@lonely.example.org")[0] == 450)
    code, _ = rcpt(m, "203.0.120.1", "a@pool.example.org")
    assert code == 450

    def delivered():
        with m.raw(source="203.0.120.2") as c:
            begin(c, "a@pool.example.org")
            if c.command(f"RCPT TO:<{USER}>")[0] != 250:
                return False
            c.expect("DATA", 354)
            c.send(message("from a pool").encode() + b".\r\n")
            return c.reply()[0] == 250
    wait_until("another server of the pool is let in", 30 * SLOW, delivered)
    wait_until("a third one with other mail is, too", 30 * SLOW,
               lambda: rcpt(m, "203.0.120.77", "b@pool.example.org", "postmaster@" + DOMAIN)[0] == 250 and
               rcpt(m, "203.0.120.78", "c@pool.example.org")[0] == 250)
    # who only says to be of that domain is not
    code, text = rcpt(m, "203.0.121.10", "b@lonely.example.org")
    assert code == 450, (code, text)


def test_who_has_to_wait_is_told_how_long(m):
    m.cli("config", "set", "reputation.greylist-delay", "120")
    m.cli("reload")

    def told():
        with m.raw(source="203.0.122.9") as c:
            begin(c, "new@lonely.example.org")
            c.send(f"RCPT TO:<{USER}>\r\n".encode())
            return c.line()
    first = wait_until("greylisted", 30 * SLOW, lambda: next((t for t in [told()] if b"450" in t), None))
    assert re.search(rb"try again in \d+ seconds", first), first


@expects(r"event=bad-setting setting=smtpd.tld-file")
def test_another_list_of_top_level_domains(m):
    """IANA's list is shipped and can be replaced; half a list is none, so that no mail is lost for it."""
    path = os.path.join(m.home, "tlds.txt")

    def refused(sender, names):
        with open(path, "w") as f:
            f.write("# Version 2026112900\n" + "".join(f"{name}\n" for name in names))
        m.stop()
        m.start()
        code, text = rcpt(m, "203.0.113.5", sender)
        return code == 550 and b"/help/510 " in text
    many = [f"T{n}" for n in range(1500)]
    m.cli("config", "set", "smtpd.tld-file", path)
    assert refused("a@pool.example.org", [*many, "NET"]) and not refused("a@pool.example.org", [*many, "ORG"])
    start = m.log_size()
    assert not refused("a@pool.example.org", many[:500])
    m.wait_log('event=bad-setting setting=smtpd.tld-file .*why="these are too few', start)
    m.cli("config", "set", "smtpd.tld-file", "")
