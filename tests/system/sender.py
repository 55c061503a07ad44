# SPDX-License-Identifier: ISC
"""What the tests of submission share: logged-in sessions of many kinds, messages, what arrived."""
import base64
import json
import smtplib
import ssl

from harness import *

HOST = "mail." + DOMAIN
BOB = "bob@" + DOMAIN


def tls(m):
    return ssl.create_default_context(cafile=m.folder + "/ca.pem")


def session(m, user=USER, password=PASSWORD, implicit=True):
    """Python's smtplib, logged in."""
    if implicit:
        c = smtplib.SMTP_SSL(HOST, m.submissions_port, "client.example.net", timeout=30 * SLOW,
                             context=tls(m))
    else:
        c = smtplib.SMTP(HOST, m.submission_port, "client.example.net", timeout=30 * SLOW)
        c.starttls(context=tls(m))
    c.login(user, password)
    return c


class Secure(Raw):
    """Raw bytes inside TLS on port 465."""

    def __init__(self, m, timeout=20):
        super().__init__(m.submissions_port, timeout)
        self.socket = tls(m).wrap_socket(self.socket, server_hostname=HOST)

    def login(self, user=USER, password=PASSWORD, hello="client.example.net"):
        self.expect(None, 220)
        self.expect("EHLO " + hello, 250)
        self.expect("AUTH PLAIN " + plain(user, password), 235)
        return self

    def lines(self):
        """A whole reply with all its lines."""
        got = [self.line()]
        while got[-1][3:4] == b"-":
            got.append(self.line())
        return got


def plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def app_password(m, name, user=USER):
    done = m.cli("--json", "app-password", "add", user, name)
    return json.loads(done.stdout)["rows"][0]["password"]


def letter(subject, sender=USER, *more, to=BOB, body="Hello.\r\n"):
    """Without Date and Message-ID: those are added."""
    return "\r\n".join([f"From: {sender}", f"To: {to}", f"Subject: {subject}", *more, "", body])


def arrived(m, subject, user=BOB):
    """The message with this subject, as bytes, once it is there."""
    needle = f"\r\nSubject: {subject}\r\n".encode()

    def look():
        return next((x for x in m.messages(user).values() if needle in b"\r\n" + x), None)
    return wait_until(f"{subject!r} for {user}", 20 * SLOW, look)


def refused(call, *arguments):
    """(code, text) of the refusal that smtplib raises."""
    try:
        call(*arguments)
    except smtplib.SMTPRecipientsRefused as error:
        return next(iter(error.recipients.values()))
    except smtplib.SMTPResponseException as error:
        return error.smtp_code, error.smtp_error
    raise AssertionError(f"not refused: {arguments}")


__all__ = ["BOB", "HOST", "Secure", "app_password", "arrived", "base64", "json", "letter", "plain",
           "refused", "session", "smtplib", "ssl", "tls"]
