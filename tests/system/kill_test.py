# SPDX-License-Identifier: ISC
"""The kill rounds (tests/crash/kill.py), with and without another server: 30 of each here, 1,000 in
make check-long."""
import collections
import json
import threading

from harness import *

sys.path.insert(0, os.path.join(TOP, "tests", "crash"))
import kill  # noqa: E402
import elsewhere  # noqa: E402

OPTIONS = None


def rounds(with_remote):
    seed, option = random.randrange(1 << 31), " --remote" if with_remote else ""
    print(f"#! seed {seed} (again: tests/crash/kill.py --seed {seed}{option})", flush=True)
    totals = kill.rounds(1000 if LONG else 30, seed, progress=lambda text: print(
        "\n".join("# " + line for line in text.splitlines()), flush=True), with_remote=with_remote)
    print(f"#! {totals['rounds']} rounds, {totals['acknowledged']} messages with 250, none lost, "
          f"none twice; slowest return {totals['slowest_return_s']} s")
    return totals


def test_kill_rounds_with_another_server(_):
    totals = rounds(True)
    print(f"#! {totals['remote']} messages elsewhere, {totals['repeats']} of them again after a "
          "kill")
    assert totals["remote"] > totals["rounds"]


def test_kill_rounds(_):
    totals = rounds(False)
    name = "crash-long.json" if LONG else "crash.json"
    with open(os.path.join(TOP, "build", name), "w") as f:
        json.dump(totals, f, indent=1)


def test_the_comparison_finds_what_it_should(_):
    """A loss, a double, a lost flag and a resurrected message, made on purpose, are each found."""
    m, ledger = Instance(users=kill.USERS), kill.Ledger()
    try:
        for n in range(4):
            m.send(message(f"n{n}", X_Token=f"t{n}"))
            ledger.acknowledged[f"t{n}"] = [USER]
        kill.compare(m, ledger)
        uids = sorted(ledger.token_of[USER])
        finds(m, ledger, "was lost", ledger.flagged[USER], uids[0])
        finds(m, ledger, "came back", ledger.expunged[USER], uids[1])
        m.send(message("again", X_Token="t2"))
        m.wait_count(5)
        finds(m, ledger, "delivered twice", set(), 0)
        client = m.imap()
        client.select("INBOX")
        client.uid("STORE", f"{uids[2]},{uids[3]}", "+FLAGS.SILENT", "(\\Deleted)")
        client.expunge()
        client.logout()
        kill.COMPLETE_S, before = 1, kill.COMPLETE_S
        finds(m, ledger, "lost 1", set(), 0)
        kill.COMPLETE_S = before
    finally:
        m.destroy()


def test_what_came_elsewhere_is_judged(_):
    """A loss, a repeat after a kill, one without."""
    there = elsewhere.Remote.__new__(elsewhere.Remote)
    there.lock, there.counted = threading.Lock(), collections.Counter()
    there.came = {"t1": [10.0], "t2": [10.0, 20.0]}
    assert there.compare({"t1", "t2"}, [15.0], 0) == 1
    assert there.compare({"t1", "t2"}, [15.0], 0) == 0
    for want, kills, what in (({"t3"}, [15.0], "lost elsewhere"), ({"t1"}, [25.0], "no kill")):
        try:
            there.compare(want, kills, 0)
        except AssertionError as error:
            assert what in str(error), error
        else:
            raise AssertionError(f"not found: {what}")


def finds(m, ledger, what, promises, uid):
    promises.add(uid)
    try:
        kill.compare(m, ledger)
    except AssertionError as error:
        assert what in str(error), error
    else:
        raise AssertionError(f"not found: {what}")
    promises.discard(uid)
