# SPDX-License-Identifier: ISC
"""Zones that are signed while they are asked (rfc4035, rfc8080, rfc4470): one Ed25519 key each, made by openssl."""
import hashlib
import os
import struct
import subprocess
import tempfile
import time

from records import TYPES, pack_name, parent

NSEC, ED25519, SHA256, ZONE_KEY = 47, 15, 2, 257
DAY = 86400


def key_tag(rdata):
    """rfc4034: appendix B."""
    total = sum(byte << 8 if at % 2 == 0 else byte for at, byte in enumerate(rdata))
    return (total + (total >> 16)) & 0xffff


def type_bitmap(kinds):
    """rfc4034:4.1.2, of types below 256."""
    bits = bytearray(max(kinds) // 8 + 1)
    for kind in kinds:
        bits[kind // 8] |= 0x80 >> kind % 8
    return bytes([0, len(bits)]) + bytes(bits)


class SignedZone:
    """begins, ends: seconds from now between which its signatures are good."""

    def __init__(self, name, begins=-DAY, ends=DAY):
        self.name, self.begins, self.ends, self.made = name, begins, ends, {}
        made = subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, check=True).stdout
        public = subprocess.run(["openssl", "pkey", "-pubout", "-outform", "DER"], input=made, capture_output=True,
                                check=True).stdout[-32:]
        self.private = made
        self.key = struct.pack("!HBB", ZONE_KEY, 3, ED25519) + public
        self.tag = key_tag(self.key)

    def covers(self, name):
        return name == self.name or name.endswith("." + self.name)

    def anchor(self):
        digest = hashlib.sha256(pack_name(self.name) + self.key).hexdigest()
        return f"{self.name}. IN DS {self.tag} {ED25519} {SHA256} {digest}\n"

    def signature(self, name, kind, rows):
        """The RRSIG record's data for [ttl, data...] of this name."""
        what = (name, kind, tuple(rows))
        if what not in self.made:
            owner = pack_name(name)
            now = int(time.time())
            head = struct.pack("!HBBIIIH", kind, ED25519, name.count(".") + 1, rows[0], (now + self.ends) & 0xffffffff,
                               (now + self.begins) & 0xffffffff, self.tag) + pack_name(self.name)
            text = head + b"".join(owner + struct.pack("!HHIH", kind, 1, rows[0], len(data)) + data
                                   for data in sorted(rows[1:]))
            self.made[what] = head + self.sign(text)
        return self.made[what]

    def sign(self, text):
        with tempfile.TemporaryDirectory(prefix="postern-sign-") as folder:
            for name, data in (("key", self.private), ("text", text)):
                with open(os.path.join(folder, name), "wb") as f:
                    f.write(data)
            return subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", folder + "/key", "-in",
                                   folder + "/text"], capture_output=True, check=True).stdout

    def absence(self, name, found):
        """[ttl, data] of an NSEC that says: this name has these types, and behind it comes nothing soon."""
        return [60, b"\1\0" + pack_name(name) + type_bitmap({*found, TYPES["RRSIG"], NSEC})]

    def complete(self, answer, query, found):
        """Adds to an answer what makes it secure; found: the types that the name has."""
        if query.name == self.name and query.type == TYPES["DNSKEY"]:
            answer.rcode, answer.authority = 0, []
            answer.add(answer.answer, query.name, query.type, [60, self.key])
        elif not answer.answer:
            answer.rcode, answer.authority = 0, []
            answer.add(answer.authority, self.name, TYPES["SOA"], [60, pack_name(self.name) * 2 + struct.pack(
                "!5I", 1, 60, 60, 600, 60)])
            answer.add(answer.authority, query.name, NSEC, self.absence(query.name, found))
        for section in (answer.answer, answer.authority):
            sets = {}
            for name, kind, ttl, data in section:
                sets.setdefault((name, kind), [ttl]).append(data)
            for (name, kind), rows in sets.items():
                if self.covers(name) and kind != TYPES["RRSIG"]:
                    answer.add(section, name, TYPES["RRSIG"], [rows[0], self.signature(name, kind, rows)])


def zone_of(zones, name):
    """The zone of this list that a name is in, or None."""
    while name:
        if name in zones:
            return zones[name]
        name = parent(name)
    return None
