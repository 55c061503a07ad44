# SPDX-License-Identifier: ISC
"""What is remembered of clients, in the world: greylist, penalties, limits, early talkers, proxies."""
from harness import *
from sender import plain
from world import World

ZONES = """
$HOST mail.good.example.org 203.0.113.5 2001:db8:5::5
$HOST mail.good.example.org 203.0.114.20 203.0.114.21
good.example.org. MX 10 mail.good.example.org.
odd.example.com. MX 10 mail.good.example.org.
example.net. MX 10 mail.good.example.org.
"""
WORLD = World(ZONES)
OPTIONS = dict(settings=[*WORLD.settings(), ("reputation.greylist-delay", "1"),
                         ("smtpd.greet-delay", "1"), ("smtpd.connections-per-minute", "0")])
MAIL = "MAIL FROM:<sender@good.example.org>"
RCPT = f"RCPT TO:<{USER}>"
ODD = "198.51.100.7"  # has no name


def rcpt(m, source, sender="sender@good.example.org", to=USER):
    with m.raw(source=source) as c:
        c.expect(None, 220)
        c.expect("EHLO client.example.net", 250)
        c.expect(f"MAIL FROM:<{sender}>", 250)
        return c.command(f"RCPT TO:<{to}>")[0]


def setting(m, name, value, worked):
    m.cli("config", "set", name, value)
    m.cli("reload")
    wait_until(f"{name} {value} works", 30 * SLOW, worked)


# --- greylist

def test_only_strangers_without_a_name_wait(m):
    assert rcpt(m, "203.0.113.5") == 250
    assert rcpt(m, ODD, "a@odd.example.com") == 450
    line = m.wait_log(r"event=refused .*reason=GREYLISTED .*").group(0)
    assert 'seconds="1"' in line, line
    wait_until("it is let in", 30 * SLOW, lambda: rcpt(m, ODD, "a@odd.example.com") == 250)
    assert rcpt(m, ODD, "a@odd.example.com") == 250
    assert rcpt(m, ODD, "b@odd.example.com") == 450
    assert rcpt(m, ODD, "c@odd.example.com", "postmaster@" + DOMAIN) == 250


def test_an_allowed_sender_does_not_wait(m):
    """Only where the recipient has allowed that sender, address by address."""
    sender = "friend@odd.example.com"
    assert rcpt(m, "198.51.100.9", "other@odd.example.com") == 450
    start = m.log_size()
    m.cli("user", "allow", USER, sender)
    assert rcpt(m, "198.51.100.9", sender) == 250
    m.wait_log(r'event=allowed-by-recipient rcpt=.* from="friend@odd.example.com" greylist=lifted', start)
    told = " ".join(m.cli("trace", sender).stdout.split())
    assert f"<{USER}> has allowed mail from <{sender}>: it does not wait for the greylist." in told, told
    assert rcpt(m, "198.51.100.10", "enemy@odd.example.com") == 450
    assert rcpt(m, "198.51.100.10", "") == 450
    m.cli("user", "disallow", USER, sender)
    assert rcpt(m, "198.51.100.11", sender) == 450


def test_greylist_outlives_a_restart(m):
    wait_until("it is let in", 30 * SLOW, lambda: rcpt(m, "198.51.100.8", "r@odd.example.com") == 250)
    m.stop()
    m.start()
    assert rcpt(m, "198.51.100.8", "r@odd.example.com") == 250


def test_greylist_for_all_and_for_nobody(m):
    setting(m, "smtpd.greylist", "all", lambda: rcpt(m, "203.0.113.5", "x@good.example.org") == 450)
    setting(m, "smtpd.greylist", "off", lambda: rcpt(m, ODD, "y@odd.example.com") == 250)
    setting(m, "smtpd.greylist", "suspicious", lambda: rcpt(m, ODD, "z@odd.example.com") == 450)


@expects(r"reputation|child=|ended")
def test_away_everything_passes(m):
    os.kill(m.proc.pid, signal.SIGSTOP)
    try:
        for pid in m.daemons()["reputation"]:
            os.kill(pid, signal.SIGKILL)
        wait_until("passes", 30 * SLOW, lambda: rcpt(m, ODD, "away@odd.example.com") == 250)
        m.wait_log("event=reputation-unasked reason=away")
    finally:
        os.kill(m.proc.pid, signal.SIGCONT)
    m.wait_log("died program=reputation")
    wait_until("reputation is back", 30 * SLOW, lambda: rcpt(m, ODD, "back@odd.example.com") == 450)


# --- penalties and limits

def offend(m, source):
    with m.raw(source=source) as c:
        code, _ = c.reply()
        if code == 220:
            c.send(b"GET / HTTP/1.1\r\n")
            assert c.reply()[0] == 554
        return code


def test_who_misbehaves_is_refused_for_a_while(m):
    wait_until("refused", 60 * SLOW, lambda: offend(m, "203.0.115.9") == 421)
    m.wait_log(r"event=turned-away client=203.0.115.9 code=421 reason=MISBEHAVED")
    assert rcpt(m, "203.0.113.5") == 250
    setting(m, "smtpd.penalties", "no", lambda: offend(m, "203.0.115.9") == 220)
    setting(m, "smtpd.penalties", "yes", lambda: offend(m, "203.0.115.9") == 421)


def open_ones(m, source, count):
    """Sessions begun while the client is welcome; each may offend later, whatever it has earned by then."""
    opened = [m.raw(source=source) for _ in range(count)]
    for c in opened:
        c.expect(None, 220)
    return opened


def offend_with(opened):
    for c in opened:
        c.send(b"GET / HTTP/1.1\r\n")
        assert c.reply()[0] == 554
        c.close()


def told_to_wait(m, source):
    """The seconds that a new connection is told to wait; 0: it is welcome."""
    with m.raw(source=source) as c:
        line = c.line()
        return int(re.search(rb"try again in (\d+) seconds", line).group(1)) if line.startswith(b"421") else 0


def test_penalties_grow(m):
    """Who goes on has to wait longer, but never longer than four half-lives; each offence counts."""
    half, source = 600, "203.0.125.9"
    m.cli("config", "set", "reputation.penalty-half-life", str(half))
    m.cli("reload")
    opened = open_ones(m, source, 5 + 8 + 70)
    offend_with(opened[:5])
    first = wait_until("a penalty", 30 * SLOW, lambda: told_to_wait(m, source))
    assert first < half, first
    offend_with(opened[5:13])
    more = wait_until("a greater one", 30 * SLOW, lambda: next(
        (t for t in [told_to_wait(m, source)] if t > first + half / 2), 0))
    assert more < 2 * half, more
    offend_with(opened[13:])
    wait_until("the greatest one", 30 * SLOW, lambda: told_to_wait(m, source) > 3.9 * half)
    assert told_to_wait(m, source) <= 4 * half + 1
    assert told_to_wait(m, "203.0.126.9") == 0, "others have no part in it"


def test_penalties_fade(m):
    """By themselves, in the told time, and step by step."""
    source, told = "203.0.127.9", []
    m.cli("config", "set", "reputation.penalty-half-life", "4")
    m.cli("reload")

    def refused():
        try:
            offend_with(open_ones(m, source, 10))
        except AssertionError:  # the first ones were enough
            pass
        return told_to_wait(m, source)
    told.append(wait_until("a penalty", 60 * SLOW, refused))
    wait_until("it is welcome again", 60 * SLOW, lambda: told.append(told_to_wait(m, source)) or told[-1] == 0)
    told = told[told.index(max(told)):]  # the last offences may have been heard of a moment later
    assert told == sorted(told, reverse=True) and len(told) > 2, told
    assert rcpt(m, source, "f@good.example.org") in (250, 450)
    m.cli("config", "set", "reputation.penalty-half-life", "600")
    m.cli("reload")


def test_twenty_short_connections_a_minute_pass(m):
    for _ in range(20):
        with m.raw(source="203.0.113.5") as c:
            c.expect(None, 220)
    assert rcpt(m, "203.0.113.5") == 250


def all_is_logged(m, client):
    """The log comes a little later than the replies. Behind the end of one more session nothing of it is missing."""
    start = m.log_size()
    with m.raw(source=client, to="2001:db8::25" if ":" in client else "127.0.0.1") as c:
        c.expect(None, 220)
        c.expect("EHLO last.example.net", 250)
        c.expect("QUIT", 221)
    m.wait_log(r"event=closed client=\S+ .*helo=\"last\.example\.net\"", start)


@expects("turned-away")
def test_sessions_of_a_network_are_limited(m):
    def one_more():
        with m.raw(source="203.0.114.20") as a:
            a.reply()
            with m.raw(source="203.0.114.21") as b, m.raw(source="203.0.116.1") as other:
                assert other.reply()[0] == 220
                return b.reply()[0]
    assert one_more() == 220
    setting(m, "smtpd.max-connections-per-network", "1", lambda: one_more() == 421)
    setting(m, "smtpd.max-connections-per-network", "200", lambda: one_more() == 220)
    all_is_logged(m, "203.0.114.21")


@expects("turned-away")
def test_sessions_of_a_minute_are_limited(m):
    m.cli("config", "set", "smtpd.connections-per-minute", "2")
    m.cli("reload")
    def greeted(source):
        with m.raw(source=source, to="2001:db8::25" if ":" in source else "127.0.0.1") as c:
            return c.reply()[0]
    wait_until("limited", 60 * SLOW, lambda: greeted("2001:db8:7::1") == 421)
    assert greeted("2001:db8:8::1") == 220
    assert greeted("127.0.0.1") == greeted("127.0.0.1") == greeted("127.0.0.1") == 220
    m.cli("config", "set", "smtpd.connections-per-minute", "0")
    m.cli("reload")
    wait_until("not limited", 60 * SLOW, lambda: greeted("2001:db8:7::1") == 220)
    all_is_logged(m, "2001:db8:7::1")


# --- early talkers

def test_command_ahead_of_a_reply(m):
    with m.raw(source="203.0.113.5") as c:
        c.expect(None, 220)
        c.send(b"EHLO client.example.net\r\nMAIL FROM:<a@good.example.org>\r\n")
        code, text = c.reply()
        assert code == 503 and text.startswith(b"5.5.0"), (code, text)
        assert c.closed()
    m.wait_log(r"event=early-talker client=203.0.113.5 bytes=\d+")


def test_quit_behind_the_end_is_let_through(m):
    before = m.count()
    with m.raw(source="203.0.113.5") as c:
        c.envelope()
        c.send(message("hasty").encode() + b".\r\nQUIT\r\n")
        c.expect(None, 250)
        c.expect(None, 221)
    m.wait_count(before + 1)


def test_early_talkers_by_setting(m):
    hosts = iter(range(1, 250))
    def ahead():
        with m.raw(source=f"203.0.118.{next(hosts)}") as c:
            c.expect(None, 220)
            c.send(b"EHLO client.example.net\r\nNOOP\r\n")
            return c.reply()[0]
    setting(m, "smtpd.early-talkers", "mark", lambda: ahead() == 250)
    setting(m, "smtpd.early-talkers", "refuse", lambda: ahead() == 503)


def test_who_was_bad_waits_and_is_caught_before_the_banner(m):
    assert offend(m, "203.0.117.9") == 220
    def before_banner():
        with m.raw(source="203.0.117.9") as c:
            c.send(b"EHLO client.example.net\r\n")
            assert c.reply()[0] == 220
            return c.reply()[0]
    wait_until("watched", 30 * SLOW, lambda: before_banner() == 503)


# --- PROXY

PROXY = "198.51.100.250"


def through(m, header, source=PROXY):
    """The code of the first reply (0: none) to this header, and the recipient's after it."""
    with m.raw(source=source) as c:
        c.send(header)
        code, _ = c.reply()
        if code != 220:
            return code, 0
        c.expect("EHLO client.example.net", 250)
        c.expect(MAIL, 250)
        return code, c.command(RCPT)[0]


@expects("proxy-header-bad")
def test_proxy_protocol(m):
    v1 = b"PROXY TCP4 203.0.114.20 192.0.2.25 4711 25\r\n"
    v2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" + socket.inet_pton(socket.AF_INET6, "2001:db8:5::5") +
          socket.inet_pton(socket.AF_INET6, "2001:db8::25") + b"\x12\x67\0\x19")
    setting(m, "smtpd.proxy-from", PROXY, lambda: through(m, v1) == (220, 250))
    for header, client in ((v1, "203.0.114.20"), (v2, "2001:db8:5::5")):
        start = m.log_size()
        assert through(m, header) == (220, 250)
        m.wait_log(rf"event=closed client={client} ", start)
    start = m.log_size()
    assert through(m, b"EHLO client.example.net\r\n") == (0, 0)
    m.wait_log(rf"event=proxy-header-bad proxy={PROXY}", start)
    # nobody else may say whose connection it is
    with m.raw(source="203.0.114.20") as c:
        c.expect(None, 220)
        c.send(v1)
        got = c.reply()
        assert got[0] == 554, got


def test_proxied_clients_are_limited_for_themselves(m):
    header = b"PROXY TCP4 203.0.115.9 192.0.2.25 4711 25\r\n"
    wait_until("refused", 60 * SLOW, lambda: offend(m, "203.0.115.9") == 421)
    assert through(m, header)[0] == 421
    assert through(m, b"PROXY TCP4 203.0.114.21 192.0.2.25 1 25\r\n") == (220, 250)


def login_through(m, header, port):
    """The first reply (0: none) to a login over a proxy, with TLS at once or after STARTTLS."""
    tls = servers.tls_context(m.folder + "/ca.pem")
    c = m.raw(port=port, source=PROXY)
    with c:
        c.send(header)
        if port == m.submission_port:
            assert c.reply()[0] == 220
            c.expect("EHLO client.example.net", 250)
            c.expect("STARTTLS", 220)
        try:
            c.socket = tls.wrap_socket(c.socket, server_hostname="mail." + DOMAIN)
        except OSError:
            return 0
        c.buffer = b""
        if port == m.submissions_port:
            c.expect(None, 220)
        c.expect("EHLO client.example.net", 250)
        return c.command("AUTH PLAIN " + plain(USER, PASSWORD))[0]


@expects("proxy-header-bad")
def test_proxies_of_users(m):
    v1 = b"PROXY TCP4 203.0.114.20 192.0.2.25 4711 465\r\n"
    v2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton("203.0.114.21") +
          socket.inet_aton("192.0.2.25") + b"\x12\x67\x01\xd1")
    setting(m, "submission.proxy-from", PROXY, lambda: login_through(m, v1, m.submissions_port) == 235)
    for port in (m.submissions_port, m.submission_port):
        for header, client in ((v1, "203.0.114.20"), (v2, "203.0.114.21")):
            start = m.log_size()
            assert login_through(m, header, port) == 235
            m.wait_log(rf"event=login client={client} ", start)
    start = m.log_size()
    assert login_through(m, b"", m.submissions_port) == 0
    m.wait_log(rf"submission.*event=proxy-header-bad proxy={PROXY}", start)
