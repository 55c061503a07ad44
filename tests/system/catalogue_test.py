# SPDX-License-Identifier: ISC
"""Every refusal of the catalogue, provoked in a session: an entry without a dialogue here fails.

A dialogue returns the lines of the reply it has provoked. Whoever adds a row to
lib/catalogue/refusal_table.h adds the dialogue too."""
import base64
import contextlib
import datetime
import hashlib
import select

import memory
from harness import *
from sender import *
from signer import Key, Signer
from world import World

ZONES = """
$HOST client.example.net 203.0.113.5
example.net. MX 10 mx.example.net.
$HOST 203-0-113-6.dyn.example.net 203.0.113.6
7.113.0.203.in-addr.arpa. PTR liar.example.net.
nowhere.example.net. TXT "no mail here"
null.example.net. MX 0 .
forbids.example.net. MX 10 mx.example.net.
forbids.example.net. TXT "v=spf1 -all"
$WHEN trouble.example.net MX servfail
broken.example.net. MX 10 mx.example.net.
broken.example.net. TXT "v=spf1 ip4:300.1.1.1 -all"
_dmarc.strict.example.net. TXT "v=DMARC1; p=reject"
$WHEN away._domainkey.strict.example.net TXT servfail
2.0.0.127.zen.spamhaus.org. A 127.0.0.2
20.113.0.203.zen.spamhaus.org. A 127.0.0.4
21.113.0.203.zen.spamhaus.org. A 127.0.0.11
"""
WORLD = World(ZONES)
OPTIONS = dict(users=(USER, BOB), settings=[*WORLD.settings(), ("smtpd.blocklists", "zen.spamhaus.org")])
EHLO, MAIL, RCPT = "EHLO client.example.net", "MAIL FROM:<sender@example.net>", f"RCPT TO:<{USER}>"
OURS = f"MAIL FROM:<{USER}>"
DIALOGUES = {}


def provokes(name):
    def mark(function):
        assert name not in DIALOGUES, name
        DIALOGUES[name] = function
        return function
    return mark


def reply(c):
    """A whole reply, with all its lines."""
    got = [c.line()]
    while got[-1][3:4] == b"-":
        got.append(c.line())
    return got


def talk(c, *words):
    """Says one after the other; the last reply."""
    got = reply(c)
    for word in words:
        c.send((word if isinstance(word, bytes) else word.encode()) + b"\r\n")
        got = reply(c)
    return got


def dialogue(name, *words, port="smtp_port", source=None):
    """What is said on a port in clear text."""
    def run_it(m):
        with m.raw(getattr(m, port), source=source) as c:
            return talk(c, *words)
    provokes(name)(run_it)


def secure(name, *words):
    """What is said on port 465 before a login."""
    def run_it(m):
        with Secure(m) as c:
            return talk(c, EHLO, *words)
    provokes(name)(run_it)


def header(name, *fields):
    """A message of a user with this header."""
    def run_it(m):
        with Secure(m).login() as c:
            c.expect(OURS, 250)
            c.expect(f"RCPT TO:<{BOB}>", 250)
            c.expect("DATA", 354)
            c.send(b"\r\n".join(fields) + b"\r\n\r\nHello.\r\n.\r\n")
            return reply(c)
    provokes(name)(run_it)


def content(name, data):
    """A message of a stranger with this content."""
    def run_it(m):
        with m.raw() as c:
            assert talk(c, EHLO, MAIL, RCPT, "DATA")[-1].startswith(b"354")
            c.send(data + b"\r\n.\r\n")
            return reply(c)
    provokes(name)(run_it)


@contextlib.contextmanager
def setting(m, name, value, default):
    m.cli("config", "set", name, str(value))
    m.cli("reload")
    try:
        yield
    finally:
        m.cli("config", "set", name, str(default))
        m.cli("reload")


@contextlib.contextmanager
def away(m, program):
    """The program is gone and does not come back before the end."""
    os.kill(m.proc.pid, signal.SIGSTOP)
    try:
        for pid in m.daemons()[program]:
            os.kill(pid, signal.SIGKILL)
        yield
    finally:
        os.kill(m.proc.pid, signal.SIGCONT)
        wait_until(f"{program} is back", 30 * SLOW, lambda: m.daemons().get(program))


def until(code, say):
    """A new session each time until the reply has this code: settings and ends reach the process a little
    later."""
    return wait_until(f"reply {code}", 30 * SLOW,
                      lambda: next((r for r in [say()] if r[-1].startswith(code)), None))


# --- trouble and limits -----------------------------------------------------------------------------

@provokes("TROUBLE")
def trouble(m):
    def say():
        with m.raw() as c:
            return talk(c, EHLO, MAIL, f"RCPT TO:<abuse@{DOMAIN}>")
    with away(m, "accounts"):
        return until(b"451", say)


@provokes("TOO_MANY_CONNECTIONS")
def too_many_connections(m):
    def say():
        with m.raw() as first, m.raw() as second:
            reply(first)
            return reply(second)
    with setting(m, "smtpd.max-connections-per-address", 1, 100):
        return until(b"421", say)


@provokes("QUEUE_FULL")
def queue_full(m):
    def say():
        with m.raw() as c:
            return talk(c, EHLO, MAIL, RCPT, "DATA")
    with setting(m, "queue.min-free", "1024G", "64M"):
        full = until(b"452", say)
    until(b"354", say)
    return full


@provokes("MAILBOX_FULL")
def mailbox_full(m):
    def say():
        with m.raw() as c:
            return talk(c, EHLO, MAIL, f"RCPT TO:<{BOB}>")
    m.send(message("the only one"), (BOB,))
    m.cli("user", "quota", BOB, "none", "1")
    full = until(b"452", say)
    m.cli("user", "quota", BOB, "default", "default")
    until(b"250", say)
    return full


@provokes("MAILBOX_FULL_LONG")
def mailbox_full_long(m):
    def say():
        with m.raw() as c:
            return talk(c, EHLO, MAIL, f"RCPT TO:<{BOB}>")
    m.cli("user", "quota", BOB, "none", "1")
    until(b"452", say)
    with setting(m, "mailbox.quota-grace", 1, 432000):
        full = until(b"552", say)
    m.cli("user", "quota", BOB, "default", "default")
    until(b"250", say)
    return full


dialogue("TOO_MANY_RECIPIENTS", EHLO, MAIL, *[RCPT] * 101)


@provokes("STOPPING")
def stopping(_):
    m = Instance(users=())
    try:
        with m.raw() as c:
            reply(c)
            m.proc.send_signal(signal.SIGTERM)
            return reply(c)
    finally:
        m.destroy()


@provokes("LOGIN_ENDED")
def login_ended(m):
    with Secure(m).login() as c:
        m.cli("user", "passwd", USER, stdin=PASSWORD + "\n")
        return reply(c)


@provokes("IDLE")
def idle(m):
    with setting(m, "smtpd.command-timeout", 5, 300):
        with m.raw() as c:
            reply(c)
            return reply(c)


@provokes("TOO_SLOW")
def too_slow(m):
    """A byte now and then: neither idle nor fast enough."""
    with setting(m, "smtpd.data-grace", 1, 60), m.raw() as c:
        assert talk(c, EHLO, MAIL, RCPT, "DATA")[-1].startswith(b"354")
        c.send(b"X: ")
        wait_until("it was too slow", 30 * SLOW, lambda: select.select([c.socket], [], [], 0.1)[0] or c.send(b"x"))
        return reply(c)


@provokes("TLS_UNAVAILABLE")
def tls_unavailable(_):
    """An instance whose certificates are gone starts all the same, without TLS."""
    m = Instance(users=())
    try:
        m.stop()
        for name in os.listdir(m.folder + "/keys"):
            os.unlink(os.path.join(m.folder, "keys", name))
        start = m.log_size()
        m.start()
        m.wait_log("warn - event=certificates n=0: there is no TLS", start)
        with m.raw() as c:
            got = talk(c, EHLO)
            assert not any(b"STARTTLS" in line for line in got), got
            c.send(b"STARTTLS\r\n")
            return reply(c)
    finally:
        m.destroy()


dialogue("TOO_MANY_ERRORS", *["X"] * 11)
dialogue("TOO_MANY_COMMANDS", *["NOOP"] * 101)


@provokes("SENDING_LIMIT")
def sending_limit(m):
    def say():
        with Secure(m).login() as c:
            c.send(OURS.encode() + b"\r\n")
            return reply(c)
    with session(m) as c:
        c.sendmail(USER, [BOB], letter("counts"))
    with setting(m, "submission.messages-per-hour", 1, 500):
        return until(b"451", say)


@provokes("AUTH_UNAVAILABLE")
def auth_unavailable(m):
    def say():
        with Secure(m) as c:
            return talk(c, EHLO, "AUTH PLAIN " + plain(USER, PASSWORD))
    with away(m, "auth"):
        return until(b"454", say)


# --- recipients, senders, the dialogue --------------------------------------------------------------

dialogue("UNKNOWN_RECIPIENT", EHLO, MAIL, f"RCPT TO:<nobody@{DOMAIN}>")
dialogue("RELAY_DENIED", EHLO, MAIL, "RCPT TO:<somebody@example.org>")
dialogue("BAD_SENDER", EHLO, "MAIL FROM:<a b@example.net>")
dialogue("BAD_RECIPIENT", EHLO, MAIL, "RCPT TO:<bob@example..test>")
dialogue("UTF8_NEEDED", EHLO, "MAIL FROM:<s\u00f8n@example.net>")
dialogue("NO_RECIPIENTS", EHLO, MAIL, "DATA")
dialogue("BAD_HELO", "EHLO a b")
dialogue("EARLY_TALKER", EHLO, b"NOOP\r\nNOOP")
dialogue("EARLY_DATA", EHLO, MAIL, RCPT, b"DATA\r\nSubject: early\r\n\r\n.")
dialogue("BAD_COMMAND", "HELLO")
dialogue("LINE_TOO_LONG", "NOOP " + "x" * 600)
dialogue("BARE_NEWLINE", b"NOOP\nNOOP")
dialogue("BAD_CHARACTER", b"NOOP \x01")
dialogue("BAD_SYNTAX", "RSET x")
dialogue("NOT_IMPLEMENTED", "EXPN list")
dialogue("BAD_SEQUENCE", EHLO, RCPT)
dialogue("BAD_PARAMETER", EHLO, "MAIL FROM:<a@example.net> X=1")
dialogue("NOT_SMTP", "GET / HTTP/1.1")
dialogue("TLS_INJECTION", EHLO, b"STARTTLS\r\nNOOP")
dialogue("XCLIENT_DENIED", EHLO, "XCLIENT ADDR=192.0.2.1")


def helo(name, said):
    """From outside, as a trusted proxy tells."""
    def run_it(m):
        with setting(m, "smtpd.xclient-from", "127.0.0.1", ""):
            def say():
                with m.raw() as c:
                    return talk(c, EHLO, "XCLIENT ADDR=192.0.2.7 NAME=[UNAVAILABLE]", "EHLO " + said, MAIL, RCPT)
            return until(b"550 5.7.1", say)
    provokes(name)(run_it)


helo("HELO_NOT_QUALIFIED", "printer")
helo("HELO_OURS", HOST)
helo("HELO_ADDRESS", "[192.0.2.8]")


def stranger(name, code, *words):
    """The same, from an address without a name."""
    def run_it(m):
        with setting(m, "smtpd.xclient-from", "127.0.0.1", ""):
            def say():
                with m.raw() as c:
                    return talk(c, EHLO, "XCLIENT ADDR=192.0.2.66 NAME=[UNAVAILABLE]", *words)
            return until(code, say)
    provokes(name)(run_it)


stranger("GREYLISTED", b"450", EHLO, MAIL, RCPT)


@provokes("MISBEHAVED")
def misbehaved(m):
    """As long as it takes: the first penalties are too small."""
    xclient = "XCLIENT ADDR=192.0.2.66 NAME=[UNAVAILABLE]"

    def say():
        with m.raw() as c:
            got = talk(c, EHLO, xclient)
            if got[-1].startswith(b"220"):
                c.send(b"GET / HTTP/1.1\r\n")
                reply(c)
            return got
    with setting(m, "smtpd.xclient-from", "127.0.0.1", ""):
        return until(b"421", say)


@provokes("FOREIGN_REPORT")
def foreign_report(m):
    def say():
        with m.raw(source="203.0.113.5") as c:
            assert talk(c, EHLO, "MAIL FROM:<>", RCPT, "DATA")[-1].startswith(b"354")
            c.send(FROM + b"\r\nIn-Reply-To: <no@message.of.ours>\r\n\r\nIt failed.\r\n.\r\n")
            return reply(c)
    memory.age(m, 31)
    with setting(m, "smtpd.foreign-reports", "refuse", "mark"):
        return until(b"550", say)


# --- logins -----------------------------------------------------------------------------------------

dialogue("TLS_REQUIRED", EHLO, OURS, port="submission_port")
dialogue("AUTH_NEEDS_TLS", EHLO, "AUTH PLAIN", port="submission_port")
secure("AUTH_REQUIRED", OURS)
secure("AUTH_REFUSED", "AUTH PLAIN " + plain(USER, "wrong"))
secure("AUTH_CANCELLED", "AUTH PLAIN", "*")
secure("NO_MECHANISM", "AUTH NONSENSE")
secure("AUTH_LINE_TOO_LONG", "AUTH PLAIN " + "A" * 12000)
secure("BAD_BASE64", "AUTH PLAIN !!!!")


@provokes("NOT_YOUR_ADDRESS")
def not_your_address(m):
    with Secure(m).login() as c:
        c.send(f"MAIL FROM:<{BOB}>\r\n".encode())
        return reply(c)


# --- the message ------------------------------------------------------------------------------------

FROM = f"From: {USER}".encode()
dialogue("TOO_BIG", EHLO, "MAIL FROM:<a@example.net> SIZE=99999999999")
content("LOOP", b"Received: by x; y\r\n" * 51 + b"\r\nround and round")
content("BAD_NEWLINES", b"Subject: bare\r\n\r\na\nb")
content("TOO_MANY_FIELDS", FROM + b"\r\n" + b"X: y\r\n" * 1001 + b"\r\nbody")
content("NESTED_TOO_DEEP", FROM + b"\r\n" + b"".join(
    b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(51)))
content("NUL", FROM + b"\r\n\r\na\0b")


def optional(name, switch, on, off, data):
    """A message of a stranger that is refused only where a setting says so."""
    def run_it(m):
        def say():
            with m.raw() as c:
                talk(c, EHLO, MAIL, RCPT, "DATA")
                c.send(data + b"\r\n.\r\n")
                return reply(c)
        assert say()[-1].startswith(b"250"), "not refused by default"
        with setting(m, switch, on, off):
            return until(b"550", say)
    provokes(name)(run_it)


optional("LONG_LINE", "smtpd.max-line", "998", "0", FROM + b"\r\n\r\n" + b"x" * 999)
optional("HEADER_8BIT", "smtpd.format-8bit", "yes", "no", FROM + b"\r\nSubject: gr\xfc\xdfe\r\n\r\nbody")


header("HEADER_BAD", FROM, b"no field at all")
header("HEADER_TOO_LONG", FROM, *[b"X-Filler: " + b"x" * 900] * 300)
header("HEADER_TWICE", FROM, b"Subject: a", b"Subject: b")
header("FROM_MISSING", b"Subject: a")
header("FROM_BAD", b"From: nobody at all <")
header("SENDER_MISSING", b"From: %s, alice+x@%s" % (USER.encode(), DOMAIN.encode()))
header("TOO_MANY_SENDERS", b"From: " + b", ".join(b"alice+%d@%s" % (n, DOMAIN.encode()) for n in range(17)),
       b"Sender: " + USER.encode())


# --- client and sender ------------------------------------------------------------------------------

def stranger(m, *words, source="203.0.113.5"):
    with m.raw(source=source) as c:
        return talk(c, EHLO, *words)


def from_domain(name, domain, *more):
    def run_it(m):
        return stranger(m, f"MAIL FROM:<sender@{domain}>", RCPT)
    provokes(name)(run_it)


from_domain("SENDER_UNKNOWN", "nothing.example.org")
from_domain("SENDER_TLD", "printer.local")
from_domain("SENDER_NOWHERE", "nowhere.example.net")
from_domain("SENDER_NULL_MX", "null.example.net")
from_domain("SENDER_LITERAL", "[203.0.113.5]")
from_domain("SENDER_UNCERTAIN", "trouble.example.net")
from_domain("SPF_FAIL", "forbids.example.net")


@provokes("SPF_BROKEN")
def spf_broken(m):
    with setting(m, "smtpd.refuse-spf-error", "yes", "no"):
        return until(b"550", lambda: stranger(m, "MAIL FROM:<sender@broken.example.net>", RCPT))


@provokes("NULL_SENDER_SEVERAL")
def null_sender(m):
    return stranger(m, "MAIL FROM:<>", RCPT, f"RCPT TO:<{BOB}>")


def client_name(name, source, setting_name):
    def run_it(m):
        with setting(m, setting_name, "yes", "no"):
            return until(b"550", lambda: stranger(m, MAIL, RCPT, source=source))
    provokes(name)(run_it)


client_name("DYNAMIC_CLIENT", "203.0.113.6", "smtpd.refuse-dynamic")
client_name("NO_CLIENT_NAME", "203.0.113.8", "smtpd.require-name")
client_name("CLIENT_NAME_DIFFERS", "203.0.113.7", "smtpd.require-name")


@provokes("BLOCKLISTED")
def blocklisted(m):
    return stranger(m, MAIL, RCPT, source="203.0.113.20")


@provokes("BLOCKLISTED_DIALUP")
def blocklisted_dialup(m):
    return stranger(m, MAIL, RCPT, source="203.0.113.21")


dialogue("OTHER_POLICY", EHLO, MAIL, RCPT, f"RCPT TO:<postmaster@{DOMAIN}>", source="203.0.113.5")


def from_author(name, author, *fields):
    """A message of a stranger whose From field shows another domain."""
    def run_it(m):
        with m.raw(source="203.0.113.5") as c:
            assert talk(c, EHLO, MAIL, RCPT, "DATA")[-1].startswith(b"354")
            c.send(b"\r\n".join([*fields, b"From: " + author, b"", b"body", b"."]) + b"\r\n")
            return reply(c)
    provokes(name)(run_it)


from_author("DMARC_REJECT", b"boss@strict.example.net")
from_author("DMARC_UNCERTAIN", b"boss@strict.example.net",
            b"DKIM-Signature: v=1; a=rsa-sha256; d=strict.example.net; s=away; h=from; bh="
            + base64.b64encode(hashlib.sha256(b"body\r\n").digest()) + b"; b=AAAA")


KEY = Key("ed25519")
SIGNER = Signer({"s": KEY})


@provokes("REPEATED")
def repeated(m):
    WORLD.names.load(ZONES + KEY.zone("s._domainkey.example.net"))
    text = SIGNER.sign(b"From: sender@example.net\r\nSubject: again\r\n\r\nbody\r\n", "s", "example.net")

    def say():
        with m.raw(source="203.0.113.5") as c:
            assert talk(c, EHLO, MAIL, RCPT, "DATA")[-1].startswith(b"354")
            c.send(text + b".\r\n")
            return reply(c)
    with setting(m, "smtpd.same-message-per-hour", 1, 200):
        return until(b"451", say)


# --- the tests --------------------------------------------------------------------------------------

def catalogue(m, lang):
    rows = json.loads(m.cli("--json", "explain", "all", "--lang", lang).stdout)["rows"]
    return {row["reason"]: row for row in rows}


def pattern(text):
    """A text of the table; whatever fills its holes."""
    return re.sub(r"\\\{[a-z]+\\\}", r"[ -~]+", re.escape(text))


def check(name, lines, english, german):
    said = [line.decode("ascii") for line in lines]
    codes = f"{english['smtp']}[- ]{re.escape(english['enhanced'])} "
    product = re.escape(f" ({english['code']})")
    assert len(said) == 3, (name, said)
    assert re.fullmatch(codes + pattern(english["reply"]) + product, said[0]), (name, said[0])
    assert re.fullmatch(codes + pattern(german["reply"]) + product, said[1]), (name, said[1])
    last = re.fullmatch(codes + r"https://mail\.example\.test/help/(\d+) id (\S+) time (\S+)", said[2])
    assert last and "P" + last.group(1) == english["code"], (name, said[2])
    then = datetime.datetime.fromisoformat(last.group(3).replace("Z", "+00:00"))
    age = datetime.datetime.now(datetime.timezone.utc) - then
    assert abs(age.total_seconds()) < 600, (name, said[2])
    assert all(len(line) <= 510 and line[3:4] == (b" " if n == 2 else b"-") for n, line in enumerate(lines))
    assert {english["smtp"][0], english["enhanced"][0], english["code"][1]} == {said[0][0]}, (name, said)
    return last.group(2)


def test_nothing_is_left_out(m):
    rows = set(catalogue(m, "en"))
    assert len(rows) > 40
    assert not rows - set(DIALOGUES), f"nobody provokes {rows - set(DIALOGUES)}"
    assert not set(DIALOGUES) - rows, f"not in the catalogue: {set(DIALOGUES) - rows}"


@expects(r".")
def test_every_refusal(m):
    english, german = catalogue(m, "en"), catalogue(m, "de")
    ids = {}
    for name, provoke in DIALOGUES.items():
        identity = check(name, provoke(m), english[name], german[name])
        if name not in ("STOPPING", "TLS_UNAVAILABLE"):  # in the log of another instance
            ids[name] = identity
    for name, identity in ids.items():
        m.wait_log(rf" {re.escape(identity)} event=")


def test_help_url(m):
    with setting(m, "general.help-url", "https://help.example.org/?p=", ""):
        def say():
            with m.raw() as c:
                return talk(c, "HELLO")
        wait_until("the new address", 30 * SLOW, lambda: b" https://help.example.org/?p=516 " in say()[-1])


def test_explain(m):
    by_code = m.cli("explain", "P504").stdout
    assert by_code == m.cli("explain", "504").stdout == m.cli("explain", "unknown_recipient").stdout
    assert "There is no such mailbox here" in by_code and "suspended" in by_code
    assert "Empf\u00e4nger" in m.cli("explain", "504", "--lang", "de").stdout
    assert m.cli("explain", "529").stdout.count("\nP529") == 1, "two refusals with one code"
    assert m.cli("explain", "999", check=False).returncode == 1
    assert m.cli("explain", "504", "--lang", "fr", check=False).returncode == 100
