# SPDX-License-Identifier: ISC
"""Random bytes, over port 25 or 465 into a mailbox and out of it; and the same streams to other servers."""
from harness import *
from sender import *

BATCH = 250
ROUNDS = 4000 if LONG else 2
STREAMS = 100000 if LONG else 150
UNLIMITED = ("smtpd.connections-per-minute", "submission.messages-per-hour", "submission.recipients-per-hour")
OPTIONS = dict(users=(USER, BOB), settings=[("smtpd.penalties", "no"), ("smtpd.greylist", "off"),
                                            *((name, "0") for name in UNLIMITED)])
PIECES = [b".", b"..", b".\r\n", b"\r\n", b"\r\n.", b"\r\n..\r\n", b" ", b"\t", b"x", b"From ",
          b"From: a@b.example\r\n", b"QUIT\r\n", b"=", b"=\r\n", b"--x\r\n", b"\x7f", b"\x01", b"\x1b[0m",
          b"\xc3\xbc", b"\xff", b"\xa0", b"a: b\r\n",
          b"x" * 70, b"y" * 997 + b"\r\n", b"z" * 1000]


def body(rng):
    """No CR or LF alone and no NUL: those are refused."""
    text = b"".join(rng.choice(PIECES) for _ in range(rng.randrange(40)))
    text += bytes(b for b in rng.randbytes(rng.choice([0, 0, 50, 5000])) if b not in b"\r\n\0")
    return text + b"\r\n"


def header(number):
    return b"From: sender@example.net\r\nX-Number: %d\r\nSubject: random\r\n\r\n" % number


def give(c, data):
    c.expect("MAIL FROM:<sender@example.net> BODY=8BITMIME", 250)
    c.expect(f"RCPT TO:<{USER}>", 250)
    c.expect("DATA", 354)
    c.send(re.sub(rb"(?m)^\.", b"..", data) + b".\r\n")
    c.expect(None, 250)


def take(client, sent):
    """Compares what the mailbox has with what was sent, and empties it."""
    _, found = client.uid("FETCH", "1:*", "(BODY.PEEK[])")
    got = {}
    for part in found:
        if isinstance(part, tuple):
            at = part[1].index(b"From: sender@example.net\r\nX-Number: ")
            got[int(re.match(rb"(\d+)", part[1][at + 36:])[1])] = part[1][at:]
    for number, data in sent.items():
        assert got.get(number) == data, (number, data[:200], got.get(number, b"nothing")[:200])
    client.uid("STORE", "1:*", "+FLAGS.SILENT", r"(\Deleted)")
    client.expunge()


def test_bytes_come_out_as_they_went_in(m):
    rng, number = random.Random(random.random()), 0
    client = m.imap(USER)
    try:
        client.select("INBOX")
        for _ in range(ROUNDS):
            sent = {}
            with m.raw() as c:
                c.expect(None, 220)
                c.expect("EHLO client.example.net", 250)
                for _ in range(BATCH):
                    number += 1
                    sent[number] = header(number) + body(rng)
                    give(c, sent[number])
            m.wait_count(BATCH, seconds=60)
            client.noop()
            take(client, sent)
    finally:
        client.logout()


# --- beside others

ENVELOPE = [f"MAIL FROM:<{USER}>\r\n".encode(), f"RCPT TO:<{BOB}>\r\n".encode(), b"DATA\r\n"]
SECOND = b"".join(ENVELOPE) + f"From: {USER}\r\n\r\nsecond\r\n.\r\n".encode()
ENDS = [b"\r\n.\r\n", b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n.\r\r\n",
        b"\r\r\n.\r\r\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\n\r.\r\n", b"\r\n.\r\n.\r\n", b"\r\n..\r\n",
        b"\r\n .\r\n", b"\n\n.\n\n"]
BITS = [b"\r", b"\n", b"\r\n", b".", b"..", b"\0", b" ", b"text", b"a: b\r\n", b"\xff", b"RSET\r\n", b"NOOP\r\n",
        b"x" * 600, *ENVELOPE, SECOND, SECOND]


def stream(rng):
    """What is sent behind DATA: ends that are none, commands, and one that is an end."""
    parts = [f"From: {USER}\r\nSubject: s\r\n\r\n".encode()]
    for _ in range(rng.randrange(1, 8)):
        parts += rng.choices(BITS, k=rng.randrange(4)) + [rng.choice(ENDS)]
        if rng.random() < 0.5:
            parts.append(SECOND)
    return b"".join(parts) + b"\r\n.\r\n" + SECOND * rng.randrange(2) + b"QUIT\r\n"


def accepted(c, data, word):
    """How many messages the server says to have taken."""
    with c:
        for line in ENVELOPE:
            code, text = c.command(line[:-2].decode())
            assert code in (250, 354), (line, code, text)
        try:
            c.send(data)
            c.socket.shutdown(socket.SHUT_WR) if not hasattr(c.socket, "unwrap") else None
        except OSError:
            pass
        got = b""
        try:
            while more := c.socket.recv(65536):
                got += more
        except OSError:
            pass
        return len(re.findall(word, c.buffer + got))


def plain_session(port):
    c = Raw(port)
    c.expect(None, 220)
    c.expect("EHLO client.example.net", 250)
    return c


class Others:
    """Debian's Postfix and Exim, which take mail for the same recipient: strict about the end of a message, patient
    with what stands behind it."""
    POSTFIX, EXIM = 31225, 31226

    def __init__(self, m):
        self.servers = [
            (servers.Postfix(os.path.join(m.home, "postfix"), self.POSTFIX, users=(USER, BOB), extra="""\
smtpd_forbid_bare_newline = normalize
smtpd_forbid_bare_newline_exclusions =
smtpd_hard_error_limit = 1000
smtpd_soft_error_limit = 1000
smtpd_junk_command_limit = 1000
smtpd_forbidden_commands =
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
virtual_transport = discard
"""), rb"queued as"),
            # each delivery would leave a process that nobody waits for: no room for any after 13,000 streams
            (servers.Exim(os.path.join(m.home, "exim"), "127.0.0.1", self.EXIM, options="""\
queue_only = true
split_spool_directory = true
smtp_enforce_sync = false
smtp_max_synprot_errors = 1000
smtp_max_unknown_commands = 1000
"""), rb"250 OK id=")]
        for server, _ in self.servers:
            server.start()

    def count(self, data):
        return max(accepted(plain_session(server.smtp_port), data, word) for server, word in self.servers)

    def stop(self):
        for server, _ in self.servers:
            server.stop()


def test_never_more_messages_than_others_see(m):
    """The same mutated streams: on port 25, and on port 465, where commands may be sent ahead."""
    rng, several, others = random.Random(random.random()), 0, Others(m)
    try:
        for number in range(STREAMS):
            data = stream(rng)
            theirs = others.count(data)
            ours = accepted(plain_session(m.smtp_port), data, rb"250 2\.0\.0 Stored")
            logged_in = accepted(Secure(m).login(), data, rb"250 2\.0\.0 Stored")
            assert max(ours, logged_in) <= theirs, (number, ours, logged_in, theirs, data)
            several += theirs > 1
        assert several > STREAMS // 10, f"only {several} streams had more than one message"
    finally:
        others.stop()
