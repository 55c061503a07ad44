# SPDX-License-Identifier: ISC
"""Programs people use with IMAP: mbsync both ways with deletions, offlineimap, getmail, fetchmail."""
import glob

from harness import *

OPTIONS = {}
HOST = "mail." + DOMAIN
COUNT = 40
# Messages of the large folder.
MANY = 10000 if LONG else 400


def fill(m, folder="INBOX", count=COUNT):
    client = m.imap(USER)
    for i in range(count):
        client.append(folder, None, None, message(f"{folder} {i} end", f"body {i}\r\n" * (i + 1)).encode())
    client.logout()


def flags_of(m, subject, folder="INBOX"):
    """Flags of the message on the server, None: it is not there."""
    client = m.imap(USER)
    try:
        client.select(folder, readonly=True)
        found = client.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
        if not found:
            return None
        return client.fetch(found[0].decode(), "(FLAGS)")[1][0]
    finally:
        client.logout()


def maildir(path):
    """Subject by file name of a Maildir."""
    found = {}
    for name in glob.glob(path + "/cur/*") + glob.glob(path + "/new/*"):
        with open(name, errors="replace") as f:
            subject = re.search(r"^Subject: (.*)$", f.read(), re.M)
        found[subject.group(1).strip() if subject else ""] = name
    return found


def mbsync(m, home):
    config = os.path.join(home, "mbsyncrc")
    if not os.path.exists(config):
        os.makedirs(home + "/mail")
        with open(config, "w") as f:
            f.write(f"""FSync no

IMAPAccount a
Host {HOST}
Port {m.imaps_port}
User {USER}
Pass "{PASSWORD}"
SSLType IMAPS
Timeout 300
CertificateFile {m.folder}/ca.pem
AuthMechs PLAIN

IMAPStore far
Account a

MaildirStore near
Path {home}/mail/
Inbox {home}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
""")
    return run("mbsync", "-c", config, "-a", env={"HOME": home, "PATH": os.environ["PATH"]}, timeout=900)


def with_flags(path, flags):
    """Renames a file of a Maildir so that it has these flags, in cur."""
    folder, name = os.path.split(path)
    name = name.split(":2,")[0]
    to = os.path.join(os.path.dirname(folder), "cur", name + ":2," + flags)
    os.rename(path, to)


def test_mbsync_both_ways(m):
    need("mbsync")
    home = tempfile.mkdtemp()
    try:
        fill(m)
        mbsync(m, home)
        local = maildir(home + "/mail/INBOX")
        assert len(local) == COUNT, len(local)
        assert os.path.isdir(home + "/mail/Sent"), os.listdir(home + "/mail")
        # flags and a keyword go up, a deletion too
        with_flags(local["INBOX 1 end"], "FS")
        with_flags(local["INBOX 2 end"], "P")
        with_flags(local["INBOX 3 end"], "T")
        with open(home + "/mail/Archive/new/1.own", "w") as f:
            f.write(message("own one", "from here\n").replace("\r\n", "\n"))
        os.makedirs(home + "/mail/Projekt Müll/cur")
        os.makedirs(home + "/mail/Projekt Müll/new")
        os.makedirs(home + "/mail/Projekt Müll/tmp")
        with open(home + "/mail/Projekt Müll/new/2.own", "w") as f:
            f.write(message("own two", "from here\n").replace("\r\n", "\n"))
        mbsync(m, home)
        flags = flags_of(m, "INBOX 1 end")
        assert b"\\Seen" in flags and b"\\Flagged" in flags, flags
        assert b"$Forwarded" in flags_of(m, "INBOX 2 end"), flags_of(m, "INBOX 2 end")
        assert flags_of(m, "INBOX 3 end") is None
        assert flags_of(m, "own one", "Archive") is not None
        assert flags_of(m, "own two", '"Projekt M&APw-ll"') is not None
        # changes and deletions come down
        client = m.imap(USER)
        client.select("INBOX")
        client.store("1", "+FLAGS", "(\\Deleted)")
        client.expunge()
        client.store("1", "+FLAGS", "(\\Answered)")
        client.logout()
        mbsync(m, home)
        local = maildir(home + "/mail/INBOX")
        assert "INBOX 0 end" not in local and len(local) == COUNT - 2, len(local)
        assert "R" in local["INBOX 1 end"].rpartition(":2,")[2], local["INBOX 1 end"]
        # nothing is left to do
        before = m.messages()
        mbsync(m, home)
        assert m.messages() == before and maildir(home + "/mail/INBOX") == local
    finally:
        shutil.rmtree(home)


def subjects_of(m, folder):
    client = m.imap(USER)
    try:
        client.select(folder, readonly=True)
        rows = client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        return {re.search(rb"Subject: (.*)\r\n", r[1]).group(1).decode(): r[0] for r in rows if isinstance(r, tuple)}
    finally:
        client.logout()


def test_mbsync_large_folder_both_ways(m):
    """Both sides delete, flag and add messages of a large folder between two runs."""
    need("mbsync")
    home = tempfile.mkdtemp()
    near = home + "/mail/Large"
    try:
        client = m.imap(USER)
        client.create("Large")
        for first in range(0, MANY, 200):
            texts = [message(f"large {i} end", f"body {i}\r\n").encode() for i in range(first, first + 200)]
            parts = b"".join(b" {%d+}\r\n%s" % (len(t), t) for t in texts)
            client.send(b"a%d APPEND Large%s\r\n" % (first, parts))
            answer = client.readline()
            assert answer.startswith(b"a%d OK" % first), answer
        client.logout()
        mbsync(m, home)
        local = maildir(near)
        assert len(local) == MANY, len(local)
        # here: every tenth deleted, every tenth flagged, some new ones
        for i in range(0, MANY, 10):
            with_flags(local[f"large {i} end"], "ST")
            with_flags(local[f"large {i + 1} end"], "F")
        for i in range(MANY // 100):
            with open(f"{near}/new/{i}.own", "w") as f:
                f.write(message(f"near {i} end", "from here\n").replace("\r\n", "\n"))
        # there: other tenths
        client = m.imap(USER)
        client.select("Large")
        client.store(",".join(str(i + 3) for i in range(0, MANY, 10)), "+FLAGS.SILENT", "(\\Deleted)")
        client.store(",".join(str(i + 4) for i in range(0, MANY, 10)), "+FLAGS.SILENT", "(\\Answered)")
        client.expunge()
        for i in range(10):
            client.append("Large", None, None, message(f"far {i} end", "from there").encode())
        client.logout()
        mbsync(m, home)
        want = {f"large {i} end" for i in range(MANY) if i % 10 not in (0, 2)}
        want |= {f"near {i} end" for i in range(MANY // 100)} | {f"far {i} end" for i in range(10)}
        local, far = maildir(near), subjects_of(m, "Large")
        assert set(local) == want, (len(local), len(want), sorted(set(local) ^ want)[:10])
        assert set(far) == want, (len(far), len(want), sorted(set(far) ^ want)[:10])
        for i in range(0, MANY, 10):
            assert b"\\Flagged" in far[f"large {i + 1} end"], far[f"large {i + 1} end"]
            assert "R" in local[f"large {i + 3} end"].rpartition(":2,")[2], local[f"large {i + 3} end"]
        mbsync(m, home)
        assert maildir(near) == local and subjects_of(m, "Large") == far
    finally:
        shutil.rmtree(home)


def test_offlineimap_both_ways(m):
    need("offlineimap")
    home = tempfile.mkdtemp()
    try:
        with open(home + "/rc", "w") as f:
            f.write(f"""[general]
accounts = a
metadata = {home}/meta
ui = basic
[Account a]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {home}/mail
[Repository far]
type = IMAP
remotehost = {HOST}
remoteport = {m.imaps_port}
remoteuser = {USER}
remotepass = {PASSWORD}
ssl = yes
sslcacertfile = {m.folder}/ca.pem
folderfilter = lambda name: name in ["INBOX", "Archive"]
""")
        sync = ["offlineimap", "-o", "-c", home + "/rc", "-u", "basic"]
        environ = {"HOME": home, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        run(*sync, env=environ)
        local = maildir(home + "/mail/INBOX")
        assert len(local) == m.count(), (len(local), m.count())
        with_flags(local["INBOX 5 end"], "S")
        os.unlink(local["INBOX 6 end"])
        with open(home + "/mail/Archive/new/3.own", "w") as f:
            f.write(message("own three", "from here\n").replace("\r\n", "\n"))
        run(*sync, env=environ)
        assert b"\\Seen" in flags_of(m, "INBOX 5 end")
        assert flags_of(m, "INBOX 6 end") is None
        assert flags_of(m, "own three", "Archive") is not None
    finally:
        shutil.rmtree(home)


def test_getmail_fetches_all(m):
    need("getmail")
    home = tempfile.mkdtemp()
    try:
        for name in ("cur", "new", "tmp"):
            os.makedirs(f"{home}/mail/{name}")
        user = ""
        if os.geteuid() == 0:  # it does not deliver as root
            os.chmod(home, 0o755)
            for name in ("", "/cur", "/new", "/tmp"):
                shutil.chown(home + "/mail" + name, "nobody")
            user = "user = nobody\n"
        with open(home + "/rc", "w") as f:
            f.write(f"""[retriever]
type = SimpleIMAPSSLRetriever
server = {HOST}
port = {m.imaps_port}
username = {USER}
password = {PASSWORD}
ca_certs = {m.folder}/ca.pem
mailboxes = ("INBOX",)
[destination]
type = Maildir
path = {home}/mail/
{user}[options]
read_all = true
delete = false
""")
        run("getmail", f"--getmaildir={home}", f"--rcfile={home}/rc",
            env={"HOME": home, "PATH": os.environ["PATH"]})
        got = maildir(home + "/mail")
        assert len(got) == m.count() and "INBOX 7 end" in got, (len(got), m.count())
    finally:
        shutil.rmtree(home)


def test_fetchmail_empties_a_folder(m):
    need("fetchmail")
    home = tempfile.mkdtemp()
    try:
        fill(m, "Junk", 10)
        with open(home + "/rc", "w") as f:
            f.write(f"""poll {HOST} protocol IMAP port {m.imaps_port} username "{USER}"
password "{PASSWORD}" folder Junk ssl sslcertck sslcertfile {m.folder}/ca.pem
nokeep fetchall mda "/bin/cat >>{home}/mbox"
""")
        os.chmod(home + "/rc", 0o600)
        run("fetchmail", "-f", home + "/rc", "--nodetach", "--nosyslog", "--pidfile", home + "/pid",
            "--idfile", home + "/ids", env={"HOME": home, "PATH": os.environ["PATH"]})
        with open(home + "/mbox") as f:
            subjects = re.findall(r"^Subject: (Junk \d+)", f.read(), re.M)
        assert sorted(subjects) == sorted(f"Junk {i}" for i in range(10)), subjects
        assert m.count("Junk") == 0, m.count("Junk")
    finally:
        shutil.rmtree(home)
