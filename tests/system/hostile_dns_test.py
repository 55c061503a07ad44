# SPDX-License-Identifier: ISC
"""Answers that are made to cost time, that are forged or signed for another time, or that say more than was asked:
nobody waits long, nobody else waits at all, and nothing is believed that should not be."""
import concurrent.futures
import hashlib
import struct

import dnssec
import names
import records
from harness import *
from records import TYPES
from world import World

YEAR = 365 * 86400
CPU_MAX_S, LONGEST_S = 5, 20  # that one question may cost the resolver; that a client may wait
FORGED = 1200000 if LONG else 70000  # that find somebody who waits
BATCH = 64  # at once; more would be lost
GOOD = "203.0.113.5"
WORLD = World(f"""
$TTL 60
$HOST mail.example.org {GOOD} 203.0.113.6
example.org. MX 10 mail.example.org.
other.example.org. MX 10 mail.example.org.
$SIGNED good.example.net
good.example.net. MX 10 mail.example.org.
$SIGNED in1970.example.net {56 * YEAR} {57 * YEAR}
in1970.example.net. MX 10 mail.example.org.
$SIGNED in2100.example.net -{75 * YEAR} -{74 * YEAR}
in2100.example.net. MX 10 mail.example.org.
$SIGNED late.example.net -{2 * YEAR} -{30 * 86400}
late.example.net. MX 10 mail.example.org.
$SIGNED keys.example.net
keys.example.net. MX 10 mail.example.org.
$SIGNED signatures.example.net
signatures.example.net. MX 10 mail.example.org.
$SIGNED hashes.example.net
$GENERATE 1-1600 huge.example.org. MX 10 mx$.huge.example.org.
$WHEN victim*.example.org MX slow 1.5
$WHEN control*.example.org MX slow 1.5
lure.example.org. MX 10 mail.example.org.
zero.example.org. 0 MX 10 mail.example.org.
endless.example.org. 4294967295 MX 10 mail.example.org.
""")
OPTIONS = dict(settings=[*WORLD.settings(), ("smtpd.connections-per-minute", "0"), ("smtpd.penalties", "no"),
                         ("smtpd.greylist", "off"), ("smtpd.spf", "no"), ("resolver.timeout", "15")])
BOGUS = r"dns=bogus"


def sender(m, domain, source=GOOD):
    """The answer to a recipient when the sender is of this domain, and the seconds it took."""
    with m.raw(source=source) as c:
        c.expect(None, 220)
        c.expect("EHLO mail.example.org", 250)
        c.expect(f"MAIL FROM:<a@{domain}>", 250)
        began = time.monotonic()
        code, _ = c.command(f"RCPT TO:<{USER}>")
        return code, time.monotonic() - began


# --- zones made to cost time

def colliding(key, count):
    """Other keys with this key's tag (KeyTrap): the last two bytes are chosen for it."""
    want, made = dnssec.key_tag(key), set()
    while len(made) < count:
        head = key[:4] + os.urandom(30)
        last = (want - dnssec.key_tag(head + b"\0\0")) % 0xffff
        one = head + struct.pack("!H", last)
        if dnssec.key_tag(one) == want:
            made.add(one)
    return list(made)


class ManyKeys(dnssec.SignedZone):
    """Five hundred keys that any of two hundred signatures might be of; only the set of keys is signed right."""
    others = None

    def complete(self, answer, query, found):
        self.others = self.others or colliding(self.key, 500)
        if query.type == TYPES["DNSKEY"]:
            answer.rcode, answer.authority = 0, []
            rows = [60, self.key, *self.others]
            answer.add(answer.answer, self.name, TYPES["DNSKEY"], rows)
            answer.add(answer.answer, self.name, TYPES["RRSIG"], [60, self.signature(self.name, TYPES["DNSKEY"], rows)])
        else:
            super().complete(answer, query, found)
            if query.type == TYPES["MX"]:  # others would not fit into an answer
                self.spoil(answer, 200)

    def spoil(self, answer, count):
        for section in (answer.answer, answer.authority):
            for name, kind, ttl, data in list(section):
                if kind == TYPES["RRSIG"]:
                    section.remove((name, kind, ttl, data))
                    section += [(name, kind, ttl, data[:-64] + os.urandom(64)) for _ in range(count)]


class ManySignatures(ManyKeys):
    """Five hundred signatures, all of them wrong."""

    def complete(self, answer, query, found):
        dnssec.SignedZone.complete(self, answer, query, found)
        if query.type == TYPES["MX"]:
            self.spoil(answer, 500)


class ManyHashes(dnssec.SignedZone):
    """NSEC3 (rfc5155) with as many rounds of its hash as can be asked for."""
    ROUNDS, NSEC3 = 65535, 50

    def hashed(self, name):
        digest = hashlib.sha1(records.pack_name(name)).digest()
        for _ in range(self.ROUNDS):
            digest = hashlib.sha1(digest).digest()
        return digest

    def absence(self, name, found):
        own = self.hashed(name)
        following = (int.from_bytes(own, "big") + 1).to_bytes(20, "big")
        self.owner = self.base32(own) + "." + self.name
        return [60, struct.pack("!BBHBB", 1, 0, self.ROUNDS, 0, 20) + following + b"\0\1\x40"]

    @staticmethod
    def base32(data):
        number, digits = int.from_bytes(data, "big"), "0123456789abcdefghijklmnopqrstuv"
        return "".join(digits[number >> at & 31] for at in range(155, -1, -5))

    def complete(self, answer, query, found):
        if query.type == TYPES["DNSKEY"]:
            super().complete(answer, query, found)
            return
        answer.rcode, answer.authority = 0, []
        soa = [60, records.pack_name(self.name) * 2 + struct.pack("!5I", 1, 60, 60, 600, 60)]
        proof = self.absence(query.name, found)
        for owner, kind, rows in ((self.name, TYPES["SOA"], soa), (self.owner, self.NSEC3, proof)):
            answer.add(answer.authority, owner, kind, rows)
            answer.add(answer.authority, owner, TYPES["RRSIG"], [60, self.signature(owner, kind, rows)])


def become(name, kind):
    """The zone of this name, with its key, as one of another kind."""
    WORLD.names.table.signed[name].__class__ = kind


@expects(BOGUS)
def test_zones_made_to_cost_time(m):
    become("keys.example.net", ManyKeys)
    become("signatures.example.net", ManySignatures)
    become("hashes.example.net", ManyHashes)
    resolver, = m.daemons()["resolver"]
    for domain, codes in (("keys.example.net", {451}), ("signatures.example.net", {451}), ("huge.example.org", {250}),
                          ("a.b.c.d.e.f.g.h.i.j.k.l.m.hashes.example.net", {451, 550})):
        start, before = m.log_size(), servers.cpu_seconds(resolver)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(sender, m, domain)
            code, took = sender(m, "other.example.org", "203.0.113.6")
            assert code == 250 and took < LONGEST_S * SLOW, (domain, code, took)
            code, took = asked.result()
        cost = servers.cpu_seconds(resolver) - before
        assert code in codes and took < LONGEST_S * SLOW, (domain, code, took)
        assert cost < CPU_MAX_S * SLOW, (domain, cost)
        assert WORLD.names.count(domain, "MX") > 0, domain
        if codes == {451}:  # the signatures were looked at
            m.wait_log(f'dns=bogus why="[^"]*{domain}', start)
    assert not WORLD.names.too_long, WORLD.names.too_long
    assert m.daemons()["resolver"] == [resolver]


# --- the wrong time

@expects(BOGUS)
def test_signatures_of_another_time(m):
    """A clock at 1970 or 2100, and one who forgot to sign again: it is trouble, not truth."""
    start = m.log_size()
    assert sender(m, "good.example.net")[0] == 250
    assert "dns=bogus" not in m.log(start)
    for domain in ("in1970.example.net", "in2100.example.net", "late.example.net"):
        start = m.log_size()
        assert sender(m, domain)[0] == 451, domain
        m.wait_log(f'dns=bogus why="[^"]*{domain}', start)


# --- forged answers

def forged(query, host="mail.example.org", **changed):
    """An answer to a question on the wire, with something changed: number, name, kind."""
    asked = records.Query(query)
    name, kind = changed.get("name", asked.name), changed.get("kind", asked.type)
    question = records.pack_name(name) + struct.pack("!HH", kind, 1)
    data = struct.pack("!H", 10) + records.pack_name(host)
    return (struct.pack("!6H", changed.get("number", asked.id), 0x8580, 1, 1, 0, 0) + question +
            b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data)


def endpoint(text):
    """As /proc/net/udp writes it: the address in the order of this machine."""
    address, port = text.split(":")
    return socket.inet_ntoa(struct.pack("=I", int(address, 16))), int(port, 16)


def ports():
    """Those at which the resolver waits for an answer, and how many bytes have come there and are not read."""
    with open("/proc/net/udp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return {endpoint(row[1]): int(row[4].split(":")[1], 16) for row in rows if row[2] == "3500007F:0035"}


def another(wire, port):
    """Another question, another sender."""
    asked, right = records.Query(wire), WORLD.names.sockets[0]
    for changed in (dict(name="x" + asked.name), dict(kind=TYPES["A"]), dict(name="example.org")):
        names.quietly(right.sendto, forged(wire, **changed), port)
    for source in (("127.0.0.53", 0), ("127.0.0.54", 53)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wrong:
            wrong.bind(source)
            names.quietly(wrong.sendto, forged(wire), port)


def guess(wires, until):
    """All numbers but the right one, one after the other, at each port while it waits; the number that were read."""
    sent, tried = 0, {}
    while sent < FORGED and not until():
        for port in ports():
            plain = bytearray(forged(wires[-1]))
            right = {records.Query(wire).id for wire in wires}
            first = tried.setdefault(port, records.Query(wires[-1]).id + 1)
            for number in range(first, first + BATCH):
                if number & 0xffff not in right:
                    struct.pack_into("!H", plain, 0, number & 0xffff)
                    names.quietly(WORLD.names.sockets[0].sendto, bytes(plain), port)
            tried[port] += BATCH
            wait_until("they are read", 20 * SLOW, lambda port=port: ports().get(port, 0) == 0, 0)
            sent += BATCH if port in ports() else 0
    return sent


def exactly_right(wire, port):
    names.quietly(WORLD.names.sockets[0].sendto, forged(wire), port)


class Asked:
    """A client's question while it has no answer; wires: what came to the DNS for it."""

    def __init__(self, m, domain):
        self.wires, self.answer = [], WORLD.names.answer
        self.first = domain.split(".", maxsplit=1)[0].encode()
        WORLD.names.answer = self.seen
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.reply = self.pool.submit(sender, m, domain)
        wait_until("it is asked", 20 * SLOW, lambda: self.wires)

    def seen(self, wire, transport, send):
        if self.first in wire:
            self.wires.append(wire)
        self.answer(wire, transport, send)

    def code(self):
        """What the client is told in the end."""
        try:
            return self.reply.result()[0]
        finally:
            WORLD.names.answer = self.answer
            self.pool.shutdown()


def believed(m, domain):
    """What is exactly right is; now and then it is asked anew before it comes."""
    control = Asked(m, domain)
    for port in ports():
        exactly_right(control.wires[-1], port)
    return control.code() == 250


def told(code):
    """The domain is not there; false: it cannot be looked up now."""
    assert code in (451, 550), (code, "a forged answer was believed later")
    return code == 550


def test_forged_answers(m):
    """Whoever guesses all but one of what makes an answer the one that was asked for; the domains are not there."""
    resolver, = m.daemons()["resolver"]
    assert any(believed(m, f"control{n}.example.org") for n in range(5)), "the test's own means do not work"
    sent, victims = 0, []
    while sent < FORGED:
        victims.append(f"victim{len(victims)}.example.org")
        victim = Asked(m, victims[-1])
        for port in ports():
            another(victim.wires[0], port)
        sent += guess(victim.wires, victim.reply.done)
        # 451: all that came may spoil this round, but no more than that
        assert victim.code() in (451, 550), (victims[-1], "a forged answer was believed")
    for domain in victims:
        wait_until("it is known that there is none", 60 * SLOW, lambda domain=domain: told(sender(m, domain)[0]))
    assert sender(m, "other.example.org")[0] == 250
    assert m.daemons()["resolver"] == [resolver], "the resolver died of it"


# --- more than was asked

def test_what_was_not_asked_is_not_remembered(m):
    """An answer may bring records of other names, in each of its parts: they are asked for all the same."""
    table = WORLD.names.table
    plain, found = table.answer, [60, struct.pack("!H", 10) + records.pack_name("mail.example.org")]

    def more(query):
        answer = plain(query)
        if query.name == "lure.example.org":
            for section, owner in ((answer.answer, "first.hidden.example.org"),
                                   (answer.authority, "second.hidden.example.org")):
                answer.add(section, owner, TYPES["MX"], found)
                answer.add(section, owner, TYPES["A"], [60, bytes([203, 0, 113, 5])])
        return answer
    table.answer = more
    try:
        assert sender(m, "lure.example.org")[0] in (250, 451)
        assert WORLD.names.count("lure.example.org", "MX") > 0
    finally:
        table.answer = plain
    for name in ("first", "second"):
        assert sender(m, f"{name}.hidden.example.org")[0] == 550, name
        assert WORLD.names.count(f"{name}.hidden.example.org", "MX") > 0, name


def test_times_to_live(m):
    """What lives no second is asked for again; what has the largest number is an answer like any other."""
    for n in (1, 2, 3):
        assert sender(m, "zero.example.org")[0] == 250
        assert WORLD.names.count("zero.example.org", "MX") == n
    for _ in range(2):
        assert sender(m, "endless.example.org")[0] == 250
