# SPDX-License-Identifier: ISC
"""openssl s_client on every TLS port, old versions, and what comes too early or half."""
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
