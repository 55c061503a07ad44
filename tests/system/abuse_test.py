# SPDX-License-Identifier: ISC
"""Bad input: the peer is cut off by a documented limit, others are served, memory stays bounded."""
from harness import *

OPTIONS = {}
GROWTH_KIB = 6144  # of all daemons together, over what they had at rest


def served(m):
    """Others are served meanwhile: a message in, a login, both quick."""
    began = time.monotonic()
    with m.smtp() as c:
        c.sendmail("sender@example.net", [USER], message("served meanwhile"))
    m.imap().logout()
    took = time.monotonic() - began
    assert took < 5 * SLOW, f"others waited {took:.1f} s"


def bounded(m, before, most=GROWTH_KIB):
    now = m.pss()
    if SAN:
        return  # the sanitizer's own memory says nothing
    assert now - before < most, f"memory grew from {before} to {now} KiB"


def pour(c, data, total):
    """Sends up to total bytes; how many were taken before the peer cut the connection."""
    sent = 0
    try:
        while sent < total:
            c.send(data)
            sent += len(data)
    except (ConnectionError, BrokenPipeError, TimeoutError):
        pass
    return sent


def test_line_of_10_mib(m):
    served(m)
    for port in (m.smtp_port, m.imap_port):
        before = m.pss()
        with m.raw(port) as c:
            c.line()
            pour(c, b"x" * 65536, 10 << 20)
            served(m)
            bounded(m, before)
            assert c.closed()


def test_header_line_of_10_mib_in_data(m):
    before = m.pss()
    with m.raw() as c:
        c.envelope()
        pour(c, b"y" * 65536, 10 << 20)
        served(m)
        bounded(m, before)
        try:
            c.send(b"\r\n.\r\n")
            assert c.reply()[0] in (0, 250, 500, 550, 552, 554)
        except ConnectionError:
            pass


def test_nul_bytes(m):
    with m.raw() as c:
        c.expect(None, 220)
        c.expect("EHLO a.example.net", 250)
        for text in ("MAIL FROM:<a\0b@example.net>", "\0\0\0", "NOOP \0"):
            code, _ = c.command(text)
            assert code in (500, 501, 502, 421, 0), (text, code)
    with m.raw(m.imap_port) as c:
        c.line()
        c.send(b"a NOOP\0\r\n")
        line = c.line()
        assert b"BAD" in line or line == b"" or b"BYE" in line, line
    served(m)


def test_10000_unknown_commands(m):
    before = m.pss()
    with m.raw() as c:
        c.expect(None, 220)
        codes = []
        for _ in range(10000):
            try:
                code = c.command("XYZZY plugh")[0]
            except ConnectionError:
                code = 0
            codes.append(code)
            if code in (0, 421):
                break
        assert codes[-1] in (0, 421) and len(codes) <= 1000, len(codes)
    with m.raw(m.imap_port) as c:
        c.line()
        n = 0
        try:
            while n < 10000 and not (line := c.line() if n else b"x") == b"":
                c.send(b"a%d XYZZY\r\n" % n)
                n += 1
                if b"BYE" in line:
                    break
        except ConnectionError:
            pass
        assert n < 1000, n
    served(m)
    bounded(m, before)


def idle_connections(port, count, source):
    held, refused = [], 0
    for _ in range(count):
        s = socket.socket()
        s.settimeout(10 * SLOW)
        s.bind((source, 0))
        s.connect(("127.0.0.1", port))
        held.append(s)
    for s in list(held):
        try:
            data = s.recv(200)
        except ConnectionError:
            data = b""
        if not data.startswith((b"220", b"* OK")):
            refused += 1
            s.close()
            held.remove(s)
    return held, refused


@expects(r"event=turned-away .*reason=TOO_MANY_CONNECTIONS")
def test_1000_connections_of_one_client(m):
    before = m.pss()
    held, refused = idle_connections(m.smtp_port, 1000, "127.0.0.2")
    try:
        assert refused >= 800, f"one client holds {len(held)} sessions"
        served(m)
        bounded(m, before, 12288)
    finally:
        for s in held:
            s.close()


def test_900_idle_connections_of_many(m):
    m.cli("config", "set", "smtpd.command-timeout", "5")
    m.cli("reload")
    for port in (m.smtp_port, m.imap_port):
        before = m.pss()
        held = []
        try:
            for n in range(9):
                held += idle_connections(port, 100, f"127.0.{10 + n}.2")[0]
            assert len(held) >= 800, len(held)
            served(m)
            grown = m.pss() - before
            print(f"# port {port}: {grown / len(held):.1f} KiB a connection")
            assert SAN or grown < 32 * len(held), grown
            if port == m.smtp_port:
                held[0].settimeout(30 * SLOW)
                data = b""
                while got := held[0].recv(1000):
                    data += got
                assert b"421" in data, "an idle session is not ended by its timeout"
        finally:
            for s in held:
                s.close()
    m.cli("config", "set", "smtpd.command-timeout", "300")
    m.cli("reload")


def test_client_that_never_reads(m):
    for _ in range(30):
        m.send(message("big one", ("z" * 76 + "\r\n") * 13000))
    have = m.count()
    wait_until("big messages", 30 * SLOW, lambda: m.count() >= have)
    before = m.pss()
    client = m.imap()
    client.select("INBOX")
    client.sock.settimeout(5)
    client.send(b"x1 FETCH 1:* (BODY[])\r\n")
    for _ in range(20):
        served(m)
    bounded(m, before)
    client.sock.close()
    with m.raw() as c:
        c.expect(None, 220)
        pour(c, b"NOOP\r\n" * 1000, 6 * 1000 * 200)
        served(m)
        bounded(m, before)
        assert c.closed(), "a client that never reads is not cut"


def test_slow_data_is_bounded(m):
    m.cli("config", "set", "smtpd.data-timeout", "5")
    m.cli("reload")
    with m.raw() as c:
        c.envelope()
        c.send(b"Subject: slow\r\n\r\n")
        code, _ = c.reply()
        assert code == 421, code
    m.cli("config", "set", "smtpd.data-timeout", "180")
    m.cli("reload")


def test_no_daemon_died(m):
    out = m.cli("status", "--json").stdout
    import json
    rows = json.loads(out)
    rows = rows if isinstance(rows, list) else rows.get("rows", rows)
    again = [r["program"] for r in rows if int(r["restarts"]) > 0]
    assert not again, f"restarted: {again}"
