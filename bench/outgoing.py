# SPDX-License-Identifier: ISC
"""What is measured of mail on its way: relaying to smtp-sink, delivery into several mailboxes, domains
that are dead, a full queue. Each function returns figures by name."""
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time

import servers
from servers import DOMAIN, PEERS, TOP, USER, wait_until

sys.path.insert(0, os.path.join(TOP, "tests", "system"))
from zones import Zones  # noqa: E402

WORK = os.path.join(TOP, "build", "bench")
FILL = os.path.join(TOP, "build", "obj-release", "bench", "fill_queue")
ENV = {"LD_LIBRARY_PATH": PEERS + "/usr/lib/postfix", "PATH": "/usr/bin:/bin"}
SMTP_SOURCE, SMTP_SINK = (PEERS + "/usr/sbin/" + name for name in ("smtp-source", "smtp-sink"))
POSTFIX_PORT, DOVECOT_PORT, DOVECOT_TLS_PORT, LMTP_PORT = 31125, 31243, 31943, 31024
POSTERN_BASE, SINK_PORT, DNS_PORT = 33000, 31925, 31953
FORWARD, ELSEWHERE = "out@" + DOMAIN, "user@h0.bench.test"
USERS = tuple(f"user{n}@{DOMAIN}" for n in range(1, 6))
MESSAGE_BYTES = 4096
HEALTHY, DEAD = 700, 300
# Where the servers of domains are; nobody listens at NOBODY.
SINK, HOLE, NOBODY, SILENT = ("127.0.0.%d" % n for n in (1, 5, 6, 7))


class Sink:
    """Postfix's smtp-sink, which takes everything and counts."""

    def __init__(self):
        self.count = 0
        self.proc = subprocess.Popen([SMTP_SINK, "-u", servers.MAIL_USER, "-c", "-m", "2000",
                                      f"{SINK}:{SINK_PORT}", "1000"],
                                     env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        threading.Thread(target=self.read, daemon=True).start()
        wait_until("smtp-sink greets", 10, lambda: servers.greets(SINK_PORT, b"220"))

    def read(self):
        rest = b""
        while piece := os.read(self.proc.stdout.fileno(), 65536):
            *lines, rest = re.split(rb"[\r\n]", rest + piece)
            for line in reversed(lines):
                if found := re.search(rb"mesg=(\d+)", line):
                    self.count = int(found[1])
                    break

    def stop(self):
        self.proc.terminate()
        self.proc.wait(10)


class Dead:
    """An address that takes no connection (its queue is full, the kernel drops each SYN), and one
    that takes all and never speaks."""

    def __init__(self):
        self.hole, self.filled = socket.socket(), []
        self.hole.bind((HOLE, SINK_PORT))
        self.hole.listen(0)
        for _ in range(4):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex((HOLE, SINK_PORT))
            self.filled.append(s)
        self.silent, self.held = socket.socket(), []
        self.silent.bind((SILENT, SINK_PORT))
        self.silent.listen(4096)
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        try:
            while True:
                self.held.append(self.silent.accept()[0])
        except OSError:
            pass

    def stop(self):
        self.silent.shutdown(socket.SHUT_RDWR)
        for s in (self.hole, self.silent, *self.filled, *self.held):
            s.close()


def zones(server_of_healthy=SINK):
    """The domains that fill_queue writes to; an answer for each name it can make."""
    kinds = {"h": "mx", "b": "hole", "r": "nobody", "s": "silent"}
    lines = [f"mx A {server_of_healthy}", f"hole A {HOLE}", f"nobody A {NOBODY}",
             f"silent A {SILENT}"]
    lines += [f"{kind}{n} MX 10 {host}" for n in range(HEALTHY + DEAD)
              for kind, host in kinds.items()]
    return Zones(DNS_PORT, {"bench.test": "\n".join(lines) + "\n"})


def postern(users=(USER,), **settings):
    """A new instance that was started once, for its users; settings are in force at its next start."""
    shutil.rmtree(WORK + "/outgoing", ignore_errors=True)
    server = servers.Postern(WORK + "/outgoing", POSTERN_BASE)
    server.init()
    server.start()
    for user in users:
        server.add_user(user)
    server.cli("alias", "add", FORWARD, ELSEWHERE)
    settings = {"resolver.server": f"127.0.0.1@{DNS_PORT}",
                "resolver.trust-anchor-file": "/dev/null", "delivery.port": str(SINK_PORT),
                "delivery.allow-private": "yes", **settings}
    for name, value in settings.items():
        server.cli("config", "set", name, value)
    server.stop()
    return server


def source(port, recipient, sessions, messages):
    return subprocess.Popen(
        [SMTP_SOURCE, "-s", str(sessions), "-m", str(messages), "-l", str(MESSAGE_BYTES), "-f",
         "sender@example.net", "-t", recipient, f"127.0.0.1:{port}"], env=ENV)


def finished(load):
    if load.wait(300) != 0:
        raise RuntimeError("smtp-source failed")


# --- relaying ---------------------------------------------------------------------------------------

def relay_server(name):
    if name == "postern":
        return postern()
    return servers.Postfix(WORK + "/relay-postfix", POSTFIX_PORT, extra=f"""\
virtual_alias_maps = inline:{{{{{FORWARD}={ELSEWHERE}}}}}
relayhost = [{SINK}]:{SINK_PORT}
""")


def relay(name, sessions, messages):
    """Messages on port 25 for an alias that stands for an address elsewhere, until they are there."""
    server, sink, dns = relay_server(name), Sink(), zones()
    try:
        server.start()
        cpu, began = server.cpu(), time.monotonic()
        load = source(server.smtp_port, FORWARD, sessions, messages)
        wait_until(f"{messages} messages at smtp-sink", 300,
                   lambda: sink.count >= messages or load.poll())
        took, spent = time.monotonic() - began, server.cpu() - cpu
        finished(load)
        return {f"relay rate, {sessions} sessions (messages/s)": messages / took,
                f"relay CPU, {sessions} sessions (ms a message)": spent * 1000 / messages}
    finally:
        server.stop()
        sink.stop()
        dns.stop()


# --- several mailboxes ------------------------------------------------------------------------------

class WithLmtp:
    """Postfix that hands over to Dovecot's LMTP."""

    def __init__(self):
        self.postfix = servers.Postfix(WORK + "/lmtp-postfix", POSTFIX_PORT, USERS, extra=f"""\
virtual_transport = lmtp:inet:127.0.0.1:{LMTP_PORT}
""")
        self.dovecot = servers.Dovecot(WORK + "/lmtp-dovecot", DOVECOT_PORT, DOVECOT_TLS_PORT,
                                       self.postfix.folder + "/mail", users=USERS,
                                       lmtp_port=LMTP_PORT)
        self.smtp_port, self.imap = POSTFIX_PORT, self.dovecot.imap

    def start(self):
        self.dovecot.start()
        self.postfix.start()

    def stop(self):
        self.postfix.stop()
        self.dovecot.stop()

    def cpu(self):
        return self.postfix.cpu() + self.dovecot.cpu()


def count_messages(client):
    answer = client.status("INBOX", "(MESSAGES)")[1][0].decode()
    return int(answer.rsplit("MESSAGES", 1)[1].strip(" )"))


def local(name, sessions, messages):
    """Messages for several users at once, until IMAP counts them all in their mailboxes."""
    server = postern(USERS) if name == "postern" else WithLmtp()
    each, total = messages // len(USERS), messages // len(USERS) * len(USERS)
    server.start()
    try:
        clients = [server.imap(user) for user in USERS]
        cpu, began = server.cpu(), time.monotonic()
        loads = [source(server.smtp_port, user, sessions // len(USERS), each) for user in USERS]
        for load in loads:
            finished(load)
        wait_until("all messages readable", 600,
                   lambda: sum(count_messages(c) for c in clients) >= total)
        took, spent = time.monotonic() - began, server.cpu() - cpu
        for client in clients:
            client.logout()
        return {f"accept and deliver, {sessions} sessions (messages/s)": total / took,
                f"accept and deliver, CPU, {sessions} sessions (ms a message)":
                    spent * 1000 / total}
    finally:
        server.stop()


# --- a full queue -----------------------------------------------------------------------------------

def fill(server, messages, healthy, dead):
    """Only while it does not run. The files get the owner that the queue's folder has."""
    folder = os.path.join(server.folder, "queue")
    subprocess.run([FILL, folder, str(messages), str(healthy), str(dead)], check=True)
    owner = os.stat(folder)
    for entry in os.scandir(folder):
        os.chown(entry.path, owner.st_uid, owner.st_gid)


def full_queue(messages, healthy, dead):
    server = postern(**{"queue.max-messages": "10000000"})
    fill(server, messages, healthy, dead)
    return server


def drain(messages, healthy, dead):
    """Seconds from the start until all messages for healthy domains are at smtp-sink."""
    server, sink, gone, dns = full_queue(messages, healthy, dead), Sink(), Dead(), zones()
    want = sum(1 for i in range(messages) if not is_dead(i, healthy, dead))
    try:
        began = time.monotonic()
        server.launch()
        wait_until(f"{want} messages at smtp-sink", 1800, lambda: sink.count >= want)
        return time.monotonic() - began, want
    finally:
        server.stop(60)
        sink.stop()
        gone.stop()
        dns.stop()


def is_dead(i, healthy, dead):
    """As fill_queue spreads them."""
    n, every = i % (healthy + dead), healthy + dead
    return (n + 1) * dead // every > n * dead // every


def dead_domains(messages):
    with_dead, count = drain(messages, HEALTHY, DEAD)
    without, _ = drain(count, HEALTHY, 0)
    return {"healthy domains beside dead ones (s)": with_dead,
            "healthy domains alone (s)": without,
            "healthy domains beside dead ones, times alone": with_dead / without}


def accepts(server, seconds):
    """Until one message has got its 250."""
    def one():
        try:
            with smtplib.SMTP("127.0.0.1", server.smtp_port, timeout=seconds) as client:
                client.sendmail("sender@example.net", [USER], b"Subject: now\r\n\r\nnow\r\n")
            return True
        except (OSError, smtplib.SMTPException):
            return False
    wait_until("a message is accepted", seconds, one)


def long_queue(messages):
    """Start, list and memory with so many messages queued, to domains that refuse connections."""
    server, dns = full_queue(messages, HEALTHY + DEAD, 0), zones(NOBODY)
    try:
        began = time.monotonic()
        server.launch()
        wait_until("ready", 300, server.is_ready)
        ready = time.monotonic() - began
        accepts(server, 60)
        accepting = time.monotonic() - began
        memory = {servers.program_of(p): servers.pss_kib(p) / 1024 for p in server.pids()}
        began = time.monotonic()
        done = subprocess.run([server.command, "--dir", server.folder, "queue", "list"],
                              check=True, stdout=subprocess.PIPE)
        listed = time.monotonic() - began
        lines = done.stdout.count(b"\n")
        if lines < messages:
            raise RuntimeError(f"queue list shows {lines} lines of {messages}")
        return {"a long queue: start to ready (s)": ready,
                "a long queue: start to the first message accepted (s)": accepting,
                "a long queue: `queue list` (s)": listed,
                "a long queue: memory of all (MB PSS)": sum(memory.values()),
                "a long queue: memory of queue (MB PSS)": memory.get("queue", 0)}
    finally:
        server.stop(60)
        dns.stop()


def after_kill(messages):
    """kill -9 of everything at one moment, start at once, a message accepted."""
    server, dns = full_queue(messages, HEALTHY + DEAD, 0), zones(NOBODY)
    try:
        server.start(60)
        accepts(server, 60)
        pids = server.pids()
        began = time.monotonic()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        server.proc.wait()
        server.launch()
        accepts(server, 120)
        return {"accepting again after kill -9 of everything (s)": time.monotonic() - began}
    finally:
        server.stop(60)
        dns.stop()
