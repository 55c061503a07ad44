# SPDX-License-Identifier: ISC
"""How often one session asks the DNS, counted at the DNS: at most 30 questions before RCPT beside those of SPF, and
the documented cap for all checks of a message together, whatever a client, a sender and a message bring up."""
import base64
import hashlib

from harness import *
from world import World

BEFORE_RCPT, ALL = 30, 360  # as issue and lookups.h say
LISTS = [f"list{n}.example.org" for n in range(5)]
WORST = "w.example.net"
SENDER, HELLO = "a." + WORST, "b." + WORST


def zones():
    """Everything is there that makes a check ask on, and nothing that ends it early."""
    text = "$TTL 60\n$HOST mail.example.org 203.0.113.5\nexample.org. MX 10 mail.example.org.\n"
    for zone in LISTS:
        text += f"2.0.0.127.{zone}. A 127.0.0.2\n"
    text += f"$GENERATE 1-12 9.112.0.203.in-addr.arpa. PTR h$.{WORST}.\n"
    text += f"$GENERATE 1-12 h$.{WORST}. A 203.0.112.77\n"
    text += f'{WORST}. A 203.0.112.9\n{WORST}. TXT "only an address"\n'
    for owner in (SENDER, HELLO):
        terms = " ".join(f"mx:m{n}.{owner}" for n in range(10))
        text += f'{owner}. MX 10 mail.example.org.\n{owner}. TXT "v=spf1 {terms} -all"\n'
        for n in range(10):
            text += f"$GENERATE 0-9 m{n}.{owner}. MX 10 x$.m{n}.{owner}.\n"
            text += f"$GENERATE 0-9 x$.m{n}.{owner}. A 198.51.100.$\n"
    text += f'_dmarc.{WORST}. TXT "v=DMARC1; p=none"\n'
    return text


WORLD = World(zones())
OPTIONS = dict(settings=[*WORLD.settings(), ("smtpd.blocklists", " ".join(LISTS)), ("smtpd.greylist", "off"),
                         ("smtpd.refuse-spf-fail", "no")])


class Asked:
    """The questions while the block ran, each once: another server may be asked again, the answer is the same."""

    def __enter__(self):
        self.start = len(WORLD.names.asked)
        return self

    def __exit__(self, *_):
        self.questions = {(name, kind) for name, kind, _ in WORLD.names.asked[self.start:]}

    def of(self, word):
        return {q for q in self.questions if word in q[0]}


def begin(m, sender, helo="mail.example.org", source="203.0.112.9"):
    c = m.raw(source=source)
    c.expect(None, 220)
    c.expect(f"EHLO {helo}", 250)
    c.expect(f"MAIL FROM:<{sender}>", 250)
    return c


def spf(m, value):
    """With a sender whose domain exists by its policy alone it is seen whether the setting works yet."""
    m.cli("config", "set", "smtpd.spf", value)
    m.cli("reload")

    def works():
        start = m.log_size()
        with begin(m, "a@example.org", source="203.0.113.5") as c:
            c.expect(f"RCPT TO:<{USER}>", 250)
            c.expect("DATA", 354)
            c.send(message("spf or not").encode() + b"\r\n.\r\n")
            c.expect(None, 250)
        line = m.wait_log(r"event=checked client=203\.0\.113\.5 .* spf=(\S*) ", start)
        return (line.group(1) != "") == (value == "yes")
    wait_until(f"smtpd.spf {value}", 30 * SLOW, works)


def test_at_most_30_before_rcpt(m):
    """Five lists, a client with twelve names of which none leads back, a sender without MX."""
    spf(m, "no")
    with Asked() as asked:
        with begin(m, f"a@{WORST}") as c:
            code, text = c.command(f"RCPT TO:<{USER}>")
            assert code == 250, (code, text)
    assert len(asked.of("9.112.0.203.list")) == len(LISTS), asked.questions
    assert {(WORST, "MX"), (WORST, "A")} < asked.questions, asked.questions
    assert len([name for name, _ in asked.questions if re.match(r"h\d+\.", name)]) == 4, asked.questions
    assert 12 <= len(asked.questions) <= BEFORE_RCPT, (len(asked.questions), sorted(asked.questions))
    spf(m, "yes")


def message_that_asks_much():
    """Signatures of many domains, and an author whose name is deep."""
    digest = base64.b64encode(hashlib.sha256(b"body\r\n").digest()).decode()
    fields = "".join(f"DKIM-Signature: v=1; a=rsa-sha256; d=d{n}.example.net; s=s; h=from;\r\n bh={digest}; b=AAAA\r\n"
                     for n in range(100))
    return f"{fields}From: a@{'.'.join(f'l{n}' for n in range(20))}.{WORST}\r\n\r\nbody\r\n".encode()


def test_all_of_one_message_at_most_360(m):
    """SPF policies of sender and client that ask for a hundred hosts each, and all the rest."""
    with Asked() as asked:
        with begin(m, f"a@{SENDER}", helo=HELLO) as c:
            c.expect(f"RCPT TO:<{USER}>", 250)
            c.expect("DATA", 354)
            c.send(message_that_asks_much() + b".\r\n")
            code, text = c.reply()
            assert code in (250, 451), (code, text)
    for owner in (SENDER, HELLO):
        assert len(asked.of("." + owner)) == 110, (owner, len(asked.of("." + owner)))
    assert len(asked.of("_domainkey")) == 8, asked.of("_domainkey")
    assert len(asked.of("_dmarc.")) > 1, asked.of("_dmarc.")
    assert 230 < len(asked.questions) <= ALL, len(asked.questions)
