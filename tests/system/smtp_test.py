# SPDX-License-Identifier: ISC
"""Mail in by real clients, and the session rules they do not try."""
import ssl

from harness import *
from world import World

WORLD = World("""
example.net. MX 10 mx.example.net.
$HOST mx.example.net 198.51.100.1
""")
BOB = "bob@" + DOMAIN
OPTIONS = dict(users=(USER, BOB), settings=[*WORLD.settings(), ("smtpd.greylist", "off")])
SMTP_SOURCE = servers.PEERS + "/usr/sbin/smtp-source"


def swaks(m, *options):
    need("swaks")
    return run("swaks", "--server", f"127.0.0.1:{m.smtp_port}", "--helo", "client.example.net",
               "--from", "sender@example.net", "--to", USER, *options).stdout


def test_swaks_plain(m):
    before = m.count()
    swaks(m, "--header", "Subject: swaks plain")
    m.wait_count(before + 1)


def test_swaks_starttls_verified(m):
    before = m.count()
    out = swaks(m, "--tls", "--tls-verify", "--tls-ca-path", m.folder + "/ca.pem",
                "--tls-sni", "mail." + DOMAIN)
    assert "TLSv1.3" in out, out
    m.wait_count(before + 1)
    newest = max(m.messages().items())[1]
    assert re.search(rb"with\s+ESMTPS", newest), newest[:600]


def own_received(m):
    """The first Received field of the newest message, unfolded."""
    header = max(m.messages().items())[1].split(b"\r\n\r\n")[0]
    return re.search(r"^Received: (.*)$", re.sub(r"\r\n[ \t]+", " ", header.decode()), re.M).group(1)


def test_received_tells_version_and_cipher(m):
    """Those of this very session, as the client sees them; nothing of the kind without TLS."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, None):
        before, tls = m.count(), ""
        with m.smtp() as client:
            if version:
                context = servers.tls_context()
                context.minimum_version = context.maximum_version = version
                client.starttls(context=context)
                client.ehlo()
                cipher, _, bits = client.sock.cipher()
                tls = f"S ({client.sock.version()} {cipher} {bits})"
                assert client.sock.version() == version.name.replace("_", "."), tls
            client.sendmail("sender@example.net", [USER], message("how it came"))
        m.wait_count(before + 1)
        assert f" by mail.{DOMAIN} with ESMTP{tls} id " in own_received(m), (tls, own_received(m))


def test_smtp_source_load(m):
    before = m.count()
    run(SMTP_SOURCE, "-s", "10", "-m", "200", "-l", "4096", "-f", "sender@example.net", "-t", USER,
        f"127.0.0.1:{m.smtp_port}", env={"LD_LIBRARY_PATH": servers.PEERS + "/usr/lib/postfix"})
    m.wait_count(before + 200)
    assert m.count() == before + 200


def test_ehlo_announces_what_it_should(m):
    with m.smtp() as client:
        got = {k.upper() for k in client.esmtp_features}
    want = {"SIZE", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN", "STARTTLS"}
    assert want <= got, f"missing {want - got}"
    assert not got & {"PIPELINING", "CHUNKING", "AUTH", "XCLIENT"}, got


def rcpt(m, address):
    with m.raw() as c:
        c.expect(None, 220)
        c.expect("EHLO client.example.net", 250)
        c.expect("MAIL FROM:<sender@example.net>", 250)
        return c.command(f"RCPT TO:<{address}>")


def test_recipients(m):
    for address, code, text in (
            (USER, 250, b""), (USER.upper(), 250, b""), ("alice+list@" + DOMAIN, 250, b""),
            ("postmaster@" + DOMAIN, 250, b""), ("abuse@" + DOMAIN, 250, b""),
            ("Postmaster", 250, b""), ("nobody@" + DOMAIN, 550, b"5.1.1"),
            ("alice@example.net", 550, b"5.7.1"), (f"alice%{DOMAIN}@example.net", 550, b""),
            ("alice@[127.0.0.1]", 550, b""), (f"example.net!alice@{DOMAIN}", 550, b""),
            (f"alice%example.net@{DOMAIN}", 550, b"")):
        got = rcpt(m, address)
        assert got[0] == code and text in got[1], f"{address}: {got}"


def test_relay_by_source_route_is_refused(m):
    got = rcpt(m, f"@{DOMAIN}:alice@example.net")
    assert got[0] in (501, 550, 553), got


def test_detail_and_alias_are_delivered(m):
    m.cli("alias", "add", "sales@" + DOMAIN, BOB)
    before = m.count(user=BOB)
    m.send(message("to alias"), ["sales@" + DOMAIN])
    m.send(message("to detail"), ["bob+lists@" + DOMAIN])
    m.wait_count(before + 2, user=BOB)


def test_two_recipients_get_one_each(m):
    a, b = m.count(), m.count(user=BOB)
    m.send(message("for both"), [USER, BOB, USER])
    m.wait_count(a + 1)
    m.wait_count(b + 1, user=BOB)
    assert (m.count(), m.count(user=BOB)) == (a + 1, b + 1)


def test_order_of_commands(m):
    with m.raw() as c:
        c.expect(None, 220)
        c.expect("MAIL FROM:<a@example.net>", 503)
        c.expect("EHLO client.example.net", 250)
        c.expect("RCPT TO:<%s>" % USER, 503)
        c.expect("DATA", 503)
        c.expect("MAIL FROM:<a@example.net> SIZE=99999999999", 552)
        c.expect("MAIL FROM:<a@example.net> NONSENSE=1", 555)
        c.expect("MAIL FROM:<>", 250)
        c.expect("MAIL FROM:<>", 503)
        c.expect("RSET", 250)
        c.expect("VRFY alice", 252)
        c.expect("NOOP", 250)
        c.expect("QUIT", 221)
        assert c.closed()


def test_authentication_is_not_offered_here(m):
    with m.raw() as c:
        c.expect(None, 220)
        c.expect("EHLO client.example.net", 250)
        code, _ = c.command("AUTH PLAIN AGFsaWNlAHg=")
        assert code in (502, 503, 538), code


def test_broken_transfer_leaves_nothing(m):
    before = m.count()
    with m.raw() as c:
        c.envelope()
        c.send(b"Subject: half\r\n\r\nno end")
    m.send(message("after the half one"))
    m.wait_count(before + 1)
    assert m.count() == before + 1


def test_big_message_is_kept_byte_for_byte(m):
    body = "".join(f"{i:06d} " + "x" * 60 + "\r\n" for i in range(20000))
    text = message("big", body).encode()
    m.send(text)
    wait_until("the big message", 20 * SLOW,
               lambda: any(text in got for got in m.messages().values()))


def test_internationalised_address(m):
    user = "j\u00fcrgen@" + DOMAIN
    with m.raw() as c:
        c.expect(None, 220)
        c.expect("EHLO client.example.net", 250)
        c.expect("MAIL FROM:<s\u00f8n@example.net> SMTPUTF8", 250)
        code, _ = c.command(f"RCPT TO:<{user}>")
        assert code == 550, code


def test_log_lines_keep_their_form(m):
    with m.raw() as c:
        c.expect(None, 220)
        for text in ("EHLO \x1b[31mred", "EHLO %s%n%x", "MAIL FROM:<a\"b c@x>", "EHLO a\tb",
                     "EHLO x error - forged program=master"):
            c.command(text)
        c.expect("EHLO client.example.net", 250)
        c.command('MAIL FROM:<"a\\"=\\\\b\x7f"@example.net>')
        c.command("RCPT TO:<x\u2028y@example.test>")
    m.wait_log("event=closed.*helo=\"client.example.net\"", m.logged)
    form = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z \w+\[\d+\] (debug|info|warn|error|fatal) [ -~]*$")
    for line in m.log().splitlines():
        assert form.match(line), line


def test_xclient_only_where_allowed(m):
    with m.raw() as c:
        c.expect(None, 220)
        c.expect("EHLO client.example.net", 250)
        code, _ = c.command("XCLIENT ADDR=192.0.2.7 NAME=spoof.example.net")
        assert code in (500, 501, 502, 503, 550), code
    m.cli("config", "set", "smtpd.xclient-from", "127.0.0.1")
    m.proc.send_signal(signal.SIGHUP)
    wait_until("XCLIENT after reload", 10 * SLOW, lambda: xclient_announced(m))
    before = m.count()
    with m.raw() as c:
        c.expect(None, 220)
        c.expect("EHLO relay.example.net", 250)
        c.expect("XCLIENT ADDR=192.0.2.7 PORT=4711 NAME=origin.example.net HELO=origin.example.net",
                 220)
        c.expect("EHLO origin.example.net", 250)
        c.expect("MAIL FROM:<sender@example.net>", 250)
        c.expect(f"RCPT TO:<{USER}>", 250)
        c.expect("DATA", 354)
        c.send(message("by xclient").encode() + b".\r\n")
        c.expect(None, 250)
    m.wait_count(before + 1)
    newest = max(m.messages().items())[1]
    assert b"[192.0.2.7]" in newest.split(b"\r\n\r\n")[0], newest[:500]
    m.cli("config", "set", "smtpd.xclient-from", "")
    m.proc.send_signal(signal.SIGHUP)
    wait_until("XCLIENT off again", 10 * SLOW, lambda: not xclient_announced(m))


def xclient_announced(m):
    with m.smtp() as client:
        return "xclient" in client.esmtp_features


def outside(c, hello, recipient=USER):
    """The reply to a recipient, to a client that is not in our networks."""
    c.expect(None, 220)
    c.expect("EHLO relay.example.net", 250)
    code, _ = c.command("XCLIENT ADDR=192.0.2.7 NAME=[UNAVAILABLE]")
    if code != 220:
        return 0
    c.expect("EHLO " + hello, 250)
    c.expect("MAIL FROM:<sender@example.net>", 250)
    return c.command(f"RCPT TO:<{recipient}>")[0]


def test_names_of_clients(m):
    """Any name from inside; from outside a full one that is the client's own (requirements S3-13 to S3-15)."""
    def one(hello, recipient=USER):
        with m.raw() as c:
            return outside(c, hello, recipient)

    def configure(name, value, hello, code):
        m.cli("config", "set", name, value)
        m.cli("reload")
        wait_until(f"{name} {value}", 20 * SLOW, lambda: one(hello) == code)

    for hello in ("NPIF65E56", "localhost", "mail." + DOMAIN, "[192.0.2.9]"):
        with m.raw() as c:
            c.expect(None, 220)
            c.expect("EHLO " + hello, 250)
            c.expect("MAIL FROM:<printer@example.net>", 250)
            c.expect(f"RCPT TO:<{USER}>", 250)
    configure("smtpd.xclient-from", "127.0.0.1", "NPIF65E56", 550)
    for hello, code in (("client.example.net", 250), ("[192.0.2.7]", 250), ("192.0.2.7", 250),
                        ("localhost", 550), (DOMAIN, 550), ("mail." + DOMAIN, 550), ("[192.0.2.9]", 550)):
        assert one(hello) == code, (hello, code)
    assert one("localhost", "postmaster@" + DOMAIN) == 250, "who has trouble can write to the postmaster"
    m.wait_log(r'event=refused client=192\.0\.2\.7 .*reason=HELO_OURS client="192\.0\.2\.7" helo="example\.test"')
    configure("smtpd.trusted-clients", "192.0.2.7", "NPIF65E56", 250)
    configure("smtpd.trusted-clients", "", "NPIF65E56", 550)
    configure("smtpd.helo-check", "no", "NPIF65E56", 250)
    configure("smtpd.helo-check", "yes", "NPIF65E56", 550)
    m.cli("config", "set", "smtpd.xclient-from", "")
    m.cli("reload")
    wait_until("XCLIENT off again", 20 * SLOW, lambda: not xclient_announced(m))
