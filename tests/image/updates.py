# SPDX-License-Identifier: ISC
"""Updates of a machine that runs: good ones, bad ones, and those that the power cut."""
import os
import shutil
import subprocess
import sys
import tempfile

from machine import BUILT, LIMIT, MIB, TOP, WEB, Machine, image_path, release

sys.path.insert(0, os.path.join(TOP, "tests", "system"))
import https  # noqa: E402

KEY = os.path.join(BUILT, "developer-key.pem")
SLOT_FILE = image_path()[:-len("img")] + "slot"
SLOT_A, SLOT_MIB = 37 * MIB, 32


class Stick:
    """A FAT disk with slot files, made of the system that was built."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="postern-stick-")
        self.path = os.path.join(self.home, "stick")
        with open(self.path, "wb") as f:
            f.truncate(200 * MIB)
        subprocess.run(["mkfs.vfat", self.path], check=True, stdout=subprocess.DEVNULL)

    def changed(self, change):
        """The root that was built, with a change."""
        root = os.path.join(self.home, "root")
        subprocess.run(["cp", "-a", os.path.join(BUILT, "root"), root], check=True)
        change(root)
        return root

    def add(self, name, version, later, change=None, key=KEY, spoilt=False):
        """A slot file of another version, LATER seconds after the one that runs."""
        root = self.changed(change) if change else SLOT_FILE
        out = os.path.join(self.home, name)
        serial = int(release()["serial"]) + later
        subprocess.run([os.path.join(TOP, "image", "slot"), root, out, "--version", version,
                        "--serial", str(serial), "--key", key], check=True)
        if spoilt:
            with open(out, "r+b") as f:
                f.seek(1 << 20)
                byte = f.read(1)[0]
                f.seek(1 << 20)
                f.write(bytes([byte ^ 1]))
        subprocess.run(["mcopy", "-i", self.path, out, "::" + name], check=True)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.home, ignore_errors=True)


def at_console(machine):
    machine.log_in()
    machine.must("mkdir /run/usb && mount -r -t vfat /dev/vdb /run/usb")


def refused(machine, command, reason):
    status, text = machine.shell("postern update /run/usb/" + command)
    assert status != 0 and reason in " ".join(text.split()), (command, status, text)


def restart(machine, command="reboot", starts=1):
    """The machine restarts, by itself until a system serves; returns the slot it is in."""
    before = machine.console().count("system=kept ")
    machine.type(command)
    machine.wait("the restart", lambda: machine.console().count("system=kept ") > before, limit=starts * LIMIT)
    return machine.running()


def test_update():
    """What must not be is refused; a good one runs after the restart, with the same mail, and stays."""
    with Stick() as stick, Machine(extra=[stick.path]) as machine:
        other = os.path.join(stick.home, "other.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", other], check=True)
        stick.add("older.slot", "0.0.1", -1000).add("other.slot", "9.9.9", 1000, key=other)
        stick.add("good.slot", "9.0.0", 1000)
        stick.add("spoilt.slot", "9.0.0", 1000, spoilt=True)
        assert machine.use("before") == "a"
        at_console(machine)
        refused(machine, "other.slot", "nobody whom this machine trusts has signed it")
        refused(machine, "older.slot", "is older than the running")
        refused(machine, "spoilt.slot", "its content is not what was signed")
        machine.must("postern update /run/usb/good.slot")
        assert restart(machine) == "b"
        machine.wait_mail("before")
        machine.cut()
        assert machine.boot() == "b"
        at_console(machine)
        assert "9.0.0 is running already" in machine.must("postern update /run/usb/good.slot")
        refused(machine, "older.slot", "is older than the running")
        machine.must("postern update /run/usb/older.slot --allow-downgrade")
        assert restart(machine) == "a"
        machine.wait_mail("before")


def test_update_url():
    """From an HTTPS server, whose certificate is checked. Of what nobody signed only the trailer is fetched."""
    with Stick() as stick, https.Server(stick.home, "IP:" + WEB) as server, \
            Machine(extra=[stick.path], web=server.port) as machine:
        other = os.path.join(stick.home, "other.pem")
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", other], check=True)
        stick.add("good.slot", "9.0.0", 1000).add("other.slot", "9.9.9", 1000, key=other)
        for name in ("good.slot", "other.slot"):
            with open(os.path.join(stick.home, name), "rb") as f:
                server.files["/" + name] = f.read()
        subprocess.run(["mcopy", "-i", stick.path, server.ca, "::ca.pem"], check=True)
        assert machine.use("before") == "a"
        at_console(machine)
        url = f"postern update https://{WEB}/"
        for command, reason in ((url + "good.slot", "certificate"),
                                (url + "other.slot --ca /run/usb/ca.pem", "nobody whom this machine trusts")):
            status, text = machine.shell(command)
            assert status != 0 and reason in " ".join(text.split()), (status, text)
        assert [asked[2] for asked in server.asked] == ["bytes=-4096"], server.asked
        assert restart(machine, url + "good.slot --ca /run/usb/ca.pem --reboot") == "b"
        machine.wait_mail("before")


class Slot:
    """Where things are in a slot of a machine's disk."""

    def __init__(self, machine, letter):
        self.disk, self.at = machine.disk, SLOT_A + (letter == "b") * SLOT_MIB * MIB
        with open(self.disk, "rb") as f:
            f.seek(self.at + SLOT_MIB * MIB - 4096)
            lines = f.read(4096).decode("latin-1").splitlines()
        self.data = int([x for x in lines if x.startswith("data=")][0][5:])

    def place(self, what):
        """An offset in the slot: the top of the hash tree, the trailer, or some bytes of a file that stands there
        as it is (kernel and initrd do)."""
        if what == "tree":
            return self.data
        if what == "trailer":
            return SLOT_MIB * MIB - 4096
        with open(os.path.join(BUILT, "root", "boot", what), "rb") as f:
            f.seek(200001)
            wanted = f.read(64)
        with open(self.disk, "rb") as f:
            f.seek(self.at)
            return f.read(self.data).index(wanted) - 1  # the byte before, so that it is found when spoilt, too

    def spoil(self, what):
        with open(self.disk, "r+b") as f:
            at = self.at + self.place(what)
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 1]))


def test_slot_spoilt():
    """Both slots hold a system. Whatever breaks in the one that runs, the other one starts, by itself."""
    with Stick() as stick, Machine(extra=[stick.path]) as machine:
        stick.add("good.slot", "9.0.0", 1000)
        assert machine.boot() == "a"
        at_console(machine)
        machine.must("postern update /run/usb/good.slot")
        assert restart(machine) == "b"
        running = "b"
        for what in ("vmlinuz", "initrd", "tree", "trailer"):
            machine.send(what)
            machine.cut()
            Slot(machine, running).spoil(what)
            other = "ab"["ba".index(running)]
            assert machine.boot() == other, what
            machine.wait_mail(what)
            Slot(machine, running).spoil(what)  # whole again
            running = other


def test_update_bad():
    """A system whose services do not come up is tried three times; then the old one is back."""
    with Stick() as stick, Machine(extra=[stick.path]) as machine:
        stick.add("bad.slot", "9.0.0", 1000, lambda root: os.unlink(
            os.path.join(root, "usr", "libexec", "postern", "smtpd")))
        assert machine.boot() == "a"
        at_console(machine)
        machine.must("postern update /run/usb/bad.slot")
        assert restart(machine, starts=4) == "a"
        assert machine.console().count("service=failed") == 3, machine.console()[-3000:]
        machine.send("still")
        machine.wait_mail("still")


def test_update_cut():
    """The power goes off at five moments of an update. Before its end the old system starts, with the other
    slot empty; then it is taken after all."""
    with Stick() as stick, Machine(extra=[stick.path]) as machine:
        stick.add("good.slot", "9.0.0", 1000)
        assert machine.boot() == "a"
        for i, part in enumerate((0.01, 0.25, 0.5, 0.75, 0.95)):
            at_console(machine)
            wanted = part * os.path.getsize(SLOT_FILE)
            before = machine.written()
            machine.begin("postern update /run/usb/good.slot")
            machine.wait("a part of the slot", lambda: machine.written() - before >= wanted, pause=0.01)
            assert not machine.ended()
            machine.cut()
            assert machine.boot() == "a"
            machine.send(f"cut-{i}")
        at_console(machine)
        machine.must("postern update /run/usb/good.slot")
        assert restart(machine) == "b"
        machine.wait_mail(*(f"cut-{i}" for i in range(5)))
