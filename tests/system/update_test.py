# SPDX-License-Identifier: ISC
"""Updates of the appliance, on plain files instead of partitions: what is taken and refused, which slot
is booted next, and that a system is kept only when the services answer."""
import hashlib

from harness import *

OPTIONS = dict(users=())
ROOM, PAYLOAD = 64 * 4096, 40 * 4096


class Key:
    """Ed25519 by openssl: a second opinion on libsodium's."""

    def __init__(self, seed):
        self.file = tempfile.NamedTemporaryFile(suffix=".der")
        self.file.write(bytes.fromhex("302e020100300506032b657004220420") + seed)
        self.file.flush()

    def openssl(self, *words, data=b""):
        with tempfile.NamedTemporaryFile() as f:
            f.write(data)
            f.flush()
            words = [f.name if w == "DATA" else w for w in words]
            return subprocess.run(["openssl", *words, "-inkey" if "-in" in words else "-in",
                                   self.file.name], capture_output=True, check=True).stdout

    def public(self):
        return self.openssl("pkey", "-inform", "DER", "-pubout", "-outform", "DER")[-32:]

    def sign(self, text):
        return self.openssl("pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-in", "DATA", data=text)


KEY = Key(b"k" * 32)


def trailer(payload, version, serial, arch="amd64", key=KEY, size=None, sum_of=None):
    sha = hashlib.sha256(sum_of or payload).hexdigest()
    text = (f"postern-slot 1\nversion={version}\nserial={serial}\narch={arch}\n"
            f"size={size or len(payload)}\ndata={len(payload) - 4096}\nsalt=00ff\nroot={sha}\n"
            f"sha256={sha}\n").encode()
    text = text.ljust(4032, b"\0")
    return text + key.sign(text)


def payload(seed):
    return random.Random(seed).randbytes(PAYLOAD)


def fat12(block):
    """A FAT12 file system whose one file is grubenv, in clusters 3 and 4."""
    image = bytearray(128 * 512)
    image[11:24] = bytes([0, 2, 1, 1, 0, 1, 16, 0, 128, 0, 0xf8, 1, 0])
    image[510:512] = b"\x55\xaa"
    image[512:520] = b"\xf8\xff\xff\x00\x40\x00\xff\x0f"
    image[1024:1036] = b"GRUBENV    \x20"
    image[1024 + 26] = 3
    image[1024 + 29] = 4
    image[2048:3072] = block
    return image


class Machine:
    def __init__(self, m, running="a", order="ab", tries="3 0", new="", fat=True):
        self.m = m
        self.folder = tempfile.mkdtemp(prefix="machine-", dir=m.home)
        a, b = tries.split()
        block = (f"# GRUB Environment Block\norder={order}\ntry_a={a}\ntry_b={b}\nnew={new}\n"
                 .encode().ljust(1024, b"#"))
        self.running, self.fat = running, fat
        self.put("env", fat12(block) if fat else block)
        for slot in "ab":
            system = payload("1" + slot)
            self.put("slot_" + slot, system.ljust(ROOM - 4096, b"\0") + trailer(system, "1.0.0", 100))
        self.put("keys", KEY.public().hex().encode() + b"\n")
        self.put("machine", f"slot={running}\nnew=0\nslot_a={self.folder}/slot_a\nslot_b="
                            f"{self.folder}/slot_b\nenv={self.folder}/env\n".encode())
        self.was = self.get("slot_" + running)

    def put(self, name, data):
        with open(os.path.join(self.folder, name), "wb") as f:
            f.write(data)
        return os.path.join(self.folder, name)

    def get(self, name):
        with open(os.path.join(self.folder, name), "rb") as f:
            return f.read()

    def env(self):
        data = self.get("env")
        block = data[2048:3072] if self.fat else data
        assert len(block) == 1024 and block.startswith(b"# GRUB Environment Block\n")
        if self.fat:
            assert data == fat12(block), "something else of the file system changed"
        lines = block.rstrip(b"#").decode().splitlines()[1:]
        return dict(line.split("=") for line in lines)

    def update(self, data, *more, file="new.slot"):
        path = self.put(file, data) if data is not None else os.path.join(self.folder, file)
        return run(os.path.join(OUT, "bin", "postern"), "update", path, "--machine",
                   self.folder + "/machine", "--keys", self.folder + "/keys", *more, check=False)

    def confirm(self, *more):
        return run(os.path.join(OUT, "bin", "postern"), "--dir", self.m.folder, "update", "confirm",
                   "--machine", self.folder + "/machine", *more, check=False)

    def refused(self, reason, data, *more, **rest):
        """With this reason; nothing is changed."""
        before = [self.get(n) for n in ("slot_a", "slot_b", "env")]
        done = self.update(data, *more, **rest)
        assert done.returncode == 1, done
        assert reason in done.stderr, done.stderr
        assert before == [self.get(n) for n in ("slot_a", "slot_b", "env")], "something changed"


def test_good_update(m):
    for running, target, fat in (("a", "b", True), ("b", "a", False)):
        machine = Machine(m, running, running + target, fat=fat)
        new = payload("new")
        mark = trailer(new, "1.1.0", 101)
        done = machine.update(new + mark)
        assert done.returncode == 0, done.stderr
        assert f"Version 1.1.0 is in slot {target}" in done.stdout, done.stdout
        slot = machine.get("slot_" + target)
        assert len(slot) == ROOM and slot[:PAYLOAD] == new and slot[-4096:] == mark
        assert machine.get("slot_" + running) == machine.was
        env = machine.env()
        assert env["order"] == target + running and env["new"] == target, env
        assert env["try_" + target] == "3" and env["try_" + running] == "3", env


def test_json_and_same_version(m):
    machine = Machine(m)
    system = payload("1a")
    done = machine.update(system + trailer(system, "1.0.0", 100), "--json")
    assert done.returncode == 0 and '"ok": true' in done.stdout, done
    assert "running already" in done.stdout
    assert machine.env()["order"] == "ab"


def test_refused(m):
    machine = Machine(m)
    new = payload("new")
    good = new + trailer(new, "1.1.0", 101)
    stranger = Key(b"s" * 32)
    machine.refused("nobody whom this machine trusts", new + trailer(new, "1.1.0", 101, key=stranger))
    for at in (20, 40, 4031, 4032, 4095):  # of the trailer
        bad = bytearray(good)
        bad[PAYLOAD + at] ^= 1
        machine.refused("is refused", bytes(bad))
    machine.refused("older than the running 1.0.0", new + trailer(new, "0.9.0", 99))
    machine.refused("it is for arm64", new + trailer(new, "1.1.0", 101, arch="arm64"))
    machine.refused("instead of", good[4096:])
    machine.refused("instead of", new + trailer(new, "1.1.0", 101, size=PAYLOAD + 4096))
    machine.refused("too short", b"")
    machine.refused("too short", good[:4096])
    machine.refused("does not end as", os.urandom(20000))
    large = payload("l") + payload("m")
    machine.refused("larger than a slot", large + trailer(large, "1.1.0", 101))
    machine.refused("No such file", None, file="missing")


def test_wrong_content(m):
    """Signed, but other bytes than those signed: the slot stays empty, the running one is booted."""
    machine = Machine(m)
    new = bytearray(payload("new"))
    mark = trailer(bytes(new), "1.1.0", 101)
    new[12345] ^= 1
    done = machine.update(bytes(new) + mark)
    assert done.returncode == 1 and "not what was signed" in done.stderr, done
    assert machine.get("slot_b")[-4096:] == bytes(4096)
    assert machine.get("slot_a") == machine.was
    assert machine.env() == {"order": "ab", "try_a": "3", "try_b": "0", "new": ""}
    # And again with the right ones.
    new[12345] ^= 1
    assert machine.update(bytes(new) + mark).returncode == 0
    assert machine.env()["order"] == "ba"


def test_downgrade_when_asked(m):
    machine = Machine(m)
    new = payload("old")
    done = machine.update(new + trailer(new, "0.9.0", 99), "--allow-downgrade")
    assert done.returncode == 0, done.stderr
    assert machine.env()["order"] == "ba"


def test_bad_surroundings(m):
    new = payload("new")
    good = new + trailer(new, "1.1.0", 101)
    Machine(m, new="a").refused("not confirmed yet", good)
    machine = Machine(m)
    machine.put("keys", b"nonsense\n")
    machine.refused("holds no keys", good)
    machine = Machine(m)
    os.unlink(machine.folder + "/machine")
    machine.refused("are for the appliance", good)
    machine = Machine(m)
    machine.put("machine", b"slot=c\n")
    machine.refused("does not tell", good)
    machine = Machine(m)
    machine.put("env", b"rubbish" * 1000)
    machine.refused("neither grubenv nor", good)
    machine = Machine(m, fat=False)
    machine.put("env", b"#" * 1024)
    machine.refused("grubenv is damaged", good)
    machine = Machine(m)
    machine.put("slot_a", b"\0" * ROOM)
    machine.refused("cannot be told", good)


def test_confirm(m):
    """A new system is kept when the services answer."""
    machine = Machine(m, "b", "ba", "3 2", "b")
    done = machine.confirm()
    assert done.returncode == 0, done.stderr
    assert "is kept" in done.stdout and done.stdout.count(" ok") == 5, done.stdout
    assert machine.env() == {"order": "ba", "try_a": "3", "try_b": "3", "new": ""}
    assert "already" in machine.confirm("--json").stdout


def test_confirm_after_a_way_back(m):
    machine = Machine(m, "a", "ba", "2 0", "b")
    assert machine.confirm().returncode == 0
    assert machine.env() == {"order": "ab", "try_a": "3", "try_b": "0", "new": ""}


def test_confirm_without_services(m):
    machine = Machine(m, "b", "ba", "3 2", "b")
    before = machine.get("env")
    m.stop()
    done = machine.confirm("--wait", "0")
    assert done.returncode == 1 and "not confirmed" in done.stderr, done
    assert done.stdout.count("refused") == 5, done.stdout
    assert machine.get("env") == before
    m.start()
    assert machine.confirm("--wait", "30").returncode == 0
    assert machine.env()["new"] == ""
