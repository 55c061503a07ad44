# SPDX-License-Identifier: ISC
"""What the folders of the model hold, and one client: its connection, and what it believes of the folder that is
open. Every response is checked when it comes, and after each command the belief against the truth."""
import re
import socket

from imap_words import Wrong, as_set, numbers, parse, want


class Message:
    def __init__(self, uid, flags, subject, text, head, email=None):
        self.uid, self.flags, self.subject, self.text, self.size = uid, set(flags), subject, text, len(text)
        self.head, self.place = head, uid  # place: among messages of the same date
        self.email = email   # once it was told
        self.modseq = None   # once it was told
        self.above = 0       # it must be higher than this

    def body(self):
        return self.text.partition("\r\n\r\n")[2]


class Folder:
    def __init__(self, name):
        self.name, self.validity, self.ident = name, None, None
        self.uidnext, self.messages = 1, {}
        self.highest = 0     # highest MODSEQ anyone was told

    def changed(self, message):
        message.modseq, message.above = None, self.highest

    def learn(self, message, modseq):
        if message.modseq is None:
            want(modseq > message.above, "MODSEQ did not rise", message.uid, modseq, message.above)
            message.modseq = modseq
        want(message.modseq == modseq, "MODSEQ differs", message.uid, modseq, message.modseq)
        self.highest = max(self.highest, modseq)

    def is_newer(self, message, modseq):
        """Has it changed after modseq? None: nobody was told."""
        if message.modseq is not None:
            return message.modseq > modseq
        return True if modseq <= message.above else None

    def add(self, flags, subject, text, head, email=None):
        message = Message(self.uidnext, flags, subject, text, head, email)
        message.above = self.highest
        self.messages[self.uidnext] = message
        self.uidnext += 1
        return message

    def unseen(self):
        return sum("\\Seen" not in m.flags for m in self.messages.values())


class Client:
    """One connection and what its client believes of the selected folder."""

    def __init__(self, world, number):
        self.world, self.number, self.count, self.trace = world, number, 0, []
        self.memory = {}     # folder id -> (uidvalidity, modseq, {uid: flags}) from before
        self.connect()

    def connect(self):
        raw = socket.create_connection(self.world.address, 300)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = self.world.tls.wrap_socket(raw)
        self.file = self.socket.makefile("rb")
        self.folder, self.readonly, self.idle = None, False, None
        self.condstore = self.qresync = False
        self.saved = set()
        want(self.file.readline().startswith(b"* OK"), "greeting")
        self.send(b"l LOGIN \"%s\" \"%s\"\r\n" % self.world.login)
        while not (line := self.file.readline()).startswith(b"l "):
            want(line.startswith(b"* "), "at login", line)
        want(line.startswith(b"l OK"), line)
        for name in ("CONDSTORE", "QRESYNC"):
            if self.world.rng.random() < .4:
                self.command(f"ENABLE {name}", "OK")
                self.condstore = True
                self.qresync |= name == "QRESYNC"

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.trace = (self.trace + [b"C: " + data])[-60:]
        self.socket.sendall(data)

    def response(self):
        """A whole response with its literals."""
        data = b""
        while True:
            line = self.file.readline()
            want(line.endswith(b"\r\n"), "connection ended", data + line)
            data += line
            literal = re.search(rb"\{(\d+)\}\r\n$", line)
            if not literal:
                self.trace = (self.trace + [b"S: " + data])[-60:]
                return data[:-2]
            data += self.file.read(int(literal.group(1)))

    # --- what is told without being asked
    def untagged(self, data, hold, took):
        """Applies a response to the belief; what only the command can judge goes to took."""
        words = data[2:].split(b" ", 2)
        kind = words[1].upper() if words[0].isdigit() and len(words) > 1 else words[0].upper()
        if kind == b"EXISTS":
            self.exists(int(words[0]))
        elif kind == b"EXPUNGE":
            n = int(words[0])
            want(not hold and not self.qresync, "EXPUNGE now", data)
            want(1 <= n <= len(self.view), "EXPUNGE of", n, len(self.view))
            self.gone(self.view[n - 1])
        elif kind == b"VANISHED" and b"(EARLIER)" not in data:
            want(not hold and self.qresync, "VANISHED now", data)
            for uid in numbers(data[2:].split(b" ")[1].decode()):
                want(uid in self.known, "VANISHED of unknown", uid)
                self.gone(uid)
        elif kind == b"VANISHED":
            want(self.qresync and "earlier" in took, "VANISHED (EARLIER) now", data)
            took["earlier"] += numbers(data.split(b" ")[-1].decode())
        elif kind == b"FETCH":
            self.fetched(int(words[0]), parse(data)[3], took)
        elif kind == b"RECENT":
            want(int(words[0]) <= len(self.view), data)
        elif kind == b"OK":
            if code := re.match(rb"\* OK \[HIGHESTMODSEQ (\d+)\]", data):
                took["highest"] = int(code.group(1))
                self.at = max(self.at, took["highest"]) if self.folder else 0
            elif code := re.match(rb"\* OK \[COPYUID (\d+) (\S+) (\S+)\]", data):
                took["copyuid"] = code.groups()
            elif code := re.match(rb"\* OK \[(UIDVALIDITY|UIDNEXT|UNSEEN) (\d+)\]", data):
                took[code.group(1).decode()] = int(code.group(2))
            elif code := re.match(rb"\* OK \[MAILBOXID \((\S+)\)\]", data):
                took["ident"] = code.group(1).decode()
        elif kind in (b"SEARCH", b"ESEARCH", b"STATUS", b"LIST", b"LSUB", b"SORT", b"THREAD"):
            took.setdefault(kind.decode(), []).append(parse(data)[2:])
        elif kind not in (b"FLAGS", b"ENABLED", b"CAPABILITY"):
            raise Wrong(f"unexpected {data}")

    def exists(self, n):
        want(n >= len(self.view), "EXISTS shrinks", n, len(self.view))
        fresh = [u for u in sorted(self.folder.messages) if u > self.last]
        want(len(self.view) + len(fresh) == n, "EXISTS", n, "view", len(self.view), "new", fresh)
        for uid in fresh:
            self.view.append(uid)
            self.known[uid] = None
            self.last = uid

    def gone(self, uid):
        want(uid not in self.folder.messages, "told that a live message is gone", uid)
        self.view.remove(uid)
        del self.known[uid]
        self.saved.discard(uid)

    def fetched(self, n, items, took):
        want(1 <= n <= len(self.view), "FETCH of", n, len(self.view))
        uid = self.view[n - 1]
        got = dict(zip((i.upper() for i in items[::2]), items[1::2]))
        want(int(got.get("UID", uid)) == uid, "UID of", n, got, "want", uid)
        message = self.folder.messages.get(uid)
        if self.idle:  # told when it happened; more may have happened since
            if "FLAGS" in got:
                self.known[uid] = {f for f in got["FLAGS"] if f != "\\Recent"}
            return
        want(message, "FETCH of a message that is gone", uid)
        if "FLAGS" in got:
            flags = {f for f in got["FLAGS"] if f != "\\Recent"}
            want(flags == message.flags, "flags of", uid, flags, "want", message.flags)
            self.known[uid] = flags
        if "MODSEQ" in got:
            modseq = int(got["MODSEQ"][0])
            self.folder.learn(message, modseq)
            took["top"] = max(took.get("top", 0), modseq)
        elif self.condstore and "FLAGS" in got and "asked" not in took:
            raise Wrong(f"flags without MODSEQ: {got}")
        if "RFC822.SIZE" in got:
            want(int(got["RFC822.SIZE"]) == message.size, "size", uid)
        if "EMAILID" in got:
            message.email = message.email or got["EMAILID"]
            want(message.email == got["EMAILID"], "EMAILID", uid)
        took.setdefault("fetch", []).append((n, got))

    # --- commands
    def command(self, text, status="OK", hold=False, literals=(), **took):
        """Sends a command; returns what was told and the tagged response."""
        self.count += 1
        tag = f"{self.number}x{self.count}"
        data = f"{tag} {text}".encode()
        for literal, after in literals:
            data += b"{%d+}\r\n%s%s" % (len(literal), literal, after)
        self.send(data + b"\r\n")
        while True:
            data = self.response()
            if data.startswith(tag.encode() + b" "):
                break
            want(data.startswith(b"* "), "neither tagged nor untagged", data)
            self.untagged(data, hold, took)
        tagged = data[len(tag) + 1:].decode("latin-1")
        want(status is None or tagged.startswith(status + " "), text, "->", tagged, "want", status)
        if code := re.search(r"\[HIGHESTMODSEQ (\d+)\]", tagged):
            self.at = int(code.group(1))
        self.world.settle()
        if self.folder:
            self.agree(hold)
            if not hold and self.condstore and "top" in took:
                self.at = max(self.at, took["top"])
        return took, tagged

    def agree(self, hold):
        """All that may be told has been told."""
        live = self.folder.messages
        known = self.view if not hold else [u for u in self.view if u in live]
        want(known == sorted(live), "belief", known, "truth", sorted(live))
        for uid in known:
            flags = self.known[uid]
            want(flags is None or flags == live[uid].flags, "believes", uid, flags, live[uid].flags)

    def start_idle(self):
        self.count += 1
        self.idle = f"{self.number}x{self.count}".encode()
        self.send(self.idle + b" IDLE\r\n")
        while not (data := self.response()).startswith(b"+"):
            self.untagged(data, False, {})
        self.world.settle()

    def stop_idle(self):
        """DONE; what came meanwhile counts."""
        self.send(b"DONE\r\n")
        took = {}
        while not (data := self.response()).startswith(self.idle + b" "):
            self.untagged(data, False, took)
        want(data.startswith(self.idle + b" OK"), data)
        self.idle = None
        if self.folder:
            self.agree(False)

    # --- the folder it has open
    def unselect(self):
        if self.folder and self.qresync:
            self.memory[self.folder.ident] = (self.folder.validity, self.at,
                                              {u: self.known[u] for u in self.view})
        self.folder, self.saved = None, set()

    def select(self, folder, readonly, rng):
        text = ("EXAMINE " if readonly else "SELECT ") + folder.name
        before = self.memory.get(folder.ident) if self.qresync and rng.random() < .8 else None
        took = {"asked": True}
        if before:
            took["earlier"] = []
            some = f" {as_set(before[2], rng)}" if before[2] and rng.random() < .5 else ""
            text += f" (QRESYNC ({before[0]} {before[1]}{some}))"
        elif rng.random() < .2:
            text += " (CONDSTORE)"
            self.condstore = True
        self.unselect()
        self.folder, self.readonly = folder, readonly
        self.view, self.known, self.last, self.at = [], {}, 0, 0
        took, tagged = self.command(text, "OK", **took)
        want(("[READ-ONLY]" in tagged) == readonly, tagged)
        folder.validity = folder.validity or took["UIDVALIDITY"]
        folder.ident = folder.ident or took["ident"]
        want(folder.validity == took["UIDVALIDITY"] and folder.ident == took["ident"], took)
        want(took["UIDNEXT"] == folder.uidnext, "UIDNEXT", took, folder.uidnext)
        want(took["highest"] >= folder.highest, "HIGHESTMODSEQ", took, folder.highest)
        want(took.get("top", 0) <= took["highest"], "HIGHESTMODSEQ below a message's")
        folder.highest = self.at = took["highest"]
        if folder.unseen():
            first = next(i for i, u in enumerate(self.view) if "\\Seen" not in folder.messages[u].flags)
            want(took.get("UNSEEN") == first + 1, "UNSEEN", took, first + 1)
        else:
            want("UNSEEN" not in took, "UNSEEN without any")
        if before:
            self.resynced(before, took, some)

    def resynced(self, before, took, some):
        """rfc7162:3.2.5: with what it knew and what it was told the client is up to date."""
        gone = set(took["earlier"])
        want(len(gone) == len(took["earlier"]), "twice in VANISHED")
        want(not gone & set(self.folder.messages), "VANISHED but live", gone)
        want(not some or gone <= set(before[2]), "VANISHED that was not asked for")
        for uid in set(before[2]) - set(self.folder.messages):
            want(uid in gone, "gone but not VANISHED", uid)
        for uid, flags in before[2].items():
            if uid in self.known and self.known[uid] is None:
                self.known[uid] = flags
        self.agree(False)
