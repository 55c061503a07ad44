# SPDX-License-Identifier: ISC
"""Signed messages from outside: DKIM, ARC and DMARC in smtpd, with the signers of others (python3-dkim,
opendkim) and with what deceivers make of them."""
import base64
import hashlib
import os
import shutil
import tempfile

import opendkim
from harness import *
from signer import Key, Signer
from told import Box, Told, letter
from world import World

KEYS = {"large": Key(), "small": Key(bits=1024), "huge": Key(bits=4096), "curve": Key("ed25519"), "tiny": Key(bits=768)}
SIGNER = Signer(KEYS)
ZONES = """
$HOST client.example.net 203.0.113.5
$HOST list.example.org 203.0.113.6
example.net. MX 10 mx.example.net.
example.org. MX 10 mx.example.org.
strict.example. MX 10 mx.example.net.
_dmarc.bank.example.com. TXT "v=DMARC1; p=reject; adkim=r; sp=quarantine"
_dmarc.exact.example.com. TXT "v=DMARC1; p=reject; adkim=s; aspf=s"
_dmarc.shop.example.com. TXT "v=DMARC1; p=quarantine"
_dmarc.try.example.com. TXT "v=DMARC1; p=reject; t=y"
spf.bank.example.com. MX 10 mx.example.net.
spf.bank.example.com. TXT "v=spf1 ip4:203.0.113.5 -all"
spf.exact.example.com. MX 10 mx.example.net.
spf.exact.example.com. TXT "v=spf1 ip4:203.0.113.5 -all"
$WHEN silent._domainkey.bank.example.com TXT timeout
forged._domainkey.bogus.example.com. TXT "v=DKIM1; p=AAAA"
_dmarc.bogus.example.com. TXT "v=DMARC1; p=reject"
$BOGUS bogus.example.com
""" + "".join(key.zone(f"{selector}._domainkey.{domain}") for selector, key in KEYS.items()
              for domain in ("bank.example.com", "exact.example.com", "shop.example.com", "example.org"))
WORLD = World(ZONES)
OPTIONS = dict(settings=[*WORLD.settings(), ("smtpd.blocklists", ""), ("resolver.timeout", "2")])


def signed(message, selector="large", domain="bank.example.com", **how):
    return SIGNER.sign(message, selector, domain, **how)


def accepted(m, message, *, folder="INBOX", **where):
    """Its log line and results, once it is in that folder."""
    box = Box(m, folder)
    before = box.count()
    told = Told(m, message, **where)
    assert told.code == 250, (told.reply, told.log_text)
    wait_until(f"one more in {folder}", 30 * SLOW, lambda: box.count() == before + 1)
    return told.log, box.newest()


def refused(m, message, code=b"550 5.7.26", **where):
    told = Told(m, message, **where)
    assert told.reply[-1].startswith(code), (told.reply, told.log_text)
    return told.log


# --- what is right

def test_dkimpy_signs(m):
    for selector in ("large", "small", "curve", "huge"):
        for canon in (("simple", "simple"), ("relaxed", "relaxed"), ("relaxed", "simple")):
            log, results = accepted(m, signed(letter(), selector, canon=canon))
            assert (log["dkim"], log["dmarc"], log["dkim-selector"]) == ("pass", "pass", selector), log
            assert "dkim=pass header.d=bank.example.com header.s=" + selector in results, results
            assert "dmarc=pass" in results and "header.from=bank.example.com" in results, results


def test_opendkim_daemon_signs(m):
    """rsa-sha256, in both canonical forms, and what was changed behind it."""
    folder = tempfile.mkdtemp(prefix="postern-opendkim-")
    key = os.path.join(folder, "key.pem")
    with open(key, "w") as f:
        f.write(KEYS["large"].private)
    try:
        for canon in ("simple/simple", "relaxed/relaxed"):
            signer = opendkim.Signer(folder, "bank.example.com", "large", key, canon)
            try:
                message = signer.sign(letter(body=b"One line.\r\n\r\n  two  \r\n\r\n"))
            finally:
                signer.stop()
            log, results = accepted(m, message)
            assert (log["dkim"], log["dmarc"]) == ("pass", "pass") and "dkim=pass" in results, (canon, log)
            assert refused(m, message.replace(b"  two", b"  too"))["dkim"] == "fail", canon
    finally:
        shutil.rmtree(folder)


def test_opendkim_signs(m):
    message = letter(body=b"One line.\r\n\r\n  two  \r\n\r\n")
    with tempfile.NamedTemporaryFile(prefix="postern-key-", suffix=".pem") as key:
        key.write(KEYS["large"].private.encode())
        key.flush()
        done = subprocess.run(["opendkim-testmsg", "-C", "-d", "bank.example.com", "-s", "large", "-k", key.name],
                              input=message, capture_output=True, check=True)
    assert done.stdout.startswith(b"DKIM-Signature:") and done.stdout.endswith(message), done.stdout
    assert b"a=rsa-sha1" in done.stdout  # all that it can: not believed any more (rfc8301:3.1)
    log = refused(m, done.stdout)
    assert log["dkim"] == "permerror" and "sha1" in log["dkim-reason"], log


def test_spf_alone_is_enough(m):
    log, _ = accepted(m, letter(), sender="bounces@spf.bank.example.com")
    assert (log["dkim"], log["dmarc"]) == ("none", "pass"), log
    refused(m, letter("boss@exact.example.com"), sender="bounces@spf.exact.example.com")  # aspf=s


def peak_kib(pid, forget=False):
    """The most memory that a process had since this was forgotten last."""
    if forget:
        with open(f"/proc/{pid}/clear_refs", "w") as f:
            f.write("5")
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])


def test_large_message_streams(m):
    """50 MB are hashed as they come: nothing is kept for a second look."""
    lines = 60000 if SAN else 850000
    body = b"".join(b"line %d of a long message, which is hashed as it comes\r\n" % n for n in range(lines))
    message = signed(letter(body=body), canon=("relaxed", "simple"))
    daemon, = m.daemons()["smtpd"]
    before = peak_kib(daemon, forget=True)
    log, _ = accepted(m, message)
    assert log["dkim"] == "pass", log
    assert SAN or peak_kib(daemon) < before + 4096, (before, peak_kib(daemon))


def test_later_messages_inherit_nothing(m):
    """In one session: neither a good signature nor a verdict, nor Junk, is left for the next message."""
    messages = ((signed(letter()), 250, "pass", "pass"), (letter(), 550, "none", "fail"),
                (letter("a@shop.example.com"), 250, "none", "fail"), (letter("a@example.net"), 250, "none", "none"),
                (signed(letter()), 250, "pass", "pass"))
    start, inbox, junk = m.log_size(), Box(m, "INBOX"), Box(m, "Junk")
    before = inbox.count(), junk.count()
    with m.raw(source="203.0.113.5") as c:
        c.expect(None, 220)
        c.expect("EHLO client.example.net", 250)
        for text, code, _, _ in messages:
            c.expect("MAIL FROM:<someone@example.net>", 250)
            c.expect(f"RCPT TO:<{USER}>", 250)
            c.expect("DATA", 354)
            c.send(text + b".\r\n")
            assert c.reply()[0] == code, text
        c.expect("DATA", 503)
    wait_until("all are there", 30 * SLOW, lambda: (inbox.count(), junk.count()) == (before[0] + 3, before[1] + 1))
    m.wait_log("event=closed client=203.0.113.5", start)
    assert re.findall(r"event=authenticated .*? dmarc=(\w+) .*? dkim=(\w+)", m.log(start)) == [
        (dmarc, dkim) for _, _, dkim, dmarc in messages]


# --- alignment and policies

def test_policies(m):
    refused(m, letter())
    refused(m, signed(letter(), domain="example.org"))
    log, results = accepted(m, letter("a@sub.bank.example.com"), folder="Junk")  # sp=quarantine
    assert log["dmarc-policy"] == "quarantine" and "dmarc=fail" in results, (log, results)
    accepted(m, letter("a@shop.example.com"), folder="Junk")
    accepted(m, letter("a@try.example.com"), folder="Junk")  # t=y: one step weaker
    log, _ = accepted(m, letter("a@example.net"))
    assert log["dmarc"] == "none", log


def test_alignment(m):
    log, _ = accepted(m, signed(letter("boss@mail.bank.example.com")))
    assert log["dmarc"] == "pass", log
    refused(m, signed(letter("boss@exact.example.com"), domain="bank.example.com"))
    accepted(m, signed(letter("boss@exact.example.com"), domain="exact.example.com"))
    both = signed(signed(letter(), domain="example.org"), domain="bank.example.com")
    assert accepted(m, both)[0]["dkim-domain"] == "bank.example.com"


def test_refusal_by_setting(m):
    m.cli("config", "set", "smtpd.refuse-dmarc-reject", "no")
    m.cli("reload")
    wait_until("taken", 30 * SLOW, lambda: Told(m, letter()).code == 250)
    accepted(m, letter(), folder="Junk")
    m.cli("config", "set", "smtpd.refuse-dmarc-reject", "yes")
    m.cli("reload")
    wait_until("refused", 30 * SLOW, lambda: Told(m, letter()).code == 550)


def test_postmaster_gets_it_in_junk(m):
    told = Told(m, letter(), to=f"abuse@{DOMAIN}")
    assert told.code == 250, told.reply
    m.wait_log(r"event=judged zone=junk by=dmarc")


# --- trouble of the DNS

def test_key_that_cannot_be_had(m):
    late = signed(letter()).replace(b"s=large", b"s=silent")
    assert refused(m, late, b"451 4.7.1")["dkim"] == "temperror"


@expects(r"dns=bogus")
def test_bogus_policy_is_no_policy(m):
    log, results = accepted(m, letter("a@bogus.example.com"))
    assert log["dmarc"] == "temperror" and "dmarc=temperror" in results, (log, results)


# --- what deceivers do

def test_changed(m):
    for before, after in ((b"Hello.", b"Hullo."), (b"Subject: signed", b"Subject: changed"),
                          (b"From: boss", b"From: root")):
        log = refused(m, signed(letter()).replace(before, after))
        assert log["dkim"] == "fail", log


def test_length_never_covers_all(m):
    message = signed(letter(), length=True)
    assert accepted(m, message)[0]["dkim"] == "pass"
    assert refused(m, message + b"And something else.\r\n")["dkim"] == "policy"


def test_doubled_from(m):
    """smtpd.format-check refuses it before all; without it the first one is not believed either."""
    message = b"From: evil@example.net\r\n" + signed(letter())
    with m.raw(source="203.0.113.5") as c:
        c.expect(None, 220)
        for word, code in (("EHLO client.example.net", 250), ("MAIL FROM:<someone@example.net>", 250),
                           (f"RCPT TO:<{USER}>", 250), ("DATA", 354)):
            c.expect(word, code)
        c.send(message + b".\r\n")
        c.expect(None, 550)
    m.cli("config", "set", "smtpd.format-check", "no")
    m.cli("reload")
    try:
        def told():
            try:
                return Told(m, message)
            except AssertionError:  # refused for its form, without a word of signatures
                return None
        got = wait_until("the form is not looked at", 30 * SLOW, told)
        assert got.log["dmarc"] == "permerror" and got.log["author"] == "", got.log_text
    finally:
        m.cli("config", "set", "smtpd.format-check", "yes")
        m.cli("reload")
        wait_until("it is again", 30 * SLOW, lambda: not re.search("dmarc", doubled(m, message)))


def doubled(m, message):
    start = m.log_size()
    with m.raw(source="203.0.113.5") as c:
        c.envelope()
        c.send(message + b".\r\n")
        c.line()
    m.wait_log(r"event=closed", start)
    with open(m.log_path(), encoding="latin-1") as f:
        f.seek(start)
        return f.read()


def test_a_thousand_signatures(m):
    """Eight are looked at, and no more keys are asked for."""
    many = b"".join(b"DKIM-Signature: v=1; a=ed25519-sha256; d=example.org; s=k%d; h=from; bh=%s; b=AAAA\r\n" % (
        n, base64.b64encode(hashlib.sha256(b"Hello.\r\n").digest())) for n in range(900))
    before = len(WORLD.names.asked)
    log = refused(m, many + signed(letter()))
    assert log["signatures"] == "901" and log["dkim"] == "permerror", log
    asked = [name for name, _, _ in WORLD.names.asked[before:] if "._domainkey.example.org" in name]
    assert len(set(asked)) == 8, asked


def test_one_signed_message_again_and_again(m):
    """To whomever and from wherever it comes: so many copies, the rest has to wait; other messages do not."""
    def most(number, worked):
        m.cli("config", "set", "smtpd.same-message-per-hour", str(number))
        m.cli("reload")
        wait_until(f"at most {number}", 30 * SLOW, worked)

    def waits(text):
        return Told(m, text, sender="other@example.org", source="203.0.113.6").reply[-1].startswith(b"451 4.7.1")
    often, other = signed(letter(subject=b"often")), signed(letter(subject=b"another"))
    for _ in range(3):
        Told(m, often)
    try:
        most(3, lambda: waits(often))
        assert [Told(m, other).code for _ in range(4)] == [250, 250, 250, 451]
        assert waits(other) and waits(often)
        most(0, lambda: Told(m, often).code == 250)
    finally:
        most(200, lambda: Told(m, other).code == 250)


def test_weak_key(m):
    weak = b"DKIM-Signature: v=1; a=rsa-sha256; d=bank.example.com; s=tiny; h=from; bh=" + base64.b64encode(
        hashlib.sha256(b"Hello.\r\n").digest()) + b"; b=" + base64.b64encode(b"x" * 64) + b"\r\n"
    log = refused(m, weak + letter())
    assert log["dkim"] == "policy" and "1024" in log["dkim-reason"], log


def test_results_of_others_are_not_ours(m):
    claim = f"Authentication-Results: mail.{DOMAIN}; dmarc=pass header.from=bank.example.com\r\n".encode()
    _, results = accepted(m, claim + letter("a@shop.example.com"), folder="Junk")
    assert "dmarc=fail" in results, results


# --- ARC

def sealed(message, selector="large", results="example.org; spf=pass; arc=none"):
    return SIGNER.seal(message, selector, "example.org", results)


def test_arc(m):
    message = letter("a@example.net")
    once = sealed(message)
    log, results = accepted(m, once, source="203.0.113.6")
    assert (log["arc"], log["arc-sets"], log["arc-sealer"]) == ("pass", "1", "example.org"), log
    assert "arc=pass" in results, results
    twice = sealed(once, "small", results="example.org; arc=pass")
    assert accepted(m, twice)[0]["arc-sets"] == "2"
    log, results = accepted(m, twice.replace(b"Hello.", b"Hullo."))
    assert log["arc"] == "fail" and "arc=fail" in results, log
    hidden = re.sub(rb"(?is)ARC-Seal: i=1;.*?(?=\r\n\S)\r\n", b"", twice, count=1)
    assert accepted(m, hidden)[0]["arc"] == "fail"


def test_arc_alone_does_not_let_pass(m):
    assert refused(m, sealed(letter()))["arc"] == "pass"


# --- in words

def test_in_words(m):
    queue = Told(m, letter("a@shop.example.com")).reply[-1].split()[-1].decode()

    def story():
        text = " ".join(m.cli("trace", queue, check=False).stdout.split())
        return text if "Put into the mailbox" in text else None
    text = wait_until("the story", 30 * SLOW, story)
    assert "Author's domain: shop.example.com; DMARC: fail, policy of its owner: quarantine" in text, text
    assert "no signature (DKIM)" in text and "into the folder Junk (dmarc)" in text, text
