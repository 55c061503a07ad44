# SPDX-License-Identifier: ISC
"""Debian's opendkim as a signer: the daemon, and the side of a mail server that speaks milter to it."""
import os
import socket
import struct
import subprocess

from harness import SLOW, wait_until

VERSION, ACTIONS = 6, 0x1ff
ADD_HEADER, INSERT_HEADER, CONTINUE, ACCEPT = b"h", b"i", b"c", b"a"


class Signer:
    """With this key (a file); canon as in its configuration, "relaxed/simple"."""

    def __init__(self, folder, domain, selector, key, canon):
        os.makedirs(folder, exist_ok=True)
        self.path = os.path.join(folder, "socket")
        settings = os.path.join(folder, "opendkim.conf")
        with open(settings, "w") as f:
            f.write(f"Mode s\nDomain {domain}\nSelector {selector}\nKeyFile {key}\nCanonicalization {canon}\n"
                    f"SignatureAlgorithm rsa-sha256\nSocket local:{self.path}\nRequireSafeKeys no\nSyslog no\n"
                    f"PidFile {folder}/pid\nOversignHeaders From\n")
        self.process = subprocess.Popen(["opendkim", "-f", "-x", settings], stdin=subprocess.DEVNULL)
        self.socket = self.connect()

    def connect(self):
        def attempt():
            assert self.process.poll() is None, "opendkim did not start"
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(60 * SLOW)
            try:
                s.connect(self.path)
                return s
            except OSError:
                s.close()
                return None
        return wait_until("opendkim listens", 60 * SLOW, attempt)

    def stop(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait(60 * SLOW)

    def say(self, command, data=b""):
        self.socket.sendall(struct.pack("!I", len(data) + 1) + command + data)

    def hear(self):
        size, = struct.unpack("!I", self.take(4))
        packet = self.take(size)
        return packet[:1], packet[1:]

    def take(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            assert more, "opendkim has hung up"
            data += more
        return data

    def go_on(self, command, data=b""):
        self.say(command, data)
        answer, _ = self.hear()
        assert answer == CONTINUE, (command, answer)

    def sign(self, message):
        """The message with the signature before it."""
        head, body = message.split(b"\r\n\r\n", 1)
        self.say(b"O", struct.pack("!III", VERSION, ACTIONS, 0))
        assert self.hear()[0] == b"O"
        self.go_on(b"C", b"localhost\0004" + struct.pack("!H", 2525) + b"127.0.0.1\0")
        self.go_on(b"H", b"localhost\0")
        self.go_on(b"M", b"<a@example.com>\0")
        self.go_on(b"R", b"<b@example.com>\0")
        self.go_on(b"T")
        for field in head.replace(b"\r\n ", b"\n ").replace(b"\r\n\t", b"\n\t").split(b"\r\n"):
            name, value = field.split(b":", 1)
            self.go_on(b"L", name + b"\0" + value.removeprefix(b" ") + b"\0")
        self.go_on(b"N")
        self.go_on(b"B", body)
        self.say(b"E")
        return self.signature() + message

    def signature(self):
        found = b""
        while (answer := self.hear())[0] not in (CONTINUE, ACCEPT):
            if answer[0] in (ADD_HEADER, INSERT_HEADER):
                name, value, _ = answer[1][4 if answer[0] == INSERT_HEADER else 0:].split(b"\0")
                if name == b"DKIM-Signature":
                    found = b"DKIM-Signature: " + value.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\n"
        assert found, "not signed"
        return found
