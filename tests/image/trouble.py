# SPDX-License-Identifier: ISC
"""Trouble of a machine that serves: the power fails during mail, the disk gets full."""
import os
import random
import smtplib
import subprocess
import sys
import threading

from machine import ADMIN, LIMIT, MIB, TOP, Machine

sys.path.insert(0, os.path.join(TOP, "tests", "crash"))
import reader  # noqa: E402

DATA_AT = 101 * MIB  # where the data partition begins
KILLS, SENDERS = 20, 3


class Load:
    """Senders that go on until the power fails; promised is what the machine said it keeps."""

    def __init__(self, machine):
        self.machine, self.promised, self.lock = machine, [], threading.Lock()
        self.number = 0

    def token(self):
        with self.lock:
            self.number += 1
            return f"mail-{self.number}"

    def sender(self):
        try:
            with smtplib.SMTP("127.0.0.1", self.machine.ports[25], "client.example.net", timeout=LIMIT) as client:
                while True:
                    token = self.token()
                    body = ("x" * 70 + "\r\n") * random.randrange(1, 500)
                    client.sendmail("sender@example.net", [ADMIN],
                                    f"Subject: {token}\r\nX-Token: {token}\r\n\r\n{body}\r\n")
                    with self.lock:
                        self.promised.append(token)
        except (OSError, smtplib.SMTPException):
            pass  # the power is off

    def until_cut(self, messages):
        """Sends until so many more are promised, then cuts the power."""
        wanted = len(self.promised) + messages
        threads = [threading.Thread(target=self.sender) for _ in range(SENDERS)]
        for t in threads:
            t.start()
        self.machine.wait("messages", lambda: len(self.promised) >= wanted, pause=0.001)
        self.machine.cut()
        for t in threads:
            t.join()


def data_folder(machine):
    """The instance on the machine's disk, as the file system's journal restores it."""
    part, folder = os.path.join(machine.home, "part"), os.path.join(machine.home, "data")
    size = os.path.getsize(machine.disk) - DATA_AT
    subprocess.run(["dd", "if=" + machine.disk, "of=" + part, "bs=1M", f"skip={DATA_AT // MIB}",
                    "conv=sparse", "status=none"], check=True)
    assert os.path.getsize(part) <= size
    done = subprocess.run(["e2fsck", "-fy", part], capture_output=True)
    assert done.returncode in (0, 1), done.stdout.decode()
    os.mkdir(folder)
    subprocess.run(["debugfs", "-R", f"rdump /postern {folder}", part], check=True, capture_output=True)
    return os.path.join(folder, "postern")


def kept(folder):
    """Tokens that a reader which knows nothing of the programs finds in the queue or in the mailbox."""
    found = set(reader.Queue(os.path.join(folder, "queue")).tokens())
    for box in reader.mailboxes(folder).values():
        tokens = list(box.tokens().values())
        assert len(tokens) == len(set(tokens)), "a message is there twice"
        found |= set(tokens)
    return found


def test_kill():
    """Twenty power cuts during mail: what was promised is on the disk, and comes out by IMAP, once."""
    with Machine(size=512) as machine:
        load = Load(machine)
        for _ in range(KILLS):
            machine.boot()
            load.until_cut(random.randint(3, 30))
        lost = set(load.promised) - kept(data_folder(machine))
        assert not lost, lost
        machine.boot()
        machine.wait_mail(*load.promised)
        subjects = machine.subjects()
        assert len(subjects) == len(set(subjects)), "a message is there twice"
        print(f"# {len(load.promised)} messages promised in {KILLS} power cuts, none lost", flush=True)


def answer_to_mail(machine):
    """The code of a new message; 250 when it is accepted."""
    try:
        machine.send("more")
        return 250
    except smtplib.SMTPResponseException as e:
        return e.smtp_code
    except smtplib.SMTPRecipientsRefused as e:
        return list(e.recipients.values())[0][0]


FILL = "busybox su -s /bin/sh nobody -c 'dd if=/dev/zero of=/data/fill/all bs=64k 2>/dev/null'"


def test_disk_full():
    """Mail is put off for now and what is there can be read: while the disk gets full and after a start with
    a full one. With room again, mail comes in."""
    with Machine(size=256) as machine:
        machine.use("before")
        machine.log_in()
        machine.must("mkdir /data/fill && chown 65534 /data/fill")
        machine.shell(FILL + "; sync")
        machine.wait("a refusal for now", lambda: answer_to_mail(machine) in (421, 431, 451, 452))
        machine.wait_mail("before")
        machine.cut()
        machine.boot()
        assert answer_to_mail(machine) in (421, 431, 451, 452)
        machine.wait_mail("before")
        machine.log_in()
        machine.must("rm -r /data/fill && sync")
        machine.wait("mail again", lambda: answer_to_mail(machine) == 250)
        machine.wait_mail("before", "more")


def test_watchdog():
    """A machine whose programs no longer run restarts by itself, and serves with the same mail."""
    with Machine() as machine:
        machine.use("before")
        machine.log_in()
        machine.type("kill -STOP $(pidof watchdog)")
        machine.wait("the restart", lambda: machine.console().count("system=kept ") == 2)
        machine.wait_mail("before")
