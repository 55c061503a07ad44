# SPDX-License-Identifier: ISC
"""Another server: the domain elsewhere.test in a DNS of the test's own, and behind its MX a program
that takes every message and remembers which came when."""
import collections
import re
import socket
import threading
import time

from harness import wait_until
from zones import Zones

DNS_PORT, SMTP_PORT = 5399, 5398
SOMEBODY = "somebody@elsewhere.test"
ZONES = {"elsewhere.test": "@ MX 10 mx\nmx A 127.0.0.1\n"}
TOKEN = re.compile(rb"^X-Token: (\S+)", re.M | re.I)
# Between a kill and the moment in which a thread here has read what had arrived before it.
LATE_S = 2


class Remote:
    def __init__(self):
        self.zones = Zones(DNS_PORT, ZONES)
        self.lock = threading.Lock()
        self.came = collections.defaultdict(list)  # token -> when its final dot was read
        self.counted = collections.Counter()       # token -> repeats that were counted before
        self.listener = socket.create_server(("127.0.0.1", SMTP_PORT), backlog=128)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    @staticmethod
    def settings():
        return [("resolver.server", f"127.0.0.1@{DNS_PORT}"),
                ("resolver.trust-anchor-file", "/dev/null"),
                ("delivery.port", str(SMTP_PORT)), ("delivery.allow-private", "yes"),
                ("queue.remote-retry-min", "1"), ("queue.remote-retry-max", "2")]

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.session, args=(s,), daemon=True).start()

    def session(self, s):
        try:
            with s, s.makefile("rb") as f:
                s.sendall(b"220 elsewhere.test\r\n")
                for line in f:
                    word = line[:4].upper()
                    if word == b"DATA":
                        s.sendall(b"354 go on\r\n")
                        if not self.content(f):
                            return
                    s.sendall(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
                    if word == b"QUIT":
                        return
        except OSError:
            pass

    def content(self, f):
        token = None
        for line in f:
            if line == b".\r\n":
                with self.lock:
                    self.came[token].append(time.monotonic())
                return True
            m = TOKEN.match(line)
            if m and token is None:
                token = m.group(1).decode()
        return False

    def compare(self, want, kills, seconds):
        """Waits until all of them have come; returns how many came again since the last call, raises
        when one did so without a kill in between."""
        try:
            wait_until("all messages elsewhere", seconds, lambda: want <= set(self.came))
        except TimeoutError:
            missing = sorted(want - set(self.came))
            raise AssertionError(f"lost elsewhere {len(missing)}: {missing[:10]}") from None
        repeats = 0
        with self.lock:
            for token, times in self.came.items():
                for first, again in zip(times, times[1:]):
                    if not any(first - LATE_S <= k <= again for k in kills):
                        raise AssertionError(f"{token} came again with no kill in between")
                repeats += len(times) - 1 - self.counted[token]
                self.counted[token] = len(times) - 1
        return repeats

    def stop(self):
        """How many messages came."""
        self.listener.shutdown(socket.SHUT_RDWR)  # close alone would not wake the thread
        self.thread.join()
        self.listener.close()
        self.zones.stop()
        return len(self.came)
