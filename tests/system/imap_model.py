# SPDX-License-Identifier: ISC
"""A small model of IMAP, written from rfc3501, rfc7162, rfc4315, rfc6851, rfc4731, rfc5182, rfc5256, rfc5258: what the
folders hold (the truth) and what each client may believe. Random commands of several sessions; every
response is checked, and after each command the belief against the truth."""
import re
import ssl
import time

import imap_lists
import imap_threads
from imap_client import Client, Folder
from imap_words import as_set, numbers, want

FLAGS = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft"]
KEYWORDS = ["$Junk", "NonJunk", "Work", "$Forwarded"]


def date_text(seconds, day):
    return time.strftime(day + " %H:%M:%S +0000", time.gmtime(seconds))


def envelope(header):
    """rfc3501:7.4.2, of the headers that World.header makes."""
    fields = dict(line.split(": ", 1) for line in header.split("\r\n"))
    sender = [["NIL", "NIL", *fields["From"].split("@")]]
    return [fields.get("Date", "NIL"), fields["Subject"], sender, sender, sender, "NIL", "NIL", "NIL",
            fields.get("In-Reply-To", "NIL"), fields.get("Message-ID", "NIL")]


class World:
    def __init__(self, address, cafile, user, password, rng, clients=4, long=False):
        """long: bodies that are worth compressing, and some that get a file of their own"""
        self.long = long
        self.address, self.rng, self.login = address, rng, (user.encode(), password.encode())
        self.tls = ssl.create_default_context(cafile=cafile)
        self.tls.check_hostname = False
        self.clients = []
        self.folders = {n: Folder(n) for n in ("INBOX", "Archive", "Drafts", "Sent", "Junk", "Trash")}
        self.subscribed, self.serial = set(self.folders), 0
        for i in range(clients):
            self.clients.append(Client(self, i))

    def settle(self):
        """Idling clients hear of what comes and goes at once."""
        for c in self.clients:
            while c.idle and c.folder and c.view != sorted(c.folder.messages):
                c.untagged(c.response(), False, {})

    # --- arguments
    def some(self, pool, most=6):
        pool = list(pool)
        return self.rng.sample(pool, min(len(pool), self.rng.randint(1, most)))

    def flags(self, most=3):
        return self.rng.sample(FLAGS + KEYWORDS, self.rng.randint(0, most))

    def target(self):
        """Mostly one of three folders, so that sessions meet."""
        names = list(self.folders)
        return self.rng.choice(names[:3] if self.rng.random() < .8 else names)

    def numbers_of(self, c, by_uid):
        """(text, UIDs meant in the order of the view); c.view must not be empty."""
        r = self.rng.random()
        if r < .1 and c.saved <= set(c.view):
            # what is expunged is in it no more, told or not (rfc5182:2.1)
            return "$", [u for u in c.view if u in c.saved and u in c.folder.messages]
        if r < .3:
            a, b = sorted(self.rng.sample(range(1, len(c.view) + 1), 2) if len(c.view) > 1 else (1, 1))
            uids = c.view[a - 1:b]
            return (f"{uids[0]}:{uids[-1]}" if by_uid else f"{a}:{b}"), uids
        if r < .4:
            return "1:*", list(c.view)
        if r < .5:
            return "*", c.view[-1:]
        uids = sorted(self.some(c.view))
        if not by_uid:
            return as_set([c.view.index(u) + 1 for u in uids], self.rng), uids
        # UIDs that do not exist do no harm
        extra = {self.rng.randint(1, c.folder.uidnext + 5)} if self.rng.random() < .3 else set()
        return as_set(set(uids) | extra, self.rng), [u for u in c.view if u in set(uids) | extra]

    # --- commands; c has a folder open, with messages in its view, where that is needed
    def do_noop(self, c):
        c.command(self.rng.choice(("NOOP", "CHECK", "NOOP") if c.folder else ("NOOP",)))

    def do_select(self, c):
        c.select(self.folders[self.target()], self.rng.random() < .15, self.rng)

    def do_unselect(self, c):
        if not c.folder:
            return
        folder, closes = c.folder, self.rng.random() < .5
        gone = [u for u, m in folder.messages.items() if "\\Deleted" in m.flags]
        c.unselect()
        c.command("CLOSE" if closes else "UNSELECT")
        if closes and not c.readonly:
            self.expunged(folder, gone)

    def expunged(self, folder, uids):
        for uid in uids:
            del folder.messages[uid]

    def do_store(self, c):
        by_uid, silent = self.rng.random() < .5, self.rng.random() < .3
        conditional = self.rng.random() < .25
        if conditional:
            self.ask_modseqs(c)
        text, uids = self.numbers_of(c, by_uid)
        flags, mode = self.flags(), self.rng.choice("+- ").strip()
        live = [u for u in uids if u in c.folder.messages]
        since = self.rng.randint(max(0, c.folder.highest - 20), c.folder.highest) if conditional else None
        if since is not None:
            text += f" (UNCHANGEDSINCE {since})"
        text = f"{'UID ' * by_uid}STORE {text} {mode}FLAGS{'.SILENT' * silent} ({' '.join(flags)})"
        if c.readonly:
            c.condstore |= since is not None
            c.command(text, "NO", hold=not by_uid)
            return
        was = {u: set(c.folder.messages[u].flags) for u in live}
        refused = [u for u in live if since is not None and c.folder.is_newer(c.folder.messages[u], since)]
        stored = [u for u in live if u not in refused]
        gone = len(live) < len(uids) and not by_uid
        seqs = {u: c.view.index(u) + 1 for u in live}
        for uid in stored:
            message = c.folder.messages[uid]
            now = set(flags) if mode == "" else was[uid] | set(flags) if mode == "+" else was[uid] - set(flags)
            if now != message.flags:
                c.folder.changed(message)
                message.flags = now
            if silent and c.known[uid] is not None:
                old = c.known[uid]
                c.known[uid] = set(flags) if mode == "" else old | set(flags) if mode == "+" else old - set(flags)
            elif silent and mode == "":
                c.known[uid] = set(flags)
        c.condstore |= since is not None
        _, tagged = c.command(text, "NO" if gone else "OK", hold=not by_uid)
        if not silent:
            for uid in stored:
                want(c.known.get(uid, "gone") is not None, "STORE did not tell", uid)
        modified = re.search(r"\[MODIFIED (\S+)\]", tagged)
        got = set(numbers(modified.group(1))) if modified else set()
        want(got == {u if by_uid else seqs[u] for u in refused}, "MODIFIED", tagged, refused)
        if gone and not refused:
            want("[EXPUNGEISSUED]" in tagged, tagged)

    def ask_modseqs(self, c):
        """So that the model knows which message is newer than what."""
        c.condstore = True
        while any(c.folder.messages[u].modseq is None for u in c.view if u in c.folder.messages):
            c.command("FETCH 1:* (MODSEQ)", None, hold=True, asked=True)

    def do_fetch(self, c):
        by_uid, conditional = self.rng.random() < .5, self.rng.random() < .25
        if conditional:
            self.ask_modseqs(c)
        text, uids = self.numbers_of(c, by_uid)
        items = self.some(["FLAGS", "UID", "MODSEQ", "RFC822.SIZE", "EMAILID", "INTERNALDATE"], 4)
        marks = self.rng.random() < .15
        if marks:
            items.append("BODY[TEXT]")
        elif self.rng.random() < .2:
            items.append("BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
        if self.rng.random() < .3:
            items += self.some(("BODY.PEEK[]", "BINARY.PEEK[1]", "BINARY.SIZE[1]", "ENVELOPE", "BODY", self.part()), 2)
        text = f"{'UID ' * by_uid}FETCH {text} ({' '.join(items)})"
        took, since = {"asked": True}, None
        if conditional:
            since = self.rng.randint(0, c.folder.highest)
            vanished = by_uid and c.qresync and self.rng.random() < .7
            text += f" (CHANGEDSINCE {since}{' VANISHED' * vanished})"
            if vanished:
                took["earlier"] = []
        live = [u for u in uids if u in c.folder.messages]
        asked = [u for u in live if since is None or c.folder.is_newer(c.folder.messages[u], since)]
        seqs = {u: c.view.index(u) + 1 for u in asked}
        c.condstore |= since is not None or "MODSEQ" in items
        if marks and not c.readonly:
            for uid in asked:
                message = c.folder.messages[uid]
                if "\\Seen" not in message.flags:
                    c.folder.changed(message)
                    message.flags = message.flags | {"\\Seen"}
        status = "NO" if len(live) < len(uids) and not by_uid else "OK"
        view = set(c.view)
        took, tagged = c.command(text, status, hold=not by_uid, **took)
        want(status == "OK" or "[EXPUNGEISSUED]" in tagged, tagged)
        got = {}
        for n, values in took.get("fetch", []):
            got.setdefault(n, {}).update(values)
        for uid in asked:
            values = got.get(seqs[uid], {})
            for item in items:
                item = re.sub(r"^(BODY|BINARY)\.PEEK", r"\1", item)
                item = re.sub(r"<(\d+)\.\d+>$", r"<\1>", item)
                want(item in values, "FETCH without", item, uid, values)
            want(not by_uid or "UID" in values, "UID FETCH without UID")
            if "BODY[HEADER.FIELDS (SUBJECT)]" in values:
                subject = c.folder.messages[uid].subject
                want(values["BODY[HEADER.FIELDS (SUBJECT)]"] == f"Subject: {subject}\r\n\r\n", values)
            self.content(c.folder.messages[uid], items, values)
        gone = set(took.get("earlier", []))
        want(not gone & set(c.folder.messages) and not gone & view, "VANISHED (EARLIER)", gone)

    def part(self):
        """Mostly inside of the shortest bodies, sometimes behind their end."""
        at, most = (200000, 100000) if self.long and self.rng.random() < .1 else (3000, 2000)
        if self.rng.random() < .6:
            at, most = 60, 40
        return f"BODY.PEEK[TEXT]<{self.rng.randint(0, at)}.{self.rng.randint(1, most)}>"

    def content(self, message, items, values):
        text, body = message.text, message.body()
        for item, value in (("BODY[]", text), ("BODY[TEXT]", body), ("BINARY[1]", body),
                            ("BINARY.SIZE[1]", str(len(body)))):
            want(values.get(item, value) == value, item, "of", message.uid, values.get(item), "want", value)
        if "ENVELOPE" in values:
            expected = envelope(text.partition("\r\n\r\n")[0])
            want(values["ENVELOPE"] == expected, "ENVELOPE of", message.uid, values["ENVELOPE"], "want", expected)
        if "BODY" in values:  # rfc2045:5.2: without Content-Type it is plain text
            expected = ["TEXT", "PLAIN", ["CHARSET", "US-ASCII"], "NIL", "NIL", "7BIT", str(len(body)),
                        str(body.count("\n"))]
            want(values["BODY"] == expected, "BODY of", message.uid, values["BODY"], "want", expected)
        for item in items:
            if m := re.fullmatch(r"BODY\.PEEK\[TEXT\]<(\d+)\.(\d+)>", item):
                at, n = int(m.group(1)), int(m.group(2))
                got = values[f"BODY[TEXT]<{at}>"]
                want(got == body[at:at + n], item, "of", message.uid, got, "want", body[at:at + n])

    # --- SEARCH
    def key(self, c, depth=0):
        """(text, function of a message and its number)."""
        r = self.rng.random()
        if r < .25 or not c.view:
            flag = self.rng.choice(FLAGS)
            if self.rng.random() < .5:
                return flag[1:].upper(), lambda m, n: flag in m.flags
            return "UN" + flag[1:].upper(), lambda m, n: flag not in m.flags
        if r < .4:
            word = self.rng.choice(KEYWORDS)
            if self.rng.random() < .5:
                return "KEYWORD " + word, lambda m, n: word in m.flags
            return "UNKEYWORD " + word, lambda m, n: word not in m.flags
        if r < .5:
            size = self.rng.randint(150, 4000 if self.long else 450)
            if self.rng.random() < .5:
                return f"LARGER {size}", lambda m, n: m.size > size
            return f"SMALLER {size}", lambda m, n: m.size < size
        if r < .53:
            word = f"m{self.rng.randint(max(1, self.serial - 100), self.serial + 1)}."
            return f"BODY {word}", lambda m, n: word in m.body()
        if r < .6:
            digit = str(self.rng.randint(0, 9))
            return f"SUBJECT {digit}", lambda m, n: digit in m.subject
        if r < .75 or depth > 3:
            by_uid = self.rng.random() < .5
            text, uids = self.numbers_of(c, by_uid)
            uids = set(uids)
            return ("UID " if by_uid else "") + text, lambda m, n: m.uid in uids
        if r < .83:
            text, f = self.key(c, depth + 1)
            return "NOT " + text, lambda m, n: not f(m, n)
        (text, f), (other, g) = self.key(c, depth + 1), self.key(c, depth + 1)
        if r < .92:
            return f"OR {text} {other}", lambda m, n: f(m, n) or g(m, n)
        return f"({text} {other})", lambda m, n: f(m, n) and g(m, n)

    def do_search(self, c):
        by_uid = self.rng.random() < .5
        keys = [self.key(c) for _ in range(self.rng.randint(1, 2))]
        options = self.some(["MIN", "MAX", "ALL", "COUNT", "SAVE"], 3) if self.rng.random() < .5 else None
        text = " ".join(k for k, _ in keys)
        if options is not None:
            text = f"RETURN ({' '.join(options)}) {text}"
        found = [u for i, u in enumerate(c.view) if u in c.folder.messages
                 and all(f(c.folder.messages[u], i + 1) for _, f in keys)]
        values = [u if by_uid else c.view.index(u) + 1 for u in found]
        took, _ = c.command(f"{'UID ' * by_uid}SEARCH {text}", hold=not by_uid)
        if options is None:
            got = [int(v) for v in took["SEARCH"][0]]
            want(got == values, "SEARCH", text, got, "want", values)
            return
        self.esearch(c, took, options, by_uid, values, sorted)
        self.save(c, options, found)

    def save(self, c, options, found):
        if "SAVE" in options:
            ends = [o for o in ("MIN", "MAX") if o in options]
            if ends and not {"ALL", "COUNT"} & set(options):
                found = sorted({found[0 if o == "MIN" else -1] for o in ends}) if found else []
            c.saved = set(found) & set(c.view)

    def do_sort(self, c):
        by_uid = self.rng.random() < .5
        key, f = self.key(c)
        options = self.some(["MIN", "MAX", "ALL", "COUNT", "SAVE"], 3) if self.rng.random() < .5 else None
        criteria = [(name, self.rng.random() < .4) for name in self.some(imap_threads.KEYS, 3)]
        found = [m for m in self.found(c, f)]
        found = [m.uid for m in imap_threads.sort(found, criteria)]
        values = [u if by_uid else c.view.index(u) + 1 for u in found]
        text = f"RETURN ({' '.join(options)}) " if options is not None else ""
        text += f"({' '.join('REVERSE ' * r + name for name, r in criteria)}) UTF-8 {key}"
        took, _ = c.command(f"{'UID ' * by_uid}SORT {text}", hold=not by_uid)
        if options is None:
            got = [int(v) for v in took["SORT"][0]]
            want(got == values, "SORT", text, got, "want", values)
            return
        self.esearch(c, took, options, by_uid, values, list)
        self.save(c, options, found)

    def do_thread(self, c):
        by_uid, algorithm = self.rng.random() < .5, self.rng.choice(("REFERENCES", "ORDEREDSUBJECT"))
        key, f = self.key(c) if self.rng.random() < .5 else ("ALL", lambda m, n: True)
        expected = imap_threads.threads(algorithm, self.found(c, f),
                                        lambda m: str(m.uid if by_uid else c.view.index(m.uid) + 1))
        took, _ = c.command(f"{'UID ' * by_uid}THREAD {algorithm} UTF-8 {key}", hold=not by_uid)
        want(took["THREAD"][0] == expected, "THREAD", algorithm, key, took["THREAD"][0], "want", expected)

    def found(self, c, f):
        live = c.folder.messages
        return [live[u] for i, u in enumerate(c.view) if u in live and f(live[u], i + 1)]

    def esearch(self, c, took, options, by_uid, values, order):
        if options == ["SAVE"]:
            want("ESEARCH" not in took, "ESEARCH after SAVE alone")
            return
        words = took["ESEARCH"][0]
        want(words[0] == ["TAG", f"{c.number}x{c.count}"], words)
        words = words[1:]
        want((words[:1] == ["UID"]) == by_uid, words)
        words = words[1:] if by_uid else words
        got = dict(zip(words[::2], words[1::2]))
        expected = {}
        if values and "MIN" in options:
            expected["MIN"] = str(values[0])
        if values and "MAX" in options:
            expected["MAX"] = str(values[-1])
        if "COUNT" in options:
            expected["COUNT"] = str(len(values))
        if values and "ALL" in options:
            want(order(numbers(got.pop("ALL", "0"))) == values, "ALL", words, values)
        want(got == expected, "ESEARCH", got, expected)

    # --- messages come and go
    def do_expunge(self, c):
        gone = [u for u, m in c.folder.messages.items() if "\\Deleted" in m.flags]
        text = "EXPUNGE"
        if self.rng.random() < .4:
            numbers_text, uids = self.numbers_of(c, True)
            gone = [u for u in gone if u in uids]
            text = f"UID EXPUNGE {numbers_text}"
        else:
            # what this session has not been told of yet is not meant
            gone = [u for u in gone if u in c.view]
        if c.readonly:
            c.command(text, "NO")
            return
        self.expunged(c.folder, gone)
        c.command(text)

    def do_copy(self, c):
        by_uid, moves = self.rng.random() < .5, self.rng.random() < .4
        text, uids = self.numbers_of(c, by_uid)
        live = [u for u in uids if u in c.folder.messages]
        missing = self.rng.random() < .05
        name = "Nowhere" if missing else self.target()
        text = f"{'UID ' * by_uid}{'MOVE' if moves else 'COPY'} {text} {name}"
        gone = len(live) < len(uids) and not by_uid
        if gone or missing or (moves and c.readonly):
            _, tagged = c.command(text, "NO")
            return
        to = self.folders[name]
        first = to.uidnext
        copied = [(set(m.flags), m.subject, m.text, m.head, m.email) for m in (c.folder.messages[u] for u in live)]
        for args in copied:
            to.add(*args)
        if moves:
            self.expunged(c.folder, live)
        took, tagged = c.command(text)
        code = re.search(r"\[COPYUID (\d+) (\S+) (\S+)\]", tagged)
        code = code.groups() if code else tuple(x.decode() for x in took["copyuid"]) if "copyuid" in took else None
        if not live:
            want(code is None, tagged)
            return
        to.validity = to.validity or int(code[0])
        want(int(code[0]) == to.validity, code)
        want(numbers(code[1]) == live and numbers(code[2]) == list(range(first, first + len(live))),
             "COPYUID", code, live, first)

    def subject(self):
        """Often that of another message, as a reply or not."""
        if self.rng.random() < .5:
            return f"s{self.serial}"
        other = f"s{self.rng.randint(max(1, self.serial - 40), self.serial)}"
        form = self.rng.choice(("{}", "Re: {}", "Fwd: [x] {}", "[list] {}", "{} (fwd)", "Re: [Fwd: {}]"))
        return form.format(other.upper() if self.rng.random() < .3 else other)

    def head(self):
        def ident():
            return f"{self.rng.randint(max(0, self.serial - 12), self.serial + 2)}@x"
        arrival = self.rng.randint(946684800, 946684800 + 86400 * 40)
        date = None if self.rng.random() < .1 else arrival + self.rng.choice((0, 0, -86400, 3600))
        own = None if self.rng.random() < .05 else f"{self.serial}@x" if self.rng.random() < .9 else ident()
        references = [ident() for _ in range(self.rng.choice((0, 0, 1, 1, 2, 3)))]
        return imap_threads.Head(self.rng.choice(("ann", "Bob", "bob", "zoe")), date, arrival, own, references)

    def header(self, head):
        text = f"From: {head.sender}@x\r\n"
        if head.date is not None:
            text += f"Date: {date_text(head.date, '%d %b %Y')}\r\n"
        if head.ident:
            text += f"Message-ID: <{head.ident}>\r\n"
        if head.references:
            name = "In-Reply-To" if len(head.references) == 1 and self.rng.random() < .5 else "References"
            text += f"{name}: {' '.join(f'<{r}>' for r in head.references)}\r\n"
        return text

    def body(self):
        """Text in which SEARCH can find its message; its length is random."""
        n, r = self.rng.randint(0, 90), self.rng.random()
        if self.long and r < .6:
            n = self.rng.randint(400, 5000) if r < .585 else self.rng.randint(120000, 200000)
        line = f"m{self.serial}. {self.rng.getrandbits(64):x}\r\n"
        return (line * (n // len(line) + 1))[:n].rstrip("\r")

    def do_append(self, c):
        folder = self.folders[self.target()]
        text, literals, many = f"APPEND {folder.name} ", [], self.rng.choice((1, 1, 1, 2, 3))
        first = folder.uidnext
        for i in range(many):
            self.serial += 1
            flags, subject, head = self.flags(2), self.subject(), self.head()
            whole = f"Subject: {subject}\r\n{self.header(head)}\r\n{self.body()}"
            folder.add(flags, subject, whole, head)
            words = f"({' '.join(flags)}) \"{date_text(head.arrival, '%d-%b-%Y')}\" "
            if i == 0:
                text += words
            else:
                literals[-1] = (literals[-1][0], b" " + words.encode())
            literals.append((whole.encode(), b""))
        _, tagged = c.command(text, literals=literals)
        code = re.search(r"\[APPENDUID (\d+) (\S+)\]", tagged)
        want(code and numbers(code.group(2)) == list(range(first, first + many)), tagged, first, many)
        folder.validity = folder.validity or int(code.group(1))
        want(int(code.group(1)) == folder.validity, tagged)

    def do_status(self, c):
        folder = self.folders[self.target()]
        items = self.some(["MESSAGES", "UNSEEN", "UIDNEXT", "UIDVALIDITY", "SIZE", "DELETED",
                           "HIGHESTMODSEQ", "MAILBOXID"], 4)
        c.condstore |= "HIGHESTMODSEQ" in items
        if self.rng.random() < .3:
            took, _ = c.command(f'LIST "" {folder.name} RETURN (STATUS ({" ".join(items)}))')
        else:
            took, _ = c.command(f"STATUS {folder.name} ({' '.join(items)})")
        name, words = took["STATUS"][0]
        want(name == folder.name, name)
        got = dict(zip(words[::2], words[1::2]))
        want(set(got) == set(items), got, items)
        live = folder.messages.values()
        truth = {"MESSAGES": len(live), "UNSEEN": folder.unseen(), "UIDNEXT": folder.uidnext,
                 "SIZE": sum(m.size for m in live),
                 "DELETED": sum("\\Deleted" in m.flags for m in live)}
        for item, value in got.items():
            if item in truth:
                want(int(value) == truth[item], "STATUS", item, value, truth[item])
            elif item == "UIDVALIDITY":
                folder.validity = folder.validity or int(value)
                want(int(value) == folder.validity, value)
            elif item == "MAILBOXID":
                folder.ident = folder.ident or value[0]
                want(value == [folder.ident], value)
            else:
                want(int(value) >= folder.highest, "STATUS HIGHESTMODSEQ", value, folder.highest)
                folder.highest = int(value)

    # --- folders
    def new_name(self):
        """Often below another one of ours; its parents may be missing."""
        self.serial += 1
        own = [n for n in self.folders if n.startswith("Own") and n.count("/") < 3]
        return f"{self.rng.choice(own)}/Own{self.serial}" if own and self.rng.random() < .4 else f"Own{self.serial}"

    def do_folders(self, c):
        own = [n for n in self.folders if n.startswith("Own")]
        r = self.rng.random()
        if r < .5 and len(own) < 8:
            self.create(c, self.new_name() + self.rng.choice(("", "", "/deep/Own")))
        elif own and r < .75:
            self.rename(c, self.rng.choice(own), self.new_name())
        elif own:
            self.delete(c, self.rng.choice(own))

    def create(self, c, name):
        _, tagged = c.command(f"CREATE {name}")
        for n in [*imap_lists.parents(name), name]:
            self.folders.setdefault(n, Folder(n))
        self.folders[name].ident = re.search(r"\[MAILBOXID \((\S+)\)\]", tagged).group(1)

    def rename(self, c, old, new):
        if new.startswith(old + "/"):
            c.command(f"RENAME {old} {new}", "NO")
            return
        c.command(f"RENAME {old} {new}")
        for name in [old, *sorted(imap_lists.below(self.folders, old))]:
            folder = self.folders.pop(name)
            folder.name = new + name[len(old):]
            self.folders[folder.name] = folder

    def delete(self, c, name):
        if name in {x.folder.name for x in self.clients if x.folder and x is not c}:
            return
        if imap_lists.below(self.folders, name):
            _, tagged = c.command(f"DELETE {name}", "NO")
            want("[HASCHILDREN]" in tagged, tagged)
            return
        if c.folder is self.folders[name]:
            c.folder = None
        c.command(f"DELETE {name}")
        del self.folders[name]

    def do_subscribe(self, c):
        name = self.rng.choice([*self.folders, *sorted(self.subscribed), self.new_name()])
        if self.rng.random() < .5 and len(self.subscribed) < 40:
            c.command(f"SUBSCRIBE {name}")
            self.subscribed.add(name)
        else:
            c.command(f"UNSUBSCRIBE {name}")
            self.subscribed.discard(name)

    def pattern(self):
        some = self.rng.choice([*self.folders, *sorted(self.subscribed)])
        return self.rng.choice(("*", "%", "Own*", "Own%", "%/%", "%/%/%", "*/%", "inbox", "A%", "*1*", some,
                                some + "/%", some + "/*", some[:-1] + "%"))

    def do_list(self, c):
        uses = {name: imap_lists.USES.get(name, "") for name in self.folders}
        if self.rng.random() < .2:
            pattern = self.rng.choice(("*", "%", "Own*", "Own%", "%/%"))
            took, _ = c.command(f'LSUB "" {pattern}')
            got = {words[2]: "\\Noselect" in words[0] for words in took.get("LSUB", [])}
            expected = imap_lists.lsub(uses, self.subscribed, pattern)
            want(got == expected, "LSUB", pattern, got, "want", expected)
            return
        selection = set()
        if self.rng.random() < .6:
            selection.update(self.some(("SUBSCRIBED", "SPECIAL-USE", "REMOTE"), 3))
        if selection - {"REMOTE"} and self.rng.random() < .5:
            selection.add("RECURSIVEMATCH")
        returns = set()
        if self.rng.random() < .5:
            returns.update(self.some(("SUBSCRIBED", "CHILDREN", "SPECIAL-USE"), 3))
        patterns = [self.pattern() for _ in range(self.rng.choice((1, 1, 1, 2, 3)))]
        text = "LIST "
        if selection:
            text += f"({' '.join(sorted(selection))}) "
        text += '"" ' + (patterns[0] if len(patterns) == 1 else f"({' '.join(patterns)})")
        if returns:
            text += f" RETURN ({' '.join(sorted(returns))})"
        took, _ = c.command(text)
        rows = took.get("LIST", [])
        got = {words[2]: (set(words[0]), "CHILDINFO" in str(words[3:])) for words in rows}
        want(len(got) == len(rows), "twice in", rows)
        expected = imap_lists.listed(uses, self.subscribed, selection, returns, patterns)
        want(got == expected, text, got, "want", expected)

    def do_idle(self, c):
        if c.idle is None:
            c.start_idle()

    def do_reconnect(self, c):
        c.unselect()
        if self.rng.random() < .5:
            c.send(b"bye LOGOUT\r\n")
            while not c.response().startswith(b"bye OK"):
                pass
        c.close()
        c.connect()

    COMMANDS = [(do_noop, 8, False), (do_select, 6, False), (do_unselect, 1, False), (do_store, 20, True),
                (do_fetch, 16, True), (do_search, 12, True), (do_sort, 5, True), (do_thread, 5, True),
                (do_expunge, 8, True), (do_copy, 9, True), (do_append, 10, False), (do_status, 4, False),
                (do_folders, 2, False), (do_list, 3, False), (do_subscribe, 1, False),
                (do_idle, 4, False), (do_reconnect, 1, False)]

    def step(self):
        c = self.rng.choice(self.clients)
        if c.idle is not None:
            c.stop_idle()
        if c.folder is None and self.rng.random() < .8:
            self.do_select(c)
            return c
        functions, weights, needs = zip(*self.COMMANDS)
        at = self.rng.choices(range(len(functions)), weights)[0]
        if needs[at] and (c.folder is None or not c.view):
            at = functions.index(World.do_append)
        if functions[at] is World.do_append and sum(len(f.messages) for f in self.folders.values()) > 300:
            if c.folder and not c.readonly:
                self.thin(c)
            return c
        functions[at](self, c)
        return c

    def thin(self, c):
        """Half of a folder goes."""
        c.command("NOOP")
        uids = c.view[::2]
        if not uids:
            return
        for uid in uids:
            message = c.folder.messages[uid]
            if message.flags != {"\\Deleted"}:
                c.folder.changed(message)
                message.flags = {"\\Deleted"}
            c.known[uid] = {"\\Deleted"}
        c.command(f"UID STORE {as_set(uids, self.rng)} FLAGS.SILENT (\\Deleted)")
        self.expunged(c.folder, uids)
        c.command(f"UID EXPUNGE {as_set(uids, self.rng)}")

    def finish(self):
        for c in self.clients:
            if c.idle is not None:
                c.stop_idle()
            c.close()
