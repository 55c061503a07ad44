# SPDX-License-Identifier: ISC
"""Sealed backups, into a folder (a USB disk) and on an HTTPS server: what is restored is what there was,
nothing can be read without the key, and whatever ends a backup leaves the one before whole."""
import base64
import json
import struct
import threading

import https
from backups import *
from harness import *

BOB = "bob@" + DOMAIN
OPTIONS = dict(users=(USER, BOB))
PASSPHRASE = "a passphrase of some length"


# --- the format, a second time ------------------------------------------------------------------------


def second_opinion(*words, data=None):
    """Debian's own Python has libsodium, whichever is first in PATH."""
    return subprocess.run(["/usr/bin/python3", os.path.join(TOP, "tests", "system", "sealed_backup.py"), *words],
                          input=data, capture_output=True, check=True).stdout


def archive_of(target, secret):
    return second_opinion("open", target, secret)


def entries(archive):
    at = 0
    while at < len(archive):
        kind, _, length, mode, size, _, _ = struct.unpack_from("<BBHIQqI", archive, at)
        at += 28
        path = archive[at:at + length].decode()
        at += length
        yield kind, path, mode, archive[at:at + size]
        at += size


def entry(kind, path, content=b"", mode=0o600):
    return struct.pack("<BBHIQqI", kind, 0, len(path), mode, len(content), 0, 0) + path.encode() + content


def forge(target, secret, archive, cut=0):
    """A backup that anybody who knows the key could make."""
    second_opinion("forge", target, secret, str(cut), data=archive)


# --- tests --------------------------------------------------------------------------------------------


def test_arguments(m):
    key = key_of(m)
    assert os.stat(key).st_mode & 0o777 == 0o600 and re.fullmatch(r"[0-9a-f]{64}\n", open(key).read())
    assert "File exists" in postern("backup", "key", key).stderr
    target = os.path.join(m.home, "usb")
    for words, reason in ((("--key", "/dev/null"), "64 hexadecimal digits"),
                          (("--key", m.home + "/none"), "No such file"),
                          (("--key", key, "--passphrase"), "exclude each other")):
        done = postern("backup", target, *words, folder=m.folder)
        assert done.returncode == 1 and reason in done.stderr, done
    done = postern("backup", target, "--passphrase", folder=m.folder, stdin="too short\n")
    assert done.returncode == 1 and "at least 12 characters" in done.stderr, done
    done = postern("backup", "https://127.0.0.1/x", folder=m.folder)
    assert done.returncode == 1 and "a backup on a server is sealed" in done.stderr, done
    done = postern("restore", target, "--key", key, folder=m.home + "/nothing")
    assert done.returncode == 1 and "there is no backup in" in done.stderr, done
    done = postern("backup", m.home + "/no/folder", "--key", key, "--json", folder=m.folder)
    assert done.returncode == 1 and json.loads(done.stdout)["ok"] is False
    for command in ("backup", "restore"):
        told = postern(command, "--help").stdout
        assert all(option in told for option in ("--key", "--passphrase", "--ca", "--login")), told
    assert "Make a new key file" in postern("backup", "key", "--help").stdout


def test_folder(m):
    m.cli("alias", "add", "team@" + DOMAIN, USER)
    m.cli("forward", "add", BOB, USER, "far@elsewhere.example")
    app = rows(m, "app-password", "add", USER, "phone")[0]["password"]
    fill(m)
    client = m.imap()
    client.create("Kept")
    client.select("INBOX")
    client.store("1", "+FLAGS", "(\\Flagged)")
    client.copy("1:2", "Kept")
    client.store("2", "+FLAGS", "(\\Deleted)")
    client.expunge()
    client.logout()
    target, before, mail = os.path.join(m.home, "usb"), quiet_state(m), m.messages()
    done = backup(m, target, "--json", check=True)
    assert json.loads(done.stdout)["ok"] is True and "Backup done" in done.stdout, done
    assert len(pieces(target)) == 3, pieces(target)  # 9 MB
    # What lies there tells nothing.
    for name in os.listdir(target):
        data = open(os.path.join(target, name), "rb").read()
        for word in (MARK, USER, DOMAIN, "BEGIN", "postern.conf", "mail/1"):
            assert word.encode() not in data, (name, word)
    # It is what lib/seal says.
    inside = list(entries(archive_of(target, open(key_of(m)).read().strip())))
    assert inside[-1][:2] == (4, "") and inside[0][:2] == (2, "postern.conf")
    assert {path: content for kind, path, _, content in inside if path.startswith("keys/") and kind == 2} == \
        files_of(m.folder, "keys")
    assert MARK.encode() in b"".join(content for _, path, _, content in inside if path.startswith("mail/1/"))
    # A folder that is not empty is left alone.
    assert "not empty" in postern("restore", target, "--key", key_of(m), folder=m.folder).stderr
    folder, done = restore(m, target, check=True)
    assert "Restore done" in done.stdout
    same(folder, before)
    other = servers.Postern(folder, m.base + 1000, m.out)
    other.cli("config", "set", "general.port-base", str(other.base))
    other.start()
    try:
        assert listed(other) == listed(m)
        client = other.imap(USER, app)
        assert client.select("Kept")[1] == [b"2"]
        client.select("INBOX", readonly=True)
        found = {int(re.search(rb"UID (\d+)", part[0]).group(1)): part[1]
                 for part in client.uid("FETCH", "1:*", "(UID BODY.PEEK[])")[1] if isinstance(part, tuple)}
        client.logout()
        assert found == mail
    finally:
        assert other.stop() == 0


def test_next_backup_takes_the_place(m):
    target = stick(m)
    first = pieces(target)
    # Another key is that of somebody else's backup.
    stranger = os.path.join(m.home, "stranger")
    postern("backup", "key", stranger, check=True)
    for more, stdin, reason in ((("--key", stranger), None, "does not open the backup"),
                                (("--passphrase",), PASSPHRASE + "\n", "sealed with a key file")):
        done = postern("backup", target, *more, folder=m.folder, stdin=stdin)
        assert done.returncode == 1 and reason in done.stderr, done
        assert pieces(target) == first
    with open(target + "/postern-0123456789abcdef-000007", "wb") as f:
        f.write(b"of one that broke off")
    with open(target + "/holidays.jpg", "wb") as f:
        f.write(b"of somebody else")
    send(m, 1)
    before = quiet_state(m)
    backup(m, target, check=True)
    assert not set(first) & set(pieces(target)) and len(pieces(target)) == len(first)
    assert os.path.exists(target + "/holidays.jpg") and len(os.listdir(target)) == len(first) + 2
    same(restore(m, target, check=True)[0], before)


def test_passphrase(m):
    target, before = os.path.join(m.home, "phrase"), quiet_state(m)
    done = postern("backup", target, "--passphrase", folder=m.folder, stdin=PASSPHRASE + "\n")
    assert done.returncode == 0, done
    assert archive_of(target, PASSPHRASE)
    folder = os.path.join(m.home, "restored")
    shutil.rmtree(folder, ignore_errors=True)
    done = postern("restore", target, "--passphrase", folder=folder, stdin=PASSPHRASE.upper() + "\n")
    assert done.returncode == 1 and "passphrase does not open" in done.stderr, done
    assert not os.path.exists(folder)
    done = postern("restore", target, "--passphrase", folder=folder, stdin=PASSPHRASE + "\n")
    assert done.returncode == 0, done
    same(folder, before)


def test_under_load(m):
    """While mail comes: what was acknowledged before is in it, and all that is in it is whole."""
    known, ended = set(quiet_state(m)), threading.Event()

    def load():
        n = 0
        while not ended.is_set():
            m.send(message(f"{MARK} load {n}", "l" * 300000 + "\r\n"))
            n += 1
    thread = threading.Thread(target=load)
    thread.start()
    target = os.path.join(m.home, "load")
    try:
        backup(m, target, check=True)
        m.cli("backup", target + "-plain")
    finally:
        ended.set()
        thread.join()
    folder = os.path.join(m.home, "restored-plain")
    postern("restore", target + "-plain", folder=folder, check=True)
    for state in state_of(restore(m, target, check=True)[0]), state_of(target + "-plain"), state_of(folder):
        assert known <= set(state)
    for path in (target, target + "-plain", folder):
        shutil.rmtree(path)


def test_damage(m):
    source, target = stick(m), os.path.join(m.home, "damaged")
    names = [os.path.basename(p) for p in pieces(source)]

    def refused(reason, change):
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
        change()
        folder, done = restore(m, target)
        assert done.returncode == 1 and re.search(reason, done.stderr), (reason, done.stderr)
        assert not os.path.exists(folder) or os.listdir(folder) == []

    def edit(name, at, data=None):
        path = os.path.join(target, name)
        with open(path, "rb+") as f:
            f.seek(at, 2 if at < 0 else 0)
            was = f.read(1)
            f.seek(at, 2 if at < 0 else 0)
            f.write(data if data is not None else bytes([was[0] ^ 1]))
    for name in names:
        for at in (0, 100000, -1):
            refused("damaged", lambda: edit(name, at))
        refused("not there, or not whole", lambda: os.unlink(os.path.join(target, name)))
        refused("not there, or not whole", lambda: os.truncate(os.path.join(target, name), 1000))
    refused("not what was written", lambda: open(os.path.join(target, names[-1]), "ab").write(b"x"))
    refused("damaged", lambda: shutil.copy(os.path.join(target, names[0]), os.path.join(target, names[1])))
    refused("no backup", lambda: edit("postern.backup", 0))
    refused("newer version", lambda: edit("postern.backup", 8, b"\x09"))
    refused("its head is damaged", lambda: os.truncate(os.path.join(target, "postern.backup"), 255))
    for at in (16, 48, 56, 64, 110, 255):
        refused("does not open", lambda: edit("postern.backup", at))


def test_hostile_archives(m):
    """By somebody who knows the key: nothing outside of the new instance, no links, no strange modes."""
    target, secret = os.path.join(m.home, "hostile"), open(key_of(m)).read().strip()
    conf, end = entry(2, "postern.conf", b"#\n"), entry(4, "", mode=0)
    victim = os.path.join(m.home, "victim")
    cases = [
        (entry(2, "../victim", b"x") + conf + end, "belongs into none"),
        (entry(2, victim, b"x") + conf + end, "belongs into none"),
        (entry(1, "mail") + entry(2, "mail/../../victim", b"x") + conf + end, "belongs into none"),
        (entry(2, "victim", b"x") + conf + end, "no part of an instance"),
        (entry(1, "log") + conf + end, "no part of an instance"),
        (entry(2, "mail", b"x") + conf + end, "no part of an instance"),
        (entry(1, "keys", mode=0o4755) + conf + end, "belongs into none"),
        (entry(5, "keys") + conf + end, "belongs into none"),
        (entry(2, "keys/a", b"x") + conf + end, "No such file"),
        (entry(1, "keys") + entry(1, "keys") + conf + end, "File exists"),
        (conf + conf + end, "File exists"),
        (entry(3, "mail") + conf + end, "No such file"),
        (conf, "not whole"),
        (end, "not whole"),
        (conf + entry(4, "", mode=0) + b"x", "behind the end"),
        (conf[:-1], "not whole"),
    ]
    for archive, reason in cases:
        shutil.rmtree(target, ignore_errors=True)
        forge(target, secret, archive)
        folder, done = restore(m, target)
        assert done.returncode == 1 and reason in done.stderr, (archive, reason, done.stderr)
        assert os.listdir(folder) == [] and not os.path.exists(victim)
    # The same bytes without a mark at their end, and with something behind it.
    for cut in (1, 66000):
        forge(target, secret, conf + end, cut)
        folder, done = restore(m, target)
        assert done.returncode == 1 and "damaged" in done.stderr or "whole" in done.stderr, done
        assert os.listdir(folder) == []


def test_full_disk(m):
    """The new one does not fit: the old one stays, and nothing of the new."""
    target = os.path.join(m.home, "small")
    os.mkdir(target)
    run("mount", "-t", "tmpfs", "-o", "size=22m", "tmpfs", target)
    try:
        before = quiet_state(m)
        backup(m, target, check=True)
        lies = sorted(os.listdir(target))
        send(m, 2, 4 << 20)
        done = backup(m, target)
        assert done.returncode == 1 and "No space left" in done.stderr, done
        assert sorted(os.listdir(target)) == lies
        same(restore(m, target, check=True)[0], before)
    finally:
        run("umount", target)


def begin_backup(m, target, *more):
    return subprocess.Popen([os.path.join(OUT, "bin", "postern"), "--dir", m.folder, "backup", target, "--key",
                             key_of(m), *more], stdout=subprocess.DEVNULL)


def test_killed(m):
    """kill -9 after each piece: the old backup or the new one, never less."""
    target = stick(m)
    states = [quiet_state(m)]
    backup(m, target, check=True)
    last = len(pieces(target))
    for n in range(last + 1) if LONG else (0, last):
        send(m, 1)
        states.append(quiet_state(m))
        had = set(pieces(target))
        process = begin_backup(m, target)
        wait_until(f"{n + 1} new pieces or its end", 60 * SLOW, lambda: process.poll() is not None or
                   len(set(pieces(target)) - had) > n, pause=0.0005)
        process.kill()
        process.wait()
        assert state_of(restore(m, target, check=True)[0]) in states
    backup(m, target, check=True)
    same(restore(m, target, check=True)[0], states[-1])
    left = {name for name in os.listdir(target) if not name.startswith("postern-")}
    assert left <= {"postern.backup", "holidays.jpg"} and len(pieces(target)) < 8, os.listdir(target)


def test_server(m):
    login = os.path.join(m.home, "login")
    with open(login, "w", encoding="ascii") as f:
        f.write("anna:secret\n")
    token = "Basic " + base64.b64encode(b"anna:secret").decode()
    with https.Server(m.home) as server, https.Server(m.home, "DNS:other.test") as other:
        url, more = server.url + "/dav/postern/", ("--ca", server.ca, "--login", login)

        def before(handler):
            if handler.headers.get("Authorization") == token:
                return False
            handler.answer(401)
            return True
        server.before = before
        fill(m)
        state = quiet_state(m)
        assert "not permitted" in backup(m, url, "--ca", server.ca).stderr
        assert "certificate is not good" in backup(m, url, "--ca", other.ca).stderr
        backup(m, url, *more, check=True)
        names = set(server.files)
        assert "/dav/postern/postern.backup" in names and len(names) >= 4, names
        # Each was read again, the head at the end of all.
        puts = [asked[1] for asked in server.asked if asked[0] == "PUT"]
        gets = [asked[1] for asked in server.asked if asked[0] == "GET"]
        note = "/dav/postern/postern.unfinished"
        assert set(puts) == names | {note} == set(gets)
        assert (puts[0], puts[-1]) == (note, "/dav/postern/postern.backup")
        assert MARK.encode() not in b"".join(server.files.values())
        same(restore(m, url, *more, check=True)[0], state)
        assert "certificate is not good" in restore(m, url, "--ca", other.ca, "--login", login)[1].stderr
        # The next one takes its place.
        send(m, 1)
        state = quiet_state(m)
        backup(m, url, *more, check=True)
        assert len(server.files) == len(names) and len(set(server.files) & names) == 1
        same(restore(m, url, *more, check=True)[0], state)


def test_server_troubles(m):
    """Whatever is wrong with a server: the old backup stays whole."""
    with https.Server(m.home) as server:
        url, more = server.url + "/b", ("--ca", server.ca)
        fill(m)
        state = quiet_state(m)
        backup(m, url, *more, check=True)
        good = dict(server.files)
        send(m, 1)

        def nth_put(n, answer):
            """From the n-th PUT on."""
            def before(handler):
                return handler.command == "PUT" and server.count("PUT") >= n and answer(handler)
            return before

        def full(handler):
            handler.answer(507)
            return True

        def breaks_off(handler):
            handler.close_connection = True
            return True

        def lies(handler):
            server.files[handler.path] = b"something else"
            handler.answer(201)
            return True

        def forgets(handler):
            handler.answer(201)
            return True

        def redirects(handler):
            handler.answer(307, Location="https://127.0.0.1:1/")
            return True
        head = len(good) + 1
        for n, answer, reason in ((1, redirects, "at another address"), (2, full, "has no room"),
                                  (head, full, "has no room"), (3, breaks_off, "broke off"),
                                  (3, lies, "something else"), (2, forgets, "something else"),
                                  (head, forgets, "something else")):
            server.asked.clear()
            server.before = nth_put(n, answer)
            done = backup(m, url, *more)
            assert done.returncode == 1 and reason in done.stderr, (n, reason, done.stderr)
            server.files.pop("/b/postern.unfinished", None)  # what may lie there, for the next backup
            assert server.files == good, (n, reason)
        # Busy for a moment: asked again.
        server.asked.clear()
        server.before = lambda handler: server.count("PUT") == 1 and handler.command == "PUT" and (
            handler.answer(503) or True)
        same(restore(m, url, *more, check=True)[0], state)
        backup(m, url, *more, check=True)
        same(restore(m, url, *more, check=True)[0], quiet_state(m))


def test_server_after_a_kill(m):
    """What a killed backup left on a server is removed by the next one, before the head as behind it."""
    with https.Server(m.home) as server:
        url, more = server.url + "/b", ("--ca", server.ca)
        fill(m)
        backup(m, url, *more, check=True)
        count, process = len(server.files), []

        def at(method, n):
            def before(handler):
                if handler.command == method and server.count(method) == n:
                    process[0].kill()
                    process[0].wait()
                return False
            return before
        for method, n in (("PUT", 3), ("PUT", count), ("DELETE", 1), ("PUT", 4)):
            server.asked.clear()
            server.before = at(method, n)
            process[:] = [begin_backup(m, url, *more)]
            assert process[0].wait(120 * SLOW) == -9
            assert len(server.files) > count
        state = quiet_state(m)
        server.before = lambda handler: False
        backup(m, url, *more, check=True)
        assert len(server.files) == count and "/b/postern.unfinished" not in server.files, sorted(server.files)
        same(restore(m, url, *more, check=True)[0], state)


def test_plain_restore_of_a_sealed_one(m):
    """Without a key it is not taken for a directory that is a backup, nor is any other directory."""
    done = postern("restore", stick(m), folder=os.path.join(m.home, "plain"))
    assert done.returncode == 1 and "is sealed; say --key" in done.stderr, done
    done = postern("restore", m.home, folder=os.path.join(m.home, "plain"))
    assert done.returncode == 1 and "there is no backup in" in done.stderr, done
    assert not os.path.exists(os.path.join(m.home, "plain"))
