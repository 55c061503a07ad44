# SPDX-License-Identifier: ISC
"""A full mailbox: mail addressed to it is put off at RCPT, on port 25 and at submission; what was accepted is
kept all the same; nobody forgets that it is full, and everybody hears when it is not any more."""
import imaplib
import signal

from harness import *
from sender import *

ANN = "ann@" + DOMAIN
OPTIONS = dict(users=(USER, BOB, ANN))
KILLED = expects("died program=", "channel=.* lost", "reason=no-lookup", "event=mailbox-gone")


def rcpt(m, address):
    with m.raw() as c:
        c.expect(None, 220)
        c.expect("EHLO client.example.net", 250)
        c.expect("MAIL FROM:<sender@example.net>", 250)
        c.send(f"RCPT TO:<{address}>\r\n".encode())
        return c.reply()


def submitted(m, address):
    with Secure(m).login() as c:
        c.expect(f"MAIL FROM:<{USER}>", 250)
        c.send(f"RCPT TO:<{address}>\r\n".encode())
        return c.reply()


def wait_code(ask, m, address, code):
    return wait_until(f"{code} for {address}", 30 * SLOW, lambda: ask(m, address)[0] == code)


def empty(m, user):
    c = m.imap(user)
    c.select("INBOX")
    c.store("1:*", "+FLAGS", r"(\Deleted)")
    c.expunge()
    c.logout()


def fill(m, user, already=0):
    """Two messages are its limit."""
    m.cli("user", "quota", user, "none", "2")
    wait_code(rcpt, m, user, 250)  # what was removed before is heard of in a moment
    for n in range(2):
        m.send(message(f"{already + n}"), (user,))
    m.wait_count(2, user)
    wait_code(rcpt, m, user, 452)


def usage(m, user):
    c = m.imap(user)
    text = c.getquotaroot("INBOX")[1][1][0].decode()
    c.logout()
    return text


def usage_if_served(m, user):
    """None while nobody serves the mailbox: its process has been killed."""
    try:
        return usage(m, user)
    except (imaplib.IMAP4.error, OSError):
        return None


def size_of(m, user):
    c = m.imap(user)
    answer = c.status("INBOX", "(SIZE)")[1][0].decode()
    c.logout()
    return int(re.search(r"SIZE (\d+)", answer).group(1))


def test_refused_at_rcpt(m):
    assert rcpt(m, BOB)[0] == 250
    m.cli("alias", "add", "team@" + DOMAIN, BOB, ANN)
    m.cli("alias", "add", "bobby@" + DOMAIN, BOB)
    fill(m, BOB)
    assert rcpt(m, "bob+detail@" + DOMAIN)[0] == 452
    wait_code(submitted, m, BOB, 452)
    for address in (ANN, USER, "team@" + DOMAIN, "bobby@" + DOMAIN):
        assert rcpt(m, address)[0] == 250, address
    assert submitted(m, "bobby@" + DOMAIN)[0] == 250
    # What came in by an alias is kept.
    m.send(message("by alias"), ("bobby@" + DOMAIN,))
    m.wait_count(3, BOB)
    assert usage(m, BOB) == '"Mailbox" (MESSAGE 3 2)'
    empty(m, BOB)
    wait_code(rcpt, m, BOB, 250)
    wait_code(submitted, m, BOB, 250)


def test_refused_by_bytes(m):
    """By size alone, on both ports, from the message on that reaches the limit."""
    m.cli("user", "quota", BOB, "8K", "none")
    sent = held = 0
    while held < 8192:
        assert rcpt(m, BOB)[0] == 250, held
        m.send(message(f"sized {sent}", "x" * 1000 + "\r\n"), (BOB,))
        sent += 1
        m.wait_count(sent, BOB)
        held = size_of(m, BOB)
    wait_code(rcpt, m, BOB, 452)
    wait_code(submitted, m, BOB, 452)
    assert rcpt(m, BOB)[1].startswith(b"4.2.2 ") and sent < 9, (rcpt(m, BOB), sent)
    assert usage(m, BOB) == f'"Mailbox" (STORAGE {-(-held // 1024)} 8)'
    empty(m, BOB)
    wait_code(rcpt, m, BOB, 250)
    wait_code(submitted, m, BOB, 250)


def test_put_off_at_first_and_refused_in_the_end(m):
    """Nobody tries for ever: 452 while there is hope, 552 after mailbox.quota-grace, 250 when there is room."""
    fill(m, BOB)
    m.cli("config", "set", "mailbox.quota-grace", "3")
    m.cli("reload")
    code, text = wait_until("refused for good", 60 * SLOW, lambda: next(
        (r for r in [rcpt(m, BOB)] if r[0] != 452), None))
    assert code == 552 and text.startswith(b"5.2.2"), (code, text)
    assert submitted(m, BOB)[0] == 452, "who is at the keyboard can do something about it"
    m.stop()
    m.start()
    assert rcpt(m, BOB)[0] == 552, "a restart begins it anew"
    m.cli("config", "set", "mailbox.quota-grace", "0")
    m.cli("reload")
    wait_code(rcpt, m, BOB, 452)
    empty(m, BOB)
    wait_code(rcpt, m, BOB, 250)
    m.cli("config", "set", "mailbox.quota-grace", "432000")
    m.cli("reload")


def test_accepted_before_it_was_full(m):
    """Two sessions have their 354 when the limit is reached: both messages are kept."""
    m.cli("user", "quota", BOB, "none", "1")
    open_ones = []
    for n in range(2):
        c = m.raw()
        c.envelope(BOB)
        open_ones.append(c)
    for n, c in enumerate(open_ones):
        c.send(message(f"open {n}").encode() + b"\r\n.\r\n")
        assert c.reply()[0] == 250
        c.close()
    m.wait_count(2, BOB)
    wait_code(rcpt, m, BOB, 452)
    empty(m, BOB)
    wait_code(rcpt, m, BOB, 250)


def test_limits_that_change(m):
    fill(m, BOB)
    m.cli("user", "quota", BOB, "none", "3")
    wait_code(rcpt, m, BOB, 250)
    m.cli("user", "quota", BOB, "100", "none")
    wait_code(rcpt, m, BOB, 452)
    m.cli("user", "quota", BOB, "default", "default")
    wait_code(rcpt, m, BOB, 250)
    m.cli("config", "set", "mailbox.quota-messages", "2")
    m.cli("reload")
    wait_code(rcpt, m, BOB, 452)
    m.cli("config", "set", "mailbox.quota-messages", "0")
    m.cli("reload")
    wait_code(rcpt, m, BOB, 250)
    empty(m, BOB)


def test_after_a_restart(m):
    fill(m, BOB)
    m.stop()
    m.start()
    # Its mailbox's process is not needed for that.
    assert rcpt(m, BOB)[0] == 452
    empty(m, BOB)
    wait_code(rcpt, m, BOB, 250)


@KILLED
def test_processes_killed(m):
    """The numbers are exact whoever died in between; what happened meanwhile is heard of."""
    fill(m, BOB)
    before = usage(m, BOB)
    for program in ("mailbox", "accounts"):
        for pid in m.daemons()[program]:
            os.kill(pid, signal.SIGKILL)
        wait_until(f"{program} is back", 30 * SLOW, lambda: wait_code(rcpt, m, BOB, 452))
        told = wait_until("the mailbox is served", 30 * SLOW, lambda: usage_if_served(m, BOB))
        assert told == before == '"Mailbox" (MESSAGE 2 2)'
    c = m.imap(BOB)
    assert c.append("INBOX", None, None, b"a\r\n")[0] == "NO"
    c.select("INBOX")
    assert c.copy("1", "Sent")[0] == "NO"
    # accounts is gone while the mailbox stops being full.
    os.kill(m.proc.pid, signal.SIGSTOP)
    for pid in m.daemons()["accounts"]:
        os.kill(pid, signal.SIGKILL)
    c.store("1", "+FLAGS", r"(\Deleted)")
    c.expunge()
    os.kill(m.proc.pid, signal.SIGCONT)
    wait_code(rcpt, m, BOB, 250)
    c.logout()
    empty(m, BOB)
    # What smtpd said while accounts was away stands in the log before this.
    assert rcpt(m, "the.last@" + DOMAIN)[0] == 550
    m.wait_log("event=refused .*the.last@")
