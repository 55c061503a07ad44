#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""page.py RESULTS.json [PAGE.md]: prints the measured figures as a table; writes the page."""
import json
import statistics
import sys

# What has to be reached: figure, least ratio (or most, when smaller is better), limit.
GOALS = {
    "accept rate, 50 sessions (messages/s)": ("ratio at least", 4),
    "accept rate, 1 sessions (messages/s)": ("ratio at least", 2),
    "CPU, 1 sessions (ms a message)": ("ratio at most", 0.25),
    "CPU, 10 sessions (ms a message)": ("ratio at most", 0.25),
    "CPU, 50 sessions (ms a message)": ("ratio at most", 0.25),
    "repeated logins, 8 clients (logins/s)": ("ratio at least", 3),
    "memory at rest (MB PSS)": ("at most", 24),
    "memory with 100 SMTP sessions (MB PSS)": ("at most", 32),
    "memory private to one mailbox process (MB)": ("at most", 2),
    "start to ready (ms)": ("at most", 500),
    "relay rate, 50 sessions (messages/s)": ("ratio at least", 4),
    "accept and deliver, 50 sessions (messages/s)": ("ratio at least", 4),
    "healthy domains beside dead ones, times alone": ("at most", 1.2),
    "accepting again after kill -9 of everything (s)": ("at most", 2),
    "accept rate with all checks, of that without": ("at least", 0.5),
    "SPF, small policy, answers at hand (us)": ("at most", 20),
    "SPF, large policy, answers at hand (us)": ("at most", 20),
    "DKIM, message of 1 MB, of OpenSSL's speed (%)": ("at least", 80),
    "index memory, 100000 messages (MB)": ("at most", 8),
    "1000 IDLE clients of one user notified (s)": ("at most", 1),
    "IDLE, another session's STORE is heard of, 99th percentile (ms)": ("at most", 100),
    "99th percentile beside a search bomb, times alone": ("at most", 2),
    "10000 idle TLS connections of 500 users (MB PSS)": ("at most", 1536),
}
# Of IMAP: these rows are there beside mdbox and beside Maildir.
for kind in ("mdbox", "Maildir"):
    for n in (10000, 100000):
        GOALS |= {
            f"SELECT warm, {n} messages, {kind} (ms)": ("at most", 5),
            f"FETCH envelope and structure, {n} messages, {kind} (messages/s)": ("ratio at least", 1.5),
            f"FETCH bodies, {n} messages, {kind} (MiB/s)": ("ratio at least", 1),
            f"STORE single, {n} messages, {kind} (1/s)": ("at least", 14000),
            f"STORE 1:*, {n} messages, {kind} (ms)": ("ratio at most", 1),
        }
    for name in ("COPY single", "MOVE single", "APPEND 4 KiB"):
        GOALS[f"{name}, {kind} (1/s)"] = ("ratio at least", 1)
        GOALS[f"{name}, of the raw rate, {kind}"] = ("at least", 0.7)
    GOALS |= {
        f"APPEND 4 KiB, 50 clients, {kind} (1/s)": ("ratio at least", 5),
        f"SEARCH TEXT, 10000 messages, {kind} (ms)": ("ratio at most", 0.2),
        f"SEARCH TEXT, 100000 messages, {kind} (ms)": ("at most", 100),
        f"idle TLS connection, folder open, {kind} (KiB PSS)": ("at most", 40),
    }


def three(values):
    if not values:
        return "–"
    return " / ".join(f"{v:.4g}" for v in (min(values), statistics.median(values), max(values)))


def verdict(name, ours, ratio):
    kind, limit = GOALS.get(name, (None, None))
    if kind is None or not ours:
        return ""
    value = ratio if kind.startswith("ratio") else statistics.median(ours)
    if value is None:
        return ""
    good = value >= limit if kind.endswith("least") else value <= limit
    return f"{kind} {limit}: {'reached' if good else 'MISSED'}"


def table(results):
    lines = ["| figure | Postfix + Dovecot (min / median / max) | Postern (min / median / max) "
             "| ratio of medians | goal |", "|---|---|---|---|---|"]
    for name, by in results["figures"].items():
        peer, ours = by.get("peer", []), by.get("postern", [])
        ratio = None
        if peer and ours and statistics.median(peer) > 0:
            ratio = statistics.median(ours) / statistics.median(peer)
        shown = "" if ratio is None else f"{ratio:.2f}"
        shown_name = name.replace("1 sessions", "1 session").replace("1 clients", "1 client")
        lines.append(f"| {shown_name} | {three(peer)} | {three(ours)} | {shown} "
                     f"| {verdict(name, ours, ratio)} |")
    return "\n".join(lines)


PAGE = """\
# Performance

Made by `make bench`; do not edit. Every figure is min / median / max of {runs} runs; each run measures the peers
and Postern in turn on the same machine, so the ratios say more than the figures.

Machine: {processor}, {cores} cores, {memory_gib} GiB, Linux {kernel}, {file_system},
{fdatasync_per_second} appends with fdatasync a second before the run; {date}.

{table}

## How it is measured

- Peers: Debian's Postfix and Dovecot with their own default durability and limits, unpacked in `build/peers`
  (`bench/peers get`), configured by `bench/servers.py`: Postfix delivers with virtual(8) to a Maildir, Dovecot serves
  it, password hash as `doveadm pw` makes it. Postfix writes no log here, Postern does.
- Accept rate: `smtp-source -s SESSIONS -m MESSAGES -l 4096 -f sender@example.net -t alice@example.test 127.0.0.1:PORT`
  with {loads} (sessions, messages); one connection a message, local recipient, delivery running meanwhile.
- Readable: from the first connection until IMAP's STATUS of INBOX counts all messages.
- CPU: user and system time of all processes of the receiving server (Postfix alone; all of Postern) over the same
  span, to the last delivery.
- Memory: sum of Pss in `/proc/PID/smaps_rollup` over all processes after start and one login; then with 100 SMTP
  connections that wait after RCPT.
- Logins: `login_rate PORT USER PASSWORD CLIENTS LOGINS` (`bench/login_rate.c`): new connection, full TLS
  handshake, LOGIN, LOGOUT.
- Relay: {relay} messages with 50 sessions of smtp-source to `out@example.test` on port 25, an alias (Postfix:
  `virtual_alias_maps`) that stands for an address at another domain, until smtp-sink (`smtp-sink -c -m 2000`) has
  counted them all. Postern finds smtp-sink by the MX record of an nsd, Postfix by `relayhost`; both use at most 20
  connections to one domain, their defaults. Postern rewrites the reverse-path of what it forwards, Postfix does not.
  smtp-sink offers no TLS, and neither side asks for it. CPU as above, over the same span.
- Accept and deliver: {local} messages for five users at once, ten sessions each, until IMAP's STATUS counts them all
  in the five mailboxes. Here Postfix hands over to Dovecot's LMTP (`virtual_transport = lmtp:inet:`, Maildir), and the
  CPU is that of both.
- Dead domains: the queue is filled with {dead} messages of 1 KiB to 1,000 domains in turn (`bench/fill_queue.c`, which
  writes through the queue's own spool), then Postern is started; the clock stops when smtp-sink has all messages of
  the 700 healthy domains. Of the 300 dead ones a third drops every SYN, a third refuses connections, a third takes
  them and never speaks. "Alone": the same messages without those of dead domains.
- A long queue: {long} such messages to 1,000 domains that refuse connections; ready, the first message with its 250,
  `postern queue list` to its last line, Pss.
- Kill: {kill} such messages queued; SIGKILL to every process at one moment, started again at once, until a new message
  has its 250.
- Reception (`bench/reception.py`): {reception} signed messages of 4 KiB from a client with a public address in
  a world whose DNS is scripted: its name, SPF, DKIM, ARC, DMARC and a blocklist are asked, and the log has to
  say that all passed. Cold: each message comes from an address, a domain and a signer of its own, so that of its
  ten questions nearly none has an answer yet; client and DNS are programs of the tests in Python, whose speed is the
  limit. Without checks: the same messages from loopback. SPF: `spf_time`; the
  large policy has 100 networks in three includes. DKIM: `dkim_tool time`, its slowest of three messages, as a
  share of what hashing and the key alone take.
- IMAP (`bench/imap.py`): all over TLS from one client program, Postern and two Dovecots (mdbox, Maildir; Debian's
  defaults, no search index) filled by MULTIAPPEND with the same messages of 1 to 4 KiB, half of them with an HTML
  part. Every row is there for both kinds; Postern's figure is the same in both. FETCH is of all messages, the second
  time; STORE single is 3,000 commands sent at once; COPY, MOVE and APPEND come from a client in C
  (`bench/imap_rate.c`) that waits for each answer, and "of the raw rate" divides by 4 KiB appends with fdatasync
  to a growing file, measured in turn with them, a tenth of a second each. It can be above 1: the journal is filled
  with zeros ahead (`fill_step` in `lib/journal/journal.h`), so that a sync writes no metadata, as one that makes a
  file longer does; the way to the server and back is part of each command.
  SEARCH TEXT looks for a word that stands in every 2,500th message. Memory of an idle connection: growth of all Pss
  by 50 connections of a user who has one already, after a start. Index memory: private memory of the mailbox process
  after SELECT, less that of an empty one. Search bomb: one session sends FETCH of one message's flags every two
  milliseconds, while another of the same user searches all the time for what no index helps to find (`OR TEXT "qj"
  NOT BODY "e"`).
- Where the time of a durable command of one client goes, seen between the system calls of the mailbox's process
  (medians, on 2026-11-29, while others used the machine): from the command to the write of its record 25 µs for
  APPEND of 4 KiB (52 before what is derived from a message was put behind the answer), 14 for COPY; the write 10;
  fdatasync 110 at best, half of the time above 160 (write and sync of a growing file: 170 and 180 to 300); from there
  to the answer 20. The rest is its way to the client and that of the next command: client, TLS in `imapd`, two changes
  of process in each direction. NOOP is that way alone: 42 µs at best, 55 to 80 then. A commit is one write and one
  sync; a raw append has no other process to wait for. So the part of the raw rate depends on how busy the processors
  are: 0.7 to 0.8 for COPY, 0.45 to 0.8 for MOVE, 0.55 to 0.7 for APPEND with little else to do, about half of that
  beside a load of four to eight. Writing past the page cache (O_DIRECT) was seen to save 15 µs of a commit; then each
  new message would be read from the disk again.
- Start: from exec to `ready` (Postern) or until both peers have sent their greeting.

Repeat: `make bench`; fewer messages and one run: `make bench-quick` (writes no page). One part alone: `bench/bench
--only relay` (parts: accept, memory, login, start, relay, local, dead, long, kill, reception,
imap; `--sessions 1` picks among
those of accept, `--imap durable,bomb` among those of imap, `--servers postern` leaves the peers out, `--runs N`;
writes no page, either). Raw figures: `build/bench/results.json`.

## Memory by process (KiB PSS at rest)

{parts}
"""


def main():
    with open(sys.argv[1]) as f:
        results = json.load(f)
    text = table(results)
    print(text)
    if len(sys.argv) > 2:
        rows = []
        for server, parts in results["memory_by_process_kib"].items():
            rows += [f"| {server} | {name} | {kib} |" for name, kib in sorted(parts.items())]
        page = PAGE.format(runs=results["runs"], table=text,
                           loads=", ".join(f"({s}, {m})" for s, m in results["loads"]),
                           parts="\n".join(["| of | process | KiB |", "|---|---|---|"] + rows),
                           **{k: f"{v:,}" for k, v in results["messages"].items()},
                           **results["machine"])
        with open(sys.argv[2], "w") as f:
            f.write(page)


if __name__ == "__main__":
    main()
