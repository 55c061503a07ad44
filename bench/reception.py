#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""reception.py MESSAGES RESULTS.json: how much mail from outside port 25 accepts with all checks.

In a world of its own (tests/world): the client has a public address with a name, its domain an SPF policy, the
message a signature, its author a DMARC policy, and a blocklist is asked. The DNS is the scripted one. Warm: the
resolver has all answers. Cold: each message comes from an address and a domain of its own, of which the resolver
knows nothing. Beside it the same messages from loopback, for which nothing is checked."""
import concurrent.futures
import json
import os
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path += [os.path.join(TOP, "tests", "world"), os.path.join(TOP, "bench")]

import servers
import space
from signer import Key, Signer
from world import World

WORK = os.path.join(TOP, "build", "bench", "reception")
SMTP_SOURCE = servers.PEERS + "/usr/sbin/smtp-source"
CLIENT, SESSIONS, PORT_BASE = "203.0.113.10", 50, 33000
KEY = Key()
NETWORK = 250  # clients of a cold run that share a /24
ZONES = """
$HOST client.example.net 203.0.113.10
example.net. MX 10 client.example.net.
example.net. TXT "v=spf1 ip4:203.0.113.0/28 -all"
_dmarc.example.net. TXT "v=DMARC1; p=reject"
2.0.0.127.zen.spamhaus.org. A 127.0.0.2
""" + KEY.zone("key._domainkey.example.net")


def signed(signer, domain):
    head = (f"From: sender@{domain}\r\nTo: {servers.USER}\r\nSubject: reception\r\n"
            f"Date: Sat, 28 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@{domain}>\r\n\r\n").encode()
    return signer.sign(head + b"A line of a message of four kilobytes.\r\n" * 90, "key", domain)


def write_message(path):
    signer = Signer({"key": KEY})
    message = signed(signer, "example.net")
    signer.stop()
    with open(path, "wb") as f:
        f.write(message.replace(b"\r\n", b"\n"))


class Strangers:
    """As many senders, each with an address and a domain of its own, and what each sends."""

    def __init__(self, count):
        self.domains = [f"d{n}.example.org" for n in range(count)]
        self.addresses = [f"198.18.{n // NETWORK}.{1 + n % NETWORK}" for n in range(count)]
        signer = Signer({"key": KEY})
        self.messages = [signed(signer, domain) for domain in self.domains]
        signer.stop()

    def zones(self):
        return "".join(f"$HOST mail.{domain} {address}\n{domain}. MX 10 mail.{domain}.\n"
                       f'{domain}. TXT "v=spf1 mx -all"\n_dmarc.{domain}. TXT "v=DMARC1; p=reject"\n'
                       + KEY.zone(f"key._domainkey.{domain}")
                       for domain, address in zip(self.domains, self.addresses))

    def send(self, n, port):
        """One session with one message."""
        with space.connect(self.addresses[n], (CLIENT, port), 120) as s, s.makefile("rb") as replies:
            domain = self.domains[n]
            for said in (b"", f"EHLO mail.{domain}\r\n".encode(), f"MAIL FROM:<sender@{domain}>\r\n".encode(),
                         f"RCPT TO:<{servers.USER}>\r\n".encode(), b"DATA\r\n", self.messages[n] + b".\r\n"):
                s.sendall(said)
                while (line := replies.readline())[3:4] == b"-":
                    pass
                assert line[:1] in (b"2", b"3"), (domain, said[:20], line)


class Instance(servers.Postern):
    def __init__(self, world, message):
        super().__init__(WORK + "/postern", PORT_BASE)
        self.message = message
        self.init()
        for name, value in (*world.settings(), ("general.listen", "127.0.0.1," + CLIENT),
                            ("smtpd.connections-per-minute", "0"), ("log.size", "1024M"),
                            ("smtpd.same-message-per-hour", "0"),
                            ("log.file-size", "512M")):
            self.cli("config", "set", name, value)
        self.start()
        self.add_user()

    def count(self, client):
        answer = client.status("INBOX", "(MESSAGES)")[1][0].decode()
        return int(answer.rsplit("MESSAGES", 1)[1].strip(" )"))

    def accept_strangers(self, strangers):
        """Messages a second from senders of whom nothing is known yet."""
        count = len(strangers.domains)
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(SESSIONS) as pool:
            for sent in [pool.submit(strangers.send, n, self.smtp_port) for n in range(count)]:
                sent.result()
        return count / (time.monotonic() - began)

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
        strangers = Strangers(messages // 5)
        world.names.load(ZONES + strangers.zones())
        cold = instance.accept_strangers(strangers)
        figures = {"accept rate, 50 sessions, all checks, warm cache (messages/s)": warm,
                   "accept rate, 50 sessions, from loopback, no checks (messages/s)": none,
                   "accept rate with all checks, of that without": warm / none,
                   "accept rate, 50 sessions, all checks, cold cache (messages/s)": cold}
        good, all_of_them = checked(instance)
        assert good == all_of_them >= messages + len(strangers.domains), (good, all_of_them)
    finally:
        instance.stop()
        world.stop()
    with open(sys.argv[2], "w") as f:
        json.dump(figures, f)


if __name__ == "__main__":
    main()
