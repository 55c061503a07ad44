# SPDX-License-Identifier: ISC
"""Who a message is from, and where its body begins: what was checked is what a mail program shows.

The deceiver owns example.org, signs and sends properly for it, and wants to be taken for bank.example.com. The
tricks are those that were published about disagreeing programs."""
import base64

from harness import *
from signer import Key, Signer
from told import Box, Told, letter
from world import World

KEY = Key()
BANK, OWN = "bank.example.com", "example.org"
WORLD = World(f"""
$HOST client.example.net 203.0.113.5
{OWN}. MX 10 client.example.net.
{OWN}. TXT "v=spf1 ip4:203.0.113.5 -all"
*.{OWN}. MX 10 client.example.net.
client.example.net. TXT "v=spf1 ip4:203.0.113.5 -all"
{BANK}. MX 10 client.example.net.
{BANK}. TXT "v=spf1 -all"
_dmarc.{BANK}. TXT "v=DMARC1; p=reject; sp=reject"
""" + KEY.zone(f"large._domainkey.{OWN}") + KEY.zone(f"*.{OWN}"))
OPTIONS = dict(settings=[*WORLD.settings(), ("smtpd.connections-per-minute", "0"), ("smtpd.penalties", "no"),
                         ("smtpd.greylist", "off")])
OURS = rb"(?ims)^Authentication-Results: mail\.%s;.*?(?=\r\n\S)" % re.escape(DOMAIN.encode())
BOSS, MINE = b"boss@bank.example.com", b"me@example.org"
REST = (b"To: " + USER.encode() + b"\r\nSubject: s\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\n"
        b"Message-ID: <1@example.org>\r\n")


def b64(text):
    return base64.b64encode(text)


# What stands for the From field, the whole header above REST.
HEADERS = [
    b"From: %s\r\nFrom: %s\r\n" % (MINE, BOSS), b"From: %s\r\nFrom: %s\r\n" % (BOSS, MINE),
    b"From: %s\r\nfrom: %s\r\n" % (MINE, BOSS), b"From : %s\r\nFrom: %s\r\n" % (BOSS, MINE),
    b"From: %s\r\nFrom : %s\r\n" % (MINE, BOSS), b" From: %s\r\nFrom: %s\r\n" % (BOSS, MINE),
    b"From\t: %s\r\nFrom: %s\r\n" % (BOSS, MINE), b"From: %s\r\n\x00From: %s\r\n" % (MINE, BOSS),
    b"From\x00: %s\r\nFrom: %s\r\n" % (BOSS, MINE), b"From:\r\n %s\r\nFrom: %s\r\n" % (BOSS, MINE),
    b"From\r\n : %s\r\nFrom: %s\r\n" % (BOSS, MINE), b"From: %s\r\n \r\nFrom: %s\r\n" % (MINE, BOSS),
    b"Sender: %s\r\nFrom: %s\r\n" % (MINE, BOSS), b"Resent-From: %s\r\nFrom: %s\r\n" % (MINE, BOSS),
    b"Resent-Sender: %s\r\nFrom: %s\r\n" % (MINE, BOSS), b"X: y\r\n\tFrom: %s\r\nFrom: %s\r\n" % (MINE, BOSS),
    b"From: %s, %s\r\n" % (MINE, BOSS), b"From: %s, %s\r\n" % (BOSS, MINE),
    b"From: <%s>, <%s>\r\nSender: %s\r\n" % (BOSS, MINE, MINE), b"From: %s; %s\r\n" % (MINE, BOSS),
    b"From: group: %s;, %s\r\n" % (MINE, BOSS), b"From: group: %s, %s;\r\n" % (BOSS, MINE),
    b"From: %s:%s;\r\n" % (MINE, BOSS), b"From: :%s\r\n" % BOSS, b"From: <@example.org:%s>\r\n" % BOSS,
    b"From: <@example.org,@other.example:%s>\r\n" % BOSS, b"From: <@bank.example.com:%s>\r\n" % MINE,
    b"From: <%s> <%s>\r\n" % (MINE, BOSS), b"From: <%s> <%s>\r\n" % (BOSS, MINE), b"From: <%s><%s>\r\n" % (BOSS, MINE),
    b"From: %s <%s>\r\n" % (BOSS, MINE), b"From: %s <%s>\r\n" % (MINE, BOSS), b"From: <%s> %s\r\n" % (BOSS, MINE),
    b'From: "%s" <%s>\r\n' % (MINE, BOSS), b'From: "<%s>" <%s>\r\n' % (MINE, BOSS),
    b"From: =?utf-8?b?%s?=\r\n" % b64(BOSS), b"From: =?utf-8?b?%s?= <%s>\r\n" % (b64(b"<%s>" % MINE), BOSS),
    b"From: =?utf-8?b?%s?=,%s\r\n" % (b64(b"<%s>" % BOSS), MINE), b"From: <=?utf-8?b?%s?=>\r\n" % b64(BOSS),
    b"From: =?utf-8?q?boss=40bank=2Eexample=2Ecom?=@example.org\r\n", b"From: boss@=?utf-8?q?bank.example.com?=\r\n",
    b"From: boss@bank.example.com\\,me@example.org\r\n", b"From: <%s>\\,<%s>\r\n" % (BOSS, MINE),
    b"From: <%s\\>,<%s>\r\n" % (BOSS, MINE), b'From: "%s\\" <%s>\r\n' % (BOSS, MINE),
    b"From: (%s) <%s>\r\n" % (MINE, BOSS), b"From: %s(<%s>)\r\n" % (BOSS, MINE), b"From: %s (%s)\r\n" % (BOSS, MINE),
    b"From: (a(%s) <%s>\r\n" % (MINE, BOSS), b"From: boss(%s)@bank.example.com\r\n" % MINE,
    b"From: boss@(example.org)bank.example.com\r\n", b"From: boss@bank.example.com(.example.org\r\n",
    b"From: boss@bank.example.com .example.org\r\n", b"From: boss@bank.example.com.\r\n",
    b"From: boss@BANK.example.COM\r\n",
    b"From: boss@bank.example.com\x00@example.org\r\n", b"From: boss@bank.example.com@example.org\r\n",
    b"From: me@example.org@bank.example.com\r\n", b'From: "boss@bank.example.com"@example.org <%s>\r\n' % BOSS,
    b"From: boss@[bank.example.com]\r\n", b"From: boss%bank.example.com@example.org,<" + BOSS + b">\r\n",
    b"From: boss@bank.example.com\x0b<me@example.org>\r\n", b"From: boss@bank\xef\xbc\x8eexample.com\r\n",
    b"From: boss@bank.example\xe3\x80\x82com\r\n", b"From: boss\xef\xbc\xa0bank.example.com <%s>\r\n" % BOSS,
    b"From: boss@www.bank.example.com\r\n", b"From: boss@nowhere.bank.example.com\r\n",
    b"From: <%s\r\n" % BOSS, b"From: %s>\r\n" % BOSS, b"From:\r\n", b"", b"From: Boss\r\n", b"From: <>\r\n",
    b"From: %s,\r\n" % BOSS, b"From: ,%s\r\n" % BOSS, b"From: <%s>,\r\n" % BOSS,
    b"From: %s\xc2\xa0<%s>\r\n" % (MINE, BOSS),
]
# Names for signatures that two programs read in two ways: d= and s=.
MARKS = ("(", "'", '"', "\0", ";", ",", "/", "\\", "@", "%00", "#", "")
SIGNERS = [(f"{BANK}{mark}.{OWN}", "large") for mark in MARKS] + [
    (BANK, f"large._domainkey.{OWN}.\0"), (BANK, f"large._domainkey.{OWN}#"), (BANK, f"large._domainkey.{OWN}?"),
    (BANK + ".", "large"), ("com", "large"), ("example.com", "large")]
SIGNER = Signer({selector: KEY for _, selector in SIGNERS})
# Senders and names of clients that end up in the results.
SENDERS = ["<bank.example.com(.example.org>", "<any@bank.example.com'@a.example.org>",
           '<"any@bank.example.com,"@example.org>', "<any@bank.example.com(.example.org>",
           "<@bank.example.com:any@example.org>", '<"x; dmarc=pass"@example.org>',
           "<a@example.org> <b@bank.example.com>", "<>", "<me@example.org>", "<postmaster@nowhere.bank.example.com>"]


def shown(m):
    """Of each message: its folder, the hosts that ENVELOPE shows in From, our own results."""
    client = m.imap(USER)
    try:
        for folder in ("INBOX", "Junk"):
            for n in range(1, int(client.select(folder, readonly=True)[1][0]) + 1):
                parts = client.fetch(str(n), "(ENVELOPE BODY.PEEK[HEADER])")[1]
                parts = [part for part in parts if isinstance(part, tuple)]
                envelope = b"".join(b"".join(part) for part in parts[:-1]) + parts[-1][0]
                author = re.search(rb' "s" (NIL|\(\(.*?\)\)) ', envelope)
                results = re.search(OURS, parts[-1][1])
                yield folder, re.findall(rb'"((?:[^"\\]|\\.)*)"\)', author[1]), b" ".join(results[0].split())
    finally:
        client.logout()


def nobody_was_deceived(m):
    """Of all that came in: what shows the bank's address is Junk, and our results do not say that it is the bank's."""
    for folder, hosts, results in shown(m):
        if any(b"bank" in host.lower() and not host.endswith(b".example.org") for host in hosts):
            assert folder == "Junk" and b"dmarc=pass" not in results, (hosts, results)
        if b"dmarc=pass" in results:
            assert re.search(rb"dmarc=pass[^;]*header\.from=example\.org\b", results), (hosts, results)


def test_published_tricks_with_from(m):
    """None passes for the bank's, is taken and shown as such without a word."""
    assert len(HEADERS) >= 75, len(HEADERS)
    taken = 0
    for header in HEADERS:
        try:
            text = SIGNER.sign(header + REST + b"\r\nHello.\r\n", "large", OWN)
        except AssertionError:  # dkimpy will not sign everything
            text = header + REST + b"\r\nHello.\r\n"
        code = give(m, text, f"<bounces@{OWN}>")
        assert code in (250, 550), (header, code)
        taken += code == 250
    assert 0 < taken < len(HEADERS), taken
    wait_until("what was taken is there", 30 * SLOW, lambda: m.count() + m.count("Junk") >= taken)
    nobody_was_deceived(m)


def give(m, text, sender, helo="client.example.net"):
    return reply_to(m, text, sender, helo)[0]


def reply_to(m, text, sender, helo="client.example.net"):
    with m.raw(source="203.0.113.5") as c:
        c.expect(None, 220)
        c.expect(f"EHLO {helo}", 250)
        for line in (f"MAIL FROM:{sender}", f"RCPT TO:<{USER}>", "DATA"):
            code, said = c.command(line)
            if code >= 400:
                return code, said
        c.send(re.sub(rb"(?m)^\.", b"..", text) + b".\r\n")
        return c.reply()


def test_published_tricks_with_signers_and_senders(m):
    for domain, selector in SIGNERS:
        text = SIGNER.sign(b"From: " + BOSS + b"\r\n" + REST + b"\r\nHello.\r\n", selector, domain)
        assert f"d={domain};".encode() in text, text
        assert give(m, text, f"<bounces@{OWN}>") == 550, (domain, selector)
    for sender in SENDERS:
        for helo in ("client.example.net", "example.org"):
            text = b"From: " + BOSS + b"\r\n" + REST + b"\r\nHello.\r\n"
            assert 500 <= give(m, text, sender, helo) < 600, (sender, helo)
    nobody_was_deceived(m)


# --- where the body begins

HEAD = b"From: " + MINE + b"\r\n" + REST
BODY = b"Hello.\r\n"
# Header as it goes out, with its last line end; body behind the empty line.
BORDERS = [
    (HEAD, BODY), (HEAD, b""), (HEAD, b"\r\n"), (HEAD, b"\r\n\r\n" + BODY), (HEAD, b" \r\n" + BODY),
    (HEAD, b"\t\r\n\r\n" + BODY),
    (HEAD, b"Subject: no field\r\n\r\n" + BODY), (HEAD + b" \r\n", BODY), (HEAD + b"\t\r\n", BODY),
    (HEAD + b"X: a\r\n \r\n \r\n", b" \r\n" + BODY), (HEAD + b"X:\r\n", BODY),
    (HEAD + b"X: a\r\n" + b" " * 900 + b"\r\n", BODY),
    (HEAD + (b" " * 900 + b"\r\n") * 12, BODY), (HEAD + b"X: a\r\n" + b" \t" * 5000 + b"\r\n", BODY),
    (HEAD, b" " * 10000 + b"\r\n" + BODY), (HEAD, b": x\r\n" + BODY), (HEAD, b"..\r\n.\t\r\n" + BODY),
]
# What ends a header for some and not for others, and what each is refused for.
NEWLINES, NO_FIELD, NO_FROM = 540, 541, 544
NEITHER = [(HEAD + b"\0\r\n" + BODY, NO_FIELD), (HEAD + b"no colon\r\n\r\n" + BODY, NO_FIELD),
           (HEAD + b"\n" + BODY, NEWLINES), (HEAD + b"\r" + BODY, NEWLINES), (HEAD + b"X: a\n\n" + BODY, NEWLINES),
           (HEAD + b"\r\r\n" + BODY, NEWLINES), (HEAD + b"\x0c\r\n\r\n" + BODY, NO_FIELD),
           (b"\r\n" + HEAD + b"\r\n" + BODY, NO_FROM)]


def test_all_agree_where_the_body_begins(m):
    """The signer, who hashed what we call the body; our check of it; the mailbox, which tells header and text apart."""
    for header, body in BORDERS:
        text = SIGNER.sign(header + b"\r\n" + body, "large", OWN, canon=("simple", "simple"))
        box = Box(m, "INBOX")
        before = box.count()
        told = Told(m, text, sender=f"bounces@{OWN}")
        assert told.code == 250 and told.log["dkim"] == "pass", (header[-40:], body[:40], told.reply, told.log_text)
        wait_until("it is there", 30 * SLOW, lambda: box.count() == before + 1)
        client = m.imap(USER)
        try:
            number = client.select("INBOX", readonly=True)[1][0].decode()
            parts = client.fetch(number, "(BODY.PEEK[HEADER] BODY.PEEK[TEXT])")[1]
        finally:
            client.logout()
        got = {re.search(rb"BODY\[(\w+)\]", part[0])[1]: part[1] for part in parts if isinstance(part, tuple)}
        got.setdefault(b"TEXT", b"")
        assert got[b"TEXT"] == body, (header[-40:], body[:40], got[b"TEXT"][:80])
        assert got[b"HEADER"].endswith(header + b"\r\n"), (header[-40:], got[b"HEADER"][-80:])


def test_what_ends_a_header_for_some_is_refused(m):
    assert give(m, HEAD + b"\r\n" + BODY, f"<bounces@{OWN}>") == 250, "it is refused for something else"
    for text, product in NEITHER:
        code, said = reply_to(m, text, f"<bounces@{OWN}>")
        assert code == 550 and f"/help/{product} ".encode() in said, (text[-40:], code, said)
