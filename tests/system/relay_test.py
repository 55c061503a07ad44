# SPDX-License-Identifier: ISC
"""Mail that leaves the house, all the way: a login sends, another server takes it, or not."""
import contextlib
import smtplib
import socket
import socketserver
import threading

from harness import *

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    PORT = free.getsockname()[1]

OPTIONS = dict(settings=[("delivery.port", str(PORT)), ("delivery.allow-private", "yes"),
                         ("queue.remote-retry-min", "1s"), ("queue.remote-retry-max", "1s")])
SINK = {}


class Sink(socketserver.ThreadingTCPServer):
    """Another server: takes what is for good@, refuses bad@ for good, later@ as long as `busy`."""
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", PORT), Dialogue)
        self.taken, self.busy, self.refused = [], True, 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Dialogue(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def recipient(self, line):
        if "bad@" in line:
            return "550 5.1.1 nobody of that name"
        if "later@" in line and self.server.busy:
            self.server.refused += 1
            return "451 4.7.1 come back later"
        self.envelope[1].append(line[8:].split(">")[0].strip("<"))
        return "250 2.1.5 fine"

    def content(self):
        self.say("354 go on")
        data = b""
        while not data.endswith(b"\r\n.\r\n"):
            data += self.rfile.readline()
        self.server.taken.append((*self.envelope, data[:-3]))
        return "250 2.0.0 taken"

    def handle(self):
        self.envelope = ["", []]
        self.say("220 sink.test")
        for line in self.rfile:
            line = line.decode().strip()
            word = line[:4].upper()
            if word == "MAIL":
                self.envelope = [line[10:].split(">")[0].strip("<"), []]
            if word == "QUIT":
                self.say("221 bye")
                return
            self.say(self.recipient(line) if word == "RCPT" else
                     self.content() if word == "DATA" else "250 fine")


def submit(m, recipients, text, **options):
    client = smtplib.SMTP("127.0.0.1", m.base + 587, "client.example.net", timeout=30 * SLOW)
    with contextlib.closing(client):
        client.starttls(context=servers.tls_context(m.folder + "/ca.pem"))
        client.login(USER, PASSWORD)
        return client.sendmail(USER, recipients, text, **options)


def text_of(subject):
    return f"From: {USER}\r\nTo: somebody\r\nSubject: {subject}\r\n\r\nHello.\r\n"


def queued(m):
    return m.cli("queue", "list", "--json").stdout.count('"id"')


def is_empty(m):
    return wait_until("the queue is empty", 20 * SLOW, lambda: queued(m) == 0)


def test_login_sends(m):
    SINK["it"] = Sink()
    text = text_of("hello there")
    assert submit(m, ["good@[127.0.0.1]", USER], text) == {}
    is_empty(m)
    m.wait_count(1)
    (sender, recipients, data), = SINK["it"].taken
    assert (sender, recipients) == (USER, ["good@[127.0.0.1]"]), (sender, recipients)
    assert b"Subject: hello there\r\n" in data and b"127.0.0.1:" not in data, data
    (stored,) = m.messages().values()
    assert f"\r\nDelivered-To: {USER}\r\n".encode() in stored, stored


def test_refused_for_good_is_reported(m):
    text = text_of("to nobody")
    submit(m, ["bad@[127.0.0.1]", "good@[127.0.0.1]"], text)
    m.wait_count(2)
    is_empty(m)
    report = m.messages()[2]
    assert report.startswith(b"Return-Path: <>\r\n"), report
    assert b"Action: failed\r\n" in report and b"5.1.1" in report, report
    assert b"Final-Recipient: rfc822; bad@[127.0.0.1]\r\n" in report, report
    assert b"nobody of that name" in report and b"Subject: to nobody" in report, report
    assert len(SINK["it"].taken) == 2


def test_refused_for_now_comes_later(m):
    sink = SINK["it"]
    submit(m, ["later@[127.0.0.1]"], text_of("be patient"))
    wait_until("a second try", 20 * SLOW, lambda: sink.refused >= 2)
    assert queued(m) == 1
    # Also over the end of all processes.
    assert m.stop() == 0
    m.start()
    sink.busy = False
    is_empty(m)
    assert sink.taken[-1][1] == ["later@[127.0.0.1]"]
    assert len(sink.taken) == 3


def test_forward_that_comes_back(m):
    m.cli("alias", "add", f"away@{DOMAIN}", "good@elsewhere.test")
    try:
        m.send(f"Delivered-To: away@{DOMAIN}\r\n" + message("round"), [f"away@{DOMAIN}"])
        raise AssertionError("a circle was taken")
    except smtplib.SMTPDataError as e:
        assert e.smtp_code == 554 and b"5.4.6" in e.smtp_error, e
