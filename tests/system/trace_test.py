# SPDX-License-Identifier: ISC
"""postern trace and postern policy: what happened, and what is checked, in words."""
from harness import *
from sender import *

OPTIONS = dict(users=(USER, BOB))


def trace(m, what, *options):
    return m.cli("trace", what, *options).stdout


def rows(m, what):
    return json.loads(m.cli("--json", "trace", what).stdout)["rows"]


def told(m, what, pattern, *options):
    """The story once it has this; the log is written a little later."""
    def look():
        done = m.cli("trace", what, *options, check=False)
        text = " ".join(done.stdout.split())
        return text if re.search(pattern, text) else None
    return wait_until(f"{pattern!r} in the story of {what}", 20 * SLOW, look)


def give(m, subject, message_id, recipients=(USER,), sender="sender@example.net"):
    """The id it is stored under, from the reply."""
    with m.raw() as c:
        c.expect(None, 220)
        c.expect("EHLO client.example.net", 250)
        c.expect(f"MAIL FROM:<{sender}>", 250)
        for recipient in recipients:
            c.command(f"RCPT TO:<{recipient}>")
        c.expect("DATA", 354)
        c.send(f"From: {sender}\r\nSubject: {subject}\r\nMessage-ID: {message_id}\r\n\r\nbody\r\n.\r\n".encode())
        return c.expect(None, 250).split()[-1].decode()


def test_one_message_by_each_of_its_names(m):
    queue = give(m, "one", "<One.1@Example.NET>", (USER, "nobody@" + DOMAIN))
    told(m, queue, "Put into the mailbox as number 1")
    story = told(m, queue, "The session ended")
    assert f"Accepted from 127.0.0.1, which calls itself client.example.net, as {queue}" in story, story
    assert "from <sender@example.net> to <alice@example.test>" in story, story
    assert f"Refused to 127.0.0.1 the recipient <nobody@{DOMAIN}>" in story, story
    assert "There is no such mailbox here (P504) (550)" in story, story
    session_id = next(r["id"] for r in rows(m, queue) if r["event"] == "accepted")
    assert story.startswith(session_id + ","), story
    for name in ("<One.1@Example.NET>", "One.1@example.net", session_id, "sender@example.net"):
        assert " ".join(trace(m, name).split()) == story, name
    assert f"the recipient <nobody@{DOMAIN}>" in " ".join(trace(m, "nobody@" + DOMAIN).split())


def test_german(m):
    queue = give(m, "zwei", "<zwei@example.net>", (USER, "nobody@" + DOMAIN))
    told(m, queue, "In das Postfach gelegt, als Nummer", "--lang", "de")
    story = told(m, queue, "Angenommen von 127.0.0.1", "--lang", "de")
    assert "Diese Mailadresse gibt es hier nicht (P504)" in story and "Put into" not in story, story


def test_messages_of_one_session_are_told_apart(m):
    with m.smtp() as c:
        for n in range(2):
            c.sendmail("apart@example.net", [USER], message(f"apart {n}", From="apart@example.net").replace(
                "From: Sender <sender@example.net>\r\n", ""))
    def accepted():
        done = m.cli("--json", "trace", "apart@example.net", check=False)
        found = [r["text"] for r in json.loads(done.stdout)["rows"] if r["event"] == "accepted"]
        return [re.search(r" as (\w+):", text).group(1) for text in found] if len(found) == 2 else None
    ids = wait_until("both are in the log", 20 * SLOW, accepted)
    told(m, ids[1], "Put into the mailbox")
    # the session is named by the message, the other message is not
    assert ids[0] not in [r["id"] for r in rows(m, ids[1])]


def test_of_a_user(m):
    with session(m) as c:
        c.sendmail(USER, [BOB], letter("sent", USER, "Message-ID: <sent.1@example.test>"))
    told(m, "<sent.1@example.test>", "Put into the mailbox")
    story = told(m, "<sent.1@example.test>", "Accepted from a user as")
    assert "Accepted from a user as" in story and f"from <{USER}> to <{BOB}>" in story, story
    assert "logged in" in story, story


def test_hostile_bytes_stay_in_their_line(m):
    evil = '<"a\x1b[31m event=accepted queue=Q99999 \\"@evil.example>'
    with m.raw() as c:
        c.expect(None, 220)
        c.expect("EHLO client.example.net", 250)
        c.expect("MAIL FROM:<evil@example.net>", 250)
        c.expect(f"RCPT TO:<{USER}>", 250)
        c.expect("DATA", 354)
        c.send(b"From: evil@example.net\r\nMessage-ID: " + evil.encode("latin-1") +
               b"\r\nX: y\r\n\r\nbody\r\n.\r\n")
        queue = c.expect(None, 250).split()[-1].decode()
    told(m, queue, "Put into the mailbox")
    told(m, queue, "The session ended")
    raw = m.cli("trace", "evil@example.net").stdout
    assert all(c == "\n" or " " <= c <= "~" for c in raw), raw
    assert m.cli("trace", "Q99999", check=False).returncode == 1 or "Q99999" not in [
        r["id"] for r in rows(m, "Q99999")]


def test_over_rotated_files(m):
    """The story goes on over the beginning of new files."""
    queue = give(m, "old", "<old@example.net>")
    told(m, queue, "Put into the mailbox")
    told(m, queue, "The session ended")
    before = rows(m, queue)
    m.cli("config", "set", "log.file-size", "64K")
    m.cli("reload")
    folder = os.path.dirname(m.log_path())

    def rotated():
        with m.raw() as c:
            c.expect(None, 220)
            c.expect("EHLO client.example.net", 250)
            c.expect("MAIL FROM:<filler@example.net>", 250)
            for n in range(60):
                c.command(f"RCPT TO:<{'x' * 60}@{DOMAIN}>")
        return len(os.listdir(folder)) >= 3
    wait_until("two new log files", 60 * SLOW, rotated)
    m.logged = 0
    assert rows(m, queue) == before
    m.cli("config", "set", "log.file-size", "4M")
    m.cli("reload")


def test_many_messages(m):
    """Of more than are told at once the newest, and it says so."""
    with m.smtp() as c:
        for n in range(70):
            c.sendmail("many@example.net", [USER], f"From: many@example.net\r\nSubject: {n}\r\n\r\nx\r\n")
    wait_until("the last one's line", 20 * SLOW, lambda: m.count() >= 70)
    done = wait_until("a story of many", 20 * SLOW,
                      lambda: next((d for d in [m.cli("trace", "many@example.net")] if "newest" in d.stdout), None))
    assert done.returncode == 0


def test_nothing(m):
    assert m.cli("trace", "no.such@example.net", check=False).returncode == 1
    assert m.cli("trace", "x", check=False).returncode == 1
    assert m.cli("trace", "alice@example.test", "--lang", "fr", check=False).returncode == 100


def test_policy(m):
    text = " ".join(m.cli("policy").stdout.split())
    assert "Clients from outside must give their own full name" in text, text
    assert "A message may have 52428800 bytes." in text and "998" not in text, text
    assert "(SPF fail; looked at: yes)" in text and "lead" not in text, text
    m.cli("config", "set", "smtpd.require-name", "yes")
    assert "must have a name in DNS that leads back to it" in " ".join(m.cli("policy").stdout.split())
    m.cli("config", "set", "smtpd.require-name", "no")
    m.cli("config", "set", "smtpd.helo-check", "no")
    m.cli("config", "set", "smtpd.max-line", "998")
    german = " ".join(m.cli("policy", "--lang", "de").stdout.split())
    assert "ihren eigenen vollen Namen" not in german and "Eine Zeile darf 998 Zeichen haben." in german, german
    found = json.loads(m.cli("--json", "policy").stdout)["rows"]
    assert {"service": "smtp", "check": "line", "setting": "smtpd.max-line",
            "text": "A line may have 998 characters."} in found
    m.cli("config", "set", "smtpd.helo-check", "yes")
    m.cli("config", "set", "smtpd.max-line", "0")
