# SPDX-License-Identifier: ISC
"""Notifications as their reader gets them (rfc3461, 3464, 6522): of refusals, of delay and expiry, of
success when it was asked for; never to the null reverse-path. Forwards and lists (rfc3461:5.2.7)."""
from harness import *
from remote import *

BOB = "bob@" + DOMAIN
PORT, DNS = 31125, 5312
remote, SETTINGS = world(PORT, DNS, ["there.test", "away.test"])
OPTIONS = dict(users=(USER, BOB), settings=SETTINGS)
FAILED = expects("event=failed", "event=deferred", "event=expired")


def returned(report):
    return report.original.as_string()


@FAILED
def test_refused_at_rcpt(m):
    submit(m, "rcpt", ["nobody@there.test", "fine@there.test"])
    report, = wait_reports(m, "rcpt")
    head = report.message
    assert head["From"] == "Mail Delivery System <MAILER-DAEMON@mail.example.test>", head["From"]
    assert head["To"] == f"<{USER}>" or head["To"] == USER, head["To"]
    assert head["Message-ID"] and head["Date"] and head["Return-Path"] in (None, "<>"), head
    assert "Mail not delivered / Nachricht nicht zugestellt" == head["Subject"]
    assert "Hello," in report.words and "Guten Tag," in report.words, report.words
    assert "does not exist" in report.words and "gibt es nicht" in report.words
    assert report.about["Reporting-MTA"] == "dns; mail.example.test"
    assert report.about["Arrival-Date"]
    assert len(report.recipients) == 1
    r = report.recipient("nobody@there.test")
    assert (r["Action"], r["Status"]) == ("failed", "5.1.1")
    assert r["Diagnostic-Code"] == "smtp; 550 5.1.1 no such user here"
    assert r["Remote-MTA"].startswith("dns; mx.there.test"), r["Remote-MTA"]
    assert r["Last-Attempt-Date"]
    assert report.original.get_content_type() == "text/rfc822-headers"
    assert "Subject: rcpt" in returned(report) and "The body" not in returned(report)
    assert "The body" in remote.wait_taken("fine@there.test")[0]["text"].decode()
    wait_queue_empty(m)
    m.wait_log(r"event=report ")


@FAILED
def test_refused_after_data(m):
    submit(m, "data", ["data@there.test"])
    report, = wait_reports(m, "data")
    r = report.recipient("data@there.test")
    assert r["Status"] == "5.6.0", r["Status"]
    assert r["Diagnostic-Code"] == "smtp; 554 5.6.0 the content is not wanted"


@FAILED
def test_two_that_fail_together_are_in_one_report(m):
    submit(m, "together", ["nobody@there.test", "nobody@away.test"])
    wait_queue_empty(m)
    found = wait_until("both are told", 30 * SLOW, lambda: (
        lambda r: sum(len(x.recipients) for x in r) == 2 and r)(reports_of(m, "together")))
    assert sum(len(x.recipients) for x in found) == 2
    submit(m, "same", ["nobody@there.test", "NOBODY@there.test"])
    report, = wait_reports(m, "same")
    assert len(report.recipients) == 2, [str(r) for r in report.recipients]


@FAILED
def test_envid_orcpt_and_whole_message(m):
    submit(m, "full", ["nobody@there.test"], mail=["RET=FULL", "ENVID=QQ+2B314"],
           rcpt=["ORCPT=rfc822;Old+2BName@there.test"])
    report, = wait_reports(m, "full")
    assert report.about["Original-Envelope-Id"] == "QQ+314"
    assert report.recipients[0]["Original-Recipient"] == "rfc822; Old+Name@there.test"
    assert report.original.get_content_type() == "message/rfc822"
    assert report.original.get_payload(0).get_payload() == "The body.\r\n" or \
        "The body." in returned(report)
    submit(m, "hdrs", ["nobody@there.test"], mail=["RET=HDRS"])
    report, = wait_reports(m, "hdrs")
    assert "The body" not in returned(report)
    # Too much to be sent twice (T224).
    submit(m, "large", ["nobody@there.test"], mail=["RET=FULL"], body="0123456789\r\n" * 50000)
    report, = wait_reports(m, "large")
    assert report.original.get_content_type() == "text/rfc822-headers"
    assert "0123456789" not in returned(report)


@FAILED
def test_notify(m):
    """NEVER: nothing, also of a failure. What comes behind it in the queue shows that it is over."""
    submit(m, "never", ["nobody@there.test"], rcpt=["NOTIFY=NEVER"])
    submit(m, "success-only", ["nobody@there.test"], rcpt=["NOTIFY=SUCCESS"])
    submit(m, "failure", ["nobody@there.test"], rcpt=["NOTIFY=FAILURE"])
    wait_reports(m, "failure")
    wait_queue_empty(m)
    assert not reports_of(m, "never") and not reports_of(m, "success-only")


def test_success(m):
    """Relayed to a server that sends no notifications; else that server's business."""
    submit(m, "relayed", ["ok@there.test"], rcpt=["NOTIFY=SUCCESS,FAILURE"])
    report, = wait_reports(m, "relayed")
    r = report.recipient("ok@there.test")
    assert (r["Action"], r["Status"][0]) == ("relayed", "2")
    remote.offers = ["DSN"]
    try:
        submit(m, "passed", ["dsn@there.test"], mail=["RET=HDRS", "ENVID=abc"],
               rcpt=["NOTIFY=SUCCESS", "ORCPT=rfc822;dsn@there.test"])
        got = remote.wait_taken("dsn@there.test")[0]
    finally:
        remote.offers = []
    assert "RET=HDRS" in got["mail"] and "ENVID=abc" in got["mail"], got["mail"]
    assert "NOTIFY=SUCCESS" in got["rcpt"][0] and "ORCPT=rfc822;dsn@there.test" in got["rcpt"][0]
    submit(m, "local", [BOB], rcpt=["NOTIFY=SUCCESS"])
    report, = wait_reports(m, "local")
    assert report.recipient(BOB)["Action"] == "delivered"
    submit(m, "silent", [BOB])
    wait_until("bob has it", 20 * SLOW, lambda: any(
        x["Subject"] == "silent" for x in inbox(m, BOB)))
    wait_queue_empty(m)
    assert not reports_of(m, "passed") and not reports_of(m, "silent")


@FAILED
def test_many_successes_in_one_capped_report(m):
    """T224: 100 recipients, RET=FULL and a large message."""
    to = [f"r{n}@there.test" for n in range(100)]
    submit(m, "hundred", to, mail=["RET=FULL"], rcpt=["NOTIFY=SUCCESS"],
           body="0123456789\r\n" * 50000)
    found = wait_until("all are told", 60 * SLOW, lambda: (
        lambda r: sum(len(x.recipients) for x in r) == 100 and r)(reports_of(m, "hundred")))
    assert sum(len(x.message.as_bytes()) for x in found) < 200000
    assert len({r["Final-Recipient"] for x in found for r in x.recipients}) == 100


@FAILED
def test_null_reverse_path_gets_none(m):
    """A notification that cannot be delivered ends; T220."""
    m.cli("forward", "add", BOB, "nobody@away.test")
    start = m.log_size()
    try:
        with m.raw() as c:
            c.expect(None, 220)
            c.expect("EHLO client.example.net", 250)
            c.expect("MAIL FROM:<>", 250)
            c.expect(f"RCPT TO:<{BOB}>", 250)
            c.expect("DATA", 354)
            c.send(message("null").encode() + b".\r\n")
            c.expect(None, 250)
        m.wait_log(r"event=dropped .*no such user here", start)
        wait_queue_empty(m)
        assert not re.search(r"event=report ", m.log(start)), m.log(start)
    finally:
        m.cli("forward", "remove", BOB)


@FAILED
def test_bounce_of_a_forward_goes_to_the_first_sender(m):
    """The reverse-path is rewritten; what comes back to it is sent on to who wrote."""
    m.cli("forward", "add", BOB, "fwd@away.test")
    try:
        m.send(message("forwarded"), [BOB], "writer@there.test")
        got = remote.wait_taken("fwd@away.test")[0]
        path = re.search(r"<([^>]*)>", got["mail"]).group(1)
        assert path.upper().startswith("SRS0="), path
        assert path.endswith("@" + DOMAIN) and "there.test=writer@" in path.lower(), path
        with m.raw() as c:
            c.expect(None, 220)
            c.expect("EHLO mx.away.test", 250)
            c.expect("MAIL FROM:<>", 250)
            forged = path.replace("writer", "victim")
            assert c.command(f"RCPT TO:<{forged}>")[0] == 550
            c.expect(f"RCPT TO:<{path.lower()}>", 250)
            c.expect("DATA", 354)
            c.send(message("it bounced").encode() + b".\r\n")
            c.expect(None, 250)
        back = remote.wait_taken("writer@there.test")[0]
        assert b"it bounced" in back["text"] and "<>" in back["mail"], back
        wait_queue_empty(m)
    finally:
        m.cli("forward", "remove", BOB)


@FAILED
def test_forward_that_is_refused(m):
    """The sender hears which of the addresses he wrote to it was."""
    m.cli("forward", "add", BOB, "nobody@away.test")
    try:
        submit(m, "fwd", [BOB])
        report, = wait_reports(m, "fwd")
        r = report.recipient("nobody@away.test")
        assert r["Original-Recipient"] == "rfc822; " + BOB, str(r)
        assert f"(you wrote to {BOB})" in report.words, report.words
        assert f"(Sie schrieben an {BOB})" in report.words, report.words
    finally:
        m.cli("forward", "remove", BOB)


@FAILED
def test_list_with_local_and_remote_members(m):
    m.cli("alias", "add", "team@" + DOMAIN, BOB, "member@away.test", "nobody@there.test")
    try:
        submit(m, "team", ["team@" + DOMAIN], rcpt=["NOTIFY=SUCCESS,FAILURE"])
        remote.wait_taken("member@away.test")
        wait_until("bob has it", 20 * SLOW, lambda: any(
            x["Subject"] == "team" for x in inbox(m, BOB)))
        found = wait_reports(m, "team", 2)
        actions = {r["Action"]: r for x in found for r in x.recipients}
        assert set(actions) == {"expanded", "failed"}, [str(x.recipients[0]) for x in found]
        assert actions["expanded"]["Final-Recipient"] == "rfc822; team@" + DOMAIN
        assert actions["failed"]["Final-Recipient"] == "rfc822; nobody@there.test"
        assert actions["failed"]["Original-Recipient"] == "rfc822; team@" + DOMAIN
    finally:
        m.cli("alias", "remove", "team@" + DOMAIN)


@FAILED
def test_delay_is_told_once_and_then_expiry(m):
    m.cli("config", "set", "queue.warn-after", "1")
    try:
        submit(m, "slow", ["later@there.test"])
        report, = wait_reports(m, "slow")
        r = report.recipient("later@there.test")
        assert (r["Action"], r["Status"]) == ("delayed", "4.2.1")
        assert r["Will-Retry-Until"], str(r)
        assert "not yet" in report.words and "noch nicht" in report.words
        asked = len(remote.asked)
        wait_until("three more tries", 30 * SLOW, lambda: len(remote.asked) >= asked + 3)
        assert len(reports_of(m, "slow")) == 1
        m.cli("config", "set", "queue.expire-after", "3")
        failed, = [x for x in wait_reports(m, "slow", 2) if x is not None
                   and x.recipients[0]["Action"] == "failed"]
        assert failed.recipients[0]["Status"] == "5.4.7", str(failed.recipients[0])
        assert failed.recipients[0]["Diagnostic-Code"] == "smtp; 451 4.2.1 mailbox busy"
        wait_queue_empty(m)
    finally:
        m.cli("config", "set", "queue.warn-after", "0")
        m.cli("config", "set", "queue.expire-after", "432000")


@FAILED
def test_forwards_in_a_circle_between_two_hosts_end(m):
    """T221: a@A -> b@B -> a@A ends, with one report to who wrote."""
    bases = {"a.test": m.base + 2000, "b.test": m.base + 4000}
    made = []
    both = Zones(5313, {d: "@ MX 10 mx\nmx A 127.0.0.1\n" for d in bases})
    try:
        for here, other in (("a.test", "b.test"), ("b.test", "a.test")):
            one = Instance(bases[here], users=(USER,),
                           settings=outbound_settings(bases[other] + 25, 5313))
            made.append(one)
            one.cli("domain", "add", here)
            one.add_user("x@" + here)
            one.cli("forward", "add", "x@" + here, "x@" + other)
        submit(made[0], "circle", ["x@a.test"])
        a, b = made
        for one in made:
            wait_queue_empty(one, 60)
        assert (a.count(user="x@a.test"), b.count(user="x@b.test")) == (1, 1)
        assert "forwarded in a circle" in a.log() + b.log()
        # Both hosts of this test have the sender's domain; the second one found the circle.
        report, = wait_reports(b, "circle")
        assert report.recipients[0]["Status"] == "5.4.6", str(report.recipients[0])
        assert not reports_of(a, "circle")
    finally:
        for one in made:
            one.destroy()
        both.stop()
