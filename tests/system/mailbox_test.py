# SPDX-License-Identifier: ISC
"""`postern mailbox check` and `rebuild`; damage costs the damaged message and nothing else."""
import glob
import imaplib
import json

from harness import *

N = 30


def client_of(m):
    client = imaplib.IMAP4_SSL("127.0.0.1", m.imaps_port,
                               ssl_context=servers.tls_context(m.folder + "/ca.pem"))
    client.login(USER, PASSWORD)
    return client


def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


def rows_of(m, command, status=0):
    done = m.cli("mailbox", command, USER, "--json", check=False)
    assert done.returncode == status, f"{done.returncode}\n{done.stdout}{done.stderr}"
    return json.loads(done.stdout)["rows"]


def cells(rows, what, name=None):
    return [r for r in rows if r["what"] == what and name in (None, r["name"])]


def segment_with(m, text):
    for path in glob.glob(m.folder + "/mail/1/*.seg"):
        with open(path, "rb") as f:
            data = f.read()
        if text in data:
            return path, data.index(text)
    raise AssertionError(f"{text} is in no segment")


def flip(m, text):
    path, at = segment_with(m, text)
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)
        f.seek(at)
        f.write(bytes([byte[0] ^ 1]))


def everything(client):
    """All that must be the same after a rebuild."""
    found = []
    for folder in ("INBOX", "Archive"):
        found.append(ok(client.status(folder, "(MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)")))
        ok(client.select(folder, readonly=True))
        if client.untagged_responses["EXISTS"][0] != b"0":
            found.append(ok(client.fetch("1:*", "(UID FLAGS MODSEQ INTERNALDATE ENVELOPE BODY"
                                                "STRUCTURE)")))
    # which session is told of \\Recent is forgotten when the process ends
    return repr(found).replace(r" \\Recent", "").replace(r"\\Recent", "")


def test_fill(m):
    for i in range(N):
        m.send(message(f"number {i:03}", f"text of {i:03}\r\n"))
    m.send(message("large", "0123456789abcdef\r\n" * 20000))
    m.wait_count(N + 1)
    client = client_of(m)
    ok(client.select("INBOX"))
    ok(client.store("1:9", "+FLAGS", r"(\Seen word)"))
    ok(client.copy("3:5", "Archive"))
    ok(client.store("10", "+FLAGS", r"(\Deleted)"))
    ok(client.expunge())
    client.logout()


def test_check_finds_nothing(m):
    rows = rows_of(m, "check")
    assert [r["damaged"] for r in rows] == ["0"] * len(rows), rows
    assert cells(rows, "folder", "INBOX")[0]["read"] == str(N), rows
    assert cells(rows, "folder", "Archive")[0]["read"] == "3", rows
    assert cells(rows, "segment"), rows


def test_rebuild_keeps_everything(m):
    client = client_of(m)
    before = everything(client)
    rows = rows_of(m, "rebuild")
    assert cells(rows, "index")[0]["read"] == str(N), rows
    assert cells(rows, "journal")[0]["damaged"] == "0", rows
    assert everything(client) == before, "the open session sees something else"
    client.logout()
    m.stop()
    m.start()
    client = client_of(m)
    assert everything(client) == before, "after a restart there is something else"
    client.logout()
    rows = rows_of(m, "check")
    assert [r["damaged"] for r in rows] == ["0"] * len(rows), rows
    assert cells(rows, "index")[0]["detail"] == "", rows


def test_unknown_address(m):
    done = m.cli("mailbox", "check", "nobody@" + DOMAIN, check=False)
    assert done.returncode != 0 and "no such user" in done.stderr + done.stdout


@expects("what=damage")
def test_damage_is_named_and_the_rest_is_served(m):
    flip(m, b"text of 007")
    start = m.log_size()
    rows = rows_of(m, "check", 1)
    inbox = cells(rows, "folder", "INBOX")[0]
    assert (inbox["damaged"], inbox["detail"]) == ("1", "UID 8"), rows
    m.wait_log("what=damage segment=", start)
    client = client_of(m)
    ok(client.select("INBOX"))
    for uid in range(1, N + 2):
        status, data = client.uid("FETCH", str(uid), "(BODY.PEEK[])")
        if uid == 8:
            assert status == "NO", data
        elif uid != 10:
            assert status == "OK" and b"number" in data[0][1] or b"large" in data[0][1], (uid, data)
    ok(client.append("INBOX", None, None, b"Subject: after\r\n\r\nx"))
    client.logout()
    # the damaged bytes are kept aside: the segment stays
    assert segment_with(m, b"text of 006")


@expects("what=damage", "what=content-lost", "what=checkpoint-failed")
def test_damaged_header_too(m):
    """A record's header: found at check, and after a start that reads all."""
    m.stop()
    path, at = segment_with(m, b"text of 020")
    with open(path, "rb") as f:
        data = f.read()
    head = data.rindex(b"rec1", 0, at)
    with open(path, "r+b") as f:
        f.seek(head + 40)
        f.write(b"\xff")
    for name in glob.glob(m.folder + "/mail/1/checkpoint"):
        os.unlink(name)
    m.start()
    rows = rows_of(m, "check", 1)
    assert sum(int(r["damaged"]) for r in cells(rows, "segment")) >= 1, rows
    client = client_of(m)
    ok(client.select("INBOX"))
    want = N  # + "after", - the one that is lost
    assert client.untagged_responses["EXISTS"][0] == str(want).encode(), client.untagged_responses
    client.logout()
