# SPDX-License-Identifier: ISC
"""Updates of the appliance, on plain files instead of partitions: what is taken and refused, which slot
is booted next, and that a system is kept only when the services answer."""
import base64
import hashlib

import https
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

    def update(self, data, *more, file="new.slot", url=None):
        path = url or (self.put(file, data) if data is not None else os.path.join(self.folder, file))
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


# --- from a server -------------------------------------------------------------------------------------

PIECE = 1 << 20
LARGE_ROOM = 4 * PIECE


class Remote(Machine):
    """A machine with larger slots, whose update is on a server."""

    def __init__(self, m, server):
        super().__init__(m)
        self.server = server
        for slot in "ab":
            self.put("slot_" + slot, self.get("slot_" + slot)[:-4096].ljust(LARGE_ROOM - 4096, b"\0") +
                     self.get("slot_" + slot)[-4096:])
        self.was = self.get("slot_a")
        self.new = random.Random("large").randbytes(2 * PIECE + 40 * 4096)
        self.mark = trailer(self.new, "1.1.0", 101)
        server.files["/new.slot"] = self.new + self.mark

    def fetch(self, *more, path="/new.slot", ca=None):
        self.server.asked.clear()
        return self.update(None, "--ca", ca or self.server.ca, *more, url=self.server.url + path)

    def installed(self):
        slot = self.get("slot_b")
        return slot[:len(self.new)] == self.new and slot[-4096:] == self.mark and self.env()["order"] == "ba"

    def not_touched(self, reason, done):
        assert done.returncode == 1 and reason in done.stderr, done
        assert self.get("slot_b")[-4096:] != bytes(4096) and self.env()["order"] == "ab", "something changed"


def test_url(m):
    with https.Server(m.home) as server:
        machine = Remote(m, server)
        done = machine.fetch()
        assert done.returncode == 0 and "Version 1.1.0 is in slot b" in done.stdout, done
        assert machine.installed()
        # The trailer first; then each byte once.
        ranges = [asked[2] for asked in server.asked]
        assert ranges == ["bytes=-4096", f"bytes=0-{PIECE - 1}", f"bytes={PIECE}-{2 * PIECE - 1}",
                          f"bytes={2 * PIECE}-{3 * PIECE - 1}"], ranges
        assert all(asked[3] is None for asked in server.asked)
        # It runs already: nothing more than the trailer is fetched.
        machine = Remote(m, server)
        machine.put("slot_a", machine.new.ljust(LARGE_ROOM - 4096, b"\0") + machine.mark)
        done = machine.fetch("--json")
        assert '"ok": true' in done.stdout and "running already" in done.stdout, done
        assert len(server.asked) == 1


def test_url_refused_by_its_trailer(m):
    """Nothing but the trailer is fetched of what is not signed, too old or too large."""
    with https.Server(m.home) as server:
        machine = Remote(m, server)
        stranger = Key(b"s" * 32)
        huge = random.Random("huge").randbytes(LARGE_ROOM)
        for reason, data in (
                ("nobody whom this machine trusts", machine.new + trailer(machine.new, "1.1.0", 101, key=stranger)),
                ("older than the running", machine.new + trailer(machine.new, "0.9.0", 99)),
                ("instead of", machine.new + trailer(machine.new, "1.1.0", 101, size=len(machine.new) + 4096)),
                ("larger than a slot", huge + trailer(huge, "1.1.0", 101)),
                ("does not end as", os.urandom(3 * PIECE)),
                ("too short", b"short")):
            server.files["/bad.slot"] = data
            machine.not_touched(reason, machine.fetch(path="/bad.slot"))
            assert len(server.asked) == 1, server.asked
        done = machine.fetch("--allow-downgrade", path="/new.slot")
        assert done.returncode == 0 and machine.installed()


def test_url_breaks_off_and_goes_on(m):
    with https.Server(m.home) as server:
        machine = Remote(m, server)
        cuts = iter([1000, 0, 4096])

        def before(handler):
            if server.count("GET") % 2:
                return False
            n = next(cuts, None)
            if n is None:
                return False
            content, told = handler.part(server.files[handler.path])
            handler.cut(content, n, Content_Range=told)
            return True
        server.before = before
        done = machine.fetch()
        assert done.returncode == 0, done.stderr
        assert machine.installed() and next(cuts, None) is None
        assert server.count("GET") == 7, server.asked


def test_url_never_whole(m):
    """A server that breaks off for ever: the other slot is empty, the running one is booted."""
    with https.Server(m.home) as server:
        machine = Remote(m, server)

        def before(handler):
            content, told = handler.part(server.files[handler.path])
            if told.startswith("bytes 0-") or told.endswith(f"-{len(machine.new) + 4095}/{len(machine.new) + 4096}"):
                return False
            handler.cut(content, 100000, Content_Range=told)
            return True
        server.before = before
        done = machine.fetch()
        assert done.returncode == 1 and "broke off" in done.stderr and "is empty now" in done.stderr, done
        assert machine.get("slot_b")[-4096:] == bytes(4096) and machine.get("slot_a") == machine.was
        assert machine.env()["order"] == "ab"
        server.before = lambda handler: False
        assert machine.fetch().returncode == 0 and machine.installed()


def test_url_wrong_content(m):
    """Signed, but other bytes come than those signed."""
    with https.Server(m.home) as server:
        machine = Remote(m, server)
        server.files["/new.slot"] = b"\0" + machine.new[1:] + machine.mark
        done = machine.fetch()
        assert done.returncode == 1 and "not what was signed" in done.stderr, done
        assert machine.get("slot_b")[-4096:] == bytes(4096) and machine.env()["order"] == "ab"


def test_url_bad_answers(m):
    with https.Server(m.home) as server, https.Server(m.home, "DNS:other.test") as other:
        machine = Remote(m, server)
        machine.not_touched("404", machine.fetch(path="/nothing"))
        machine.not_touched("certificate is not good", machine.fetch(ca=other.ca))
        server.url, good = server.url.replace("https:", "http:"), server.url
        machine.not_touched("only https", machine.fetch())
        server.url = good

        def whole(handler):
            handler.answer(200, server.files[handler.path])
            return True

        def endless(handler):
            handler.send_response(206)
            handler.send_header("Content-Range", "bytes 0-4095/4096")
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            while True:
                handler.wfile.write(b"4\r\n1234\r\n")

        def changing(handler):
            if server.count("GET") > 1:
                server.files[handler.path] = machine.new[4096:] + machine.mark
            return False
        for before, reason in ((whole, "more than can be taken"), (endless, "more than can be taken")):
            server.before = before
            machine.not_touched(reason, machine.fetch())
        server.before = changing
        done = machine.fetch()
        assert done.returncode == 1 and "changed meanwhile" in done.stderr, done
        assert machine.get("slot_b")[-4096:] == bytes(4096) and machine.env()["order"] == "ab"


def test_url_redirected(m):
    with https.Server(m.home) as server, https.Server(m.home) as other:
        machine = Remote(m, server)
        both = machine.put("both.pem", open(server.ca, "rb").read())
        other_ca = open(other.ca, "rb").read()
        login = machine.put("login", b"anna:secret\n")
        token = "Basic " + base64.b64encode(b"anna:secret").decode()
        other.files["/there"] = server.files.pop("/new.slot")
        to = ["/circle"]

        def before(handler):
            if handler.path == "/there":
                return False
            handler.answer(302, Location=to[0])
            return True
        server.before = before
        machine.not_touched("for ever", machine.fetch(path="/circle"))
        to[0] = "http://127.0.0.1/"
        machine.not_touched("only https", machine.fetch(path="/circle"))
        # To another server; what the first one may know is not told to it.
        to[0] = other.url + "/there"
        machine.put("both.pem", open(both, "rb").read() + other_ca)
        done = machine.fetch("--login", login, path="/here", ca=both)
        assert done.returncode == 0, done.stderr
        assert machine.installed()
        assert {asked[3] for asked in server.asked} == {token}
        assert {asked[3] for asked in other.asked} == {None}


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
