#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""reception.py MESSAGES RESULTS.json: how much mail from outside port 25 accepts with all checks.

In a world of its own (tests/world): the client has a public address with a name, its domain an SPF policy, the
message a signature, its author a DMARC policy, and a blocklist is asked. The DNS is the scripted one. Warm: the
resolver has all answers; cold: none is kept (TTL 0), so each message asks the DNS anew. Beside it the same
messages from loopback, for which nothing is checked."""
import json
import os
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path += [os.path.join(TOP, "tests", "world"), os.path.join(TOP, "bench")]

import servers
from signer import Key, Signer
from world import World

WORK = os.path.join(TOP, "build", "bench", "reception")
SMTP_SOURCE = servers.PEERS + "/usr/sbin/smtp-source"
CLIENT, SESSIONS, PORT_BASE = "203.0.113.10", 50, 33000
KEY = Key()
ZONES = """
$HOST client.example.net 203.0.113.10
example.net. MX 10 client.example.net.
example.net. TXT "v=spf1 ip4:203.0.113.0/28 -all"
_dmarc.example.net. TXT "v=DMARC1; p=reject"
2.0.0.127.zen.spamhaus.org. A 127.0.0.2
""" + KEY.zone("key._domainkey.example.net")


def write_message(path):
    signer = Signer({"key": KEY})
    head = (f"From: sender@example.net\r\nTo: {servers.USER}\r\nSubject: reception\r\n"
            "Date: Sat, 28 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.net>\r\n\r\n").encode()
    message = signer.sign(head + b"A line of a message of four kilobytes.\r\n" * 90, "key", "example.net")
    signer.stop()
    with open(path, "wb") as f:
        f.write(message.replace(b"\r\n", b"\n"))


class Instance(servers.Postern):
    def __init__(self, world, message):
        super().__init__(WORK + "/postern", PORT_BASE)
        self.message = message
        self.init()
        for name, value in (*world.settings(), ("general.listen", "127.0.0.1," + CLIENT),
                            ("smtpd.connections-per-minute", "0"), ("log.size", "1024M"),
                            ("log.file-size", "512M")):
            self.cli("config", "set", name, value)
        self.start()
        self.add_user()

    def count(self, client):
        answer = client.status("INBOX", "(MESSAGES)")[1][0].decode()
        return int(answer.rsplit("MESSAGES", 1)[1].strip(" )"))

    def accept(self, address, messages):
        """Messages a second; all of them have to come into INBOX."""
        client = self.imap()
        before = self.count(client)
        began = time.monotonic()
        subprocess.run([SMTP_SOURCE, "-s", str(SESSIONS), "-m", str(messages), "-F", self.message,
                        "-M", "client.example.net", "-f", "sender@example.net", "-t", servers.USER,
                        f"{address}:{self.smtp_port}"], check=True,
                       env={"LD_LIBRARY_PATH": servers.PEERS + "/usr/lib/postfix", "PATH": "/usr/bin:/bin"})
        rate = messages / (time.monotonic() - began)
        servers.wait_until("all messages readable", 300, lambda: self.count(client) >= before + messages)
        client.logout()
        return rate


def checked(instance):
    """What the log says of the messages from outside, so that nothing was measured that was not done."""
    with open(os.path.join(instance.folder, "log", "postern.log"), encoding="latin-1") as f:
        lines = [line for line in f if "event=authenticated" in line]
    good = sum("dmarc=pass" in line and "dkim=pass" in line for line in lines)
    return good, len(lines)


def main():
    messages = int(sys.argv[1])
    world = World(ZONES, ours=(CLIENT,))
    subprocess.run(["rm", "-rf", WORK], check=True)
    os.makedirs(WORK)
    write_message(WORK + "/message")
    instance = Instance(world, WORK + "/message")
    figures = {}
    try:
        instance.accept(CLIENT, SESSIONS)  # the cache is warm now
        warm = instance.accept(CLIENT, messages)
        none = instance.accept("127.0.0.1", messages)
        world.names.load("$TTL 0\n" + ZONES)
        instance.stop()
        instance.start()
        cold = instance.accept(CLIENT, messages // 5)
        figures = {"accept rate, 50 sessions, all checks, warm cache (messages/s)": warm,
                   "accept rate, 50 sessions, from loopback, no checks (messages/s)": none,
                   "accept rate with all checks, of that without": warm / none,
                   "accept rate, 50 sessions, all checks, cold cache (messages/s)": cold}
        good, all_of_them = checked(instance)
        assert good == all_of_them >= messages, (good, all_of_them)
    finally:
        instance.stop()
        world.stop()
    with open(sys.argv[2], "w") as f:
        json.dump(figures, f)


if __name__ == "__main__":
    main()
