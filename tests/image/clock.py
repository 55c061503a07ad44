#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""The clock is set by NTP, although the time server answers only after ntpd has given up its first try: a router that
starts later than this machine is usual after a power cut. Runs itself in a network namespace of its own, whose
loopback is all that the machine reaches."""
import os
import socket
import struct
import subprocess
import sys
import threading
import time

from machine import ANSWERS, Machine

EPOCH = 2208988800  # NTP counts from 1900
AHEAD = 5 * 86400  # of what the machine believes by itself
SILENT_S = 20  # ntpd waits 15 s for a first answer
ROUTER = "10.0.2.2"  # the machine's name for our loopback


def ntp_time(seconds):
    return struct.pack(">II", int(seconds) + EPOCH, int(seconds % 1 * 2**32))


class Server:
    """NTP of stratum 1. It hears, but says nothing for some time after the first question."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 123))
        self.first, self.unanswered = None, 0
        threading.Thread(target=self.serve, daemon=True).start()

    def now(self):
        return ntp_time(time.time() + AHEAD)

    def serve(self):
        while True:
            question, client = self.socket.recvfrom(512)
            received = self.now()
            self.first = self.first or time.monotonic()
            if time.monotonic() - self.first < SILENT_S:
                self.unanswered += 1
                continue
            head = struct.pack(">BBbbII4s", 0x24, 1, 6, -20, 0, 0, b"TEST")
            self.socket.sendto(head + received + question[40:48] + received + self.now(), client)


def test_late_time_server():
    subprocess.run(["unshare", "--net", sys.executable, os.path.abspath(__file__)], check=True)


def main():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    server = Server()
    with Machine(answers=ANSWERS + f"ntp={ROUTER}\n", alone=False) as machine:
        machine.boot()
        machine.log_in()
        machine.must(f"until [ $(date +%s) -gt {int(time.time()) + AHEAD - 60} ]; do sleep 1; done")
        ahead = int(machine.must("date +%s")) - time.time()
        assert abs(ahead - AHEAD) < 60 and server.unanswered > 0, (ahead, server.unanswered)


if __name__ == "__main__":
    main()
