# SPDX-License-Identifier: ISC
"""The rest of the world for tests of sending: a mail server that does what the addresses say, zones
that lead to it, and a user who sends and reads."""
import atexit
import email
import email.policy
import smtplib

from harness import PASSWORD, SLOW, USER, servers, wait_until
from mx import REFUSED, MailServer  # noqa: F401
from zones import Zones


class Remote(MailServer):
    def wait_taken(self, recipient, count=1, seconds=30):
        """The envelopes of messages that this recipient got."""
        def found():
            got = [e for e in list(self.taken) if any(f"<{recipient}>" in r for r in e["rcpt"])]
            return got if len(got) >= count else None
        return wait_until(f"{count} messages for {recipient}", seconds * SLOW, found)


def world(port, dns, domains):
    """A Remote, and zones in which each domain's mail goes to it; settings for an instance."""
    zones = Zones(dns, {d: "@ MX 10 mx\nmx A 127.0.0.1\n" for d in domains})
    atexit.register(zones.stop)
    remote = Remote(port)
    atexit.register(remote.shutdown)
    return remote, outbound_settings(port, dns)


def outbound_settings(port, dns):
    return [("delivery.port", str(port)), ("delivery.allow-private", "yes"),
            ("resolver.server", f"127.0.0.1@{dns}"), ("resolver.trust-anchor-file", "/dev/null"),
            ("delivery.idle-time", "0"),
            ("queue.remote-retry-min", "1"), ("queue.remote-retry-max", "1")]


def letter(subject, body="The body.\r\n", sender=USER):
    return (f"From: {sender}\r\nTo: somebody <x@there.test>\r\nSubject: {subject}\r\n"
            f"Date: Mon, 23 Nov 2026 00:00:00 +0000\r\nMessage-ID: <{subject}@here>\r\n\r\n{body}")


def submit(m, subject, recipients, sender=USER, mail=(), rcpt=(), body="The body.\r\n"):
    client = smtplib.SMTP("127.0.0.1", m.base + 587, "client.example.net", timeout=30 * SLOW)
    try:
        client.starttls(context=servers.tls_context())
        client.login(sender, PASSWORD)
        refused = client.sendmail(sender, list(recipients), letter(subject, body, sender),
                                  list(mail), list(rcpt))
        assert not refused, refused
    finally:
        client.close()


def inbox(m, user=USER):
    return [email.message_from_bytes(text, policy=email.policy.default)
            for _, text in sorted(m.messages(user).items())]


class Report:
    """A notification as its reader's program sees it."""

    def __init__(self, message):
        self.message = message
        assert message.get_content_type() == "multipart/report", message.get_content_type()
        assert message.get_param("report-type") == "delivery-status"
        assert not message.defects, message.defects
        self.text, status, self.original = message.get_payload()
        assert self.text.get_content_type() == "text/plain"
        assert status.get_content_type() in ("message/delivery-status",
                                             "message/global-delivery-status")
        self.words = self.text.get_content()
        self.about, *self.recipients = status.get_payload()

    def recipient(self, address):
        found = [r for r in self.recipients if r["Final-Recipient"].endswith(" " + address)]
        assert len(found) == 1, (address, [str(r) for r in self.recipients])
        return found[0]


def reports_of(m, subject, user=USER):
    return [Report(r) for r in inbox(m, user)
            if r["In-Reply-To"] == f"<{subject}@here>" and r["Auto-Submitted"] == "auto-replied"]


def wait_reports(m, subject, count=1, user=USER, seconds=30):
    """Exactly so many reports about that message."""
    got = wait_until(f"{count} reports about {subject}", seconds * SLOW,
                     lambda: len(r := reports_of(m, subject, user)) >= count and r)
    assert len(got) == count, [r.words for r in got]
    return got


def wait_queue_empty(m, seconds=30):
    import json
    wait_until("the queue is empty", seconds * SLOW,
               lambda: not json.loads(m.cli("queue", "list", "--json").stdout)["rows"])
