# SPDX-License-Identifier: ISC
"""What the suites about sealed backups share."""
import glob
import hashlib
import json

from harness import *

sys.path.insert(0, os.path.join(TOP, "tests", "crash"))
import reader  # noqa: E402

MARK = "Zwetschgenkuchen"  # in every message


def postern(*words, stdin=None, check=False, folder=None, env=None):
    return run(os.path.join(OUT, "bin", "postern"), *(("--dir", folder) if folder else ()), *words, check=check,
               stdin=stdin, env=env, timeout=120)


def key_of(m):
    path = os.path.join(m.home, "key")
    if not os.path.exists(path):
        postern("backup", "key", path, check=True)
    return path


def backup(m, target, *more, **rest):
    return postern("backup", target, "--key", key_of(m), *more, folder=m.folder, **rest)


def restore(m, source, *more, name="restored", key=None, **rest):
    """Into a new folder, its name, and what the command said."""
    folder = os.path.join(m.home, name)
    shutil.rmtree(folder, ignore_errors=True)
    done = postern("restore", source, "--key", key or key_of(m), *more, folder=folder, **rest)
    return folder, done


def files_of(folder, *parts):
    """Content of the files below these parts, by name."""
    found = {}
    for part in parts:
        path = os.path.join(folder, part)
        names = [path] if os.path.isfile(path) else [
            os.path.join(where, name) for where, _, names in os.walk(path) for name in names]
        for name in names:
            with open(name, "rb") as f:
                found[os.path.relpath(name, folder)] = f.read()
    return found


def state_of(folder):
    """Keys, settings, the queue and all mail, read without Postern's code."""
    state = files_of(folder, "postern.conf", "ca.pem", "keys")
    for account, box in reader.mailboxes(folder).items():
        for validity, _, name in box.folders.values():
            state["folder", account, name] = validity
        for (number, uid), message in box.messages.items():
            name = box.folders[number][2]
            state["mail", account, name, uid] = (message.flags, message.modseq,
                                                 hashlib.sha256(box.content(message)).hexdigest())
    state["queue"] = {number: (queued.recipients, bytes(queued.states))
                      for number, queued in reader.Queue(os.path.join(folder, "queue")).messages.items()}
    return state


def rows(instance, *words):
    return json.loads(instance.cli(*words, "--json").stdout)["rows"]


def listed(instance):
    return [rows(instance, *words) for words in
            (("user", "list"), ("domain", "list"), ("alias", "list"), ("app-password", "list"),
             ("forward", "list"))]


def send(m, count, size=200):
    had = m.count()
    for n in range(count):
        m.send(message(f"{MARK} {had + n}", random.Random(had + n).randbytes(size // 2).hex() + "\r\n"))
    m.wait_count(had + count)


def fill(m):
    """Mail for several pieces, once."""
    if m.count() < 6:
        send(m, 5)
        send(m, 1, 9 << 20)


def stick(m):
    """The folder of the backup that several tests go on with."""
    target = os.path.join(m.home, "usb")
    if not os.path.exists(target):
        fill(m)
        backup(m, target, check=True)
    return target


def quiet_state(m):
    """The state when nothing is under way."""
    wait_until("an empty queue", 60 * SLOW, lambda: rows(m, "queue", "list") == [])
    m.cli("mailbox", "check", USER)
    return state_of(m.folder)


def same(folder, before):
    now = state_of(folder)
    assert now == before, {k: (before.get(k), now.get(k)) for k in {*now, *before} if now.get(k) != before.get(k)}


def pieces(target):
    return sorted(glob.glob(target + "/postern-*"))
