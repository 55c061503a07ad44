# SPDX-License-Identifier: ISC
"""Zone texts (rfc1035:5.1) and DNS messages (rfc1035:4), as far as a test's DNS needs them. A name is
text in small letters without its last dot."""
import ipaddress
import re
import struct

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28,
         "SRV": 33, "OPT": 41, "DS": 43, "RRSIG": 46, "DNSKEY": 48, "TLSA": 52, "ANY": 255}
NAMES = {number: name for name, number in TYPES.items()}
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
QR_RA, RD, TC = 0x8080, 0x0100, 0x0200
TTL_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|;.*|[()]|[^\s;()"]+')


class BadZone(ValueError):
    pass


def type_number(text):
    text = text.upper()
    if text in TYPES:
        return TYPES[text]
    if re.fullmatch(r"TYPE\d+", text):
        return int(text[4:])
    raise BadZone("unknown type " + text)


def type_name(number):
    return NAMES.get(number, f"TYPE{number}")


# --- names

def unescape(text):
    """The bytes of a text in which \\DDD and \\X stand for a byte."""
    return re.sub(rb"\\(\d\d\d|.)", lambda m: bytes([int(m[1])]) if len(m[1]) == 3 else m[1],
                  text.encode(), flags=re.S)


def pack_name(name):
    out = b""
    for label in re.findall(r"(?:[^.\\]|\\\d\d\d|\\.)+", name):
        raw = unescape(label)
        if not 0 < len(raw) < 64:
            raise BadZone("a label of " + name)
        out += bytes([len(raw)]) + raw
    return out + b"\0"


def name_text(raw_labels):
    return ".".join(re.sub(rb"[^!-~]|[.\\]", lambda m: b"\\%03d" % m[0][0], label).decode().lower()
                    for label in raw_labels)


def unpack_name(wire, at):
    """(name, where it ends); questions have no pointers."""
    labels = []
    while (n := wire[at]) != 0:
        if n > 63 or at + 1 + n > len(wire):
            raise ValueError("not a question's name")
        labels.append(wire[at + 1:at + 1 + n])
        at += 1 + n
    return name_text(labels), at + 1


def parent(name):
    return name.partition(".")[2]


def reverse_name(address):
    return ipaddress.ip_address(address).reverse_pointer


# --- records

def pack_text(word):
    raw = unescape(word[1:-1] if word.startswith('"') else word)
    if len(raw) > 255:
        raise BadZone("a string of more than 255 bytes")
    return bytes([len(raw)]) + raw


def pack_record(kind, words, full):
    """The data of a record; full makes a whole name of a relative one."""
    if words[0] == r"\#":
        return bytes.fromhex("".join(words[2:]))
    if kind in ("A", "AAAA"):
        return ipaddress.ip_address(words[0]).packed
    if kind in ("NS", "CNAME", "PTR"):
        return pack_name(full(words[0]))
    if kind in ("MX", "SRV"):
        numbers = [int(w) for w in words[:-1]]
        if len(numbers) != (1 if kind == "MX" else 3):
            raise BadZone(kind + " needs its numbers and a name")
        return struct.pack(f"!{len(numbers)}H", *numbers) + pack_name(full(words[-1]))
    if kind == "TXT":
        return b"".join(pack_text(w) for w in words)
    if kind == "SOA":
        return (pack_name(full(words[0])) + pack_name(full(words[1])) +
                struct.pack("!5I", *(seconds(w) for w in words[2:7])))
    if kind == "TLSA":
        return bytes(int(w) for w in words[:3]) + bytes.fromhex("".join(words[3:]))
    if kind == "DS":
        return (struct.pack("!HBB", *(int(w) for w in words[:3])) +
                bytes.fromhex("".join(words[3:])))
    raise BadZone(f"{kind} is only known in the form \\# LENGTH HEX")


def seconds(word):
    m = re.fullmatch(r"(\d+)([smhdw]?)", word.lower())
    if not m:
        raise BadZone("not a time: " + word)
    return int(m[1]) * TTL_UNITS.get(m[2], 1)


class Records:
    """by (name, type number): [ttl, data...]. Lines that begin with a word of directives go there."""

    def __init__(self, text, directives=()):
        self.found, self.origin, self.ttl, self.owner = {}, "", 60, ""
        self.directives = dict(directives)
        for number, blank, words in statements(text):
            try:
                self.statement(blank, words)
            except (BadZone, ValueError, IndexError, struct.error) as why:
                raise BadZone(f"line {number}: {why}") from None

    def full(self, name):
        if name == "@":
            return self.origin
        if name.endswith("."):
            return name[:-1].lower()
        return f"{name}.{self.origin}".rstrip(".").lower()

    def statement(self, blank, words):
        first = words[0].upper()
        if first in self.directives:
            self.directives[first](words[1:])
        elif first == "$ORIGIN":
            self.origin = self.full(words[1])
        elif first == "$TTL":
            self.ttl = seconds(words[1])
        elif first == "$GENERATE":
            self.generate(words[1], words[2:])
        elif first.startswith("$"):
            raise BadZone("unknown directive " + words[0])
        else:
            self.record(words if blank else words[1:], self.owner if blank else self.full(words[0]))

    def record(self, words, owner):
        self.owner, ttl = owner, self.ttl
        while words[0].upper() == "IN" or words[0][0].isdigit():
            if words[0].upper() != "IN":
                ttl = seconds(words[0])
            words = words[1:]
        kind = type_number(words[0])
        self.add(owner, kind, ttl, pack_record(type_name(kind), words[1:], self.full))

    def add(self, owner, kind, ttl, data):
        rows = self.found.setdefault((owner, kind), [ttl])
        if data not in rows[1:]:
            rows.append(data)

    def generate(self, span, words):
        """`$GENERATE 1-9 name type data`: $ is the number, ${N} the number plus N."""
        first, last = (int(n) for n in span.split("-"))
        for i in range(first, last + 1):
            made = [re.sub(r"\$(?:\{(-?\d+)\})?", lambda m: str(i + int(m[1] or 0)), w) for w in words]
            self.record(made[1:], self.full(made[0]))


def statements(text):
    """(number of its first line, it begins with a blank, words) of each statement."""
    words, depth, start, blank = [], 0, 0, False
    for number, line in enumerate(text.splitlines(), 1):
        if not depth:
            start, blank = number, line[:1].isspace()
        for token in TOKEN.findall(line):
            if token in "()":
                depth += 1 if token == "(" else -1
            elif token[0] != ";":
                words.append(token)
        if not depth and words:
            yield start, blank, words
            words = []


# --- messages

class Query:
    """One question; payload: how much UDP may carry back."""

    def __init__(self, wire):
        self.id, flags, questions, _, _, extra = struct.unpack_from("!6H", wire)
        if flags & 0xf800 or questions != 1:
            raise ValueError("not a query")
        self.recursion = flags & RD
        self.name, at = unpack_name(wire, 12)
        self.type, _ = struct.unpack_from("!HH", wire, at)
        self.question = wire[12:at + 4]
        # OPT stands first in what resolvers send: root name, type, payload
        self.edns = extra > 0 and wire[at + 4:at + 7] == b"\0\0\x29"
        self.secure = self.edns and wire[at + 11] & 0x80 != 0  # DO: signatures are wanted
        self.payload = max(512, struct.unpack_from("!H", wire, at + 7)[0]) if self.edns else 512


class Answer:
    def __init__(self, rcode=NOERROR):
        self.rcode, self.answer, self.authority = rcode, [], []

    def add(self, section, name, kind, rows):
        for data in rows[1:]:
            section.append((name, kind, rows[0], data))

    def pack(self, query, truncated=False):
        answer, authority = ([], []) if truncated else (self.answer, self.authority)
        flags = QR_RA | query.recursion | (TC if truncated else 0) | self.rcode
        out = struct.pack("!6H", query.id, flags, 1, len(answer), len(authority), int(query.edns))
        out += query.question
        for name, kind, ttl, data in answer + authority:
            owner = b"\xc0\x0c" if name == query.name else pack_name(name)
            out += owner + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data
        secure = 0x8000 if query.secure else 0
        return out + (b"\0" + struct.pack("!HHIH", 41, 4096, secure, 0) if query.edns else b"")
