# SPDX-License-Identifier: ISC
"""A full disk: mail is refused for now, nothing accepted is lost, and it goes on by itself."""
import contextlib
import smtplib

from harness import *

OPTIONS = None


def send(m, token, size):
    """The reply code of one message."""
    try:
        m.send(message("disk", "d" * 70 + "\r\n" + ("e" * 76 + "\r\n") * (size // 78),
                       X_Token=token))
        return 250
    except smtplib.SMTPResponseException as error:
        return error.smtp_code
    except smtplib.SMTPRecipientsRefused as error:
        return list(error.recipients.values())[0][0]
    except (smtplib.SMTPException, OSError):
        return 0


def tokens(m):
    found = [re.search(rb"X-Token: (\S+)", text) for text in m.messages().values()]
    return sorted(f.group(1).decode() for f in found if f)


@contextlib.contextmanager
def small_disk(**options):
    """An instance on a file system of 96 MB."""
    if os.geteuid() != 0:
        raise Skip("needs a mount")
    home = tempfile.mkdtemp(prefix="postern-disk-")
    run("mount", "-t", "tmpfs", "-o", "size=96m,mode=711", "tmpfs", home)
    m = Instance(home=home, **options)
    m.output = home + ".output"  # of the next start: elsewhere, or it could not say "ready"
    try:
        yield m, home
    finally:
        m.destroy()
        run("umount", "-l", home, check=False)
        if os.path.exists(m.output):
            os.unlink(m.output)


def fill(home):
    """Uses up the disk to the last byte; returns the file that did it."""
    filler = os.path.join(home, "filler")
    with open(filler, "ab", buffering=0) as f:
        for size in (1 << 20, 65536, 4096, 1):
            try:
                while f.write(bytes(size)) == size:
                    pass
            except OSError:
                pass
    return filler


def before_data(m):
    """The first reply of a transaction that is not what it should be, DATA included; it is ended
    before any content."""
    with m.raw() as s:
        s.expect(None, 220)
        s.expect("EHLO client.example.net", 250)
        for text, want in (("MAIL FROM:<sender@example.net>", 250), (f"RCPT TO:<{USER}>", 250),
                           ("DATA", 354)):
            code, rest = s.command(text)
            if code != want:
                return code, rest
    return 354, b""


def test_services_while_full(_):
    """The default limits: refused before DATA with 452 4.3.1; everything else goes on."""
    with small_disk() as (m, home):
        for n in range(4):
            assert send(m, f"t{n}", 3000) == 250
        m.wait_count(4)
        filler = fill(home)
        code, text = wait_until("mail is refused", 10 * SLOW, lambda: refused(m))
        assert code == 452 and text.startswith(b"4.3.1 "), (code, text)
        client = m.imap()  # a login
        client.select("INBOX")
        uids = client.uid("SEARCH", "ALL")[1][0].split()
        assert len(uids) == 4
        assert b"X-Token: t0" in client.uid("FETCH", uids[0], "(BODY.PEEK[])")[1][0][1]
        assert client.uid("STORE", uids[0], "+FLAGS", "(\\Deleted)")[0] == "OK"
        assert client.expunge()[0] == "OK"
        answer, data = client.append("INBOX", None, None, message("no", "x" * 5000).encode())
        assert answer == "NO" and b"[UNAVAILABLE]" in data[0], (answer, data)
        client.logout()
        assert m.count() == 3
        assert m.cli("user", "list").stdout.count(USER) == 1
        os.unlink(filler)
        wait_until("mail is taken again", 30 * SLOW, lambda: send(m, "after", 100) == 250)
        m.wait_count(4)
        assert tokens(m) == ["after", "t1", "t2", "t3"]


def refused(m):
    code, text = before_data(m)
    return None if code == 354 else (code, text)


def test_start_on_a_full_disk(_):
    """Space is reserved: accounts, queue and mailbox open, mail is read and deleted."""
    with small_disk() as (m, home):
        for n in range(3):
            assert send(m, f"t{n}", 3000) == 250
        m.wait_count(3)
        for how in ("stop", "kill"):
            filler = fill(home)
            if how == "stop":
                m.stop()
            else:
                for pid in m.pids():
                    os.kill(pid, signal.SIGKILL)
                m.proc.wait()
            fill(home)
            m.start()
            assert tokens(m) == ["t0", "t1", "t2"]
            wait_until("mail is refused", 10 * SLOW, lambda: refused(m))
            os.unlink(filler)
            wait_until("mail is taken again", 30 * SLOW, lambda: refused(m) is None)
        client = m.imap()
        client.select("INBOX")
        client.store("1", "+FLAGS", "(\\Deleted)")
        assert client.expunge()[0] == "OK"
        client.logout()
        assert tokens(m) == ["t1", "t2"]


def test_full_disk(_):
    if os.geteuid() != 0:
        raise Skip("needs a mount")
    home = tempfile.mkdtemp(prefix="postern-disk-")
    run("mount", "-t", "tmpfs", "-o", "size=96m,mode=711", "tmpfs", home)
    m = Instance(home=home, settings=[("queue.min-free", "0")])
    try:
        accepted = ["before"]
        assert send(m, "before", 100) == 250
        filler = fill(home)
        codes = {}
        for n in range(300):
            code = send(m, f"full{n}", 200000 if n % 3 else 3000)
            codes[code] = codes.get(code, 0) + 1
            if code == 250:
                accepted.append(f"full{n}")
            if codes.get(452, 0) + codes.get(451, 0) + codes.get(0, 0) > 5:
                break
        assert codes.get(452, 0) + codes.get(451, 0) > 0, f"never refused: {codes}"
        assert 0 not in codes, f"connections broke: {codes}"
        os.unlink(filler)
        wait_until("mail is taken again", 30 * SLOW, lambda: send(m, "after", 100) == 250)
        accepted.append("after")
        wait_until("all accepted messages", 60 * SLOW,
                   lambda: set(accepted) <= set(tokens(m)))
        got = tokens(m)
        assert len(got) == len(set(got)) and set(got) == set(accepted), (
            len(got), set(got) ^ set(accepted))
        print(f"# replies while full: {codes}")
        assert m.stop() == 0
        m.start()
        assert tokens(m) == got
    finally:
        m.destroy()
        run("umount", "-l", home, check=False)
