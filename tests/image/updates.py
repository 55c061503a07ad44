# SPDX-License-Identifier: ISC
"""Updates of a machine that runs: good ones, bad ones, and those that the power cut."""
import os
import random
import shutil
import subprocess
import tempfile

from machine import BUILT, MIB, TOP, Machine

KEY = os.path.join(BUILT, "developer-key.pem")
SLOT_A, SLOT_MIB = 37 * MIB, 32


def release():
    with open(os.path.join(BUILT, "release")) as f:
        return dict(line.strip().split("=", 1) for line in f)


class Stick:
    """A FAT disk with slot files, made of the system that was built."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="postern-stick-")
        self.path = os.path.join(self.home, "stick")
        with open(self.path, "wb") as f:
            f.truncate(200 * MIB)
        subprocess.run(["mkfs.vfat", self.path], check=True, stdout=subprocess.DEVNULL)

    def add(self, name, version, later, change=None, key=KEY):
        """A slot file of another version, LATER seconds after the one that runs."""
        root = os.path.join(self.home, "root")
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run(["cp", "-a", os.path.join(BUILT, "root"), root], check=True)
        with open(os.path.join(root, "etc", "postern", "release"), "a") as f:
            f.write(f"update={version}\n")
        if change:
            change(root)
        out = os.path.join(self.home, name)
        serial = int(release()["serial"]) + later
        subprocess.run([os.path.join(TOP, "image", "slot"), root, out, "--version", version,
                        "--serial", str(serial), "--key", key], check=True)
        subprocess.run(["mcopy", "-i", self.path, out, "::" + name], check=True)
        return self

    def destroy(self):
        shutil.rmtree(self.home, ignore_errors=True)


def boot(machine):
    """One start up to its confirmation; returns the slot that runs."""
    machine.start()
    return running(machine)


def running(machine):
    machine.wait_console("postern: system=kept ")
    line = [x for x in machine.console().splitlines() if "postern: system=kept " in x][-1]
    return line.split("slot=")[1][0]


def at_console(machine):
    machine.log_in()
    status, text = machine.shell("mkdir /run/usb && mount -r -t vfat /dev/vdb /run/usb")
    assert status == 0, text


def refused(machine, command, reason):
    status, text = machine.shell("postern update /run/usb/" + command)
    assert status != 0 and reason in " ".join(text.split()), (command, status, text)


def restarted_into(machine, slot):
    """The machine restarts by itself until a system serves; it is the one in that slot."""
    machine.wait("the restart", lambda: machine.console().count("system=kept ") > 1)
    assert running(machine) == slot, machine.console()[-3000:]


def test_update():
    """What must not be is refused; a good one runs after the restart, with the same mail."""
    stick = Stick()
    other = os.path.join(stick.home, "other.pem")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", other], check=True)
    stick.add("older.slot", "0.0.1", -1000).add("other.slot", "9.9.9", 1000, key=other)
    stick.add("good.slot", "9.0.0", 1000)
    machine = Machine(extra=[stick.path])
    try:
        assert boot(machine) == "a"
        machine.send("before")
        at_console(machine)
        refused(machine, "other.slot", "nobody whom this machine trusts has signed it")
        refused(machine, "older.slot", "is older than the running")
        status, text = machine.shell("postern update /run/usb/good.slot")
        assert status == 0, text
        machine.type("reboot")
        restarted_into(machine, "b")
        machine.wait("the old mail", lambda: "before" in machine.subjects())
        machine.cut()
        assert boot(machine) == "b"  # it was kept
        machine.cut()
        spoil(machine.disk, SLOT_A + SLOT_MIB * MIB)
        assert boot(machine) == "a"  # restarted by dm-verity until b had no try left
        machine.send("after")
        machine.wait("all mail", lambda: {"before", "after"} <= set(machine.subjects()))
    finally:
        machine.destroy()
        stick.destroy()


def spoil(disk, at):
    """Breaks the top of the hash tree of the slot that begins there."""
    with open(disk, "r+b") as f:
        f.seek(at + SLOT_MIB * MIB - 4096)
        trailer = f.read(4096).decode("latin-1").splitlines()
        data = int([x for x in trailer if x.startswith("data=")][0][5:])
        f.seek(at + data)
        block = f.read(4096)
        f.seek(at + data)
        f.write(bytes([block[0] ^ 1]) + block[1:])


def test_update_bad():
    """A system whose services do not come up is tried three times; then the old one is back."""
    stick = Stick().add("bad.slot", "9.0.0", 1000, lambda root: os.unlink(
        os.path.join(root, "usr", "libexec", "postern", "smtpd")))
    machine = Machine(extra=[stick.path])
    try:
        assert boot(machine) == "a"
        at_console(machine)
        status, text = machine.shell("postern update /run/usb/bad.slot")
        assert status == 0, text
        machine.type("reboot")
        restarted_into(machine, "a")
        assert machine.console().count("service=failed") == 3, machine.console()[-3000:]
        machine.send("still")
        machine.wait("mail", lambda: "still" in machine.subjects())
    finally:
        machine.destroy()
        stick.destroy()


def test_update_cut():
    """The power goes off at five moments of an update: something that serves starts each time."""
    stick = Stick().add("one.slot", "9.0.0", 1000).add("two.slot", "9.0.1", 2000)
    machine = Machine(extra=[stick.path])
    try:
        boot(machine)
        for i in range(5):
            at_console(machine)
            file = ("one", "two")[i % 2] + ".slot"
            machine.begin(f"postern update /run/usb/{file} --allow-downgrade")
            written = random.randrange(1, os.path.getsize(os.path.join(stick.home, file)))
            before = machine.written()
            machine.wait("a part of the slot", lambda: machine.ended() or
                         machine.written() - before >= written)
            machine.cut()
            assert boot(machine) in "ab"
            machine.send(f"cut-{i}")
        machine.wait("all mail", lambda: {f"cut-{i}" for i in range(5)} <= set(machine.subjects()))
    finally:
        machine.destroy()
        stick.destroy()
