# SPDX-License-Identifier: ISC
"""Logins: app passwords, SCRAM with and without channel binding, what looks alike, what ends."""
import base64
import contextlib
import imaplib
import json
import smtplib
import ssl

import scram

from harness import *

HOST = "mail." + DOMAIN
BOB = "bob@" + DOMAIN
OPTIONS = dict(users=(USER, BOB))
APP = {}


def tls(m, version=None):
    context = ssl.create_default_context(cafile=m.folder + "/ca.pem")
    if version:
        context.maximum_version = version
    return context


def connect(m, version=None):
    return imaplib.IMAP4_SSL(HOST, m.imaps_port, ssl_context=tls(m, version))


def add_password(m, name, user=USER):
    APP[name] = json.loads(m.cli("--json", "app-password", "add", user, name).stdout)["rows"][0]["password"]
    return APP[name]


def try_login(m, login, version=None):
    """True: login(connection) went through and the session works."""
    c = connect(m, version)
    try:
        login(c)
    except imaplib.IMAP4.error as error:
        assert "AUTHENTICATIONFAILED" in str(error), error
        return False
    assert c.select("INBOX")[0] == "OK"
    c.logout()
    return True


def by_scram(m, user, password, mechanism="SCRAM-SHA-256", version=None, **more):
    client = scram.Client(user, password, **more)
    good = try_login(m, lambda c: c.authenticate(mechanism, client.step), version)
    assert good == client.proven, "the server proved itself and refused, or took what it cannot know"
    return good


def bound(m, password, name, version, data=None, user=USER):
    """Log in with a binding that is computed from the connection, or is `data`."""
    def login(c):
        seen = c.sock.get_channel_binding("tls-unique") if name == "tls-unique" else scram.end_point(c.sock)
        client = scram.Client(user, password, "p=" + name, data if data is not None else seen)
        c.authenticate("SCRAM-SHA-256-PLUS", client.step)
        assert client.proven
    return try_login(m, login, version)


def test_mechanisms(m):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with connect(m, version) as c:
            assert {"AUTH=PLAIN", "AUTH=LOGIN", "AUTH=SCRAM-SHA-256",
                    "AUTH=SCRAM-SHA-256-PLUS"} <= set(c.capabilities), c.capabilities
    with imaplib.IMAP4(HOST, m.imap_port) as c:
        assert not [x for x in c.capabilities if x.startswith("AUTH=")], c.capabilities
        with contextlib.suppress(imaplib.IMAP4.error):
            c.authenticate("SCRAM-SHA-256", scram.Client(USER, PASSWORD).step)
            raise AssertionError("SCRAM without TLS")
        c.starttls(tls(m))
        assert "AUTH=SCRAM-SHA-256-PLUS" in c.capabilities


def test_app_password(m):
    password = add_password(m, "phone")
    assert re.fullmatch("([a-km-np-z2-9]{5}-){3}[a-km-np-z2-9]{5}", password), password
    assert try_login(m, lambda c: c.login(USER, password))
    assert try_login(m, lambda c: c.login(USER, password)), "from the cache"
    assert try_login(m, lambda c: c.authenticate("PLAIN", lambda _: f"\0{USER}\0{password}".encode()))
    answers = iter((USER.encode(), password.encode()))
    assert try_login(m, lambda c: c.authenticate("LOGIN", lambda _: next(answers)))
    assert by_scram(m, USER, password)
    assert by_scram(m, USER.upper(), password), "names of any case"
    assert by_scram(m, USER, password, authzid=USER)
    for wrong in (password[:-1], password + "a", password.upper(), password.replace("-", "")):
        assert not by_scram(m, USER, wrong)
        assert not try_login(m, lambda c: c.login(USER, wrong))
    assert not by_scram(m, BOB, password) and not try_login(m, lambda c: c.login(BOB, password))
    assert not by_scram(m, USER, password, authzid=BOB)
    assert not by_scram(m, USER, PASSWORD), "the main password has no keys for SCRAM"
    assert try_login(m, lambda c: c.login(USER, PASSWORD))


def test_several_app_passwords(m):
    for i in range(19):
        add_password(m, f"device {i}")
    assert m.cli("app-password", "add", USER, "one more", check=False).returncode == 1
    listed = json.loads(m.cli("--json", "app-password", "list", USER).stdout)["rows"]
    assert [r["name"] for r in listed] == list(APP), listed
    assert not any(p in m.cli("app-password", "list").stdout for p in APP.values())
    for name in ("phone", "device 0", "device 18"):
        assert by_scram(m, USER, APP[name]) and try_login(m, lambda c: c.login(USER, APP[name])), name
    for i in range(1, 19):
        m.cli("app-password", "remove", USER, f"device {i}")
        del APP[f"device {i}"]


def test_channel_bindings(m):
    two, three = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    password = APP["phone"]
    assert bound(m, password, "tls-server-end-point", two)
    assert bound(m, password, "tls-server-end-point", three)
    assert bound(m, password, "tls-unique", two)
    assert not bound(m, "wrong", "tls-unique", two)
    assert not bound(m, password, "tls-unique", two, b"x" * 12), "another session"
    assert not bound(m, password, "tls-server-end-point", three, b"x" * 32), "another certificate"
    assert not bound(m, password, "tls-unique", three, b"x" * 12), "not with TLS 1.3"
    assert not bound(m, password, "tls-exporter", three, b"x" * 32)
    # -PLUS without a binding, and a binding without -PLUS
    assert not by_scram(m, USER, password, "SCRAM-SHA-256-PLUS")
    assert not by_scram(m, USER, password, flag="p=tls-unique", binding=b"x" * 12)
    # somebody took -PLUS out of the list the client saw
    assert not by_scram(m, USER, password, flag="y")
    assert by_scram(m, USER, password, flag="n")


def test_initial_response(m):
    client = scram.Client(USER, APP["phone"])
    with contextlib.closing(tls(m).wrap_socket(socket.create_connection((HOST, m.imaps_port)),
                                               server_hostname=HOST)) as s, s.makefile("rwb") as f:
        def answer():
            line = f.readline()
            assert line.startswith(b"+ "), line
            return client.step(base64.b64decode(line[2:]))
        f.readline()
        f.write(b"a AUTHENTICATE SCRAM-SHA-256 " + base64.b64encode(client.step(b"")) + b"\r\n")
        f.flush()
        for _ in range(2):
            f.write(base64.b64encode(answer()) + b"\r\n")
            f.flush()
        assert client.proven and f.readline().startswith(b"a OK "), "logged in"


def test_unknown_looks_like_known(m):
    """The challenge is there for everybody, the same each time, whoever asks and whoever answers."""
    salts = {}
    for user in (USER, BOB, "nobody@" + DOMAIN, "x@elsewhere.test"):
        for _ in range(3):
            client = scram.Client(user, "wrong")
            assert not try_login(m, lambda c: c.authenticate("SCRAM-SHA-256", client.step))
            assert client.fields["i"] == "4096" and len(base64.b64decode(client.fields["s"])) == 16
            assert len(client.fields["r"]) == len(client.nonce) + 32
            assert salts.setdefault(user, client.fields["s"]) == client.fields["s"]
    assert len(set(salts.values())) == 4
    m.cli("user", "suspend", BOB)
    client = scram.Client(BOB, PASSWORD)
    assert not try_login(m, lambda c: c.authenticate("SCRAM-SHA-256", client.step))
    assert client.fields["s"] == salts[BOB]
    m.cli("user", "resume", BOB)
    add_password(m, "bob's", BOB)
    client = scram.Client(BOB, APP.pop("bob's"))
    assert try_login(m, lambda c: c.authenticate("SCRAM-SHA-256", client.step))
    assert client.fields["s"] == salts[BOB], "a first app password changes nothing that is seen"


def test_malformed(m):
    """Rubbish at each step ends the exchange, not the connection, and never logs in."""
    def replies(*messages):
        todo = iter(messages)
        return lambda _: next(todo, b"")
    for messages in ((b"",), (b"n,,",), (b"\0" * 50,), (b"n" * 3000,), (b"n,,n=a,r=",), (b"n,,m=1,n=a,r=x",),
                     (b"n,,n=" + USER.encode() + b",r=x", b""), (b"n,,n=" + USER.encode() + b",r=x", b"c=biws"),
                     (b"n,,n=" + USER.encode() + b",r=x", b"c=biws,r=x,p=" + b"A" * 44),
                     (b"n,,n=" + b"a" * 400 + b",r=x",)):
        c = connect(m)
        with contextlib.suppress(imaplib.IMAP4.error):
            c.authenticate("SCRAM-SHA-256", replies(*messages))
            raise AssertionError(messages)
        c.login(USER, PASSWORD)
        c.logout()


def test_one_after_the_other(m):
    """T077: mechanisms that fail leave nothing behind for the next."""
    c = connect(m)
    for mechanism, step in (("SCRAM-SHA-256", scram.Client(USER, "wrong").step),
                            ("PLAIN", lambda _: f"\0{USER}\0wrong".encode())):
        with contextlib.suppress(imaplib.IMAP4.error):
            c.authenticate(mechanism, step)
            raise AssertionError(mechanism)
    client = scram.Client(USER, APP["phone"])
    assert c.authenticate("SCRAM-SHA-256", client.step)[0] == "OK" and client.proven
    c.logout()


def ends(c):
    c.sock.settimeout(10 * SLOW)
    with contextlib.suppress(OSError, imaplib.IMAP4.abort):
        while c.readline():
            pass
    return True


def test_removal_ends_sessions(m):
    c = connect(m)
    client = scram.Client(USER, APP["device 0"])
    c.authenticate("SCRAM-SHA-256", client.step)
    c.select("INBOX")
    m.cli("app-password", "remove", USER, "device 0")
    assert ends(c)
    gone = APP.pop("device 0")
    assert not by_scram(m, USER, gone) and not try_login(m, lambda x: x.login(USER, gone))
    assert by_scram(m, USER, APP["phone"]) and try_login(m, lambda x: x.login(USER, APP["phone"]))


def submission(m, password, plus=False):
    """A login on port 465 by SCRAM, bound to the TLS session with plus."""
    c = smtplib.SMTP_SSL(HOST, m.base + 465, context=tls(m, ssl.TLSVersion.TLSv1_2), timeout=20 * SLOW)
    c.ehlo("client.example")
    client = scram.Client(USER, password, *(("p=tls-unique", c.sock.get_channel_binding("tls-unique")) if plus
                                            else ()))
    try:
        code, _ = c.auth("SCRAM-SHA-256" + "-PLUS" * plus,
                         lambda challenge=None: client.step(challenge or b"").decode())
    except smtplib.SMTPAuthenticationError as error:
        code = error.smtp_code
    assert (code == 235) == client.proven, code
    return c if code == 235 else None


def may_send_as(m, password, sender):
    with submission(m, password, True) as c:
        return c.mail(sender)[0] == 250


def test_submission(m):
    """The same passwords and mechanisms; what may be sent; the end of the door."""
    team = "team@" + DOMAIN
    password = add_password(m, "sender")
    assert submission(m, PASSWORD) is None and submission(m, password + "x", True) is None
    m.cli("alias", "add", team, USER, BOB)
    before = m.count(user=BOB)
    with submission(m, password, True) as c:
        for sender, want in ((USER, 250), (USER.replace("@", "+x@"), 250), (BOB, 550), (team, 550)):
            code = c.mail(sender)[0]
            if code == 250:
                code = c.rcpt(BOB)[0]
                c.rset()
            assert code == want, (sender, code)
        m.cli("send-as", "add", USER, team)
        # queue hears of it in the same turn, but the command's own answer may be quicker.
        wait_until("alice may send as the team", 30 * SLOW, lambda: may_send_as(m, password, team))
        c.sendmail(team, [BOB], f"From: {team}\r\nTo: {BOB}\r\nSubject: from the team\r\n\r\nHello.\r\n")
    m.wait_count(before + 1, user=BOB)
    m.cli("send-as", "remove", USER, team)
    m.cli("alias", "remove", team)
    c = submission(m, password)
    m.cli("app-password", "remove", USER, "sender")
    del APP["sender"]
    try:
        code = [c.mail(USER)[0], c.rcpt(BOB)[0]][-1]
    except smtplib.SMTPServerDisconnected:
        code = 421
    assert code >= 400, "the door is shut"
    assert submission(m, password) is None


def test_suspend_and_passwd(m):
    c = connect(m)
    c.authenticate("SCRAM-SHA-256", scram.Client(USER, APP["phone"]).step)
    m.cli("user", "suspend", USER)
    assert ends(c)
    assert not by_scram(m, USER, APP["phone"]) and not try_login(m, lambda x: x.login(USER, APP["phone"]))
    m.cli("user", "resume", USER)
    assert by_scram(m, USER, APP["phone"])
    m.cli("user", "passwd", USER, stdin="another password\n")
    assert by_scram(m, USER, APP["phone"]), "app passwords are not touched"
    assert not try_login(m, lambda x: x.login(USER, PASSWORD))
    m.cli("user", "passwd", USER, stdin=PASSWORD + "\n")


def test_main_password_on_request(m):
    m.cli("config", "set", "auth.scram-main-password", "yes")
    m.cli("user", "passwd", USER, stdin=PASSWORD + "\n")
    assert by_scram(m, USER, PASSWORD) and by_scram(m, USER, APP["phone"])
    m.cli("config", "set", "auth.scram-main-password", "no")
    m.cli("user", "passwd", USER, stdin=PASSWORD + "\n")
    assert not by_scram(m, USER, PASSWORD) and by_scram(m, USER, APP["phone"])


def test_gsasl(m):
    """GNU SASL, which binds to the exporter of TLS 1.3."""
    need("gsasl")
    for mechanism, password, want, *more in (
            ("SCRAM-SHA-256", APP["phone"], True, "--no-cb"), ("PLAIN", PASSWORD, True),
            ("SCRAM-SHA-256-PLUS", APP["phone"], True), ("SCRAM-SHA-256-PLUS", "wrong", False)):
        done = run("gsasl", "--imap", "--connect", f"{HOST}:{m.imap_port}", "--mechanism", mechanism, *more,
                   "--authentication-id", USER, "--password", password, "--x509-ca-file",
                   m.folder + "/ca.pem", check=False, stdin="")
        good = "Client authentication finished (server trusted)" in done.stdout + done.stderr
        assert good == want, (mechanism, done.stdout, done.stderr)
        if mechanism.endswith("PLUS"):
            assert base64.b64encode(b"p=tls-exporter,")[:-2].decode() in done.stdout, done.stdout


def test_without_a_trace(m):
    """No password is in the log."""
    text = m.log(0)
    for secret in (PASSWORD, *APP.values()):
        assert secret not in text
