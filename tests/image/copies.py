# SPDX-License-Identifier: ISC
"""Backup of a machine that serves, and a fresh machine that becomes it: accounts, keys, mail and settings are the
same. The commands are those of docs/appliance.md."""
import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile

from machine import ADMIN, ANSWERS, DOMAIN, MIB, PASSWORD, TOP, WEB, Machine, release
from trouble import data_folder

sys.path.insert(0, os.path.join(TOP, "tests", "system"))
import https  # noqa: E402
from backups import state_of  # noqa: E402

BOB, BOBS_PASSWORD = "bob@" + DOMAIN, "nine blue whales 34"
PASSPHRASE = "a passphrase of some length"
FRESH_PASSWORD = "one grey mouse 56"
FRESH = ANSWERS.replace(DOMAIN, "fresh.test").replace("admin=admin", "admin=other").replace(PASSWORD, FRESH_PASSWORD)
POSTERN = "postern --dir /data/postern "
LISTS = ("user list", "domain list", "alias list", "forward list", "send-as list", "app-password list",
         "user allowed", "config list")


@contextlib.contextmanager
def usb_disk():
    """A disk with one FAT partition, as they are sold."""
    with tempfile.TemporaryDirectory(prefix="postern-usb-") as home:
        path = os.path.join(home, "usb")
        with open(path, "wb") as f:
            f.truncate(64 * MIB)
        subprocess.run(["sfdisk", "--quiet", path], input=b"label: dos\nstart=1MiB, type=c\n", check=True)
        subprocess.run(["mkfs.vfat", "--offset", str(MIB // 512), path, str(63 * MIB // 1024)], check=True,
                       stdout=subprocess.DEVNULL)
        yield path


def plug(path):
    """QEMU's words for it. Debian's kernel for virtual machines knows no USB."""
    drive = f"file={path},format=raw"
    if release()["kernel"] == "debian":
        return ["-drive", drive + ",if=virtio"]
    return ["-device", "qemu-xhci", "-drive", drive + ",if=none,id=u", "-device", "usb-storage,drive=u"]


def mount(machine):
    device = "vdb1" if release()["kernel"] == "debian" else "sda1"
    machine.must(f"mkdir /run/usb; until [ -b /dev/{device} ]; do sleep 1; done; mount /dev/{device} /run/usb")


def rows(machine, words):
    return json.loads(machine.must(f"{POSTERN} {words} --json"))["rows"]


def fill(machine):
    """Something of each kind that a backup carries."""
    for words in (f"echo {BOBS_PASSWORD} | {POSTERN} user add {BOB}",
                  POSTERN + "domain add second.test",
                  POSTERN + f"alias add team@second.test {ADMIN} {BOB}",
                  POSTERN + f"forward add {BOB} {ADMIN}",
                  POSTERN + f"app-password add {BOB} phone",
                  POSTERN + f"send-as add {BOB} team@second.test",
                  POSTERN + f"user allow {BOB} friend@example.org",
                  POSTERN + "config set log.age 91d"):
        machine.must(words)
    for n in range(3):
        machine.send(f"mail-{n}")
    machine.send("for both", "team@second.test")
    machine.wait_mail("mail-0", "mail-1", "mail-2", "for both")
    with machine.imap() as client:
        client.select("INBOX")
        client.create("Kept")
        client.store("1", "+FLAGS", "(\\Flagged)")
        client.copy("1:2", "Kept")
    machine.wait("an empty queue", lambda: rows(machine, "queue list") == [])


def lists(machine):
    return {words: rows(machine, words) for words in LISTS}


def state(machine):
    """Of its disk, after the power failed, by a reader that knows nothing of the programs."""
    machine.must("sync")
    machine.cut()
    return state_of(data_folder(machine))


def ask(machine, command, *prompts):
    """A command that wants a passphrase."""
    machine.begin(command)
    for prompt in prompts:
        machine.wait_console(prompt)
        machine.type(PASSPHRASE)
    status, text = machine.finish()
    assert status == 0 and PASSPHRASE not in text, text


def become(machine, restore):
    """A fresh machine, set up with other answers, takes the backup; returns the public key it had before."""
    assert machine.boot() == "a"
    own = machine.public_key()
    machine.log_in(FRESH_PASSWORD)
    mount(machine)
    machine.must("mv /data/postern /data/unused; old=$(cat /run/postern/serve.pid); kill $old; "
                 "while kill -0 $old 2>/dev/null; do sleep 1; done")
    restore(machine)
    machine.must(POSTERN + "update confirm --wait 600")
    return own


def same(before, after):
    different = {k: (before.get(k), after.get(k)) for k in {*before, *after} if before.get(k) != after.get(k)}
    assert not different, different


def carried(options, backup, restore):
    with Machine(**options) as old:
        assert old.boot() == "a"
        old.log_in()
        mount(old)
        fill(old)
        backup(old)
        old.must("umount /run/usb")
        key = old.public_key()
        told, content = lists(old), state(old)
    with Machine(answers=FRESH, **options) as new:
        assert become(new, restore) != key, "two machines have one key"
        assert new.public_key() == key
        new.wait_mail("mail-0", "for both")
        same(told, lists(new))
        same(content, state(new))
        assert new.boot() == "a"
        new.send("more")
        new.wait_mail("mail-0", "for both", "more")


def test_backup_usb():
    """Sealed with a passphrase."""
    def backup(machine):
        ask(machine, POSTERN + "backup /run/usb/postern --passphrase", "Passphrase of the backup: ", "Once more: ")

    def restore(machine):
        ask(machine, POSTERN + "restore /run/usb/postern --passphrase", "Passphrase of the backup: ")
    with usb_disk() as path:
        carried(dict(words=plug(path)), backup, restore)


def test_backup_https():
    """To a server that wants a password, sealed with a key file that is kept elsewhere; a machine of little memory."""
    def backup(machine):
        machine.must(f"postern backup key /run/usb/key && {POSTERN} backup {where}")

    def restore(machine):
        machine.must(f"{POSTERN} restore {where}")
    where = f"https://{WEB}/postern --key /run/usb/key --ca /run/usb/ca.pem --login /run/usb/nas"
    with usb_disk() as path, https.Server(os.path.dirname(path), "IP:" + WEB) as server:
        nas = path + "-nas"
        with open(nas, "w") as f:
            f.write("me:a word\n")
        for source, name in ((server.ca, "ca.pem"), (nas, "nas")):
            subprocess.run(["mcopy", "-i", f"{path}@@1M", source, "::" + name], check=True)
        carried(dict(words=plug(path), web=server.port, memory=128), backup, restore)
        wanted = "Basic " + base64.b64encode(b"me:a word").decode()
        assert all(asked[3] == wanted for asked in server.asked) and server.count("PUT") > 1, server.asked
