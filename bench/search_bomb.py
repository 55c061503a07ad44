#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""search_bomb.py [--messages N] [--seconds S]

What the sessions of a user notice of one session's expensive search, and how long searches take with
the index of texts. Fills a mailbox of a new instance, waits for the index, then prints the p50 and p99
of FETCH of one message in a session of its own: alone, and while another session searches all the time
for texts of two bytes, which no index helps to find."""
import argparse
import os
import shutil
import threading
import time

import servers
from servers import TOP

WORK = os.path.join(TOP, "build", "bench", "search_bomb")
PORT_BASE = 33000
WORDS = ("invoice meeting tomorrow project budget regards attached report quarterly customer order "
         "delivery question answer please thanks").split()


def message(i):
    words = " ".join(WORDS[(i * 7 + k * k) % len(WORDS)] + str((i * k) % 997) for k in range(300))
    lines = "\r\n".join(words[k:k + 76] for k in range(0, len(words), 76))
    rare = "the needlezqx is here\r\n" if i % 5000 == 77 else ""
    return (f"From: sender{i % 300}@example.test\r\nTo: user@example.test\r\nSubject: message {i}\r\n"
            f"Message-ID: <{i}@example.test>\r\n\r\n{lines}\r\n{rare}").encode()


def fill(client, n):
    client.select()
    for i in range(n):
        client.append("INBOX", None, None, message(i))


def indexed(folder):
    """Bytes of the index's files, once they do not change any more."""
    last, since = -1, time.monotonic()
    while time.monotonic() - since < 5:
        size = sum(os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(folder)
                   for f in files if f.startswith("texts."))
        if size != last:
            last, since = size, time.monotonic()
        time.sleep(0.2)
    return last


def latencies(client, seconds):
    took, end, uid = [], time.monotonic() + seconds, 0
    while time.monotonic() < end:
        begin = time.monotonic()
        client.fetch(str(uid % 100 + 1), "(FLAGS)")
        took.append(time.monotonic() - begin)
        uid += 1
        time.sleep(0.002)
    took.sort()
    return took[len(took) // 2] * 1e3, took[len(took) * 99 // 100] * 1e3, took[-1] * 1e3


def bomb(server, stop, done):
    client = server.imap()
    client.select(readonly=True)
    while not stop.is_set():
        client.search(None, "OR", "TEXT", '"qj"', "NOT", "BODY", '"e"')
        done.append(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=10000)
    parser.add_argument("--seconds", type=int, default=10)
    args = parser.parse_args()
    shutil.rmtree(WORK, ignore_errors=True)
    os.makedirs(os.path.dirname(WORK), exist_ok=True)
    server = servers.Postern(WORK, PORT_BASE)
    server.init()
    server.start()
    try:
        server.add_user()
        client = server.imap()
        fill(client, args.messages)
        print(f"index: {indexed(WORK) / 1e6:.1f} MB of {args.messages} messages")
        for keys in (("TEXT", "needlezqx"), ("TEXT", "nothingatall"), ("SUBJECT", "message 77")):
            begin = time.monotonic()
            found = client.search(None, keys[0], f'"{keys[1]}"')[1][0].split()
            print(f"SEARCH {' '.join(keys)}: {(time.monotonic() - begin) * 1e3:.1f} ms, {len(found)} found")
        print("alone:           p50 %.2f, p99 %.2f, worst %.2f ms" % latencies(client, args.seconds))
        stop, done = threading.Event(), []
        other = threading.Thread(target=bomb, args=(server, stop, done))
        other.start()
        time.sleep(1)
        print("beside a search: p50 %.2f, p99 %.2f, worst %.2f ms" % latencies(client, args.seconds))
        stop.set()
        other.join()
        print(f"searches meanwhile: {len(done)}")
    finally:
        server.stop()


main()
