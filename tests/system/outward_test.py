# SPDX-License-Identifier: ISC
"""A user sends, and the message reaches Debian's Postfix by its MX record, or the user learns why
not: submission, queue, delivery and resolver together."""
import smtplib
import threading

from delivery_test import DNS, PORT, SMARTHOST_PORT, ZONES, postfix, running, smarthost, stored, text
from harness import *
from zones import Zones

OPTIONS = None


class Sender:
    """An instance with a user, and names for the servers around it."""

    def __init__(self, **settings):
        if os.geteuid() != 0:
            raise Skip("the peers need root")
        self.zones = Zones(DNS, ZONES)
        values = {"resolver.server": f"127.0.0.1@{DNS}", "resolver.trust-anchor-file": "/dev/null",
                  "delivery.port": PORT, "delivery.allow-private": "yes",
                  "delivery.connect-timeout": 5, "queue.remote-retry-min": 1,
                  "queue.remote-retry-max": 1,
                  **{k.replace("__", ".").replace("_", "-"): v for k, v in settings.items()}}
        try:
            self.m = Instance(settings=[(k, str(v)) for k, v in values.items()])
        except BaseException:
            self.zones.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        bad = self.m.bad_lines()
        if kind is not None:
            print(self.m.log()[-6000:])
        status = self.m.destroy()
        self.zones.stop()
        assert kind is not None or (status == 0 and not bad), (status, bad)

    def send(self, recipients, subject, body="Hello.\r\n"):
        with smtplib.SMTP("127.0.0.1", self.m.base + 587, "client.example.net",
                          timeout=30 * SLOW) as client:
            client.starttls(context=servers.tls_context(self.m.folder + "/ca.pem"))
            client.login(USER, PASSWORD)
            client.sendmail(USER, recipients, text(subject, body).replace("sender@example.net", USER))

    def empty(self):
        wait_until("the queue is empty", 30 * SLOW, lambda: "[]" in self.m.cli(
            "queue", "list", "--json").stdout.replace(" ", ""))


def test_sent(_):
    with running(postfix()) as peer, Sender() as s:
        s.send(["bob@postfix.test", "eve@postfix.test"], "a user sends")
        for user in ("bob@postfix.test", "eve@postfix.test"):
            assert b"a user sends" in stored(peer.maildir(user))[0]
        assert peer.log().count("TLS connection established from") == 1, peer.log()
        # One id follows the message through all rooms.
        line = s.m.wait_log(r"(\S+) event=transaction domain=postfix\.test .* delivered=2 ").group(0)
        number = line.split()[0]
        for program in ("queue", "delivery", "submission"):
            assert re.search(rf"{program}\b.*{number}", s.m.log()), (program, number)


def test_greylisted_then_taken(_):
    with Sender() as s:
        seen = []

        def grey(line):
            if line.startswith(b"RCPT"):
                seen.append(line)
                return b"450 4.2.0 later\r\n" if len(seen) == 1 else b"250 2.1.5 ok\r\n"
            return None
        with Fake(grey) as server:
            s.send(["bob@postfix.test"], "grey")
            wait_until("it is taken", 30 * SLOW, lambda: server.messages)
        assert len(seen) == 2 and b"Subject: grey" in server.messages[0]
        s.m.wait_log(r"event=transaction .* deferred=1 .*code=450")


class Fake:
    """A server on PORT that says what answer(line) returns, or yes."""

    def __init__(self, answer):
        self.answer, self.messages = answer, []
        self.listener = socket.create_server(("127.0.0.1", PORT))
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.session, args=(client,), daemon=True).start()

    def session(self, client):
        with client, client.makefile("rb") as lines:
            client.sendall(b"220 fake.example.net\r\n")
            for line in lines:
                said = self.answer(line)
                if said is None and line.upper().startswith(b"DATA"):
                    client.sendall(b"354 go\r\n")
                    self.messages.append(b"".join(iter(lines.readline, b".\r\n")))
                client.sendall(said or b"250 2.0.0 ok\r\n")


def bounce(s, subject, want):
    """The notification about a message, in the sender's own mailbox."""
    def look():
        return [m for m in s.m.messages().values() if b"multipart/report" in m
                and subject.encode() in m]
    report = wait_until("a notification", 30 * SLOW, look)[0].decode()
    for word in want:
        assert word in report, (word, report)


def test_no_mail_there(_):
    """Null MX, no such domain, a loop, and a recipient that the other server does not know."""
    with running(postfix()), Sender() as s:
        for recipient, status in (("bob@null.test", "5.1.10"), ("bob@none.postfix.test", "5.1.2"),
                                  ("nobody@postfix.test", "5.1.1")):
            s.send([recipient], "to " + recipient)
            bounce(s, "to " + recipient, [f"Status: {status}", recipient])
        s.empty()


def test_through_a_smarthost(_):
    with smarthost() as peer, Sender(
            delivery__allow_private="no", delivery__smarthost=f"mail.{DOMAIN}:{SMARTHOST_PORT}",
            delivery__smarthost_user=USER, delivery__smarthost_password=PASSWORD,
            delivery__ca_file=peer.certificate) as s:
        s.send(["bob@far.test"], "by the smarthost")
        assert b"by the smarthost" in stored(peer.maildir("bob@far.test"))[0]
        assert PASSWORD not in s.m.log()
        shown = s.m.cli("config", "list").stdout
        assert PASSWORD not in shown and "delivery.smarthost-password" in shown
        assert os.stat(s.m.folder + "/postern.conf").st_mode & 0o077 == 0


def test_delivery_killed(_):
    """Its end in the middle of everything loses nothing and is started again."""
    with running(postfix()) as peer, Sender() as s:
        s.send(["bob@postfix.test"], "before")
        stored(peer.maildir("bob@postfix.test"))
        victim = s.m.daemons()["delivery"][0]
        os.kill(victim, signal.SIGKILL)
        s.send(["bob@postfix.test"], "after")
        wait_until("the second message", 30 * SLOW,
                   lambda: any(b"Subject: after" in m for m in stored(peer.maildir(
                       "bob@postfix.test"))))
        assert s.m.daemons()["delivery"][0] != victim
        s.m.bad_lines([re.compile("delivery")])  # master tells of it
