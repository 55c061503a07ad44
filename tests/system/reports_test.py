# SPDX-License-Identifier: ISC
"""Bounces, delivery reports and read receipts from outside, as real servers make them: who speaks of a
message that was sent from here is let in as it is, who does not is marked or refused."""
import contextlib
import smtplib

import memory
import remote
from harness import *
from world import World

WORLD = World("""
$HOST peer.example.net 203.0.113.25
example.net. MX 10 peer.example.net.
gone.example.org. MX 10 mx.gone.example.org.
mx.gone.example.org. A 127.0.0.1
refuses.example.org. MX 10 mx.refuses.example.org.
mx.refuses.example.org. A 203.0.113.30
""")
PEER, PORT = "203.0.113.25", 31125
GONE = "nobody@gone.example.org"  # the peer takes it, the server behind it refuses it
OPTIONS = dict(settings=[*WORLD.settings(), ("delivery.port", str(PORT)), ("delivery.allow-private", "yes"),
                         ("delivery.idle-time", "0"), ("queue.remote-retry-min", "1"),
                         ("smtpd.connections-per-minute", "0")])
MARK = "X-Postern-Report"
WORLD.mx("203.0.113.30")
WORLD.mx("203.0.113.30", PORT)


def about(m, subject):
    """The notification about the message with this subject."""
    def look():
        return next((r for r in remote.inbox(m) if subject in r.as_string() and
                     r["Subject"] != subject), None)
    return wait_until(f"a report about {subject}", 60 * SLOW, look)


def forged(m, peer, subject, to):
    """Somebody sends through the peer and claims to be a user of ours."""
    peer.submit(USER, to, remote.letter(subject))
    return about(m, subject)


@contextlib.contextmanager
def postfix(m):
    """Takes mail for gone.example.org, which the next server then refuses; it reports to us."""
    peer = servers.Postfix(os.path.join(m.home, "postfix"), PORT, log=True, extra=f"""\
virtual_mailbox_domains =
smtp_bind_address = {PEER}
smtp_host_lookup = native
smtp_dns_support_level = disabled
transport_maps = inline:{{ {DOMAIN}=smtp:[127.0.0.1]:{m.smtp_port}, gone.example.org=smtp:[203.0.113.30]:25 }}
""")
    peer.start()
    try:
        yield peer
    finally:
        peer.stop()


@contextlib.contextmanager
def exim(m):
    peer = servers.Exim(os.path.join(m.home, "exim"), "127.0.0.1", PORT, routers=f"""
gone:
  driver = redirect
  domains = gone.example.org
  data = :fail: nobody lives there
  allow_fail
back:
  driver = manualroute
  domains = {DOMAIN}
  route_list = * 127.0.0.1
  self = send
  transport = smtp
""", transports=f"""
smtp:
  driver = smtp
  port = {m.smtp_port}
  interface = {PEER}
  allow_localhost
""")
    peer.start()

    def submit(sender, recipient, text):
        with smtplib.SMTP("127.0.0.1", PORT, timeout=30) as client:
            client.sendmail(sender, [recipient], text)
    peer.submit = submit
    try:
        yield peer
    finally:
        peer.stop()


def bounces(m, server, name, to):
    """Of mail of ours, and of mail that only claims to be ours."""
    start = m.log_size()
    with server(m) as peer:
        remote.submit(m, f"{name}-ours", [to])
        ours = about(m, f"{name}-ours")
        assert ours[MARK] is None, ours.as_string()
        foreign = forged(m, peer, f"{name}-forged", to)
        assert "foreign" in foreign[MARK], foreign.as_string()
    text = m.log(start)
    assert re.search(r"event=report kind=\w+ ours=yes", text), text
    assert re.search(r"event=report kind=\w+ ours=no foreign=marked", text), text


def test_of_postfix(m):
    bounces(m, postfix, "postfix", GONE)


def test_of_exim(m):
    bounces(m, exim, "exim", "ghost@gone.example.org")


def give(m, text, sender="", to=USER):
    """The reply to a message from outside."""
    with m.raw(source=PEER) as c:
        c.expect(None, 220)
        c.expect("EHLO peer.example.net", 250)
        c.expect(f"MAIL FROM:<{sender}>", 250)
        c.expect(f"RCPT TO:<{to}>", 250)
        c.expect("DATA", 354)
        c.send(text if isinstance(text, bytes) else text.encode())
        c.send(b"\r\n.\r\n")
        return c.reply()


def newest(m):
    return max(m.messages().items())[1]


def receipt(message_id):
    return (f"From: reader@example.net\r\nTo: {USER}\r\nSubject: read\r\n"
            "Content-Type: multipart/report; report-type=disposition-notification;\r\n boundary=b\r\n\r\n"
            "--b\r\n\r\nI have read it.\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\n"
            f"Original-Message-ID: {message_id}\r\n"
            "Disposition: manual-action/MDN-sent-manually; displayed\r\n\r\n--b--\r\n")


@expects("event=failed")
def test_of_postern(m):
    """Its own notification, as another Postern would send it."""
    remote.submit(m, "own", ["nobody@refuses.example.org"])
    wait_until("a report", 60 * SLOW, lambda: remote.reports_of(m, "own"))
    report = next(t for t in m.messages().values() if b"In-Reply-To: <own@here>" in t)
    before = m.count()
    # a mark that came with it is not ours
    assert give(m, MARK.encode() + b": foreign (forged)\r\n" + report)[0] == 250
    m.wait_count(before + 1)
    assert MARK.encode() not in newest(m)
    assert give(m, report.replace(b"<own@here>", b"<other@here>"))[0] == 250
    m.wait_count(before + 2)
    assert MARK.encode() in newest(m)


def test_read_receipt(m):
    remote.submit(m, "please", [USER])
    before = m.count()
    m.wait_count(before)
    assert give(m, receipt("<please@here>"), "reader@example.net")[0] == 250
    assert give(m, receipt("<never@here>"), "reader@example.net")[0] == 250
    m.wait_log("event=report kind=receipt ours=yes")
    m.wait_log("event=report kind=receipt ours=no foreign=marked")


def test_refused_by_setting_once_the_memory_is_old_enough(m):
    bounce = "From: mailer@example.net\r\n\r\nIt failed.\r\n\r\nMessage-ID: <{}@here>\r\n"

    def refused():
        return give(m, bounce.format("spam"))[0] == 550
    m.cli("config", "set", "smtpd.foreign-reports", "refuse")
    m.cli("reload")
    start = m.log_size()
    remote.submit(m, "young", [USER])
    assert give(m, bounce.format("young"))[0] == 250
    assert not refused(), "refused though the memory has just begun"
    m.wait_log("event=report kind=null ours=no foreign=marked", start)
    memory.age(m, 31)
    assert refused()
    code, text = give(m, bounce.format("young"))
    assert code == 550 and b"514" in text, text
    remote.submit(m, "old", [USER])
    assert give(m, bounce.format("old"))[0] == 250
    assert give(m, bounce.format("spam"), to="postmaster@" + DOMAIN)[0] == 250
    assert give(m, "From: a@example.net\r\n\r\nHello.", "a@example.net")[0] == 250
