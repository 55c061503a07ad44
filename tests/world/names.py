# SPDX-License-Identifier: ISC
"""The only DNS of a world: answers as a recursive server would, from a zone text that also says what
goes wrong for which name. What the text may say: tests/world/README.md."""
import fnmatch
import socket
import struct
import threading

import records
from dnssec import SignedZone, zone_of
from records import TYPES, Answer, BadZone, Query, parent, type_name
from space import free_socket, listen

CHAIN_MAX = 64  # CNAMEs that one answer follows
LONGEST = 0xffff  # bytes of an answer
RCODES = {"servfail": records.SERVFAIL, "refused": records.REFUSED, "formerr": records.FORMERR,
          "notimp": records.NOTIMP}
KINDS = set(RCODES) | {"timeout", "truncate", "truncate-only", "garbage", "slow"}
# Vouches for a zone whose servers know nothing of signatures: all of it is bogus.
ANCHOR = "{}. IN DS 4711 13 2 " + "5a" * 32
SOA = records.Records("zone SOA ns. hostmaster. 1 60 60 600 60").found["zone", TYPES["SOA"]]


class Behaviour:
    """One line `$WHEN name type kind [value]`."""

    def __init__(self, words):
        if len(words) not in (3, 4) or words[2] not in KINDS:
            raise BadZone("$WHEN NAME TYPE KIND [VALUE], KIND one of " + ", ".join(sorted(KINDS)))
        self.pattern, self.type, self.kind = words[0].lower().rstrip("."), words[1].upper(), words[2]
        self.value = float(words[3]) if len(words) == 4 else None
        if self.kind == "slow" and self.value is None:
            raise BadZone("$WHEN ... slow needs its seconds")
        self.left = None if self.kind == "slow" or self.value is None else int(self.value)

    def fits(self, name, kind):
        return self.left != 0 and self.type in ("*", kind) and fnmatch.fnmatchcase(name, self.pattern)


class Table:
    """Answers to questions, without a network."""

    def __init__(self, text):
        self.behaviours, self.bogus, self.reverse, self.signed = [], [], [], {}
        read = records.Records(text, {"$WHEN": self.when, "$HOST": self.host, "$BOGUS": self.bogus_zone,
                                      "$SIGNED": self.signed_zone})
        for name, address in self.reverse:
            kind = "AAAA" if ":" in address else "A"
            read.record([kind, address], name)
            read.record(["PTR", name + "."], records.reverse_name(address))
        self.records, self.names = read.found, set()
        for name, _ in self.records:
            while name:  # a name exists when one below it does (rfc8020)
                self.names.add(name)
                name = parent(name)

    def when(self, words):
        self.behaviours.append(Behaviour(words))

    def host(self, words):
        if len(words) < 2:
            raise BadZone("$HOST NAME ADDRESS...")
        for address in words[1:]:
            records.reverse_name(address)
            self.reverse.append((words[0].rstrip(".").lower(), address))

    def bogus_zone(self, words):
        self.bogus += [w.rstrip(".").lower() for w in words]

    def signed_zone(self, words):
        name, *times = words
        name = name.rstrip(".").lower()
        self.signed[name] = SignedZone(name, *(int(t) for t in times))

    def behaviour(self, name, kind):
        for b in self.behaviours:
            if b.fits(name, kind):
                if b.left is not None:
                    b.left -= 1
                return b
        return None

    def source(self, name):
        """The name whose records answer for this one: itself or a wildcard; None: it does not exist."""
        if name in self.names or not name:
            return name
        while name:
            name = parent(name)
            wild = f"*.{name}" if name else "*"
            if wild in self.names:
                return wild
            if name in self.names:
                return None
        return None

    def refuse(self, answer, name):
        """The SOA that an answer without the record carries (rfc2308)."""
        zone = name
        while zone and (zone, TYPES["SOA"]) not in self.records:
            zone = parent(zone)
        answer.add(answer.authority, zone, TYPES["SOA"],
                   self.records.get((zone, TYPES["SOA"]), SOA))

    def answer(self, query):
        answer, zone = self.plain_answer(query), zone_of(self.signed, query.name)
        if zone is not None and query.secure:
            zone.complete(answer, query, {kind for name, kind in self.records if name == query.name})
        return answer

    def plain_answer(self, query):
        answer, name = Answer(), query.name
        for _ in range(CHAIN_MAX):
            source = self.source(name)
            found = self.records.get((source, query.type))
            alias = self.records.get((source, TYPES["CNAME"]))
            if found is not None:
                answer.add(answer.answer, name, query.type, found)
                return answer
            if alias is None:
                answer.rcode = records.NXDOMAIN if source is None else records.NOERROR
                self.refuse(answer, name)
                return answer
            answer.add(answer.answer, name, TYPES["CNAME"], alias)
            name, _ = records.unpack_name(alias[1], 0)
        return answer


class Names:
    """A server for a zone text. asked: every question as (name, type, "udp" or "tcp"); too_long: those whose answer
    fits nowhere, and is not given."""

    def __init__(self, text="", addresses=("127.0.0.53",), port=53):
        self.table, self.asked, self.lock = Table(text), [], threading.Lock()
        self.addresses, self.port, self.sockets, self.too_long = addresses, port, [], []
        for address in addresses:
            udp = free_socket(address, socket.SOCK_DGRAM)
            udp.bind((address, port))
            tcp = listen(address, port)
            self.sockets += [udp, tcp]
            for run, s in ((self.serve_udp, udp), (self.serve_tcp, tcp)):
                threading.Thread(target=run, args=(s,), daemon=True).start()

    def load(self, text):
        """Another text; who asked before may remember the old answers for their TTL."""
        table = Table(text)
        with self.lock:
            self.table = table

    def count(self, name, rdtype=None):
        name = name.lower().rstrip(".")
        with self.lock:
            return sum(n == name and rdtype in (None, t) for n, t, _ in self.asked)

    def anchors(self):
        """The trust anchors of $SIGNED zones, and those under which $BOGUS zones are bogus, as text of a file."""
        return ("".join(ANCHOR.format(zone) + "\n" for zone in self.table.bogus) +
                "".join(zone.anchor() for zone in self.table.signed.values()))

    def servers(self):
        return ",".join(f"{address}@{self.port}" for address in self.addresses)

    def stop(self):
        for s in self.sockets:
            quietly(s.shutdown, socket.SHUT_RDWR)  # wakes who waits in it
            s.close()

    # --- a question
    def answer(self, wire, transport, send):
        """Calls send with a whole answer, now or later, or not at all."""
        try:
            query = Query(wire)
        except (ValueError, IndexError, struct.error):
            return
        kind, value = "", None
        with self.lock:
            self.asked.append((query.name, type_name(query.type), transport))
            behaviour = self.table.behaviour(query.name, type_name(query.type))
            if behaviour is not None:
                kind, value = behaviour.kind, behaviour.value
            answer = self.table.answer(query)
        if kind == "timeout" or (kind == "truncate-only" and transport == "tcp"):
            return
        if kind == "garbage":
            send(wire[:2] + b"\x81\x80" + bytes(range(40)))
            return
        if kind in RCODES:
            answer = Answer(RCODES[kind])
        wire = answer.pack(query)
        if len(wire) > LONGEST:
            self.too_long.append(query.name)
            return
        if transport == "udp" and (kind.startswith("truncate") or len(wire) > query.payload):
            wire = answer.pack(query, truncated=True)
        if kind == "slow":
            late = threading.Timer(value, send, [wire])
            late.daemon = True
            late.start()
        else:
            send(wire)

    def serve_udp(self, s):
        while True:
            try:
                wire, peer = s.recvfrom(4096)
                self.answer(wire, "udp", lambda out, peer=peer: quietly(s.sendto, out, peer))
            except OSError:
                return

    def serve_tcp(self, s):
        while True:
            try:
                conn, _ = s.accept()
            except OSError:
                return
            threading.Thread(target=self.serve_stream, args=(conn,), daemon=True).start()

    def serve_stream(self, conn):
        with conn:
            conn.settimeout(60)
            try:
                while (wire := read_framed(conn)) is not None:
                    self.answer(wire, "tcp", lambda out: quietly(
                        conn.sendall, struct.pack("!H", len(out)) + out))
            except OSError:
                return


def quietly(send, *args):
    """The asker, or the server, may be gone by now."""
    try:
        send(*args)
    except OSError:
        pass


def read_exactly(conn, n):
    data = b""
    while len(data) < n:
        got = conn.recv(n - len(data))
        if not got:
            return None
        data += got
    return data


def read_framed(conn):
    head = read_exactly(conn, 2)
    return read_exactly(conn, struct.unpack("!H", head)[0]) if head else None
