#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""kill.py [--rounds N] [--seed S] [--remote] [--results FILE]: rounds of mail under load in which a random
daemon (master included) or all of them are killed with SIGKILL, then compared:

- a message that got its 250 stands in the mailbox of each recipient, exactly once;
- no message stands there twice, acknowledged or not;
- a UID never names another message, UIDVALIDITY stays;
- a flag whose STORE was answered OK is still set, a message whose EXPUNGE was answered is gone;
- a killed daemon is back by itself; after master's death no daemon of it stays;
- with --remote: a message with 250 for somebody elsewhere arrives at the other server (elsewhere.py);
  it comes there again only when something was killed in between, once for each kill at most.

Every 50 rounds a new instance is made. The seed is printed and repeats the choices."""
import argparse
import collections
import json
import os
import random
import re
import signal
import socket
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "system"), HERE]
import elsewhere  # noqa: E402
from harness import (DOMAIN, SLOW, TOP, Instance, message, wait_until)  # noqa: E402

USERS = ["alice@" + DOMAIN, "bob@" + DOMAIN]
SENDERS = 8
ROUNDS_PER_INSTANCE = 50
COMPLETE_S = 60  # until every acknowledged message is readable
KEPT_FLAG = "\\Flagged"
OUT = "out@" + DOMAIN  # an alias of somebody elsewhere


class Ledger:
    """What the server promised."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent = 0
        self.acknowledged = {}   # token -> list of users
        self.token_of = {u: {} for u in USERS}    # user -> uid -> token
        self.flagged = {u: set() for u in USERS}
        self.expunged = {u: set() for u in USERS}
        self.maybe_expunged = {u: set() for u in USERS}
        self.validity = {}
        self.kills = []          # when

    def next_token(self):
        with self.lock:
            self.sent += 1
            return f"t{self.sent:07d}"


class Sender(threading.Thread):
    """Sends until told to stop; a broken session is opened again."""

    def __init__(self, port, ledger, stop, rng, remote):
        super().__init__(daemon=True)
        self.port, self.ledger, self.stop, self.rng = port, ledger, stop, rng
        self.remote = remote

    def run(self):
        while not self.stop.is_set():
            try:
                self.session()
            except (OSError, EOFError):
                self.stop.wait(0.02)

    def session(self):
        with socket.create_connection(("127.0.0.1", self.port), 10) as s:
            s.settimeout(30 * SLOW)
            f = s.makefile("rb")

            def reply(want):
                while True:
                    line = f.readline()
                    if not line.endswith(b"\n"):
                        raise EOFError
                    if line[3:4] != b"-":
                        break
                if int(line[:3]) != want:
                    raise EOFError(line)

            def command(text, want):
                s.sendall(text.encode() + b"\r\n")
                reply(want)

            reply(220)
            command("EHLO load.example.net", 250)
            while not self.stop.is_set():
                token = self.ledger.next_token()
                users = USERS if self.rng.random() < 0.3 else [self.rng.choice(USERS)]
                if self.remote and self.rng.random() < 0.5:
                    users = [*users, OUT] if self.rng.random() < 0.3 else [OUT]
                size = self.rng.choice((200, 2000, 4000, 20000, 200000))
                text = message("kill round", "x" * 70 + "\r\n" + ("y" * 76 + "\r\n") * (size // 78),
                               X_Token=token)
                command("MAIL FROM:<load@example.net>", 250)
                for user in users:
                    command(f"RCPT TO:<{user}>", 250)
                command("DATA", 354)
                s.sendall(text.encode() + b".\r\n")
                reply(250)
                with self.ledger.lock:
                    self.ledger.acknowledged[token] = users


class Reader(threading.Thread):
    """Sets flags and expunges, and notes what was answered OK."""

    def __init__(self, m, ledger, stop, rng):
        super().__init__(daemon=True)
        self.m, self.ledger, self.stop, self.rng = m, ledger, stop, rng

    def run(self):
        while not self.stop.is_set():
            try:
                self.session(self.rng.choice(USERS))
            except Exception:  # the server is being killed: any failure is expected here
                self.stop.wait(0.05)

    def session(self, user):
        client = self.m.imap(user)
        client.socket().settimeout(20 * SLOW)
        client.select("INBOX")
        while not self.stop.is_set():
            known = set(self.ledger.token_of[user]) - self.ledger.maybe_expunged[user]
            if not known:
                self.stop.wait(0.1)
                return
            uid = self.rng.choice(sorted(known))
            if self.rng.random() < 0.8:
                if client.uid("STORE", str(uid), "+FLAGS.SILENT", f"({KEPT_FLAG})")[0] == "OK":
                    self.ledger.flagged[user].add(uid)
            else:
                self.ledger.maybe_expunged[user].add(uid)
                client.uid("STORE", str(uid), "+FLAGS.SILENT", "(\\Deleted)")
                if client.expunge()[0] == "OK":
                    self.ledger.expunged[user].add(uid)


def victims(m, rng):
    """What to kill: 'all', or one program by name."""
    daemons = m.daemons()
    master = m.proc.pid
    programs = {}
    for name, pids in daemons.items():
        for pid in pids:
            programs.setdefault("master" if pid == master else name, []).append(pid)
    choice = rng.choice(sorted(programs) + ["all", "all"])
    return choice, m.pids() if choice == "all" else [rng.choice(programs[choice])]


def kill(pids):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def gone(pids):
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as f:
                if f.read().rsplit(")", 1)[1].split()[0] not in "ZX":
                    return False
        except OSError:
            pass
    return True


def fetch_all(m, user):
    """uid -> (token, flags), and UIDVALIDITY."""
    client = m.imap(user)
    try:
        client.socket().settimeout(60 * SLOW)
        client.select("INBOX", readonly=True)
        validity = int(client.response("UIDVALIDITY")[1][0])
        found = {}
        answer, data = client.uid("FETCH", "1:*",
                                  "(UID FLAGS BODY.PEEK[HEADER.FIELDS (X-Token)])")
        if answer != "OK":
            raise OSError(f"FETCH: {answer} {data[-1]}")
        for part in data:
            if isinstance(part, tuple):
                uid = int(re.search(rb"UID (\d+)", part[0]).group(1))
                token = re.search(rb"X-Token: (\S+)", part[1])
                found[uid] = (token.group(1).decode() if token else None, part[0])
        return found, validity
    finally:
        client.logout()


def compare(m, ledger):
    """Waits until every acknowledged message is there; raises when a promise was broken."""
    for user in USERS:
        want = {t for t, users in ledger.acknowledged.items() if user in users}
        have = {}

        def complete():
            nonlocal have
            try:
                have, validity = fetch_all(m, user)
            except Exception as error:  # a mailbox process may just be coming back
                have = {"error": error}
                return False
            if ledger.validity.setdefault(user, validity) != validity:
                raise AssertionError(f"{user}: UIDVALIDITY was {ledger.validity[user]}: {validity}")
            tokens = {t for t, _ in have.values()}
            gone_tokens = {ledger.token_of[user].get(u) for u in ledger.maybe_expunged[user]}
            return want <= tokens | gone_tokens

        try:
            wait_until("all acknowledged messages", COMPLETE_S * SLOW, complete)
        except TimeoutError:
            tokens = {t for t, _ in have.values()} if "error" not in have else set()
            missing = sorted(want - tokens - {ledger.token_of[user].get(u)
                                              for u in ledger.maybe_expunged[user]})
            raise AssertionError(f"{user}: lost {len(missing)}: {missing[:10]} "
                                 f"{have.get('error', '')}")
        check_once(user, have, ledger)


def check_once(user, have, ledger):
    count = collections.Counter(t for t, _ in have.values())
    twice = [t for t, n in count.items() if n > 1]
    assert not twice, f"{user}: delivered twice: {twice[:10]}"
    known = ledger.token_of[user]
    gone_tokens = {known.get(u): u for u in ledger.maybe_expunged[user]}
    for uid, (token, flags) in have.items():
        assert known.setdefault(uid, token) == token, f"{user}: UID {uid} names another message"
        assert uid not in ledger.expunged[user], f"{user}: expunged UID {uid} came back"
        assert gone_tokens.get(token, uid) == uid, f"{user}: {token} came again after EXPUNGE"
    for uid in ledger.flagged[user] - ledger.maybe_expunged[user]:
        assert uid in have, f"{user}: UID {uid} is gone"
        assert KEPT_FLAG.encode() in have[uid][1], f"{user}: flag of UID {uid} was lost"


def round_of(m, ledger, rng, totals, remote):
    stop = threading.Event()
    workers = [Sender(m.smtp_port, ledger, stop, random.Random(rng.random()), remote)
               for _ in range(SENDERS)]
    workers.append(Reader(m, ledger, stop, random.Random(rng.random())))
    for w in workers:
        w.start()
    try:
        time.sleep(rng.uniform(0.05, 0.6))  # the load itself, not a wait for an event
        before = len(ledger.acknowledged)
        choice, pids = victims(m, rng)
        tree = m.pids()
        ledger.kills.append(time.monotonic())
        kill(pids)
        began = time.monotonic()
        if choice in ("master", "all"):
            m.proc.wait(20)
            wait_until("no daemon outlives master", 10 * SLOW, lambda: gone(tree))
            m.launch()
            wait_until("ready again", 20 * SLOW, m.is_ready)
        wait_until(f"mail is taken again after kill of {choice}", 20 * SLOW,
                   lambda: len(ledger.acknowledged) > before)
        totals["back"].append(time.monotonic() - began)
        totals["killed"][choice] += 1
    finally:
        stop.set()
        for w in workers:
            w.join(60 * SLOW)
    compare(m, ledger)
    if remote:
        totals["repeats"] += remote.compare(
            {t for t, users in ledger.acknowledged.items() if OUT in users}, ledger.kills,
            COMPLETE_S * SLOW)


def rounds(count, seed, progress=print, with_remote=False):
    """Runs the rounds; returns the totals, raises at the first broken promise."""
    rng = random.Random(seed)
    settings = [("mailbox.compress", "yes" if seed % 2 else "no")]
    totals = {"seed": seed, "rounds": 0, "acknowledged": 0, "killed": collections.Counter(),
              "back": [], "remote": 0, "repeats": 0}
    m = remote = None
    try:
        for number in range(1, count + 1):
            if m is None:
                remote = elsewhere.Remote() if with_remote else None
                m = Instance(users=USERS, settings=settings + (remote.settings() if remote else []))
                if remote:
                    m.cli("alias", "add", OUT, elsewhere.SOMEBODY)
                ledger = Ledger()
            try:
                round_of(m, ledger, rng, totals, remote)
            except Exception:
                progress(f"round {number} of seed {seed}, killed so far: {dict(totals['killed'])}")
                progress("\n".join(m.log().splitlines()[-60:]))
                progress("kept: " + m.home)
                m.home = None
                raise
            totals["rounds"] = number
            if number % ROUNDS_PER_INSTANCE == 0 or number == count:
                totals["acknowledged"] += len(ledger.acknowledged)
                progress(f"{number} rounds, {totals['acknowledged']} messages, "
                         f"{dict(totals['killed'])}")
                m.destroy()
                m = None
                if remote:
                    totals["remote"] += remote.stop()
                    remote = None
    finally:
        if remote is not None:
            remote.stop()
        if m is not None and m.home is None:
            m.stop()
        elif m is not None:
            m.destroy()
    totals["slowest_return_s"] = round(max(totals.pop("back")), 3)
    return totals


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--remote", action="store_true")
    parser.add_argument("--results", default=os.path.join(TOP, "build", "crash-results.json"))
    args = parser.parse_args()
    began = time.monotonic()
    totals = rounds(args.rounds, args.seed, with_remote=args.remote)
    totals["seconds"] = round(time.monotonic() - began, 1)
    with open(args.results, "w") as f:
        json.dump(totals, f, indent=1)
    print(json.dumps(totals))
    return 0


if __name__ == "__main__":
    sys.exit(main())
