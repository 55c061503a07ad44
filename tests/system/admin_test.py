# SPDX-License-Identifier: ISC
"""The postern command: every command, --help, --json, errors; reload, suspend, backup."""
import imaplib
import json

import socket
import ssl

import scram

from harness import *

BOB = "bob@" + DOMAIN
OPTIONS = {}


def rows(m, *words):
    """The rows a command prints as JSON."""
    value = json.loads(m.cli("--json", *words).stdout)
    return value if isinstance(value, list) else value["rows"]


def can_login(m, user, password=PASSWORD):
    try:
        m.imap(user, password).logout()
        return True
    except imaplib.IMAP4.error:
        return False


def texts_of_help(m):
    """What --help says of the whole (""), of each group, and of each command that these two name."""
    texts, found = {"": run(m.command, "--help").stdout}, {}
    for first in re.findall(r"^  ([a-z][a-z-]*) ", texts[""], re.M):
        texts[first] = run(m.command, first, "--help").stdout
        if "usage: " not in texts[first]:
            found[first] = re.findall(rf"^  {first} ([a-z-]+) ", texts[first], re.M)
        elif also := re.search(rf"^Also: postern {first} (.*)$", texts[first], re.M):
            found[first] = also.group(1).split(", ")
    for first, seconds in found.items():
        texts.update({f"{first} {x}": run(m.command, first, x, "--help").stdout for x in seconds})
    return texts


def test_help_of_every_command(m):
    """It fits a terminal of 24 lines and 80 columns, and the manual knows the command and its options."""
    with open(os.path.join(TOP, "docs/man/postern.8")) as f:
        manual = f.read()
    texts = texts_of_help(m)
    for words, text in texts.items():
        lines = text.splitlines()
        assert lines and all(len(line) <= 80 for line in lines) and len(lines) <= 24, (words, text)
    commands = [words for words, text in texts.items() if words and "usage: " in text]
    assert len(commands) > 50, commands
    for words in commands:
        assert f"\n.It Ic {words}" in manual, words
        for option in re.findall(r"^  --([a-z-]+)", texts[words], re.M):
            assert f"\n.It Fl \\-{option}" in manual, (words, option)
    named = re.sub(r"\s+", " ", texts[""])
    for first, second in (words.split() for words in commands if " " in words):
        assert "usage: " in texts[first] or re.search(rf" {first} ([a-z-]+, )*{second}\b", named), (first, second)


def test_usage_errors(m):
    for words in (("nonsense",), ("user", "add"), ("user", "frobnicate"), ("config", "get"),
                  ("alias", "add", "x@" + DOMAIN)):
        done = m.cli(*words, check=False)
        assert done.returncode == 100 and done.stderr, (words, done)


def test_users(m):
    m.add_user(BOB)
    assert m.cli("user", "add", BOB, stdin=PASSWORD + "\n", check=False).returncode == 1
    assert m.cli("user", "add", "x@" + DOMAIN, stdin="x\n", check=False).returncode, "too short"
    assert m.cli("user", "add", "x@unknown.example", stdin="longpassword\n", check=False).returncode
    for bad in ("../x@" + DOMAIN, "a b@" + DOMAIN, "x", "-x@" + DOMAIN + "/"):
        assert m.cli("user", "add", "--", bad, stdin="pw12345678\n", check=False).returncode, bad
    found = {r["address"]: r for r in rows(m, "user", "list")}
    assert set(found) == {USER, BOB}, found
    assert can_login(m, BOB)
    m.cli("user", "passwd", BOB, stdin="another long one\n")
    assert not can_login(m, BOB) and can_login(m, BOB, "another long one")
    m.cli("user", "passwd", BOB, stdin=PASSWORD + "\n")


def test_suspend_ends_sessions_and_refuses_mail(m):
    client = m.imap(BOB)
    client.select("INBOX")
    m.cli("user", "suspend", BOB)
    try:
        client.sock.settimeout(10 * SLOW)
        while client.readline():
            pass
    except (OSError, imaplib.IMAP4.abort):
        pass
    assert not can_login(m, BOB)
    with m.smtp() as c:
        c.mail("sender@example.net")
        assert c.rcpt(BOB)[0] in (450, 550), "mail to a suspended account"
    m.cli("user", "resume", BOB)
    assert can_login(m, BOB)
    m.send(message("after resume"), [BOB])
    m.wait_count(1, user=BOB)


def test_domains_and_aliases(m):
    m.cli("domain", "add", "second.example")
    assert "second.example" in {r["domain"] for r in rows(m, "domain", "list")}
    m.cli("alias", "add", "info@second.example", USER, BOB)
    assert "info@second.example" in {r["address"] for r in rows(m, "alias", "list")}
    a, b = m.count(), m.count(user=BOB)
    m.send(message("to the alias"), ["info@second.example"])
    m.wait_count(a + 1)
    m.wait_count(b + 1, user=BOB)
    m.cli("alias", "remove", "info@second.example")

    def unknown():
        with m.smtp() as c:
            c.mail("sender@example.net")
            return c.rcpt("info@second.example")[0] == 550
    wait_until("smtpd hears of it", 10 * SLOW, unknown)
    m.cli("domain", "remove", "second.example")
    assert "second.example" not in {r["domain"] for r in rows(m, "domain", "list")}
    assert m.cli("domain", "remove", DOMAIN, check=False).returncode, "a domain with accounts"


def test_forwards(m):
    a, b = m.count(), m.count(user=BOB)
    m.cli("forward", "add", BOB, USER)
    assert rows(m, "forward", "list") == [{"address": BOB, "keep": "yes", "targets": USER}]
    m.send(message("to both"), [BOB])
    m.wait_count(a + 1)
    m.wait_count(b + 1, user=BOB)
    m.cli("forward", "keep", BOB, "no")
    assert m.cli("forward", "add", USER, BOB, check=False).returncode == 1, "a circle"
    assert m.cli("forward", "keep", BOB, "perhaps", check=False).returncode == 1
    m.send(message("to one"), [BOB])
    m.wait_count(a + 2)
    m.cli("forward", "remove", BOB)
    assert rows(m, "forward", "list") == []
    m.send(message("to himself again"), [BOB])
    m.wait_count(b + 2, user=BOB)
    assert m.count() == a + 2


def test_rights_to_send(m):
    team = "team@" + DOMAIN
    assert m.cli("send-as", "add", BOB, team, check=False).returncode == 1, "no such address"
    m.cli("alias", "add", team, USER, BOB)
    m.cli("send-as", "add", BOB, team)
    assert rows(m, "send-as", "list") == [{"account": BOB, "addresses": team}]
    assert m.cli("alias", "remove", team, check=False).returncode == 1, "somebody sends as it"
    m.cli("send-as", "remove", BOB, team)
    assert rows(m, "send-as", "list") == []
    m.cli("alias", "remove", team)


def test_alias_loop_ends(m):
    m.cli("alias", "add", "loop1@" + DOMAIN, "loop2@" + DOMAIN, check=False)
    m.cli("alias", "add", "loop2@" + DOMAIN, "loop1@" + DOMAIN, check=False)
    with m.smtp() as c:
        c.mail("sender@example.net")
        assert c.rcpt("loop1@" + DOMAIN)[0] >= 400
    for name in ("loop1@", "loop2@"):
        m.cli("alias", "remove", name + DOMAIN, check=False)


def test_config(m):
    settings = {r["setting"]: r for r in rows(m, "config", "list")}
    for name in ("resolver.server", "resolver.trust-anchor-file", "smtpd.xclient-from"):
        assert name in settings, name
    m.cli("config", "set", "smtpd.max-recipients", "123")
    assert rows(m, "config", "get", "smtpd.max-recipients")[0]["value"] == "123"
    m.cli("config", "check")
    for name, value in (("smtpd.max-recipients", "5"), ("smtpd.max-recipients", "x"),
                        ("no.such", "1"), ("smtpd.xclient-from", "not an address")):
        done = m.cli("config", "set", name, value, check=False)
        assert done.returncode and done.stderr, (name, value)
    assert rows(m, "config", "get", "smtpd.max-recipients")[0]["value"] == "123"


def test_broken_config_is_refused_and_the_old_one_stays(m):
    path = os.path.join(m.folder, "postern.conf")
    with open(path) as f:
        good = f.read()
    try:
        with open(path, "a") as f:
            f.write("nonsense {\n")
        done = m.cli("config", "check", check=False)
        assert done.returncode and "postern.conf" in done.stdout + done.stderr, done
        start = m.log_size()
        m.proc.send_signal(signal.SIGHUP)
        m.wait_log("error - configuration .*not closed", start)
        assert can_login(m, USER)
    finally:
        with open(path, "w") as f:
            f.write(good)


test_broken_config_is_refused_and_the_old_one_stays.expected = [re.compile(r"postern\.conf|config")]


def test_reload_keeps_sessions(m):
    client = m.imap()
    client.select("INBOX")
    m.cli("reload")
    m.proc.send_signal(signal.SIGHUP)
    assert client.noop()[0] == "OK"
    client.logout()


def test_status_and_queue(m):
    programs = {r["program"] for r in rows(m, "status")}
    assert {"logger", "keys", "smtpd", "queue", "imapd", "accounts"} <= programs, programs
    assert isinstance(rows(m, "queue", "list"), list)
    assert m.cli("queue", "show", "nonsense", check=False).returncode != 0


def test_backup_under_load_and_restore_keep_uids(m):
    for n in range(5):
        m.send(message(f"saved {n}", "s" * (200000 if n == 3 else 20) + "\r\n"))
    m.wait_count(5)
    client = m.imap()
    client.select("INBOX")
    client.store("1", "+FLAGS", "(\\Flagged)")
    client.store("2", "+FLAGS", "(\\Deleted)")
    client.expunge()
    before, validity = m.messages(), client.response("UIDVALIDITY")
    client.logout()
    team = "team@" + DOMAIN
    m.cli("alias", "add", team, USER, "far@elsewhere.example")
    m.cli("send-as", "add", USER, team)
    m.cli("forward", "add", BOB, USER, "bob@elsewhere.example")
    app = rows(m, "app-password", "add", USER, "phone")[0]["password"]
    lists = (("alias", "list"), ("send-as", "list"), ("forward", "list"), ("app-password", "list"))
    accounts = [rows(m, *words) for words in lists]
    target = os.path.join(m.home, "backup")
    m.cli("backup", target)
    m.send(message("after the backup"))
    other = servers.Postern(os.path.join(m.home, "restored"), m.base + 1000, m.out)
    other.cli("restore", target)
    other.cli("config", "set", "general.port-base", str(other.base))
    other.start()
    try:
        client = other.imap()
        client.select("INBOX")
        assert client.response("UIDVALIDITY") == validity
        _, data = client.uid("SEARCH", "FLAGGED")
        assert data[0], "a flag was lost"
        client.logout()
        client = other.imap()
        client.select("INBOX", readonly=True)
        got = {}
        for part in client.uid("FETCH", "1:*", "(UID BODY.PEEK[])")[1]:
            if isinstance(part, tuple):
                got[int(re.search(rb"UID (\d+)", part[0]).group(1))] = part[1]
        client.logout()
        assert got == before, (sorted(got), sorted(before))
        assert [rows(other, *words) for words in lists] == accounts
        client = other.imap(USER, app)
        client.logout()
        client = imaplib.IMAP4_SSL("mail." + DOMAIN, other.imaps_port,
                                   ssl_context=ssl.create_default_context(cafile=other.folder + "/ca.pem"))
        client.authenticate("SCRAM-SHA-256", scram.Client(USER, app).step)
        client.logout()
        m.cli("send-as", "remove", USER, team)
        m.cli("alias", "remove", team)
        m.cli("forward", "remove", BOB)
        run("swaks", "--server", f"127.0.0.1:{other.smtp_port}", "--to", USER, "--from",
            "sender@example.net")
    finally:
        assert other.stop() == 0


def test_setting_that_waits_for_the_next_start(m):
    # Otherwise her mailbox process would get a uid that does not own her mail.
    carol = "carol@" + DOMAIN
    m.cli("user", "add", carol, stdin=PASSWORD + "\n")
    m.cli("config", "set", "general.mailbox-uid-base", "70000")
    try:
        assert can_login(m, carol)
        m.cli("user", "remove", carol)
    finally:
        m.cli("config", "set", "general.mailbox-uid-base", "66000")


def test_remove_user(m):
    m.cli("user", "remove", BOB)
    assert BOB not in {r["address"] for r in rows(m, "user", "list")}
    assert not can_login(m, BOB)
    with m.smtp() as c:
        c.mail("sender@example.net")
        assert c.rcpt(BOB)[0] == 550


def test_service_manager_is_told(m):
    folder, path = m.home + "/notified", m.home + "/notify"
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(path)
    told.settimeout(10 * SLOW)
    run(m.command, "init", "--dir", folder, "--domain", DOMAIN, "--hostname", "mail." + DOMAIN,
        "--port-base", "41000")
    server = subprocess.Popen([m.command, "run", "--dir", folder], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, env={"NOTIFY_SOCKET": path})
    try:
        assert told.recv(100) == b"READY=1"
        assert server.stdout.readline() == b"ready\n"
    finally:
        server.terminate()
        status = server.wait(20 * SLOW)
    assert told.recv(100) == b"STOPPING=1"
    assert status == 0, status
    told.close()


def test_admin_socket_is_closed_to_others(m):
    if os.geteuid() != 0:
        raise Skip("needs root")
    # The sources may lie where nobody cannot go.
    command = shutil.copy(m.command, m.home)
    os.chmod(command, 0o755)
    done = subprocess.run([command, "--dir", m.folder, "user", "list"], user="nobody",
                          capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and USER not in done.stdout, done
