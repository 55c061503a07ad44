# SPDX-License-Identifier: ISC
"""postern queue: list, show, hold, release, retry, redirect, remove; filters; --json; who did it is in
the log; long lists go page by page and do not stand in the way of mail."""
import json

from harness import *
from remote import *

BOB = "bob@" + DOMAIN
PORT, DNS = 31225, 5322
remote, SETTINGS = world(PORT, DNS, ["there.test", "away.test"])
SETTINGS += [("queue.remote-retry-min", "3600"), ("queue.warn-after", "0")]
OPTIONS = dict(users=(USER, BOB), settings=SETTINGS)
WAITS = expects("event=deferred", "event=failed")


def ask(m, *words, status=0):
    done = m.cli("queue", *words, "--json", check=False)
    assert done.returncode == status, (words, done)
    return json.loads(done.stdout)


def listed(m, *filters):
    return [row["id"] for row in ask(m, "list", *filters)["rows"]]


def count(m, *words):
    answer = ask(m, *words)
    return int(answer["message"].split()[0])


def park(m, subject, recipients, sender=USER):
    """A message that waits in the queue for its next attempt; its id."""
    before = set(listed(m))
    submit(m, subject, recipients, sender)
    return wait_until(f"{subject} waits", 20 * SLOW, lambda: next(
        (row["id"] for row in ask(m, "list", "--state", "deferred")["rows"]
         if row["id"] not in before), None))


def shown(m, number):
    found = {}
    for row in ask(m, "show", number)["rows"]:
        found.setdefault(row["name"], []).append(row["value"])
    return found


@WAITS
def test_show(m):
    number = park(m, "show", ["later@there.test", "ok@there.test"])
    found = wait_until("the note is on disk", 20 * SLOW,
                       lambda: "answer" in (f := shown(m, number)) and f)
    assert found["id"] == [number] and found["reverse-path"] == [USER]
    assert found["state"] == ["deferred"]
    first, second = sorted(found["delivery"])
    assert first == "later@there.test domain=there.test deferred", first
    assert second.startswith("ok@there.test") and second.endswith("delivered"), second
    assert found["tries"][0] == "1" and "451 4.2.1 mailbox busy" in found["answer"], found
    assert re.match(r"20\d\d-", found["next-attempt"][0]) and found["last-attempt"]
    assert any("mx.there.test" in s for s in found["server"]), found["server"]
    assert "Subject: show" in found["header"]
    table = m.cli("queue", "show", number).stdout
    assert "451 4.2.1 mailbox busy" in table
    assert ask(m, "show", "Q0000000000zz", status=1)["ok"] is False
    assert ask(m, "show", "nonsense", status=1)["ok"] is False
    assert count(m, "remove", number) == 1
    wait_queue_empty(m)


@WAITS
def test_filters(m):
    one = park(m, "one", ["later@there.test"])
    two = park(m, "two", ["later@away.test"], BOB)
    cases = {
        ("--sender", USER): {one}, ("--sender", "@" + DOMAIN): {one, two},
        ("--sender=<>",): set(), ("--sender", "nobody@" + DOMAIN): set(),
        ("--recipient", "LATER@away.test"): {two}, ("--domain", "there.test"): {one},
        ("--domain=nowhere.test",): set(), ("--older", "1h"): set(), ("--newer", "1h"): {one, two},
        ("--state", "deferred"): {one, two}, ("--state", "held"): set(), ("--all",): {one, two},
        ("--sender", BOB, "--domain", "there.test"): set(), (one,): {one}, (two, one): {one, two},
        (one, "--domain", "away.test"): set(),
    }
    for words, want in cases.items():
        assert set(listed(m, *words)) == want, (words, want)
    assert listed(m) == [one, two], "oldest first"
    assert listed(m, "--limit", "1") == [one]
    assert listed(m, "--after", one) == [two]
    for bad in (("--older", "yesterday"), ("--state", "asleep"), ("--limit", "0"),
                ("--after", "x"), ("--sender", "nobody")):
        assert ask(m, "list", *bad, status=1)["message"], bad
    for bad in (("list", "--colour", "red"), ("list", "--older"), ("redirect",)):
        assert m.cli("queue", *bad, check=False).returncode == 100, bad
    assert count(m, "remove", one, two) == 2
    wait_queue_empty(m)


@WAITS
def test_nothing_is_done_to_all_by_mistake(m):
    number = park(m, "safe", ["later@there.test"])
    for words in (("hold",), ("release",), ("retry",), ("remove",), ("redirect", BOB)):
        answer = ask(m, *words, status=1)
        assert "--all" in answer["message"], answer
    assert ask(m, "remove", "Q0000000000zz", status=1)["ok"] is False
    assert listed(m) == [number]
    assert count(m, "remove", "--all") == 1
    wait_queue_empty(m)
    assert count(m, "remove", "--all") == 0


@WAITS
def test_hold_release_retry(m):
    number = park(m, "held", ["later@there.test"])
    start = m.log_size()
    assert count(m, "hold", number) == 1
    assert count(m, "hold", number) == 0, "it is held already"
    assert listed(m, "--state", "held") == [number]
    asked = len(remote.asked)
    assert count(m, "retry", "--all") == 0, "what is held is not tried"
    request = m.wait_log(r'admin uid=\d+ request=(\d+) command="queue hold" '
                         rf'target="{number}"', start).group(1)
    m.wait_log(rf'{number} event=admin request={request} action="queue hold"', start)
    assert m.stop() == 0
    m.start()
    assert listed(m, "--state", "held") == [number], "a restart forgot it"
    assert len(remote.asked) == asked, "it was tried nevertheless"
    del remote.refused["later"]
    try:
        assert count(m, "release", "--state", "held") == 1
        assert count(m, "retry", "--domain", "there.test") <= 1
        remote.wait_taken("later@there.test")
    finally:
        remote.refused["later"] = REFUSED["later"]
    wait_queue_empty(m)


@WAITS
def test_retry_now(m):
    number = park(m, "again", ["later@away.test"])
    del remote.refused["later"]
    try:
        assert count(m, "retry", number) == 1
        remote.wait_taken("later@away.test")
    finally:
        remote.refused["later"] = REFUSED["later"]
    wait_queue_empty(m)


@WAITS
def test_redirect(m):
    one = park(m, "elsewhere", ["later@there.test"])
    two = park(m, "home", ["later@away.test"])
    answer = ask(m, "redirect", "other@away.test", one)
    assert answer["message"].startswith("1 message redirected"), answer
    row, = answer["rows"]
    assert row["id"] == one and row["new_id"].startswith("Q") and row["new_id"] != one
    got = remote.wait_taken("other@away.test")[0]
    assert b"Subject: elsewhere" in got["text"]
    assert ask(m, "redirect", BOB, "--recipient", "later@away.test")["rows"][0]["id"] == two
    wait_until("bob has it", 20 * SLOW, lambda: any(
        x["Subject"] == "home" for x in inbox(m, BOB)))
    wait_queue_empty(m)
    three = park(m, "stays", ["later@there.test"])
    assert ask(m, "redirect", "unknown@" + DOMAIN, three, status=1)["ok"] is False
    assert ask(m, "redirect", "no address", three, status=1)["ok"] is False
    assert listed(m) == [three]
    count(m, "remove", three)
    wait_queue_empty(m)


@WAITS
def test_remove_tells_nobody(m):
    number = park(m, "gone", ["later@there.test"])
    start = m.log_size()
    assert count(m, "remove", number) == 1
    wait_queue_empty(m)
    m.wait_log(rf'{number} event=admin request=\d+ action="queue remove"', start)
    submit(m, "behind", ["nobody@there.test"])
    wait_reports(m, "behind")
    assert not reports_of(m, "gone")


@expects("event=deferred", "event=failed", "log-lines-dropped")
def test_long_list_goes_by_pages(m):
    """More than a page; mail is taken while it is told."""
    n = 2500
    m.cli("config", "set", "submission.messages-per-hour", "0")
    m.cli("config", "set", "submission.recipients-per-hour", "0")
    count(m, "hold", "--all")
    client = smtplib.SMTP("127.0.0.1", m.base + 587, timeout=60 * SLOW)
    client.starttls(context=servers.tls_context())
    client.login(USER, PASSWORD)
    remote.refused["later"] = "451 4.2.1 mailbox busy"
    for k in range(n):
        client.sendmail(USER, ["later@there.test"], letter(f"long{k}"))
    client.close()
    wait_until("all wait", 60 * SLOW, lambda: len(listed(m, "--domain", "there.test")) == n)
    ids = listed(m)
    assert len(ids) == n == len(set(ids)) and ids == sorted(ids)
    assert len(listed(m, "--limit", "1500")) == 1500
    lines = m.cli("queue", "list").stdout.splitlines()
    assert len(lines) == n + 1 and lines[0].startswith("ID"), lines[0]
    assert count(m, "remove", "--sender", USER) == n
    wait_queue_empty(m, 60)
