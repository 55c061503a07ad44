# SPDX-License-Identifier: ISC
"""What is measured of IMAP, beside Dovecot with mdbox and with Maildir. All servers are filled and kept
running; each run measures them in turn. Everything goes over TLS on loopback, as clients do."""
import multiprocessing
import os
import random
import resource
import selectors
import shutil
import socket
import subprocess
import time

import servers
from servers import DOMAIN, PASSWORD, TOP, wait_until

WORK = os.path.join(TOP, "build", "bench")
IMAP_RATE = os.path.join(TOP, "build", "obj-release", "bench", "imap_rate")
POSTERN_BASE, DOVECOT_PORTS = 34000, {"mdbox": (34243, 34943), "Maildir": (34244, 34944)}
NEEDLE, NEEDLE_EVERY = "quartzphlox", 2500
SMALL, LARGE = 10000, 100000
IDLE_MANY, IDLE_USERS, IDLE_ONE_USER = 10000, 500, 1000
HEARD_ROUNDS = 1000
# Dovecot's login processes hold the TLS of one connection each, 100 at most.
IDLE_PROBE = 50
DURABLE_SECONDS = 2
BOMB_ROUNDS, BOMB_SECONDS = 3, 4
TLS = servers.tls_context()


def box(n):
    return f"box{n}@{DOMAIN}"


# --- messages -------------------------------------------------------------------------------------

def words():
    rng = random.Random(1)
    letters = "abcdefghijklmnoprstuvw"
    return ["".join(rng.choices(letters, k=rng.randint(2, 10))) for _ in range(3000)]


WORDS = words()


def message(i, rng, size=None):
    """A mail as people write them: a header of some lines, half of them with an HTML part."""
    def text(n):
        return "\r\n".join(" ".join(rng.choices(WORDS, k=12)) for _ in range(n))
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(1600000000 + 60 * i))
    body = text(rng.randint(4, 30)) + "\r\n"
    if i % NEEDLE_EVERY == NEEDLE_EVERY // 2:
        body += f"here stands {NEEDLE} alone\r\n"
    head = (f"Return-Path: <{rng.choice(WORDS)}@example.net>\r\nReceived: from mail.example.net (mail.example.net "
            f"[192.0.2.7])\r\n\tby mail.{DOMAIN} with ESMTPS id {i:012x}\r\n\tfor <{box(1)}>; {date}\r\n"
            f"Date: {date}\r\nFrom: {rng.choice(WORDS).title()} <{rng.choice(WORDS)}@example.net>\r\n"
            f"To: {box(1)}, {rng.choice(WORDS)}@example.org\r\nSubject: {' '.join(rng.choices(WORDS, k=5))}\r\n"
            f"Message-ID: <{i}.{rng.getrandbits(40):x}@example.net>\r\nMIME-Version: 1.0\r\n")
    if i % 2 and size is None:
        head += "Content-Type: multipart/alternative; boundary=\"b-0001\"\r\n\r\n"
        body = (f"--b-0001\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}--b-0001\r\n"
                f"Content-Type: text/html; charset=utf-8\r\n\r\n<p>{body}</p>\r\n--b-0001--\r\n")
    else:
        head += "Content-Type: text/plain; charset=utf-8\r\n\r\n"
    data = (head + body).encode()
    if size is not None:
        data = data[:size - 2].ljust(size - 2, b"x") + b"\r\n"
    return data


# --- a client -------------------------------------------------------------------------------------

class Client:
    def __init__(self, port, user):
        raw = socket.create_connection(("127.0.0.1", port), 120)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = TLS.wrap_socket(raw)
        self.count = 0
        self.until(b"\r\n")
        self.run(f'LOGIN "{user}" "{PASSWORD}"')

    def close(self):
        self.socket.close()

    def until(self, end):
        data = b""
        while end not in data:
            piece = self.socket.recv(65536)
            if not piece:
                raise RuntimeError(f"connection ended: {data[-200:]}")
            data += piece
        return data

    def finish(self, tag):
        """Reads to the line that begins with tag; returns (bytes, the last of them)."""
        total, tail, mark = 0, b"\r\n", b"\r\n" + tag + b" "
        while True:
            piece = self.socket.recv(1 << 18)
            if not piece:
                raise RuntimeError(f"connection ended: {tail[-200:]}")
            total += len(piece)
            tail = (tail + piece)[-8192:]
            if tail.endswith(b"\r\n") and mark in tail:
                last = tail[tail.rindex(mark) + 2:]
                if not last.startswith(tag + b" OK"):
                    raise RuntimeError(repr(last))
                return total, tail

    def send(self, text):
        self.count += 1
        tag = b"t%d" % self.count
        self.socket.sendall(tag + b" " + (text if isinstance(text, bytes) else text.encode()) + b"\r\n")
        return tag

    def run(self, text):
        return self.finish(self.send(text))

    def timed(self, text):
        began = time.monotonic()
        size, _ = self.run(text)
        return time.monotonic() - began, size

    def pipeline(self, texts):
        """All at once; returns the seconds."""
        began = time.monotonic()
        data = b""
        for text in texts:
            self.count += 1
            data += b"t%d %s\r\n" % (self.count, text.encode())
        self.socket.sendall(data)
        self.finish(b"t%d" % self.count)
        return time.monotonic() - began


def append_text(folder, data):
    return f"APPEND {folder} {{{len(data)}+}}\r\n".encode() + data


def fill(port, user, n):
    """n messages by MULTIAPPEND."""
    rng, client, made = random.Random(n), Client(port, user), 0
    while made < n:
        parts = [b"APPEND INBOX"]
        for _ in range(min(200, n - made)):
            data = message(made, rng)
            parts.append(b" {%d+}\r\n" % len(data) + data)
            made += 1
        client.run(b"".join(parts))
    for folder in ("Work", "Done"):
        client.run(f"CREATE {folder}")
    client.close()


# --- the servers ----------------------------------------------------------------------------------

class Ours:
    name, kind = "postern", None

    def __init__(self, sizes):
        self.sizes = sizes
        shutil.rmtree(WORK + "/imap-postern", ignore_errors=True)
        self.server = servers.Postern(WORK + "/imap-postern", POSTERN_BASE)
        self.server.init()
        for setting, value in (("imapd.max-connections", "12000"), ("imapd.workers", "2"),
                               ("imapd.max-connections-per-address", "12000"),
                               ("mailbox.max-sessions", str(IDLE_ONE_USER + 100))):
            self.server.cli("config", "set", setting, value)
        self.server.start()
        for n in sizes:
            self.server.add_user(box(n))
        self.port = self.server.imaps_port

    def mailbox_kib(self):
        """Private memory of the largest mailbox process."""
        return max(servers.private_kib(p) for p in self.server.pids() if servers.program_of(p) == "mailbox")


class Peer:
    name = "peer"

    def __init__(self, kind, sizes):
        self.kind, self.sizes = kind, [n for n in sizes if kind == "mdbox" or n != max(sizes)]
        base = f"{WORK}/imap-{kind}"
        self.server = servers.Dovecot(base, *DOVECOT_PORTS[kind], base + "/mail",
                                      users=[box(n) for n in self.sizes], kind=kind.lower())
        os.makedirs(base + "/mail", exist_ok=True)
        os.chmod(base + "/mail", 0o777)
        self.server.start()
        self.port = self.server.imaps_port


# --- figures of one server ------------------------------------------------------------------------

def median(values):
    return sorted(values)[len(values) // 2]


def reading(server, n):
    c = Client(server.port, box(n))
    c.run("SELECT INBOX")
    c.run("UNSELECT")
    selects = []
    for _ in range(5):
        selects.append(c.timed("SELECT INBOX")[0])
        c.run("UNSELECT")
    c.run("SELECT INBOX")
    envelopes = "FETCH 1:* (FLAGS UID ENVELOPE BODYSTRUCTURE)"
    c.run(envelopes)  # what a server keeps of a message it has by now
    before = server.server.cpu()
    seconds, _ = c.timed(envelopes)
    spent = server.server.cpu() - before
    body_seconds, size = c.timed("FETCH 1:* BODY.PEEK[]")
    search_seconds, answer = timed_search(c)
    if len(answer) != len(range(NEEDLE_EVERY // 2, n, NEEDLE_EVERY)):
        raise RuntimeError(f"SEARCH found {answer}")
    c.close()
    return {f"SELECT warm, {n} messages (ms)": median(selects) * 1000,
            f"FETCH envelope and structure, {n} messages (messages/s)": n / seconds,
            f"FETCH envelope and structure, {n} messages, CPU (µs a message)": spent * 1e6 / n,
            f"FETCH bodies, {n} messages (MiB/s)": size / body_seconds / 1048576,
            f"SEARCH TEXT, {n} messages (ms)": search_seconds * 1000}


def timed_search(c):
    began = time.monotonic()
    _, tail = c.run(f"SEARCH TEXT {NEEDLE}")
    seconds = time.monotonic() - began
    line = next(x for x in tail.split(b"\r\n") if x.startswith(b"* SEARCH"))
    return seconds, line.split()[2:]


def flags(server, n):
    c = Client(server.port, box(n))
    c.run("SELECT INBOX")
    rng, count = random.Random(n), 3000
    texts = [f"STORE {rng.randint(1, n)} {'+-'[i % 2]}FLAGS.SILENT (\\Flagged)" for i in range(count)]
    single = c.pipeline(texts)
    every = []
    for i in range(4):
        every.append(c.timed(f"STORE 1:* {'+-'[i % 2]}FLAGS.SILENT (\\Answered)")[0])
    c.close()
    return {f"STORE single, {n} messages (1/s)": count / single,
            f"STORE 1:*, {n} messages (ms)": median(every) * 1000}


def rate(server, n, folder, command, most=1 << 30, literal=None):
    """(How often a second, one after the other, the same as part of the raw rate, how often); imap_rate.c."""
    words = [IMAP_RATE, str(server.port), box(n), PASSWORD, folder, WORK + "/raw", str(DURABLE_SECONDS), str(most),
             command]
    if literal is not None:
        words.append(WORK + "/literal")
        with open(words[-1], "wb") as f:
            f.write(literal)
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    count, seconds, raw, raw_seconds = (float(x) for x in done.stdout.split()[1::2])
    return count / seconds, count / seconds / (raw / raw_seconds), int(count)


def durable(server, n):
    figures = {"COPY single": rate(server, n, "INBOX", "COPY % Work", n),
               "APPEND 4 KiB": rate(server, n, "INBOX", "APPEND Work", literal=message(0, random.Random(7), 4096))}
    figures["MOVE single"] = rate(server, n, "Work", "MOVE 1 Done", figures["COPY single"][2])
    c = Client(server.port, box(n))
    for folder in ("Work", "Done"):
        c.run(f"SELECT {folder}")
        c.run("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        c.run("CLOSE")
    c.close()
    shown = {}
    for name, (each, part, _) in figures.items():
        shown |= {f"{name} (1/s)": each, f"{name}, of the raw rate": part}
    return shown


class RawAppends:
    """4 KiB appends with fdatasync in the same folder of the disk."""

    def __enter__(self):
        self.path = os.path.join(WORK, "raw")
        self.fd = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        return self

    def __exit__(self, *what):
        os.close(self.fd)
        os.unlink(self.path)

    def some(self, seconds):
        began, n = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            os.write(self.fd, bytes(4096))
            os.fdatasync(self.fd)
            n += 1
        return n, time.monotonic() - began


def append_many(server, n, clients=50, seconds=3):
    """Each client sends its next message when the one before is answered."""
    with RawAppends() as raw:
        first, took = raw.some(seconds / 4)
        result = append_rate(server, n, clients, seconds)
        last, more = raw.some(seconds / 4)
    return {f"APPEND 4 KiB, {clients} clients (1/s)": result,
            f"APPEND 4 KiB, {clients} clients, of the raw rate": result / ((first + last) / (took + more))}


def append_rate(server, n, clients, seconds):
    data = message(0, random.Random(7), 4096)
    poll, done = selectors.DefaultSelector(), 0
    all_of_them = [Client(server.port, box(n)) for _ in range(clients)]
    for c in all_of_them:
        poll.register(c.socket, selectors.EVENT_READ, c)
    began = time.monotonic()
    for c in all_of_them:
        c.tag = c.send(append_text("Work", data))
    while time.monotonic() - began < seconds:
        for key, _ in poll.select(1):
            c = key.data
            c.finish(c.tag)
            done += 1
            c.tag = c.send(append_text("Work", data))
    result = done / (time.monotonic() - began)
    for c in all_of_them:
        c.finish(c.tag)
        c.close()
    return result


def idle_memory(server, n):
    """Beyond the process or processes of the user's first connection; in a server that has served nobody
    yet and so has no memory to use again."""
    server.server.stop()
    server.server.start()
    first = Client(server.port, box(n))
    first.run("SELECT INBOX")
    wait_until("memory is still", 60, lambda: still(server))
    before, held = server.server.pss(), []
    for _ in range(IDLE_PROBE):
        held.append(Client(server.port, box(n)))
        held[-1].run("SELECT INBOX")
    after = server.server.pss()
    for c in held + [first]:
        c.close()
    return {"idle TLS connection, folder open (KiB PSS)": (after - before) / IDLE_PROBE}


def still(server):
    """Connections that were closed are gone."""
    before = server.server.pss()
    time.sleep(0.2)
    return abs(server.server.pss() - before) < 64


# --- figures of Postern alone ---------------------------------------------------------------------

def index_memory(server, sizes):
    """What the mailbox process holds more with the large folder open than with an empty one."""
    user = f"empty@{DOMAIN}"
    server.server.add_user(user)
    private = {}
    for name in (user, box(max(sizes))):
        server.server.stop()
        server.server.start()
        c = Client(server.port, name)
        c.run("SELECT INBOX")
        private[name] = server.mailbox_kib()
        c.close()
    return {f"index memory, {max(sizes)} messages (MB)": (private[box(max(sizes))] - private[user]) / 1024}


def notified(server, n, clients):
    """All idle in one folder; from the moment an APPEND is sent until the last has heard of it."""
    poll, held = selectors.DefaultSelector(), []
    for _ in range(clients):
        c = Client(server.port, box(n))
        c.run("SELECT INBOX")
        c.send("IDLE")
        c.until(b"+ ")
        held.append(c)
        poll.register(c.socket, selectors.EVENT_READ, c)
    writer = Client(server.port, box(n))
    left, began = set(held), time.monotonic()
    tag = writer.send(append_text("INBOX", message(0, random.Random(7), 4096)))
    while left:
        for key, _ in poll.select(60) or [(None, None)]:
            if key is None:
                raise RuntimeError(f"{len(left)} IDLE clients heard nothing")
            if b" EXISTS" in key.data.socket.recv(65536):
                left.discard(key.data)
    seconds = time.monotonic() - began
    writer.finish(tag)
    for c in held + [writer]:
        c.close()
    return {f"{clients} IDLE clients of one user notified (s)": seconds}


def heard(server, n, rounds):
    """An idle session hears of another one's STORE: from its sending until the FETCH has come."""
    idle, writer, took = Client(server.port, box(n)), Client(server.port, box(n)), []
    for c in (idle, writer):
        c.run("SELECT INBOX")
    writer.run("STORE 1:* -FLAGS.SILENT (\\Flagged)")  # else the first +FLAGS of some would change nothing
    idle.run("NOOP")
    idle.send("IDLE")
    idle.until(b"+ ")
    for i in range(rounds):
        began = time.monotonic()
        tag = writer.send(f"STORE {i // 2 + 1} {'+-'[i % 2]}FLAGS.SILENT (\\Flagged)")
        idle.until(b" FETCH ")
        took.append((time.monotonic() - began) * 1000)
        writer.finish(tag)
    for c in (idle, writer):
        c.close()
    return {"IDLE, another session's STORE is heard of, 99th percentile (ms)": sorted(took)[rounds * 99 // 100]}


def idle_many(server, connections, users):
    names = [f"idle{i}@{DOMAIN}" for i in range(users)]
    for name in names:
        server.server.add_user(name)
    held = []
    for i in range(connections):
        held.append(Client(server.port, names[i % users]))
        held[-1].run("SELECT INBOX")
    used = server.server.pss() / 1024
    for c in held:
        c.close()
    return {f"{connections} idle TLS connections of {users} users (MB PSS)": used}


def latencies(c, seconds):
    """99th percentile of FETCH of one message's flags, in ms."""
    took, end, i = [], time.monotonic() + seconds, 0
    while time.monotonic() < end:
        took.append(c.timed(f"FETCH {i % 100 + 1} (FLAGS)")[0] * 1000)
        i += 1
        time.sleep(0.002)
    return sorted(took)[len(took) * 99 // 100]


def throw_bombs(port, user, stop, count):
    """Searches that no index helps, one after the other."""
    c = Client(port, user)
    c.run("EXAMINE INBOX")
    while not stop.is_set():
        c.run('SEARCH OR TEXT "qj" NOT BODY "e"')
        count.value += 1
    c.close()


def search_bomb(server, n, seconds):
    """What a session of the same user feels of another one's expensive search."""
    c = Client(server.port, box(n))
    c.run("SELECT INBOX")
    alone, beside = [], []
    for _ in range(BOMB_ROUNDS):
        alone.append(latencies(c, seconds))
        stop, count = multiprocessing.Event(), multiprocessing.Value("i", 0)
        other = multiprocessing.Process(target=throw_bombs, args=(server.port, box(n), stop, count))
        other.start()
        time.sleep(0.5)
        beside.append(latencies(c, seconds))
        stop.set()
        other.join()
    c.close()
    return {f"99th percentile of a FETCH, {n} messages (ms)": median(alone),
            "99th percentile of a FETCH beside a search bomb (ms)": median(beside),
            "99th percentile beside a search bomb, times alone": median([b / a for a, b in zip(alone, beside)])}


# --- all ------------------------------------------------------------------------------------------

def add(table, server, figures):
    """A peer's figure stands in the row of its kind, ours in the rows of both."""
    for kind in [server.kind] if server.kind else list(DOVECOT_PORTS):
        rows = {}
        for name, value in figures.items():
            what, _, unit = name.partition(" (")
            rows[f"{what}, {kind} ({unit}" if unit else f"{what}, {kind}"] = value
        table.add(server.name, rows)


# What bench/bench --imap picks from; the last ones are of Postern alone.
PARTS = ("reading", "flags", "durable", "many", "idle", "memory", "notified", "crowd", "bomb")


def measure_run(table, server, quick, parts):
    small = min(server.sizes)
    for n in server.sizes:
        if "reading" in parts:
            add(table, server, reading(server, n))
        if "flags" in parts:
            add(table, server, flags(server, n))
    if "durable" in parts:
        add(table, server, durable(server, small))
    if "many" in parts:
        add(table, server, append_many(server, small, seconds=1 if quick else 3))
    if "idle" in parts:
        add(table, server, idle_memory(server, small))


def measure_alone(table, server, quick, parts):
    part = 10 if quick else 1
    if "bomb" in parts:
        table.add("postern", search_bomb(server, min(server.sizes), BOMB_SECONDS / part))
    if "memory" in parts:
        table.add("postern", index_memory(server, server.sizes))
    if "notified" in parts:
        table.add("postern", notified(server, min(server.sizes), IDLE_ONE_USER // part))
        table.add("postern", heard(server, min(server.sizes), HEARD_ROUNDS // part))
    if "crowd" in parts:
        table.add("postern", idle_many(server, IDLE_MANY // part, IDLE_USERS // part))


def settle(server):
    """Until it has done what it does in the background with new mail: a second without work."""
    last, since = server.server.cpu(), time.monotonic()
    while time.monotonic() - since < 1:
        time.sleep(0.1)
        now = server.server.cpu()
        if now - last > 0.02:
            last, since = now, time.monotonic()


def measure(table, runs, quick, names, parts=PARTS, sizes=None):
    sizes = sizes or ((SMALL // 10, LARGE // 10) if quick else (SMALL, LARGE))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    made = []
    try:
        for name in names:
            made += [Ours(sizes)] if name == "postern" else [Peer(kind, sizes) for kind in DOVECOT_PORTS]
        for server in made:
            for n in server.sizes:
                began = time.monotonic()
                fill(server.port, box(n), n)
                print(f"  {server.name} {server.kind or ''}: {n} messages filled in "
                      f"{time.monotonic() - began:.1f} s", flush=True)
                settle(server)
        for run in range(runs):
            print(f"IMAP, run {run + 1} of {runs}", flush=True)
            for server in made:
                measure_run(table, server, quick, parts)
        for server in made:
            if server.name == "postern":
                measure_alone(table, server, quick, parts)
    finally:
        for server in made:
            server.server.stop()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
