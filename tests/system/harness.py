# SPDX-License-Identifier: ISC
"""What the system tests share: an instance in a temporary folder, clients, waiting for events.

A suite is NAME_test.py. Its functions test_* run in the order they stand, each with the suite's
instance as argument; OPTIONS = dict(users=...) shapes it. A test fails when it raises, and when the
instance logged a warning or worse that the test did not announce with @expects(REGEX)."""
import contextlib
import os
import random
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "bench"), os.path.join(TOP, "tests", "world")]
import servers  # noqa: E402
import space  # noqa: E402
from servers import DOMAIN, PASSWORD, USER, wait_until  # noqa: E402,F401

OUT = os.environ.get("POSTERN_TEST_OUT", os.path.join(TOP, "build"))
LONG = bool(os.environ.get("POSTERN_TEST_LONG"))
SAN = OUT.rstrip("/").endswith("san")
SLOW = 4 if SAN else 1
PORT_BASE = 21000
BAD_LINE = re.compile(r"\b(warn|error|fatal)\b")
# What an instance always says where it applies.
EXPECTED = [] if os.geteuid() == 0 else [re.compile(r"not-root|landlock")]


class Skip(Exception):
    pass


def expects(*patterns):
    """Log lines of level warn or worse that this test provokes."""
    def mark(function):
        function.expected = [re.compile(p) for p in patterns]
        return function
    return mark


def free_base():
    """A port base whose ports nobody uses; outside a namespace of its own the first may be taken."""
    for base in range(PORT_BASE, 32000, 1000):
        try:
            for port in (25, 143, 993):
                with socket.socket() as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    s.bind(("127.0.0.1", base + port))
            return base
        except OSError:
            continue
    raise RuntimeError("no free ports")


class Instance(servers.Postern):
    def __init__(self, port_base=0, users=(USER,), settings=(), home=None):
        self.home = home or tempfile.mkdtemp(prefix="postern-test-")
        os.chmod(self.home, 0o711)
        super().__init__(os.path.join(self.home, "d"), port_base or free_base(), OUT)
        self.logged = 0
        self.init()
        # No test asks a list of the Internet; those about lists name their own.
        for name, value in [("smtpd.blocklists", ""), *settings]:
            self.cli("config", "set", name, value)
        self.start()
        for user in users:
            self.add_user(user)

    # --- its log
    def log_path(self):
        return os.path.join(self.folder, "log", "postern.log")

    def log(self, start=0):
        try:
            with open(self.log_path(), "rb") as f:
                f.seek(start)
                return f.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def log_size(self):
        try:
            return os.path.getsize(self.log_path())
        except OSError:
            return 0

    def wait_log(self, pattern, start=0, seconds=20):
        return wait_until("log line " + pattern, seconds * SLOW,
                          lambda: re.search(pattern, self.log(start)))

    def bad_lines(self, expected=()):
        """Warnings and worse since the last call that no pattern allows."""
        text = self.log(self.logged)
        self.logged = self.log_size()
        lines = [line for line in text.splitlines() if BAD_LINE.match(level_of(line))]
        return [line for line in lines if not any(p.search(line) for p in [*expected, *EXPECTED])]

    # --- its processes
    def daemons(self):
        """Pids by program name, of the running tree."""
        found = {}
        for pid in self.pids():
            found.setdefault(servers.program_of(pid), []).append(pid)
        return found

    def is_ready(self):
        ready = super().is_ready()
        return ready and greets_smtp(self.smtp_port)

    def destroy(self):
        status = self.stop(20 * SLOW)
        shutil.rmtree(self.home, ignore_errors=True)
        return status

    # --- its clients
    def smtp(self, tls=False):
        client = smtplib.SMTP("127.0.0.1", self.smtp_port, "client.example.net",
                              timeout=30 * SLOW)
        client.ehlo()
        if tls:
            client.starttls(context=servers.tls_context(self.folder + "/ca.pem"))
            client.ehlo()
        return client

    def send(self, text, recipients=(USER,), sender="sender@example.net", tls=False):
        with contextlib.closing(self.smtp(tls)) as client:
            return client.sendmail(sender, list(recipients), text)

    def raw(self, port=None, source=None, to="127.0.0.1"):
        return Raw(port or self.smtp_port, source=source, to=to)

    def count(self, folder="INBOX", user=USER):
        client = self.imap(user)
        try:
            answer = client.status(folder, "(MESSAGES)")[1][0].decode()
            return int(re.search(r"MESSAGES (\d+)", answer).group(1))
        finally:
            client.logout()

    def wait_count(self, n, user=USER, seconds=20):
        return wait_until(f"{n} messages for {user}", seconds * SLOW,
                          lambda: self.count(user=user) >= n)

    def messages(self, user=USER, folder="INBOX"):
        """All messages of a folder as bytes, by UID."""
        client = self.imap(user)
        try:
            client.select(folder, readonly=True)
            found = {}
            _, data = client.uid("FETCH", "1:*", "(UID BODY.PEEK[])")
            for part in data:
                if isinstance(part, tuple):
                    uid = int(re.search(rb"UID (\d+)", part[0]).group(1))
                    found[uid] = part[1]
            return found
        finally:
            client.logout()


def level_of(line):
    """The level word of a log line; '' when the line has none."""
    for word in line.split()[:4]:
        if word in ("debug", "info", "warn", "error", "fatal"):
            return word
    return ""


def greets_smtp(port):
    return servers.greets(port, b"220")


class Raw:
    """A socket that speaks bytes, for what a proper client would never send. source: an address to
    come from, in a namespace where it is local (tests/world)."""

    def __init__(self, port, timeout=20, source=None, to="127.0.0.1"):
        if source:
            self.socket = space.connect(source, (to, port), timeout * SLOW)
        else:
            self.socket = socket.create_connection((to, port), timeout * SLOW)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(timeout * SLOW)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        """One line without its end; b'' when the peer closed."""
        while b"\n" not in self.buffer:
            try:
                got = self.socket.recv(65536)
            except ConnectionError:
                got = b""
            if not got:
                line, self.buffer = self.buffer, b""
                return line
            self.buffer += got
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def reply(self):
        """A whole SMTP reply: its code (0 when closed) and the text of its last line."""
        while True:
            line = self.line()
            if not line:
                return 0, b""
            if line[3:4] != b"-":
                return int(line[:3]), line[4:]

    def command(self, text):
        self.send(text.encode() + b"\r\n")
        return self.reply()

    def expect(self, text, code):
        got = self.command(text) if text is not None else self.reply()
        assert got[0] == code, f"{text!r}: want {code}, got {got}"
        return got[1]

    def closed(self):
        """Reads to the end; true when the peer closed (or reset) within the time limit."""
        try:
            while self.socket.recv(65536):
                pass
            return True
        except (ConnectionError, BrokenPipeError):
            return True
        except TimeoutError:
            return False

    def envelope(self, recipient=USER):
        self.expect(None, 220)
        self.expect("EHLO client.example.net", 250)
        self.expect("MAIL FROM:<sender@example.net>", 250)
        self.expect(f"RCPT TO:<{recipient}>", 250)
        self.expect("DATA", 354)


def run(*words, check=True, stdin=None, env=None, timeout=60, preexec=None):
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, env=env,
                          timeout=timeout * SLOW, preexec_fn=preexec)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: status {done.returncode}\n"
                             f"{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


def message(subject, body="Hello.\r\n", **headers):
    lines = ["From: Sender <sender@example.net>", f"To: {USER}", f"Subject: {subject}",
             "Date: Mon, 23 Nov 2026 00:00:00 +0000",
             f"Message-ID: <{subject.replace(' ', '.')}@example.net>"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines) + "\r\n\r\n" + body


def need(program):
    if not shutil.which(program):
        raise Skip(f"{program} is not installed")
    return shutil.which(program)


__all__ = ["DOMAIN", "Instance", "LONG", "OUT", "PASSWORD", "Raw", "SAN", "SLOW", "Skip", "TOP",
           "USER", "expects", "message", "need", "os", "random", "re", "run", "servers", "signal",
           "socket", "subprocess", "sys", "time", "wait_until", "tempfile", "shutil"]
