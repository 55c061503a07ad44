# SPDX-License-Identifier: ISC
"""openssl s_client on every TLS port, old versions, and what comes too early or half."""
import contextlib

import tls_flood
from harness import *

OPTIONS = {}


def s_client(m, port, *options, check=True):
    need("openssl")
    return run("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername",
               "mail." + DOMAIN, "-verify_hostname", "mail." + DOMAIN, "-verify_return_error",
               "-CAfile", m.folder + "/ca.pem", *options, stdin="", check=check)


def test_every_port_verifies(m):
    for port, options in ((m.smtp_port, ("-starttls", "smtp")), (m.imaps_port, ()),
                          (m.imap_port, ("-starttls", "imap"))):
        for version in ("-tls1_2", "-tls1_3"):
            done = s_client(m, port, version, *options)
            assert "Verify return code: 0 (ok)" in done.stdout, (port, done.stdout[-1500:])


def test_unknown_name_gets_the_default_certificate(m):
    done = run("openssl", "s_client", "-connect", f"127.0.0.1:{m.imaps_port}", "-servername",
               "other.example.org", "-CAfile", m.folder + "/ca.pem", stdin="")
    assert "Verify return code: 0 (ok)" in done.stdout, done.stdout[-1500:]


def test_old_versions_are_refused(m):
    for version in ("-tls1", "-tls1_1"):
        done = s_client(m, m.imaps_port, version, "-cipher", "ALL:@SECLEVEL=0", check=False)
        assert done.returncode != 0, version
    done = s_client(m, m.imaps_port, "-tls1_2", "-cipher", "kRSA:@SECLEVEL=0", check=False)
    assert done.returncode != 0, "static RSA was accepted"


def test_commands_behind_starttls_are_not_run(m):
    for port, hello, start in ((m.smtp_port, b"EHLO x.example.net\r\n", b"STARTTLS\r\n"),
                               (m.imap_port, b"", b"a STARTTLS\r\n")):
        with m.raw(port) as c:
            c.line()
            if hello:
                c.send(hello)
                c.reply()
            c.send(start + b"b NOOP\r\nNOOP\r\n")
            rest = b""
            while line := c.line():
                rest += line + b"\n"
            assert b"b OK" not in rest and b"250" not in rest, rest


def test_rubbish_instead_of_a_handshake(m):
    for data in (b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\0" * 100):
        with m.raw(m.imaps_port) as c:
            try:
                c.send(data)
            except ConnectionError:
                pass
            assert c.closed(), data[:10]
    s_client(m, m.imaps_port)


CPU_MAX_S = 1  # that one connection may cost
CUT_MAX_S = 0.2  # that a flood of 60,000 messages may cost when no more than the first few are read


class Cheap:
    """What runs inside costs smtpd little, and another client is served at once behind it."""

    def __init__(self, m, most=CPU_MAX_S):
        self.m, self.most, (self.pid,) = m, most, m.daemons()["smtpd"]

    def __enter__(self):
        self.before = servers.cpu_seconds(self.pid)

    def __exit__(self, kind, *_):
        if kind is None:
            cost = servers.cpu_seconds(self.pid) - self.before
            assert cost <= self.most * SLOW, cost
            with self.m.raw() as c:
                c.expect(None, 220)


def at_starttls(m):
    c = m.raw()
    c.expect(None, 220)
    c.expect("EHLO client.example.net", 250)
    c.expect("STARTTLS", 220)
    return c


def inside(m, version):
    c = at_starttls(m)
    c.socket.settimeout(None)
    return tls_flood.Flood(c.socket, version)


def test_flood_of_new_keys_is_cut(m):
    """A few in a row are nothing, content between them makes them more; a flood ends the connection."""
    with contextlib.closing(inside(m, tls_flood.TLS1_3)) as c, Cheap(m, CUT_MAX_S):
        for _ in range(5):
            for _ in range(10):
                assert c.update_key()
            assert c.write(b"NOOP\r\n") and c.read().startswith(b"250")
        start = m.log_size()
        with contextlib.suppress(ConnectionError):
            c.send_updates(60000)
        m.wait_log("event=closed .*reason=too many handshake messages", start)
        assert not c.read(), "the session goes on"


def test_renegotiation_is_refused(m):
    with contextlib.closing(inside(m, tls_flood.TLS1_2)) as c, Cheap(m):
        assert c.write(b"NOOP\r\n") and c.read().startswith(b"250")
        assert not c.renegotiate()


def records(data, size):
    """Of the kind of a handshake."""
    parts = [data[n:n + size] for n in range(0, len(data), size)]
    return b"".join(b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in parts)


def test_flood_of_records_without_content_is_cut(m):
    """In place of a handshake: warnings, empty records, a hello in single bytes, one of 120 KiB."""
    hello = b"\x01\0\x01\xf0\x03\x03" + b"r" * 494
    long = b"\x01\x01\xe0\0\x03\x03" + b"r" * 122878
    floods = {"warnings": b"\x15\x03\x03\0\x02\x01\x5a" * 1000000, "empty": b"\x16\x03\x03\0\0" * 1000000,
              "single bytes": records(hello, 1), "long": records(long, 16384)}
    for what, data in floods.items():
        with at_starttls(m) as c, Cheap(m):
            try:
                c.send(data)
            except ConnectionError:
                pass
            assert c.closed(), what


def test_half_a_record_is_cut(m):
    m.cli("config", "set", "imapd.login-timeout", "5")
    m.proc.send_signal(signal.SIGHUP)
    m.cli("reload")
    began = time.monotonic()
    with m.raw(m.imaps_port) as c:
        c.send(b"\x16\x03\x01\x02\x00\x01")
        assert c.closed(), "half a TLS record keeps its connection"
    took = time.monotonic() - began
    assert took < 60 * SLOW, took
    s_client(m, m.imaps_port)


def test_new_certificate_without_restart(m):
    pids = m.daemons()
    m.cli("reload")
    s_client(m, m.imaps_port)
    assert m.daemons().get("imapd") == pids.get("imapd")
