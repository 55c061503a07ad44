# SPDX-License-Identifier: ISC
"""The fake Internet of tests/world: smtpd there, and what its DNS does."""
import struct

import records
from harness import *
from names import Names, Table
from world import World

ZONES = """
$HOST client.example.net 203.0.113.5 2001:db8:5::5
example.net. MX 10 client.example.net.
$HOST after.example.net 203.0.113.15
7.113.0.203.in-addr.arpa. PTR liar.example.net.
liar.example.net. A 203.0.113.99
$WHEN 8.113.0.203.in-addr.arpa PTR timeout
$WHEN 9.113.0.203.in-addr.arpa PTR servfail
"""
WORLD = World(ZONES)
OPTIONS = dict(settings=[*WORLD.settings(), ("log.debug", "yes"),
                         ("smtpd.greylist", "off")])


def name_of(m, source, to="127.0.0.1"):
    """The client's verified name in the log line of a session that brought a message."""
    start = m.log_size()
    with m.raw(source=source, to=to) as c:
        c.envelope()
        c.send(message("from " + source).encode() + b".\r\n")
        c.expect(None, 250)
        c.expect("QUIT", 221)
    return m.wait_log(rf'event=closed client={source} name="([^"]*)"', start).group(1)


def test_client_name_is_verified(m):
    assert name_of(m, "203.0.113.5") == "client.example.net"
    assert name_of(m, "203.0.113.5", "192.0.2.25") == "client.example.net"
    assert name_of(m, "2001:db8:5::5", "2001:db8::25") == "client.example.net"
    assert WORLD.names.count("5.113.0.203.in-addr.arpa", "PTR") > 0


def test_name_that_leads_elsewhere_is_none(m):
    assert name_of(m, "203.0.113.7") == ""


def test_no_name_and_no_dns_take_the_mail_all_the_same(m):
    for last in (6, 8, 9):
        assert name_of(m, f"203.0.113.{last}") == ""
    assert name_of(m, "203.0.113.15") == "after.example.net"


# --- the kit itself

BAD = """
$TTL 30
chain.test. CNAME a.chain.test.
a.chain.test. CNAME b.chain.test.
b.chain.test. MX 10 mx.test.
loop.test. CNAME loop2.test.
loop2.test. CNAME loop.test.
*.wild.test. A 192.0.2.1
there.wild.test. TXT "here"
$WHEN silent.test * timeout
$WHEN *.closed.test * refused
$WHEN broken.test MX servfail 2
broken.test. MX 10 mx.test.
$WHEN late.test A slow 0.2
late.test. A 192.0.2.2
$WHEN big.test TXT truncate
big.test. TXT "whole"
$WHEN lost.test TXT truncate-only
$WHEN odd.test A garbage
$GENERATE 1-1000 many.test. MX 10 mx$.many.test.
$BOGUS bogus.test
"""


class Asked:
    """What the DNS says to one question: flags, rcode, and the answers' types in their order."""

    def __init__(self, name, kind, tcp=False, timeout=30):
        question = records.pack_name(name) + struct.pack("!HH", records.TYPES[kind], 1)
        wire = struct.pack("!6H", 4711, 0x100, 1, 0, 0, 0) + question
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as s:
            s.settimeout(timeout)
            s.connect(("127.0.0.60", 53))
            s.sendall(struct.pack("!H", len(wire)) + wire if tcp else wire)
            self.wire = self.framed(s) if tcp else s.recv(65535)
        self.flags, _, answers, self.authority, _ = struct.unpack_from("!5H", self.wire, 2)
        self.rcode, self.types, at = self.flags & 15, [], 12 + len(question)
        for _ in range(answers):
            at = at + 2 if self.wire[at] == 0xc0 else records.unpack_name(self.wire, at)[1]
            number, _, self.ttl, size = struct.unpack_from("!HHIH", self.wire, at)
            self.types.append(records.type_name(number))
            at += 10 + size

    @staticmethod
    def framed(s):
        data = b""
        while len(data) < 2 or len(data) < 2 + struct.unpack_from("!H", data)[0]:
            data += s.recv(65535)
        return data[2:]


def test_dns_of_a_text(_):
    names = Names(BAD, ["127.0.0.60"])
    try:
        check_answers()
        assert names.count("chain.test", "MX") == 1
        assert names.anchors().startswith("bogus.test. IN DS ")
        check_trouble()
        names.load("chain.test. MX 10 other.test.")
        assert records.pack_name("other.test") in Asked("chain.test", "MX").wire
    finally:
        names.stop()


def check_answers():
    got = Asked("chain.test", "MX")
    assert got.types == ["CNAME", "CNAME", "MX"] and got.ttl == 30, got.types
    assert records.pack_name("mx.test") in got.wire
    assert Asked("loop.test", "A", tcp=True).types == ["CNAME"] * 64
    assert Asked("x.wild.test", "A").types == ["A"] and Asked("a.b.wild.test", "A").types == ["A"]
    there = Asked("there.wild.test", "A")
    assert (there.rcode, there.types, there.authority) == (records.NOERROR, [], 1)
    assert Asked("nothing.test", "A").rcode == records.NXDOMAIN
    assert Asked("test", "A").rcode == records.NOERROR
    many = Asked("many.test", "MX")
    assert many.flags & records.TC and not many.types
    assert Asked("many.test", "MX", tcp=True).types == ["MX"] * 1000


def check_trouble():
    for _ in range(2):
        assert Asked("broken.test", "MX").rcode == records.SERVFAIL
    assert Asked("broken.test", "MX").types == ["MX"]
    assert Asked("x.closed.test", "TXT").rcode == records.REFUSED
    assert Asked("late.test", "A").types == ["A"]
    assert Asked("big.test", "TXT").flags & records.TC
    assert b"\x05whole" in Asked("big.test", "TXT", tcp=True).wire
    for name, tcp in (("silent.test", False), ("lost.test", True)):
        try:
            Asked(name, "TXT", tcp, 0.2)
            raise AssertionError("an answer for " + name)
        except TimeoutError:
            pass


def test_text_with_a_mistake_is_refused(_):
    for text in ("$WHEN a.test A sleepy", "$WHEN a.test A slow", "$HOST a.test"):
        try:
            Table(text)
            raise AssertionError("taken: " + text)
        except ValueError as why:
            assert "line 1" in str(why)


def test_command_in_a_world_of_its_own(_):
    zone = os.path.join(TOP, "tests", "world", "example.zone")
    script = ("import smtplib\n"
              "c = smtplib.SMTP('203.0.113.10', 25, 'x.example', source_address=('198.51.100.7', 0))\n"
              "c.sendmail('a@example.net', ['b@example.net'], 'Subject: x\\r\\n\\r\\nx\\r\\n')\n"
              "import socket\n"
              "print(socket.gethostbyaddr('203.0.113.5')[0])\n")
    done = run(sys.executable, os.path.join(TOP, "tests", "world", "run"), "--zones", zone,
               "--mx", "203.0.113.10", "--", sys.executable, "-c", script)
    assert done.stdout == "mail.example.net\n", done.stdout
    assert "mx 203.0.113.10: mail FROM:<a@example.net>" in done.stderr, done.stderr
