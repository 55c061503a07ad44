# SPDX-License-Identifier: ISC
"""A mail server that does what the addresses say and keeps what it took: any MX of a world."""
import socketserver
import threading

from space import listen

# What follows at RCPT, by the local part; data@: refused behind the final dot. Others are taken.
REFUSED = {"nobody": "550 5.1.1 no such user here", "later": "451 4.2.1 mailbox busy"}


class Handler(socketserver.StreamRequestHandler):
    timeout = 60

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        self.say("220 remote ESMTP")
        envelope = None
        for line in iter(self.rfile.readline, b""):
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            verb = text[:4].upper()
            if verb == "EHLO":
                self.say("\r\n".join(["250-remote", *(f"250-{o}" for o in self.server.offers),
                                      "250 ENHANCEDSTATUSCODES"]))
            elif verb == "MAIL":
                envelope = {"mail": text, "rcpt": []}
                self.say("250 2.1.0 fine")
            elif verb == "RCPT":
                self.recipient(text, envelope)
            elif verb == "DATA":
                self.data(envelope)
            elif verb == "QUIT":
                self.say("221 2.0.0 bye")
                return
            else:
                self.say("250 2.0.0 fine")

    def recipient(self, text, envelope):
        local = text.split("<", 1)[1].split("@", 1)[0].lower()
        self.server.asked.append(text)
        answer = self.server.refused.get(local)
        if answer is None:
            envelope["rcpt"].append(text)
        self.say(answer or "250 2.1.5 fine")

    def data(self, envelope):
        if not envelope["rcpt"]:
            self.say("554 5.5.1 no recipients")
            return
        self.say("354 go on")
        lines = []
        for line in iter(self.rfile.readline, b""):
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        if any("<data@" in r for r in envelope["rcpt"]):
            self.say("554 5.6.0 the content is not wanted")
            return
        envelope["text"] = b"".join(lines)
        self.server.taken.append(envelope)
        self.say("250 2.0.0 taken")


class MailServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port, address="127.0.0.1"):
        super().__init__((address, port), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listen(address, port)
        self.offers, self.taken, self.asked, self.refused = [], [], [], dict(REFUSED)
        threading.Thread(target=self.serve_forever, daemon=True).start()
