# SPDX-License-Identifier: ISC
"""Users send on ports 465 and 587: real programs, logins, rights, limits, sessions that end."""
import contextlib

import scram

from harness import *
from sender import *

OPTIONS = dict(users=(USER, BOB))
FAR = "friend@example.org"


# --- before the login -------------------------------------------------------------------------------

def features(c):
    return {k.upper(): v for k, v in c.esmtp_features.items()}


def test_what_is_announced(m):
    want = {"SIZE", "8BITMIME", "SMTPUTF8", "PIPELINING", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES"}
    mechanisms = {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}
    with smtplib.SMTP_SSL(HOST, m.submissions_port, context=tls(m)) as c:
        c.ehlo()
        got = features(c)
        assert want | {"AUTH"} <= set(got) and "STARTTLS" not in got, got
        assert set(got["AUTH"].split()) == mechanisms, got["AUTH"]
    with smtplib.SMTP(HOST, m.submission_port) as c:
        c.ehlo()
        got = features(c)
        assert want | {"STARTTLS"} <= set(got) and "AUTH" not in got, got
        c.starttls(context=tls(m))
        c.ehlo()
        got = features(c)
        assert set(got["AUTH"].split()) == mechanisms and "STARTTLS" not in got, got


def test_nothing_without_login(m):
    with Secure(m) as c:
        c.expect(None, 220)
        c.expect(f"MAIL FROM:<{USER}>", 503)
        c.expect("EHLO client.example.net", 250)
        assert b"5.7.0" in c.expect(f"MAIL FROM:<{USER}>", 530)
        c.expect(f"RCPT TO:<{BOB}>", 503)
        c.expect("DATA", 503)
        c.expect("XCLIENT ADDR=127.0.0.1", 550)
        c.expect("QUIT", 221)


def test_no_login_in_clear(m):
    with smtplib.SMTP(HOST, m.submission_port) as c:
        with contextlib.suppress(smtplib.SMTPNotSupportedError):
            c.login(USER, PASSWORD)
            raise AssertionError("AUTH in clear")
    with m.raw(m.submission_port) as c:
        c.expect(None, 220)
        c.expect("EHLO client.example.net", 250)
        assert b"5.7.11" in c.expect("AUTH PLAIN " + plain(USER, PASSWORD), 538)
        assert b"5.7.0" in c.expect(f"MAIL FROM:<{USER}>", 530)


def test_openssl_on_both_ports(m):
    for words in (["-connect", f"{HOST}:{m.submissions_port}"],
                  ["-connect", f"{HOST}:{m.submission_port}", "-starttls", "smtp"]):
        done = run("openssl", "s_client", *words, "-CAfile", m.folder + "/ca.pem", "-servername",
                   HOST, "-verify_hostname", HOST, "-verify_return_error", "-brief", "-quiet", "-crlf",
                   stdin="QUIT\n")
        assert "Verification: OK" in done.stderr and "TLSv1.3" in done.stderr, done.stderr
        assert "221 2.0.0" in done.stdout, done.stdout


# --- mail programs ----------------------------------------------------------------------------------

def test_swaks(m):
    need("swaks")
    for port, how in ((m.submissions_port, "--tls-on-connect"), (m.submission_port, "--tls")):
        for mechanism in ("PLAIN", "LOGIN"):
            subject = f"swaks {mechanism} {how}"
            run("swaks", "--server", f"{HOST}:{port}", how, "--tls-verify", "--tls-ca-path",
                m.folder + "/ca.pem", "--auth", mechanism, "--auth-user", USER, "--auth-password",
                PASSWORD, "--from", USER, "--to", BOB, "--header", f"Subject: {subject}")
            assert b"with ESMTPSA" in b" ".join(arrived(m, subject).split())


def msmtp(m, port, starttls, auth, password, text, check=True):
    path = m.home + "/msmtprc"
    with open(path, "w", encoding="ascii") as f:
        f.write(f"account default\nhost {HOST}\nport {port}\ntls on\ntls_starttls {starttls}\n"
                f"tls_trust_file {m.folder}/ca.pem\nauth {auth}\nuser {USER}\npassword {password}\n"
                f"from {USER}\n")
    os.chmod(path, 0o600)
    return run("msmtp", "-C", path, BOB, stdin=text, check=check)


def test_msmtp(m):
    need("msmtp")
    secret = app_password(m, "msmtp")
    for port, starttls in ((m.submissions_port, "off"), (m.submission_port, "on")):
        for auth, password in (("plain", PASSWORD), ("login", PASSWORD), ("scram-sha-256", secret)):
            subject = f"msmtp {auth} {starttls}"
            msmtp(m, port, starttls, auth, password, letter(subject).replace("\r\n", "\n"))
            arrived(m, subject)
    done = msmtp(m, m.submissions_port, "off", "scram-sha-256", "wrong", letter("no"), check=False)
    assert done.returncode != 0 and "535" in done.stderr, done.stderr
    done = msmtp(m, m.submissions_port, "off", "plain", PASSWORD, letter("no", FAR), check=False)
    assert done.returncode != 0 and "5.7.1" in done.stderr, done.stderr


def test_curl(m):
    need("curl")
    for url, subject in ((f"smtps://{HOST}:{m.submissions_port}", "curl smtps"),
                         (f"smtp://{HOST}:{m.submission_port}", "curl starttls")):
        run("curl", "-sS", "--ssl-reqd", "--cacert", m.folder + "/ca.pem", "--url", url, "--user",
            f"{USER}:{PASSWORD}", "--mail-from", USER, "--mail-rcpt", BOB, "-T", "-",
            stdin=letter(subject))
        arrived(m, subject)


def test_smtplib(m):
    for implicit in (True, False):
        with session(m, implicit=implicit) as c:
            c.sendmail(USER, [BOB], letter(f"smtplib {implicit}"))
        arrived(m, f"smtplib {implicit}")


def test_thunderbird(m):
    """Its dialogue as observed: address literal, initial response, BODY and SIZE, one at a time."""
    text = letter("thunderbird", f"Alice <{USER}>", "Message-ID: <t1@example.test>", "MIME-Version: 1.0",
                  "User-Agent: Mozilla Thunderbird", "Content-Type: text/plain; charset=UTF-8; format=flowed",
                  "Content-Transfer-Encoding: 8bit", body="Gr\u00fc\u00dfe\r\n").encode()
    with Secure(m) as c:
        c.login(hello="[127.0.0.1]")
        c.expect(f"MAIL FROM:<{USER}> BODY=8BITMIME SIZE={len(text)}", 250)
        c.expect(f"RCPT TO:<{BOB}>", 250)
        c.expect("DATA", 354)
        c.send(text + b".\r\n")
        c.expect(None, 250)
        c.expect("QUIT", 221)
        assert c.closed()
    assert "Gr\u00fc\u00dfe".encode() in arrived(m, "thunderbird")


def test_ios_and_outlook_quirks(m):
    """8-bit with SMTPUTF8 but without BODY; without either; a space before the path; AUTH=."""
    with Secure(m).login() as c:
        for n, words in enumerate((f"<{USER}> SMTPUTF8", f"<{USER}>", f" <{USER}>", f"<{USER}> AUTH=<>",
                                   f"<{USER}> AUTH=alice+40example.test BODY=8BITMIME")):
            c.expect("MAIL FROM:" + words, 250)
            c.expect(f"RCPT TO:<{BOB}>", 250)
            c.expect("DATA", 354)
            c.send(letter(f"quirk {n}", f"J\u00f6rg <{USER}>", body="\u00e4\r\n").encode() + b".\r\n")
            c.expect(None, 250)
    for n in range(5):
        assert "J\u00f6rg".encode() in arrived(m, f"quirk {n}")


def test_pipelined(m):
    with Secure(m) as c:
        c.send((f"EHLO [127.0.0.1]\r\nAUTH PLAIN {plain(USER, PASSWORD)}\r\nMAIL FROM:<{USER}>\r\n"
                f"RCPT TO:<nobody@{DOMAIN}>\r\nRCPT TO:<{BOB}>\r\nDATA\r\n").encode())
        assert [c.reply()[0] for _ in range(7)] == [220, 250, 235, 250, 550, 250, 354]
        c.send((letter("pipelined") + f".\r\nMAIL FROM:<{USER}>\r\nRCPT TO:<{BOB}>\r\nRSET\r\nQUIT\r\n").encode())
        assert [c.reply()[0] for _ in range(5)] == [250, 250, 250, 250, 221]
    arrived(m, "pipelined")


def test_chunks(m):
    text = letter("chunked", body=".\r\n..dots\r\n" + "x" * 70000 + "\r\n").encode()
    with Secure(m).login() as c:
        c.send(f"MAIL FROM:<{USER}>\r\nRCPT TO:<{BOB}>\r\nBDAT 7\r\n".encode() + text[:7] +
               f"BDAT {len(text) - 7}\r\n".encode() + text[7:] + b"BDAT 0 LAST\r\nQUIT\r\n")
        assert [c.reply()[0] for _ in range(6)] == [250] * 5 + [221]
    assert b"\r\n.\r\n..dots\r\n" in arrived(m, "chunked")


def test_a_million_single_bytes_as_chunks(m):
    """The chunks of a message are counted; whoever sends more is turned away, and costs no memory until then."""
    daemon, = m.daemons()["submission"]
    with Secure(m).login() as c:
        c.expect(f"MAIL FROM:<{USER}>", 250)
        c.expect(f"RCPT TO:<{BOB}>", 250)
        before, codes = servers.private_kib(daemon), [250]
        while codes[-1] == 250 and len(codes) < 1000000:
            c.send(b"BDAT 1\r\nx" * 1000)
            for _ in range(1000):
                codes.append(c.reply()[0])
                if codes[-1] != 250:
                    break
    assert 1000 < len(codes) <= 10002 and codes[-1] == 421, (len(codes), codes[-1])
    assert servers.private_kib(daemon) - before < 4096


# --- logins -----------------------------------------------------------------------------------------

def by_scram(c, mechanism, password, **more):
    """AUTH with our own client; the last reply's code."""
    client = scram.Client(USER, password, **more)
    first = base64.b64encode(client.step(b"")).decode()
    code, text = c.command(f"AUTH {mechanism} {first}")
    while code == 334:
        code, text = c.command(base64.b64encode(client.step(base64.b64decode(text))).decode())
    assert (code == 235) == client.proven, (code, text)
    return code


def test_scram_bound_to_the_connection(m):
    secret = app_password(m, "bound")
    for mechanism, good in (("SCRAM-SHA-256", True), ("SCRAM-SHA-256-PLUS", True), ("SCRAM-SHA-256-PLUS", False)):
        with Secure(m) as c:
            c.expect(None, 220)
            c.expect("EHLO client.example.net", 250)
            more = {}
            if mechanism.endswith("PLUS"):
                seen = scram.end_point(c.socket)
                more = dict(flag="p=tls-server-end-point", binding=seen if good else bytes(32))
            assert by_scram(c, mechanism, secret, **more) == (235 if good else 535)
            c.expect(f"MAIL FROM:<{USER}>", 250 if good else 530)


def test_exchange(m):
    user, password = (base64.b64encode(x.encode()).decode() for x in (USER, PASSWORD))
    with Secure(m) as c:
        c.expect(None, 220)
        c.expect("AUTH PLAIN", 503)
        c.expect("EHLO client.example.net", 250)
        c.expect("AUTH CRAM-MD5", 504)
        c.expect("AUTH PLAIN !!!", 501)
        c.expect("AUTH LOGIN", 334)
        c.expect("*", 501)
        c.expect("AUTH PLAIN", 334)
        c.expect("=", 501)
        c.expect("AUTH PLAIN =", 535)
        c.expect("AUTH LOGIN", 334)
        c.expect(user, 334)
        c.expect(password, 235)
        c.expect("AUTH LOGIN", 503)
        c.expect("BURL imap://alice@example.test/Drafts/;UID=1 LAST", 500)
        c.expect(f"MAIL FROM:<{USER}>", 250)
        c.expect("AUTH LOGIN", 503)


def test_wrong_passwords_end_the_session(m):
    began = time.monotonic()
    with Secure(m) as c:
        c.expect(None, 220)
        c.expect("EHLO client.example.net", 250)
        for _ in range(4):
            assert b"5.7.8" in c.expect("AUTH PLAIN " + plain(USER, "wrong"), 535)
        c.expect("AUTH PLAIN " + plain(USER, "wrong"), 421)
        assert c.closed()
    assert time.monotonic() - began > 0.5 * (1 + 2 + 3 + 4), "no growing delay"
    assert m.log().count("event=login-failed") >= 5


def test_unknown_login_looks_the_same(m):
    with Secure(m) as c:
        c.expect(None, 220)
        c.expect("EHLO client.example.net", 250)
        replies = []
        for user in (USER, "nobody@" + DOMAIN):
            c.send(f"AUTH PLAIN {plain(user, 'wrong')}\r\n".encode())
            replies.append(c.lines())
        first, second = ([line.partition(b" time ")[0] for line in reply] for reply in replies)
        assert first == second and len(first) == 3, replies


# --- rights -----------------------------------------------------------------------------------------

def test_reverse_path(m):
    m.cli("alias", "add", "sales@" + DOMAIN, USER)
    m.cli("alias", "add", "info@" + DOMAIN, BOB)
    m.cli("send-as", "add", USER, "info@" + DOMAIN)
    with Secure(m).login() as c:
        for address in (USER, USER.upper().replace("ALICE", "alice"), "alice+list@" + DOMAIN, "sales@" + DOMAIN,
                        "info@" + DOMAIN):
            c.expect(f"MAIL FROM:<{address}>", 250)
            c.expect("RSET", 250)
        for address in (BOB, FAR, "nobody@" + DOMAIN, "alice@example.org", "alice@[127.0.0.1]", "bob+alice@" + DOMAIN,
                        f"alice%{DOMAIN}@example.org"):
            c.send(f"MAIL FROM:<{address}>\r\n".encode())
            lines = c.lines()
            assert all(line.startswith((b"550-5.7.1 ", b"550 5.7.1 ")) for line in lines), (address, lines)
            assert len(lines) == 3, "English, German, and where it is explained"
        c.expect("MAIL FROM:<>", 250)
        c.expect("RSET", 250)
        c.expect("MAIL FROM:<alice>", 501)
    m.cli("send-as", "remove", USER, "info@" + DOMAIN)
    with Secure(m).login() as c:
        c.expect(f"MAIL FROM:<info@{DOMAIN}>", 550)


def test_alias_detail_and_send_as_in_the_header(m):
    m.cli("send-as", "add", USER, "info@" + DOMAIN)
    with session(m) as c:
        for n, sender in enumerate(("alice+list@" + DOMAIN, f"Sales <sales@{DOMAIN}>", f"info@{DOMAIN}")):
            c.sendmail(USER, [BOB], letter(f"allowed {n}", sender))
    for n in range(3):
        arrived(m, f"allowed {n}")
    m.cli("send-as", "remove", USER, "info@" + DOMAIN)
    with session(m) as c:
        code, text = refused(c.sendmail, USER, [BOB], letter("taken back", f"info@{DOMAIN}"))
        assert code == 550 and b"5.7.1" in text, (code, text)


def test_recipients(m):
    with Secure(m).login() as c:
        c.expect(f"MAIL FROM:<{USER}>", 250)
        for address, code, text in (
                (BOB, 250, b""), (FAR, 250, b""), ("bob+x@" + DOMAIN, 250, b""), ("sales@" + DOMAIN, 250, b""),
                ("nobody@" + DOMAIN, 550, b"5.1.1"), ("bob", 501, b""), ("bob@example..org", 501, b""),
                (f"@example.org:{BOB}", 250, b"")):
            got = c.command(f"RCPT TO:<{address}>")
            assert got[0] == code and text in got[1], (address, got)


# --- the whole path ---------------------------------------------------------------------------------

def test_a_user_sends_and_the_other_reads(m):
    with session(m) as c:
        c.sendmail(USER, [BOB], letter("whole path"))
        c.sendmail(USER, [BOB, USER], letter("for two", USER, "Date: Mon, 23 Nov 2026 00:00:00 +0000",
                                             "Message-ID: <mine@example.test>"))
    one, two = arrived(m, "whole path"), arrived(m, "for two")
    arrived(m, "for two", USER)
    header = one.split(b"\r\n\r\n")[0].decode()
    received = " ".join(re.search(r"(?m)^Received: (?:.*\n)(?:[ \t].*\n)*", header.replace("\r\n", "\n") + "\n")
                        .group(0).split())
    assert re.search(rf"^Received: by {HOST} with ESMTPSA .*id \S+ for <{BOB}>;", received), received
    assert "127.0.0.1" not in header and "client.example.net" not in header, header
    assert len(re.findall(r"(?m)^Date: \w\w\w, \d\d \w\w\w \d{4} [\d:]{8} [+-]\d{4}\r?$", header)) == 1, header
    assert len(re.findall(rf"(?m)^Message-ID: <[^<>@ ]+@{DOMAIN}>\r?$", header)) == 1, header
    header = two.split(b"\r\n\r\n")[0]
    assert header.count(b"\r\nDate:") == 1 and header.count(b"\r\nMessage-ID: <mine@") == 1, header
    assert b" for <" not in b" ".join(header.split()), "tells of the other recipient"


# --- limits -----------------------------------------------------------------------------------------

@contextlib.contextmanager
def setting(m, name, value, default):
    m.cli("config", "set", name, str(value))
    m.cli("reload")
    try:
        yield
    finally:
        m.cli("config", "set", name, str(default))
        m.cli("reload")


@expects(r"event=sending-limit")
def test_messages_per_hour(m):
    m.add_user("carol@" + DOMAIN)
    carol = "carol@" + DOMAIN
    with setting(m, "submission.messages-per-hour", 2, 500), session(m, carol) as c:
        for n in range(2):
            c.sendmail(carol, [BOB], letter(f"hour {n}", carol))
        code, text = refused(c.sendmail, carol, [BOB], letter("hour 3", carol))
        m.wait_log(f'event=sending-limit .*login="{carol}"')
        assert code == 451 and text.count(b"4.7.0 ") == 3, (code, text)
    with session(m, carol) as c:
        c.sendmail(carol, [BOB], letter("hour 4", carol))
    arrived(m, "hour 4")


@expects(r"event=sending-limit")
def test_sessions_side_by_side_share_the_budget(m):
    m.add_user("erin@" + DOMAIN)
    erin = "erin@" + DOMAIN
    with setting(m, "submission.messages-per-hour", 1, 500), contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(Secure(m)).login(erin) for _ in range(4)]
        for c in sessions:
            c.expect(f"MAIL FROM:<{erin}>", 250)
            c.expect(f"RCPT TO:<{BOB}>", 250)
            c.expect("DATA", 354)
        for c in sessions:
            c.send(letter("side by side", erin).encode() + b".\r\n")
        assert sorted(c.reply()[0] for c in sessions) == [250, 451, 451, 451]
        m.wait_log(f'event=sending-limit .*login="{erin}"')


@expects(r"event=sending-limit")
def test_recipients_per_hour(m):
    m.add_user("dave@" + DOMAIN)
    dave = "dave@" + DOMAIN
    with setting(m, "submission.recipients-per-hour", 3, 2000), Secure(m).login(dave) as c:
        c.expect(f"MAIL FROM:<{dave}>", 250)
        for n in range(3):
            c.expect(f"RCPT TO:<friend{n}@example.org>", 250)
        assert b"4.7" in c.expect(f"RCPT TO:<{BOB}>", 451)
        m.wait_log(f'event=sending-limit .*login="{dave}"')


def test_recipients_of_a_message(m):
    with Secure(m).login() as c:
        c.expect(f"MAIL FROM:<{USER}>", 250)
        for n in range(100):
            c.expect(f"RCPT TO:<friend{n}@example.org>", 250)
        assert b"4.5.3" in c.expect(f"RCPT TO:<{BOB}>", 452)
        c.expect("RSET", 250)


def test_size(m):
    with Secure(m).login() as c:
        c.expect(f"MAIL FROM:<{USER}> SIZE=99999999999", 552)
        c.expect(f"MAIL FROM:<{USER}> SIZE=1000", 250)


def test_time_to_log_in(m):
    with setting(m, "submission.login-timeout", 5, 60), Secure(m) as c:
        c.expect(None, 220)
        c.expect("EHLO client.example.net", 250)
        for _ in range(3):
            c.expect("NOOP", 250)
        c.expect(None, 421)
        assert c.closed()


@expects(r"event=turned-away")
def test_sessions_from_one_address(m):
    with setting(m, "submission.max-connections-per-address", 2, 100):
        with Secure(m) as a, m.raw(m.submission_port) as b, m.raw(m.submission_port) as c:
            a.expect(None, 220)
            b.expect(None, 220)
            c.expect(None, 421)
            assert c.closed()
            m.wait_log("event=turned-away")


# --- sessions that end ------------------------------------------------------------------------------

def content(c):
    """In the middle of a message."""
    c.expect(f"MAIL FROM:<{BOB}>", 250)
    c.expect(f"RCPT TO:<{USER}>", 250)
    c.expect("DATA", 354)
    c.send(letter("in the middle", BOB, to=USER).encode())


def test_suspended_and_new_password(m):
    """Sessions of the account end at once, at rest or in the middle; others go on."""
    before = m.count()
    for words, stdin in ((("user", "suspend", BOB), ""), (("user", "passwd", BOB), PASSWORD + "\n")):
        with Secure(m).login(BOB) as a, Secure(m).login(BOB) as b, Secure(m).login() as other:
            content(b)
            m.cli(*words, stdin=stdin)
            assert b"4.3.2" in a.expect(None, 421)
            assert a.closed()
            b.send(b"more\r\n.\r\n")
            code = b.reply()[0]
            while code in (451, 250) and code != 421:
                assert code == 451, "stored although the door was shut"
                code = b.reply()[0]
            assert code in (0, 421), code
            assert b.closed()
            other.expect(f"MAIL FROM:<{USER}>", 250)
        if words[1] == "suspend":
            with contextlib.suppress(smtplib.SMTPAuthenticationError):
                session(m, BOB)
                raise AssertionError("a suspended account logs in")
            m.cli("user", "resume", BOB)
    with session(m, BOB) as c:
        c.sendmail(BOB, [USER], letter("after all", BOB, to=USER))
    arrived(m, "after all", USER)
    assert m.count() == before + 1, "part of a message came through"


@expects(r".")
def test_queue_restarted(m):
    before = m.count()
    with Secure(m).login(BOB) as a, Secure(m).login(BOB) as b:
        content(b)
        old = m.daemons()["queue"]
        os.kill(old[0], signal.SIGKILL)
        a.expect(None, 421)
        assert a.closed() and b.closed()
        wait_until("queue is back", 10 * SLOW, lambda: set(m.daemons().get("queue", [])) - set(old))

    def works():
        try:
            with session(m, BOB) as c:
                return c.sendmail(BOB, [USER], letter("queue is back", BOB, to=USER)) == {}
        except (smtplib.SMTPException, OSError):
            return False
    wait_until("sending works", 10 * SLOW, works)
    arrived(m, "queue is back", USER)
    assert m.count() == before + 1


def test_a_session_that_breaks_off_leaves_nothing(m):
    before = m.count()
    with Secure(m).login(BOB) as c:
        content(c)
    with session(m, BOB) as c:
        c.sendmail(BOB, [USER], letter("after the break", BOB, to=USER))
    arrived(m, "after the break", USER)
    assert m.count() == before + 1
