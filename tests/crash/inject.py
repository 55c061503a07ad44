#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""inject.py [--seed S] [--sample N] [--quick] [--part I/N] [--only SCENARIO]: every call that
writes, syncs or changes a directory in queue, mailbox, accounts, logger and master fails once in
each way it can (EIO, ENOSPC, EDQUOT, EINTR, half a write), or is the last one that its process makes.

A scenario is first run without a fault, to count its calls, then once for each call and fault (or a
sample, chosen by the seed). After each: the fault is over, mail must flow again by itself, and the
independent reader (reader.py) and IMAP must find every promise kept, also after kill -9 of all."""
import argparse
import collections
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "system"), HERE]
import orders  # noqa: E402
import reader  # noqa: E402
from harness import (DOMAIN, OUT, SLOW, Instance, Raw, message, wait_until)  # noqa: E402

USERS = ["alice@" + DOMAIN, "bob@" + DOMAIN]
SETTINGS = []  # of the instances
LIBRARY = os.path.join(OUT, "faults.so")
SMALL, INLINE, LARGE = 300, 100000, 200000
QUIET_S = 1.2   # the longest timer that writes by itself is a second
PAUSE_S = 0.7   # the queue's notes are written within half a second
READ_S = 0.05   # between two readings of everything
BACK_S = 40     # until mail flows again after a fault
RUNS_PER_INSTANCE = 40
NEAR, STEPS_MAX = 8, 400


class Broken(AssertionError):
    """A promise that no waiting can mend."""


class House:
    """An instance under faults.so, and what it has promised."""

    def __init__(self, log_bytes=0):
        self.home = tempfile.mkdtemp(prefix="postern-faults-")
        os.chmod(self.home, 0o711)
        self.begin()
        self.faults = orders.Faults(LIBRARY, os.path.join(self.home, "faults"), log_bytes)
        self.faults.mount()
        self.m = Instance(home=self.home, users=USERS, settings=SETTINGS)
        self.kept = {}          # name -> the promises given when the folder was kept under it

    def keep(self, name):
        """Stops, and keeps the folder as it is, to go back to."""
        self.m.stop(20 * SLOW)
        shutil.rmtree(self.m.folder + "." + name, ignore_errors=True)
        subprocess.run(["cp", "-a", self.m.folder, self.m.folder + "." + name], check=True)
        self.kept[name] = (self.promised, self.aliases, self.tokens)

    def go_back(self, name):
        """Running again from the folder that was kept; mail is in each mailbox."""
        self.m.stop(20 * SLOW)
        self.faults.disarm()
        shutil.rmtree(self.m.folder)
        subprocess.run(["cp", "-a", self.m.folder + "." + name, self.m.folder], check=True)
        promised, aliases, tokens = self.kept[name]
        self.begin()
        self.promised, self.aliases, self.tokens = dict(promised), dict(aliases), tokens
        self.m.launch()
        wait_until("ready", 20 * SLOW, self.m.is_ready)
        for user in USERS:
            self.send(SMALL, [user])
        self.settle()

    def begin(self):
        """No promise given yet."""
        self.tokens, self.lock = 0, threading.Lock()
        self.promised = {}      # token -> users whose inbox must have it
        self.refused = set()    # tokens that must be nowhere
        self.unknown = {}       # token -> users: there at most once
        self.removed = set()    # tokens whose EXPUNGE was answered OK
        self.maybe_removed = set()
        self.uids = {}          # (account, UIDVALIDITY, UID) -> token
        self.clocks = {}        # token (-token: expunged, @address) -> when it was answered
        self.doubtful = {}      # refused after the final dot, in this scenario: token -> users
        self.accounts = {}      # address -> "there", "gone", "unknown"
        self.aliases = {}       # address -> when it was promised

    def close(self):
        self.m.destroy()
        self.faults.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def clock(self):
        """When something was promised, in what the test cuts by."""
        return self.faults.clock()

    def token(self):
        with self.lock:
            self.tokens += 1
            return f"f{self.tokens:06d}"

    # --- what a client does
    def send(self, size, users):
        """One message by SMTP; notes what the answer promises and returns its code."""
        token, code = self.token(), 0
        dot = False
        try:
            with Raw(self.m.smtp_port) as s:
                s.expect(None, 220)
                for text in ["EHLO load.example.net", "MAIL FROM:<load@example.net>"] + [
                        f"RCPT TO:<{u}>" for u in users]:
                    code = s.command(text)[0]
                    if code != 250:
                        break
                if code == 250 and (code := s.command("DATA")[0]) == 354:
                    self.unknown[token] = users
                    dot = True
                    s.send(text_of(token, size).encode() + b".\r\n")
                    code = s.reply()[0]
        except OSError:
            code = 0
        assert code < 500, f"a lasting refusal for trouble of our own: {code}"
        self.answer(token, users, "yes" if code == 250 else "no" if code else "?")
        if dot and token in self.refused:
            self.doubtful[token] = users
        return code

    def append(self, client, size, user):
        token = self.token()
        self.unknown[token] = [user]
        answer = self.imap(client.append, "INBOX", None, None, text_of(token, size).encode())
        self.answer(token, [user], answer)
        return token

    def answer(self, token, users, answer):
        known = self.unknown.pop(token, None)
        if answer == "yes":
            self.promised[token] = users
            self.clocks[token] = self.clock()
        elif answer == "?" and known is not None:
            self.unknown[token] = users
        else:
            self.refused.add(token)
            self.clocks[token] = self.clock()

    def refused_at(self, cut):
        """What had been refused by then. Before its answer a message may be there or not."""
        return {t for t in self.refused if self.clocks.get(t, 0) <= cut}

    @staticmethod
    def imap(call, *words):
        """yes, no, or ? when the connection broke."""
        try:
            return "yes" if call(*words)[0] == "OK" else "no"
        except Exception:  # imaplib raises many kinds of them
            return "?"

    def login(self, user):
        client = self.m.imap(user)
        client.socket().settimeout(15 * SLOW)
        return client

    # --- what must hold
    def settle(self):
        """The fault is over: mail flows again by itself, and everything promised arrives."""
        if self.m.proc.poll() is not None:
            self.start()
        wait_until("mail is taken again", BACK_S * SLOW, lambda: self.send(SMALL, USERS) == 250)
        problem = None

        def complete():
            nonlocal problem
            try:
                problem = self.problem()
            except (reader.Damage, OSError) as error:  # it is being written, perhaps
                problem = repr(error)
            return problem is None

        try:
            wait_until("all promises", BACK_S * SLOW, complete, READ_S)
        except TimeoutError:
            raise AssertionError(problem) from None

    def problem(self):
        """What is not as promised (yet) in the files as they are, or None."""
        waiting = reader.Queue(os.path.join(self.m.folder, "queue")).tokens()
        found = {a: box.tokens() for a, box in reader.mailboxes(self.m.folder).items()}
        return self.judge(waiting, found)

    def judge(self, waiting, found, promised=None, complete=True):
        """waiting: what the queue has for whom; found: account -> (UIDVALIDITY, UID) -> token.
        complete: nothing may be left in the queue."""
        for account, by_uid in found.items():
            count = collections.Counter(by_uid.values())
            twice = [t for t, n in count.items() if n > 1]
            if twice:
                raise Broken(f"twice in mailbox {account}: {twice}")
            for (validity, uid), token in by_uid.items():
                if self.uids.setdefault((account, validity, uid), token) != token:
                    raise Broken(f"UID {uid} of mailbox {account} names another message")
                if token in self.refused:
                    raise Broken(f"{token} was refused and is in mailbox {account}")
                if token in self.removed:
                    raise Broken(f"{token} was expunged and is in mailbox {account} again")
                if token not in self.promised and token not in self.unknown:
                    raise Broken(f"{token} in mailbox {account} was never sent")
        for token in waiting:
            if token in self.refused:
                raise Broken(f"{token} was refused and is in the queue")
        for token, users in (self.promised if promised is None else promised).items():
            for user in users:
                account = USERS.index(user) + 1
                if token not in found.get(account, {}).values() and not (
                        account in waiting.get(token, ()) or token in self.removed
                        or token in self.maybe_removed):
                    return f"{token} is lost for {user}"
        if complete and waiting:
            return f"still in the queue: {waiting}"
        return None

    def start(self):
        self.m.proc.wait(20)
        self.m.launch()
        wait_until("ready again", 20 * SLOW, self.m.is_ready)

    def kill_all(self):
        for pid in self.m.pids():
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                pass

    def check(self):
        self.settle()
        self.check_accounts()
        self.kill_all()
        self.start()
        self.settle()
        self.check_accounts()
        for user in USERS:
            account = USERS.index(user) + 1
            on_disk = reader.Mailbox(os.path.join(self.m.folder, "mail", str(account))).tokens()
            shown = {uid: reader.token_of(text.replace(b"\r\n", b"\n"))
                     for uid, text in self.m.messages(user).items()}
            assert shown == {uid: t for (_, uid), t in on_disk.items()}, f"{user}: IMAP and disk"

    def check_accounts(self):
        listed = wait_until("the list of accounts", BACK_S * SLOW, self.listed)
        for address, state in self.accounts.items():
            assert state == "unknown" or (address in listed) == (state == "there"), (
                f"{address} should be {state}")
        if self.aliases:
            listed = wait_until("the list of aliases", BACK_S * SLOW, lambda: self.listed("alias"))
            lost = [a for a in self.aliases if a not in listed]
            assert not lost, f"aliases are lost: {lost}"

    def listed(self, what="user"):
        done = self.m.cli(what, "list", check=False)
        return done.stdout if done.returncode == 0 else None


def text_of(token, size):
    return message("fault", "x" * 70 + "\r\n" + ("y" * 76 + "\r\n") * (size // 78), X_Token=token)


# --- scenarios: each does the same calls every time ------------------------------------------------
def mail(house):
    """Accepted, delivered, noted as done: inline for two, and content in a file of its own."""
    house.send(SMALL, USERS)
    house.send(LARGE, USERS[:1])


def imap(house):
    """APPEND, STORE, COPY, CREATE, EXPUNGE."""
    try:
        client = house.login(USERS[0])
        client.select("INBOX")
    except Exception:  # the fault may hit a mailbox that is just being opened
        return
    house.append(client, SMALL, USERS[0])
    token = house.append(client, LARGE, USERS[0])
    house.imap(client.create, f"Folder{house.tokens}")
    uids = numbers(client, "ALL")
    if not uids:
        return
    house.imap(client.uid, "STORE", uids[0], "+FLAGS.SILENT", "(\\Flagged)")
    house.imap(client.uid, "COPY", uids[0], "Archive")
    uids = numbers(client, "HEADER", "X-Token", token)
    if not uids:
        return
    house.maybe_removed.add(token)
    house.imap(client.uid, "STORE", uids[0], "+FLAGS.SILENT", "(\\Deleted)")
    if house.imap(client.expunge) == "yes":
        house.removed.add(token)
        house.clocks["-" + token] = house.clock()


def numbers(client, *words):
    """The UIDs that a SEARCH finds; none when it fails."""
    try:
        return client.uid("SEARCH", *words)[1][0].decode().split()
    except Exception:  # the connection may be broken
        return []


def accounts(house):
    """A user comes, another goes, an alias is changed."""
    address = f"u{house.tokens}@{DOMAIN}"
    house.tokens += 1
    house.accounts[address] = "unknown"
    done = house.m.cli("user", "add", address, stdin="correct horse battery\n", check=False)
    if done.returncode == 0:
        house.accounts[address] = "there"
        house.clocks["@" + address] = house.clock()
    house.m.cli("alias", "add", f"alias{house.tokens}@{DOMAIN}", address, check=False)
    old = [a for a, s in house.accounts.items() if s == "there" and a != address]
    if old:
        house.accounts[old[0]] = "unknown"
        if house.m.cli("user", "remove", old[0], check=False).returncode == 0:
            house.accounts[old[0]] = "gone"
        house.clocks["@" + old[0]] = house.clock()


def large_alias(house):
    targets = [f"{'t' * 50}{n}@{'d' * 60}.example.net" for n in range(60)]
    address = f"{house.token()}@{DOMAIN}"
    if house.m.cli("alias", "add", address, *targets, check=False).returncode == 0:
        house.aliases[address] = house.clock()


def inline_message(house):
    house.send(INLINE, USERS[:1])


def bulk(house, steps=8 * NEAR):
    """The end of the database's log file (near_end): it begins another, writes its pages, which it does
    after 256 KiB of log, and removes the old file."""
    for _ in range(steps):
        large_alias(house)


def recovery(house):
    """Everything is killed while mail is on its way, and starts again."""
    house.send(SMALL, USERS)
    house.send(LARGE, USERS[:1])
    house.kill_all()
    house.m.proc.wait(20)
    house.m.launch()
    try:
        wait_until("ready or ended", 20 * SLOW,
                   lambda: house.m.proc.poll() is not None or house.m.is_ready())
        house.login(USERS[0]).logout()
    except Exception:  # is_ready raises when master has ended, which a fault may do
        pass


def stop(house):
    """An orderly stop (mailboxes write checkpoints) and a new start."""
    house.send(SMALL, USERS)
    house.m.stop(20 * SLOW)
    house.m.launch()
    try:
        wait_until("ready or ended", 20 * SLOW,
                   lambda: house.m.proc.poll() is not None or house.m.is_ready())
        house.login(USERS[0]).logout()
    except Exception:  # as above
        pass


def turnover(house, steps=2 * NEAR):
    """The end of a segment (near_end): the queue begins another, empties the old one and keeps it."""
    for _ in range(steps):
        inline_message(house)


ENDS = {"bulk": (large_alias, "accounts"), "turnover": (inline_message, "queue")}


def near_end(house, name):
    """Keeps the folder as it is NEAR steps before the daemon begins another file, and goes back to it."""
    step, daemon = ENDS[name]
    folder = os.path.join(house.m.folder, daemon)
    house.go_back("start")
    files, steps = set(os.listdir(folder)), 0
    while set(os.listdir(folder)) <= files:
        step(house)
        steps += 1
        assert steps < STEPS_MAX, f"{daemon} begins no other file"
    house.go_back("start")
    for _ in range(steps - NEAR):
        step(house)
    house.settle()
    house.keep(name)


SCENARIOS = {f.__name__: f for f in (mail, imap, accounts, bulk, recovery, stop, turnover)}

QUICK = [name for name in SCENARIOS if name not in ENDS]


# --- the runs --------------------------------------------------------------------------------------
def quiet(house, until=lambda: False, seconds=QUIET_S):
    """Waits until nothing is written any more (or until() holds)."""
    last, since = house.faults.counts(), time.monotonic()

    def still():
        nonlocal last, since
        now = house.faults.counts()
        if now != last:
            last, since = now, time.monotonic()
        return until() or time.monotonic() - since > seconds * SLOW

    wait_until("nothing is written any more", 60 * SLOW, still)


def prepared():
    """A house to go back to, for each scenario."""
    house = House()
    house.keep("start")
    return house


def go_to(house, name):
    """Everything as it was before any fault, and as the scenario needs it."""
    if name in QUICK:
        house.go_back("start")
        return
    if name not in house.kept:
        near_end(house, name)
    house.go_back(name)


def count_calls(house, name):
    """(program, kind) -> calls of one run without a fault."""
    go_to(house, name)
    quiet(house)
    before = house.faults.counts()
    SCENARIOS[name](house)
    quiet(house)
    after = house.faults.counts()
    house.check()
    return {key: after[key] - before[key] for key in after if after[key] > before[key]}


def plan(house, names):
    """Every run: (scenario, program, kind, at, fault)."""
    for name in names:
        for (program, kind), calls in sorted(count_calls(house, name).items()):
            most = CALLS_MAX.get(name, calls)
            picked = range(1, calls + 1)
            if calls > most:
                picked = sorted({1 + i * (calls - 1) // (most - 1) for i in range(most)})
            for at in picked:
                for fault in orders.FAULTS[kind]:
                    yield name, program, kind, at, fault


# Calls of one kind in one scenario: of very many alike, this many spread over them. At a start Berkeley
# DB fills each new log file with 250 equal writes of zeros.
CALLS_MAX = {"turnover": 12, "bulk": 40, "stop": 40, "recovery": 40}


def run_one(house, name, program, kind, at, fault):
    """True when the call was reached."""
    faults = house.faults
    quiet(house, seconds=PAUSE_S)
    house.doubtful = {}
    queue = house.m.daemons().get("queue")
    faults.arm(program, kind, at, fault)
    SCENARIOS[name](house)
    quiet(house, lambda: faults.hits > 0)
    if house.m.daemons().get("queue") != queue:
        # A 451 because queue went away says no more than no answer.
        house.refused -= set(house.doubtful)
        house.unknown.update(house.doubtful)
    reached = faults.hits > 0
    faults.disarm()
    house.check()
    return reached


def runs(house, todo, progress=print):
    """Does them all; returns the counts, raises at the first broken promise."""
    totals, before, since = collections.Counter(), None, 0
    for number, one in enumerate(todo, 1):
        if one[0] != before or one[0] not in QUICK or since >= RUNS_PER_INSTANCE:
            totals["messages"] += len(house.promised)
            go_to(house, one[0])
            before, since = one[0], 0
            progress(f"{number - 1} of {len(todo)}: {dict(totals)}")
        since += 1
        try:
            totals["reached" if run_one(house, *one) else "not reached"] += 1
        except Exception:
            progress("fault: " + " ".join(map(str, one)))
            progress("\n".join(house.m.log().splitlines()[-40:]))
            progress("kept: " + house.home)
            house.home = house.m.home = "/nonexistent"
            raise
    totals["messages"] += len(house.promised)
    return totals


def sample(todo, n, seed):
    """n of them, in their order: the runs of a scenario follow each other."""
    picked = random.Random(seed).sample(range(len(todo)), min(n, len(todo)))
    return [todo[i] for i in sorted(picked)]


def chosen(house, args):
    """The runs that the command line asks for."""
    if args.one:
        return [(*args.one[:3], int(args.one[3]), args.one[4])]
    todo = list(plan(house, [args.only] if args.only else QUICK if args.quick else SCENARIOS))
    print(f"seed {args.seed}: {len(todo)} faults", flush=True)
    part, parts = map(int, args.part.split("/"))
    return [one for one in sample(todo, args.sample or len(todo), args.seed)
            if zlib.crc32(repr(one).encode()) % parts == part - 1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compress", action="store_true", help="with mailbox.compress")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--sample", type=int, default=0, help="0: all")
    parser.add_argument("--only", choices=SCENARIOS)
    parser.add_argument("--quick", action="store_true", help="without those near the end of a file")
    parser.add_argument("--part", default="1/1", help="the I-th of N parts of the whole")
    parser.add_argument("--one", nargs=5, metavar=("SCENARIO", "PROGRAM", "KIND", "AT", "FAULT"))
    args = parser.parse_args()
    if args.compress:
        SETTINGS.append(("mailbox.compress", "yes"))
    orders.own_mounts()
    began, house = time.monotonic(), prepared()
    try:
        totals = runs(house, chosen(house, args), lambda text: print(text, flush=True))
    finally:
        house.close()
    print(f"seed {args.seed}: {dict(totals)} in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
