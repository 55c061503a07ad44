# SPDX-License-Identifier: ISC
"""docs/recover-mail.py, which knows the formats only from their description: all mail comes back."""
import glob
import imaplib
import mailbox

from harness import *

RECOVER = os.path.join(TOP, "docs", "recover-mail.py")
FOLDERS = {"INBOX": "INBOX", "B&APw-cher": "Bücher", "B&APw-cher/A &- B": "Bücher/A & B",
           "cur": "_cur"}
LETTERS = {b"\\Seen": "S", b"\\Answered": "R", b"\\Flagged": "F", b"\\Deleted": "T",
           b"\\Draft": "D"}


def client_of(m):
    client = imaplib.IMAP4_SSL("127.0.0.1", m.imaps_port,
                               ssl_context=servers.tls_context(m.folder + "/ca.pem"))
    client.login(USER, PASSWORD)
    return client


def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


def account_folder(m):
    return os.path.join(m.folder, "mail", "1")


def recovered(m, source, status=0):
    out = tempfile.mkdtemp(prefix="recovered-", dir=m.home)
    done = run(sys.executable, RECOVER, source, os.path.join(out, "o"), check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return os.path.join(out, "o"), done


def by_imap(client, folder):
    """Content, letters, keywords and date of all messages, in order."""
    ok(client.select(f'"{folder}"', readonly=True))
    found = []
    data = ok(client.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")) \
        if client.untagged_responses["EXISTS"][0] != b"0" else []
    for item in data:
        if not isinstance(item, tuple):
            continue
        flags = imaplib.ParseFlags(item[0])
        date = time.mktime(imaplib.Internaldate2tuple(item[0]))
        found.append((item[1], "".join(sorted(LETTERS[f] for f in flags if f in LETTERS)),
                      {f.decode() for f in flags if not f.startswith(b"\\")}, date))
    return found


def by_script(out, folder):
    box, words = mailbox.Maildir(os.path.join(out, folder), factory=None), {}
    listed = os.path.join(out, folder, "keywords")
    if os.path.exists(listed):
        with open(listed, encoding="utf-8") as f:
            words = {line.split()[0]: set(line.split()[1:]) for line in f}
    names = os.listdir(os.path.join(out, folder, "cur"))
    found = []
    for name in sorted(names, key=lambda n: int(n.split(".")[1])):
        with open(os.path.join(out, folder, "cur", name), "rb") as f:
            found.append((f.read(), name.split(":2,")[1], words.get(name, set()),
                          os.path.getmtime(f.name)))
    assert len(box) == len(found)
    return found


def same(m, source=None):
    client, out = client_of(m), recovered(m, source or account_folder(m))[0]
    for name, readable in FOLDERS.items():
        want, have = by_imap(client, name), by_script(out, readable)
        assert [x[0] for x in want] == [x[0] for x in have], f"{name}: other contents"
        assert want == have, f"{name}: {[x[1:] for x in want]} {[x[1:] for x in have]}"
    client.logout()
    assert not os.path.exists(os.path.join(out, "gone")), "a deleted folder came back"


def test_fill(m):
    for i in range(20):
        m.send(message(f"number {i}", "Hello there.\r\n" * (i * i)))
    m.send(message("large", "0123456789abcdef\r\n" * 20000))
    m.wait_count(21)
    client = client_of(m)
    for folder in [*FOLDERS, "gone"][1:]:
        ok(client.create(f'"{folder}"'))
    ok(client.append("cur", r"(\Seen \Draft word $Label1)",
                     imaplib.Time2Internaldate(time.time() - 86400 * 400), b"Subject: old\r\n\r\nx"))
    ok(client.select("INBOX"))
    ok(client.store("1:5", "+FLAGS", r"(\Seen)"))
    ok(client.store("3:8", "+FLAGS", r"(\Flagged $Forwarded)"))
    ok(client.store("2", "+FLAGS", r"(\Answered)"))
    ok(client.copy("1:21", '"B&APw-cher"'))
    ok(client.copy("1:3", "gone"))
    ok(client.copy("4:6", '"B&APw-cher/A &- B"'))
    ok(client.store("7:9", "+FLAGS", r"(\Deleted)"))
    ok(client.expunge())
    ok(client.store("7", "+FLAGS", r"(\Deleted)"))
    ok(client.delete("gone"))
    client.logout()


def test_live(m):
    same(m)


def test_after_restart(m):
    m.stop()
    m.start()
    same(m)


def test_damage_costs_one_message(m):
    """In a copy: a flipped byte in one content loses that message, and says where."""
    copy = os.path.join(m.home, "copy")
    shutil.copytree(account_folder(m), copy, ignore=shutil.ignore_patterns("index"))
    path = sorted(glob.glob(copy + "/*.seg"))[0]
    with open(path, "r+b") as f:
        data = f.read()
        at = data.index(b"Subject: number 12\r\n")
        f.seek(at)
        f.write(b"s")
    out, done = recovered(m, copy, 1)
    assert "damaged content at" in done.stderr, done.stderr
    client = client_of(m)
    want = [x for x in by_imap(client, "INBOX") if b"Subject: number 12\r\n" not in x[0]]
    client.logout()
    assert by_script(out, "INBOX") == want


def test_damage_is_never_fatal(m):
    """Copies with one damaged byte: the script goes through, what it finds is right, what is missing was named."""
    rng, client = random.Random(4), client_of(m)
    whole = {name: by_imap(client, name) for name in FOLDERS}
    client.logout()
    copy = os.path.join(m.home, "flipped")
    shutil.copytree(account_folder(m), copy, ignore=shutil.ignore_patterns("index"))
    path = sorted(glob.glob(copy + "/*.seg"))[0]
    with open(path, "rb") as f:
        data = f.read()
    records = [at for at in range(4096, len(data), 8) if data[at:at + 4] == b"rec1"]
    last = records[-1] + 20  # in the last header: nothing follows that would show the gap
    for at in [0, 30, 40, 66, last, *(rng.choice(records) + rng.randrange(200) for _ in range(8))]:
        at = min(at, len(data) - 1)
        with open(path, "wb") as f:
            f.write(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1:])
        out = tempfile.mkdtemp(prefix="flipped-", dir=m.home)
        done = run(sys.executable, RECOVER, copy, out, check=False)
        assert done.returncode in (0, 1) and "Traceback" not in done.stderr, (at, done.stderr)
        found = [x[0] for box in glob.glob(out + "/**/cur", recursive=True)
                 if os.path.isdir(os.path.dirname(box) + "/new") for x in by_script(out, os.path.dirname(box))]
        texts = [x[0] for box in whole.values() for x in box]
        assert not set(found) - set(texts), at
        assert len(found) == len(texts) or "damaged" in done.stderr or "lost" in done.stderr, (at, done.stderr)
        shutil.rmtree(out)
        assert at != last or "damaged from" in done.stderr


def test_script_is_short(m):
    with open(RECOVER, encoding="utf-8") as f:
        lines = f.read().splitlines()
    assert len(lines) <= 100 and max(map(len, lines)) <= 120


def files(m, kind):
    data = b""
    for path in glob.glob(account_folder(m) + "/*." + kind):
        with open(path, "rb") as f:
            data += f.read()
    return data


FRAME, LARGE = b"\x28\xb5\x2f\xfd", "0123456789abcdef\r\n" * 40000


def delivered(m):
    return [text.decode("latin-1") for text in m.messages(USER).values()]


def test_compressed(m):
    """With the setting: IMAP and the script see the same, sizes are those of the messages, parts can be asked for,
    and everything goes on without it."""
    assert FRAME not in files(m, "seg") + files(m, "big")
    m.cli("config", "set", "mailbox.compress", "yes")
    m.cli("reload")

    def packed():
        m.send(message("packed small", "Hello there.\r\n" * 400))
        return FRAME in files(m, "seg")
    wait_until("compressed messages", 60 * SLOW, packed)
    m.send(message("packed large", LARGE))
    client = client_of(m)
    ok(client.append("cur", None, None, b"Subject: appended\r\n\r\n" + b"a line of text\r\n" * 100))

    def found():
        ok(client.select("INBOX"))
        return ok(client.search(None, "SUBJECT", '"packed large"'))[0]
    number = wait_until("the large one", 60 * SLOW, found)
    assert FRAME in files(m, "big") and len(files(m, "big")) < 360000 + 100000  # the first is not compressed
    text = LARGE.encode()
    for at in (0, 5000, 131072 - 7, 600000):
        part = ok(client.fetch(number, f"(BODY.PEEK[TEXT]<{at}.3000>)"))[0][1]
        assert part == text[at:at + 3000], at
    size, whole = ok(client.fetch(number, "(RFC822.SIZE BODY.PEEK[])"))[0]
    assert f"RFC822.SIZE {len(whole)} ".encode() in size and whole.endswith(text)
    assert number in ok(client.search(None, "TEXT", '"9abcdef"'))[0].split()
    client.logout()
    same(m)
    for value in ("no", "yes"):
        m.stop()
        m.start()
        same(m)
        m.cli("config", "set", "mailbox.compress", value)
        m.cli("reload")
        m.send(message(f"after {value}", "Hello there.\r\n" * 400))
        # A delivery that meets a mailbox which is being checked or stopped is put off, with a warning.
        wait_until("its delivery", 60 * SLOW, lambda: any(
            f"Subject: after {value}" in text for text in delivered(m)))
    assert m.cli("mailbox", "check", USER).returncode == 0
    assert m.cli("mailbox", "rebuild", USER).returncode == 0
    same(m)
    backup = os.path.join(m.home, "backup")
    m.cli("backup", backup)
    same(m, os.path.join(backup, "mail", "1"))
    assert not glob.glob(backup + "/mail/1/texts.*") + glob.glob(backup + "/mail/1/index")


@expects("what=damage")
def test_compressed_damage(m):
    """A byte of the large one: refused, named by the check; the others are served."""
    path = max(glob.glob(account_folder(m) + "/*.big"), key=os.path.getmtime)
    with open(path, "r+b") as f:
        byte = f.read()[300]
        f.seek(300)
        f.write(bytes([byte ^ 1]))
    m.stop()
    m.start()
    client = client_of(m)
    ok(client.select("INBOX"))
    number = ok(client.search(None, "LARGER", str(len(LARGE))))[0].decode()
    kind, answer = client.fetch(number, "(BODY.PEEK[])")
    assert kind == "NO" and b"CORRUPTION" in answer[0], (kind, answer)
    ok(client.fetch("1", "(BODY.PEEK[])"))
    client.logout()
    done = m.cli("mailbox", "check", USER, check=False)
    assert done.returncode == 1 and number, done
    with open(path, "r+b") as f:
        f.seek(300)
        f.write(bytes([byte]))
