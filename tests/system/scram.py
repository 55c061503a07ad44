# SPDX-License-Identifier: ISC
"""A SCRAM-SHA-256 client (rfc5802, rfc7677) of its own: hashlib and hmac only."""
import base64
import hashlib
import hmac
import os


def end_point(sock):
    """tls-server-end-point (rfc5929:4) of a Python TLS socket; our certificates are SHA-256."""
    return hashlib.sha256(sock.getpeercert(True)).digest()


class Client:
    """step() takes the server's message and returns the client's next one; proven: the server
    knew the password's keys, too."""

    def __init__(self, user, password, flag="n", binding=b"", authzid="", nonce=None):
        self.header = f"{flag},{'a=' + authzid if authzid else ''},"
        self.name = user.replace("=", "=3D").replace(",", "=2C")
        self.password = password.encode()
        self.binding = binding
        self.nonce = nonce or base64.b64encode(os.urandom(18)).decode()
        self.first = self.challenge = self.signature = None
        self.fields = {}
        self.proven = False

    def step(self, message):
        if self.first is None:
            assert message == b"", message
            self.first = f"n={self.name},r={self.nonce}"
            return (self.header + self.first).encode()
        if self.challenge is None:
            self.challenge = message.decode()
            return self.final()
        assert message == b"v=" + base64.b64encode(self.signature), message
        self.proven = True
        return b""

    def final(self):
        self.fields = dict(part.split("=", 1) for part in self.challenge.split(","))
        assert self.fields["r"].startswith(self.nonce) and len(self.fields["r"]) > len(self.nonce) + 20
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(self.fields["s"]),
                                     int(self.fields["i"]))
        bound = base64.b64encode(self.header.encode() + self.binding).decode()
        without = f"c={bound},r={self.fields['r']}"
        text = f"{self.first},{self.challenge},{without}".encode()
        key = hmac.digest(salted, b"Client Key", "sha256")
        mask = hmac.digest(hashlib.sha256(key).digest(), text, "sha256")
        proof = bytes(a ^ b for a, b in zip(key, mask))
        self.signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), text, "sha256")
        return f"{without},p={base64.b64encode(proof).decode()}".encode()
