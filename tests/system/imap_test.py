# SPDX-License-Identifier: ISC
"""IMAP with curl, mutt and Python's imaplib; TLS verified against the instance's own CA."""
import base64
import glob
import imaplib
import json
import ssl

from harness import *

HOST = "mail." + DOMAIN
OPTIONS = {}
MIME = ("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b1\"\r\n\r\npreamble\r\n"
        "--b1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nfirst part\r\n"
        "--b1\r\nContent-Type: application/octet-stream; name=\"x.bin\"\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n--b1--\r\n")


def login(m, port=None):
    context = ssl.create_default_context(cafile=m.folder + "/ca.pem")
    client = imaplib.IMAP4_SSL(HOST, m.imaps_port, ssl_context=context)
    client.login(USER, PASSWORD)
    return client


def curl(m, path, *options):
    need("curl")
    return run("curl", "-sS", "--cacert", m.folder + "/ca.pem", "--user", f"{USER}:{PASSWORD}",
               f"imaps://{HOST}:{m.imaps_port}/{path}", *options).stdout


def test_fill(m):
    m.send(message("plain one", "one\r\n"))
    m.send("From: \"A, B\" <ab@example.net>\r\nTo: " + USER + "\r\nSubject: with parts\r\n"
           "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <p@example.net>\r\n" + MIME)
    m.send(message("third", "the needle in it\r\n"))
    m.wait_count(3)


def test_curl_lists_and_fetches(m):
    out = curl(m, "")
    for folder in ("INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"):
        assert re.search(rf"\b{folder}\b", out), f"{folder} is missing:\n{out}"
    assert "first part" in curl(m, "INBOX;MAILINDEX=2")
    assert "Subject: third" in curl(m, "INBOX;MAILINDEX=3;SECTION=HEADER")
    assert "SEARCH 3" in curl(m, "INBOX?TEXT%20needle")


def test_curl_starttls(m):
    out = run("curl", "-sS", "--ssl-reqd", "--cacert", m.folder + "/ca.pem", "--user",
              f"{USER}:{PASSWORD}", f"imap://{HOST}:{m.imap_port}/INBOX;MAILINDEX=1").stdout
    assert "plain one" in out


def on_terminal(command, home, out):
    """Runs a program in a terminal of its own; the file it wrote and what it showed."""
    proc = subprocess.Popen(["script", "-qec", command, "/dev/null"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env={"TERM": "xterm", "HOME": home, "PATH": os.environ["PATH"]})
    try:
        proc.wait(30 * SLOW)
    except subprocess.TimeoutExpired:
        proc.kill()
    screen = proc.stdout.read().decode(errors="replace")
    try:
        with open(out) as f:
            return f.read(), screen
    except OSError:
        return "", screen


def test_mutt_copies_a_message(m):
    need("mutt")
    home = tempfile.mkdtemp()
    out = os.path.join(home, "copy")
    with open(os.path.join(home, "muttrc"), "w") as f:
        f.write(f"""set imap_user="{USER}"
set imap_pass="{PASSWORD}"
set ssl_force_tls=yes
set certificate_file="{m.folder}/ca.pem"
set folder="imaps://{HOST}:{m.imaps_port}/"
set copy=no
set confirmappend=no
set confirmcreate=no
set quit=yes
set mbox_type=mbox
set delete=no
set move=no
set sort=mailbox-order
set wait_key=no
push "<first-entry><copy-message><kill-line>{out}<enter><exit><exit>"
""")
    command = f"mutt -n -F {home}/muttrc -f imaps://{HOST}:{m.imaps_port}/INBOX"
    try:
        text, screen = on_terminal(command, home, out)
    finally:
        shutil.rmtree(home)
    assert text, "mutt saved nothing:\n" + screen[-2000:]
    assert "Subject: plain one" in text, text


def test_special_folders_are_subscribed(m):
    c = login(m)
    for command in (c.list, c.lsub):
        _, lines = command()
        names = {line.decode().split()[-1].strip('"') for line in lines}
        assert {"Drafts", "Sent", "Junk", "Trash", "Archive"} <= names, names
    c.logout()


def test_fetch_items(m):
    c = login(m)
    typ, count = c.select("INBOX")
    assert (typ, count) == ("OK", [b"3"])
    c.store("1:3", "-FLAGS.SILENT", "(\\Seen)")  # curl and mutt have read some
    _, data = c.fetch("1:3", "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)")
    text = b"".join(d if isinstance(d, bytes) else b"".join(d) for d in data)
    assert b'"with parts"' in text and b'"A, B"' in text, text
    assert re.search(rb'BODYSTRUCTURE \(\("text" "plain" \("charset" "utf-8"\)', text, re.I), text
    assert re.search(rb'"mixed" \("boundary" "b1"\)', text, re.I), text
    whole = c.fetch("2", "(BODY.PEEK[])")[1][0][1]
    size = int(re.search(rb"2 \(.*?RFC822.SIZE (\d+)", text).group(1))
    assert len(whole) == size, (len(whole), size)
    for section, want in (("BODY[1]", b"first part"), ("BODY[2]", b"AAECAw=="),
                          ("BODY[TEXT]", b"preamble"), ("BODY[2.MIME]", b"x.bin"),
                          ("BODY[HEADER.FIELDS (SUBJECT)]", b"Subject: with parts\r\n\r\n")):
        got = c.fetch("2", f"({section.replace('BODY[', 'BODY.PEEK[')})")[1][0][1]
        assert want in got, (section, got)
    part = c.fetch("2", "(BODY.PEEK[]<10.20>)")[1][0]
    assert part[1] == whole[10:30] and b"BODY[]<10>" in part[0], part
    assert c.fetch("2", "(FLAGS)")[1][0].find(b"\\Seen") < 0, "PEEK set \\Seen"
    c.fetch("2", "(BODY[TEXT])")
    assert b"\\Seen" in c.fetch("2", "(FLAGS)")[1][0]
    for macro in ("ALL", "FAST", "FULL"):
        assert c.fetch("1", macro)[0] == "OK", macro
    c.logout()


def test_search(m):
    c = login(m)
    c.select("INBOX")
    c.store("1:3", "-FLAGS.SILENT", "(\\Seen)")
    c.store("2", "+FLAGS.SILENT", "(\\Seen)")
    for criteria, want in (("ALL", b"1 2 3"), ("SUBJECT needle", b""), ("TEXT needle", b"3"),
                           ("BODY needle", b"3"), ("FROM ab@example.net", b"2"), ("SEEN", b"2"),
                           ("UNSEEN", b"1 3"), ("NOT SEEN SUBJECT third", b"3"),
                           ("OR SUBJECT plain SUBJECT third", b"1 3"), ("LARGER 100000", b""),
                           ("SENTON 23-Nov-2026", b"1 2 3"), ("BEFORE 1-Jan-2000", b""),
                           ("HEADER Message-ID p@example.net", b"2"), ("2:3", b"2 3"),
                           ("UID 1", None)):
        typ, data = c.search(None, *criteria.split(" "))
        assert typ == "OK", criteria
        assert want is None or (data[0] or b"") == want, (criteria, data)
    c.logout()


def test_store_expunge_status(m):
    c = login(m)
    c.select("INBOX")
    c.store("1", "+FLAGS", "(\\Flagged Keyword1)")
    flags = c.fetch("1", "(FLAGS)")[1][0]
    assert b"\\Flagged" in flags and b"Keyword1" in flags, flags
    c.store("1", "-FLAGS", "(Keyword1)")
    assert b"Keyword1" not in c.fetch("1", "(FLAGS)")[1][0]
    uids = c.uid("SEARCH", "ALL")[1][0].split()
    c.uid("STORE", uids[1].decode(), "+FLAGS.SILENT", "(\\Deleted)")
    assert c.expunge()[1] == [b"2"]
    assert c.uid("SEARCH", "ALL")[1][0].split() == [uids[0], uids[2]]
    _, data = c.status("INBOX", "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN RECENT)")
    assert re.search(rb"MESSAGES 2\b", data[0]), data
    assert int(re.search(rb"UIDNEXT (\d+)", data[0]).group(1)) > int(uids[2])
    c.logout()


def test_examine_changes_nothing(m):
    c = login(m)
    c.select("INBOX", readonly=True)
    c.store("1", "+FLAGS", "(\\Answered)")  # refused, or OK without effect
    c.fetch("1", "(BODY[])")
    c.logout()
    c = login(m)
    c.select("INBOX")
    assert b"\\Answered" not in c.fetch("1", "(FLAGS)")[1][0]
    assert b"\\Seen" not in c.fetch("1", "(FLAGS)")[1][0]
    c.logout()


def test_idle_tells_new_mail(m):
    c = login(m)
    _, data = c.select("INBOX")
    before = int(data[0])
    tag = c._new_tag()
    c.send(tag + b" IDLE\r\n")
    assert c.readline().startswith(b"+")
    began = time.monotonic()
    m.send(message("for the idle one"))
    c.sock.settimeout(20 * SLOW)
    while (line := c.readline()):
        if re.match(rb"\* %d EXISTS" % (before + 1), line):
            break
    assert line, "connection ended"
    print(f"# told after {time.monotonic() - began:.3f} s")
    c.send(b"DONE\r\n")
    while not (line := c.readline()).startswith(tag):
        assert line
    assert b"OK" in line, line
    c.logout()


def test_idle_tells_what_another_session_does(m):
    """Each change is told without being asked for; the time is printed (`make bench` has a figure)."""
    a, b = login(m), login(m)
    a.select("Drafts")
    b.select("Drafts")
    b.sock.settimeout(60 * SLOW)
    b.send(b"x1 IDLE\r\n")
    assert b.readline().startswith(b"+")
    times = []

    def told(pattern, change, *words):
        began = time.monotonic()
        assert change(*words)[0] == "OK"
        while not re.match(pattern, line := b.readline()):
            assert line, "connection ended"
        times.append(time.monotonic() - began)

    for n in range(1, 11):
        told(rb"\* 1 EXISTS", a.append, "Drafts", None, None, b"Subject: a\r\n\r\nb\r\n")
        told(rb"\* 1 FETCH .*\\Flagged", a.store, "1", "+FLAGS.SILENT", "(\\Flagged)")
        told(rb"\* 1 FETCH .*\\Deleted", a.store, "1", "+FLAGS.SILENT", "(\\Deleted)")
        told(rb"\* 1 EXPUNGE", a.expunge)
    times.sort()
    print(f"#! IDLE: told after {times[len(times) // 2] * 1000:.1f} ms, at most {times[-1] * 1000:.1f} ms "
          "from the command of another session on")
    b.send(b"DONE\r\n")
    assert b.readline().startswith(b"x1 OK")
    a.logout()
    b.logout()


def test_two_sessions_see_each_other(m):
    a, b = login(m), login(m)
    a.select("INBOX")
    b.select("INBOX")
    a.store("1", "+FLAGS", "(\\Draft)")
    b.noop()
    assert b"\\Draft" in b.fetch("1", "(FLAGS)")[1][0]
    a.store("1", "-FLAGS", "(\\Draft)")
    a.logout()
    b.logout()


def test_wrong_password_and_no_tls(m):
    context = ssl.create_default_context(cafile=m.folder + "/ca.pem")
    c = imaplib.IMAP4_SSL(HOST, m.imaps_port, ssl_context=context)
    for user, password in ((USER, "wrong"), ("nobody@" + DOMAIN, PASSWORD)):
        try:
            c.login(user, password)
            raise AssertionError("logged in")
        except imaplib.IMAP4.error as error:
            assert "AUTHENTICATIONFAILED" in str(error), error
    c.logout()
    c = imaplib.IMAP4(HOST, m.imap_port)
    assert "LOGINDISABLED" in c.capabilities and "STARTTLS" in c.capabilities, c.capabilities
    try:
        c.login(USER, PASSWORD)
        raise AssertionError("logged in without TLS")
    except imaplib.IMAP4.error as error:
        assert "PRIVACYREQUIRED" in str(error), error
    c.starttls(context)
    c.login(USER, PASSWORD)
    assert c.select("INBOX")[0] == "OK"
    c.logout()


def test_authenticate_plain(m):
    context = ssl.create_default_context(cafile=m.folder + "/ca.pem")
    c = imaplib.IMAP4_SSL(HOST, m.imaps_port, ssl_context=context)
    assert c.authenticate("PLAIN", lambda _: f"\0{USER}\0{PASSWORD}".encode())[0] == "OK"
    c.logout()


def test_other_mailboxes_are_out_of_reach(m):
    m.add_user("carol@" + DOMAIN)
    c = login(m)
    for name in ("../carol@" + DOMAIN, "..", "/etc/passwd", "user/carol", "carol@" + DOMAIN,
                 "a//b", "INBOX/../../x"):
        assert c.select(f'"{name}"')[0] == "NO", name
    c.logout()


def test_binary_of_compressed_messages(m):
    """BINARY counts in what was decoded, whatever stands on the disk; in small and in large messages."""
    m.cli("config", "set", "mailbox.compress", "yes")
    m.cli("reload")
    user = "packed@" + DOMAIN
    m.add_user(user)
    c = m.imap(user)
    for size in (3000, 400000):
        data = b"0123456789\0\n\xff" * (size // 13)
        text = MIME.replace("AAECAw==\r\n", base64.encodebytes(data).decode().replace("\n", "\r\n"))
        assert c.append("INBOX", None, None, ("Subject: x\r\n" + text).encode())[0] == "OK"
    (own,) = [f for f in glob.glob(m.folder + "/mail/*/*.seg") if b"\x28\xb5\x2f\xfd" in open(f, "rb").read()]
    assert glob.glob(os.path.dirname(own) + "/*.big"), "the large one has a file of its own"
    c.select("INBOX")
    for number, size in (("1", 3000), ("2", 400000)):
        data = b"0123456789\0\n\xff" * (size // 13)
        line = c.fetch(number, "(BINARY.SIZE[2] BINARY.SIZE[1] RFC822.SIZE)")[1][0]
        assert b"BINARY.SIZE[2] %d BINARY.SIZE[1] 10 " % len(data) in line, line
        head, got = c.fetch(number, "(BINARY.PEEK[2])")[1][0]
        assert got == data and b"BINARY[2] ~{" in head, (head, len(got), len(data))
        for at, n in ((0, 1), (11, 30), (len(data) - 5, 100), (len(data) // 2, 1000)):
            assert c.fetch(number, f"(BINARY.PEEK[2]<{at}.{n}>)")[1][0][1] == data[at:at + n], (at, n)
    c.logout()
    m.cli("config", "set", "mailbox.compress", "no")
    m.cli("reload")


def capabilities(c):
    return c.capability()[1][0].decode().split()


def test_quota_and_hidden_capabilities(m):
    user = "dave@" + DOMAIN
    m.add_user(user)
    m.cli("user", "quota", user, "1K", "none")
    m.cli("user", "hide", user, "THREAD=REFERENCES", "condstore")
    row = next(r for r in json.loads(m.cli("--json", "user", "list").stdout)["rows"] if r["address"] == user)
    assert (row["quota_bytes"], row["quota_messages"], row["hidden"]) == (
        "1024", "none", "THREAD=REFERENCES CONDSTORE"), row
    c = m.imap(user)
    assert "CONDSTORE" not in capabilities(c) and "THREAD=ORDEREDSUBJECT" in capabilities(c)
    assert c.append("INBOX", None, None, b"Subject: a\r\n\r\nb\r\n")[0] == "OK"
    kind, (text,) = c.append("INBOX", None, None, b"Subject: a\r\n\r\n" + b"b" * 1020 + b"\r\n")
    assert kind == "NO" and b"[OVERQUOTA]" in text, text
    assert c.getquotaroot("INBOX")[1][1] == [b'"Mailbox" (STORAGE 1 1)']
    c.logout()
    m.stop()
    m.start()
    c = m.imap(user)
    assert "CONDSTORE" not in capabilities(c), "after a start"
    c.logout()
    m.cli("user", "quota", user, "default", "default")
    m.cli("user", "hide", user, "none")
    assert m.cli("user", "hide", user, "nonsense", check=False).returncode == 1
    m.cli("config", "set", "mailbox.quota-messages", "2")
    c = m.imap(user)
    assert "CONDSTORE" in capabilities(c)
    assert c.append("INBOX", None, None, b"x\r\n")[0] == "OK"
    assert c.append("INBOX", None, None, b"x\r\n")[0] == "NO"
    m.cli("config", "set", "mailbox.quota-messages", "0")
    wait_until("the limit is gone", 30, lambda: c.append("INBOX", None, None, b"x\r\n")[0] == "OK")
    c.logout()
