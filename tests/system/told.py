# SPDX-License-Identifier: ISC
"""What becomes of a message with signatures: the reply, the line in the log, the header our user sees."""
from harness import *


def letter(author="boss@bank.example.com", body=b"Hello.\r\n", subject=b"signed", more=b""):
    return (b"From: " + author.encode() + b"\r\nTo: " + USER.encode() + b"\r\nSubject: " + subject +
            b"\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@bank.example.com>\r\n" + more +
            b"\r\n" + body)


class Told:
    """What became of a message: the reply, the log, and the header our user sees."""

    def __init__(self, m, message, sender="someone@example.net", source="203.0.113.5", to=USER):
        start = m.log_size()
        with m.raw(source=source) as c:
            c.expect(None, 220)
            c.expect("EHLO client.example.net", 250)
            c.expect(f"MAIL FROM:<{sender}>", 250)
            c.expect(f"RCPT TO:<{to}>", 250)
            c.expect("DATA", 354)
            c.send(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            self.reply = [c.line()]
            while self.reply[-1][3:4] == b"-":
                self.reply.append(c.line())
        self.code = int(self.reply[0][:3])
        line = m.wait_log(rf" {self.session(m, start)} event=authenticated (.*)\n", start).group(1)
        self.log = {key: quoted or word for key, quoted, word in
                    re.findall(r'([a-z-]+)=(?:"([^"]*)"|(\S*))', line)}
        self.log_text = line

    def session(self, m, start):
        """Its id, from the reply: lines of the session before may come into the log a little later."""
        said = b" ".join(self.reply).decode()
        refused, stored = re.search(r" id (\S+)", said), re.search(r"Stored as (\w+)", said)
        return (refused or m.wait_log(rf" (\S+) event=accepted queue={stored[1]} ", start)).group(1)


class Box:
    """Our user's folders, over one login."""
    client = None

    def __init__(self, m, folder):
        self.folder = folder
        Box.client = Box.client or m.imap(USER)

    def count(self):
        return int(re.search(rb"MESSAGES (\d+)", Box.client.status(self.folder, "(MESSAGES)")[1][0]).group(1))

    def newest(self):
        """Our own results in the last message, in one line."""
        number = str(int(Box.client.select(self.folder, readonly=True)[1][0]))
        header = Box.client.fetch(number, "(BODY.PEEK[HEADER])")[1][0][1]
        Box.client.close()
        found = re.findall(rb"(?im)^Authentication-Results:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", header)
        ours = [one for one in found if one.startswith(f" mail.{DOMAIN};".encode())]
        assert len(ours) == 1 and found[0] == ours[0], header
        return " ".join(ours[0].decode().split())
