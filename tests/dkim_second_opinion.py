#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""dkim_second_opinion.py TOOL [--write]: compares lib/dkim and lib/arc (bench/dkim_tool) with dkimpy, with
opendkim-testmsg and with signatures made by the openssl command alone.

What they sign must verify here, what is signed here must verify there, and what was changed on the way must fail
alike. Keys and messages are new each time (POSTERN_TEST_SEED repeats the messages). Prints TAP.
--write makes the fixed vectors in tests/corpus/dkim and tests/corpus/arc instead."""
import base64
import hashlib
import os
import random
import re
import subprocess
import sys
import tempfile
import time

import dkim

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = sys.argv[1]
WORK = tempfile.mkdtemp(prefix="dkim-opinion-")
DOMAIN = b"example.com"
NOW = int(time.time())
CANONS = [(h, b) for h in (b"simple", b"relaxed") for b in (b"simple", b"relaxed")]
WORDS = ["one", "two", "three", "=?utf-8?q?f=C3=BCnf?=", "a-b", "x" * 70, "."]
EMPTY = ["", "\r\n", "\r\n\r\n\r\n", " \r\n", "\t\r\n \r\n", "no line end", "a\r\n \r\n\r\n\t\r\n"]
ZONE = {}


# --- keys -----------------------------------------------------------------------------------------

def openssl(*words, stdin=None):
    return subprocess.run(("openssl",) + words, input=stdin, check=True, capture_output=True).stdout


class Key:
    def __init__(self, selector, kind, bits=2048):
        self.selector, self.kind = selector.encode(), kind
        self.path = f"{WORK}/{selector}.pem"
        if kind == "rsa":
            openssl("genrsa", "-traditional", "-out", self.path, str(bits))
            public = openssl("rsa", "-in", self.path, "-pubout", "-outform", "DER")
            self.algorithm = b"rsa-sha256"
        else:
            openssl("genpkey", "-algorithm", "ed25519", "-out", self.path)
            public = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")[-32:]
            self.seed = base64.b64encode(
                openssl("pkey", "-in", self.path, "-outform", "DER")[-32:])
            self.algorithm = b"ed25519-sha256"
        with open(self.path, "rb") as f:
            self.private = f.read() if kind == "rsa" else self.seed
        self.name = f"{selector}._domainkey.{DOMAIN.decode()}"
        ZONE[self.name] = f"v=DKIM1; k={kind}; p={base64.b64encode(public).decode()}"


def dns(name, timeout=5):
    return ZONE.get(name.decode().rstrip("."), "").encode()


# --- messages -------------------------------------------------------------------------------------

def words(n):
    return random.choice([" ", "  ", "\t", " \r\n "]).join(random.choice(WORDS) for _ in range(n))


def body_line():
    text = random.choice([" ", "  ", "\t", " \t "]).join(
        random.choice(WORDS) for _ in range(random.randrange(12)))
    return random.choice(["", " ", "\t"]) + text + random.choice(["", "", " ", "\t \t"])


def message(odd=False):
    fields = ["From: A <a@example.com>", "To:  b@example.net,\r\n\tc@example.org",
              ("Subject :" if odd else "Subject: ") + words(4),
              "Date: Fri, 27 Nov 2026 10:00:00 +0000", "Message-ID: <%d@example.com>" % random.getrandbits(40),
              "Received: from x\r\n by y; Fri, 27 Nov 2026 10:00:00 +0000", "Received: first", "X-Empty:",
              "X-Odd:\t" + words(3) + " ", "MIME-Version: 1.0"]
    fields = [f for f in fields if f[0] in "FTSDMR" or random.random() < .7]
    lines = [body_line() for _ in range(random.randrange(30))]
    body = "".join(l + "\r\n" for l in lines) + random.choice(EMPTY)
    return ("\r\n".join(fields) + "\r\n\r\n" + body).encode()


def changed(text, places):
    """One byte becomes another; line ends, folding and the names of fields stay. Only within [begin, end)."""
    begin, end = places
    names = {i for m in re.finditer(rb"(?m)^[A-Za-z-]+:|^[ \t]", text[:text.index(b"\r\n\r\n")])
             for i in range(*m.span())}
    spots = [i for i in range(begin, end) if text[i:i + 1] not in (b"\r", b"\n") and i not in names]
    if not spots:
        return text
    at = random.choice(spots)
    return text[:at] + random.choice([b"Q", b" ", b"\t"]) + text[at + 1:]


# --- the ones compared ----------------------------------------------------------------------------

class Tool:
    def __init__(self):
        self.proc = subprocess.Popen([TOOL, "verify"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def verify(self, text, now=None):
        file = vector(text, f"{now or NOW} x")
        self.proc.stdin.write(b"%d\n" % len(file) + file)
        self.proc.stdin.flush()
        return self.proc.stdout.readline().decode().split(None, 2)


def vector(text, head):
    names = set(re.findall(rb"[sa0-9]+[a-z0-9]*", text))
    lines = [head] + [f"{n} {v}" for n, v in ZONE.items() if n.split(".")[0].encode() in names]
    return "\n".join(lines).encode() + b"\n\n" + text


def ours_sign(text, key, canon):
    return subprocess.run([TOOL, "sign", key.algorithm, canon[0], canon[1], DOMAIN, key.selector, key.path,
                           str(NOW)], input=text, check=True, capture_output=True).stdout


def dkimpy_sign(text, key, canon):
    return dkim.sign(text, key.selector, DOMAIN, key.private, canonicalize=canon,
                     signature_algorithm=key.algorithm,
                     include_headers=[b"from", b"to", b"subject", b"from", b"date", b"x-odd", b"x-not-there"]) + text


def dkimpy_verify(text):
    try:
        return dkim.verify(text, dnsfunc=dns)
    except dkim.DKIMException:
        return False


def opendkim_sign(text, key):
    return subprocess.run(["opendkim-testmsg", "-d", DOMAIN, "-s", key.selector, "-k", key.path],
                          input=text, check=True, capture_output=True).stdout


def openssl_sign(text, key):
    """simple/simple needs no canonicalisation worth the name: the rest is the openssl command."""
    head, body = text.split(b"\r\n\r\n", 1)
    body = re.sub(rb"(\r\n)*\Z", b"", body) + b"\r\n"
    bh = base64.b64encode(hashlib.sha256(body).digest())
    field = (b"DKIM-Signature: v=1; a=rsa-sha256; d=" + DOMAIN + b"; s=" + key.selector +
             b"; h=From:Date; bh=" + bh + b"; b=")
    chosen = b"".join(re.search(rb"(?m)^" + n + rb":.*\r\n", head + b"\r\n")[0] for n in (b"From", b"Date"))
    signature = openssl("dgst", "-sha256", "-sign", key.path, stdin=chosen + field)
    return field + base64.b64encode(signature) + b"\r\n" + text


def arc_seal(text, key, hop):
    cv = b"" if hop == 1 else b"; arc=pass"
    stamped = b"Authentication-Results: mx.test; spf=pass smtp.mailfrom=a@example.com" + cv + b"\r\n" + text
    fields = dkim.arc_sign(stamped, key.selector, DOMAIN, key.private, b"mx.test",
                           signature_algorithm=b"rsa-sha256", timestamp=NOW,
                           include_headers=[b"from", b"to", b"subject", b"date"])
    assert fields, "dkimpy did not seal"
    return b"".join(f if f.endswith(b"\n") else f + b"\r\n" for f in fields) + text


# --- comparisons ----------------------------------------------------------------------------------

tool = Tool()
RSA, ED = Key("s1", "rsa"), Key("s2", "ed25519")


def outside(text):
    """Where neither a signature nor the end of the header is."""
    head = text.index(b"\r\n\r\n")
    return random.choice([(text.rindex(b"\r\nFrom:") + 2, head), (head + 4, len(text))])


def pass_and_change(text, theirs, at_least):
    word = tool.verify(text)
    assert word[0].startswith("pass"), (word, text)
    assert theirs(text), text
    failed = 0
    for _ in range(6):
        other = changed(text, outside(text))
        got = tool.verify(other)
        assert (got[0] == "pass") == theirs(other), (got, other)
        failed += got[0] == "fail"
    return failed + at_least


def test_dkimpy_signs():
    failed = sum(pass_and_change(dkimpy_sign(message(), key, canon), dkimpy_verify, 0)
                 for canon in CANONS for key in (RSA, ED) for _ in range(12))
    assert failed > 100, failed


def test_ours_signs():
    failed = sum(pass_and_change(ours_sign(message(), key, canon), dkimpy_verify, 0)
                 for canon in CANONS for key in (RSA, ED) for _ in range(6))
    assert failed > 50, failed


def test_empty_bodies():
    head = b"From: a@example.com\r\nTo: b@example.net\r\nSubject: s\r\nDate: d\r\n\r\n"
    for body in EMPTY:
        for canon in CANONS:
            for text in (dkimpy_sign(head + body.encode(), RSA, canon),
                         ours_sign(head + body.encode(), RSA, canon)):
                assert tool.verify(text)[0] == "pass" and dkimpy_verify(text), text


def test_opendkim_signs():
    """Debian's opendkim-testmsg signs with rsa-sha1 only: that is refused for what it is."""
    for _ in range(6):
        signed = opendkim_sign(message(True), RSA)
        got = tool.verify(signed)
        assert got[0] == "permerror" and "rsa-sha1" in got[2], (got, signed)


def test_openssl_signs():
    for _ in range(12):
        pass_and_change(openssl_sign(message(), RSA), dkimpy_verify, 0)


def test_signature_fields_changed():
    """Here dkimpy is more lenient at places, so only: what passes here passes there."""
    for _ in range(60):
        signed = dkimpy_sign(message(), random.choice((RSA, ED)), random.choice(CANONS))
        end = signed.rindex(b"\r\nFrom:")
        other = changed(signed, (0, end))
        assert tool.verify(other)[0] != "pass" or dkimpy_verify(other), other


def arc_pass(text):
    try:
        return dkim.arc_verify(text, dnsfunc=dns)[0] == b"pass"
    except dkim.DKIMException:
        return False


def test_arc():
    passed = failed = 0
    for _ in range(10):
        text = message()
        for hop in range(1, 4):
            text = arc_seal(text, RSA, hop)
            word = tool.verify(text)
            assert word[1] == "pass" and arc_pass(text), (word, text)
            passed += 1
            for _ in range(3):
                other = changed(text, random.choice([outside(text), (0, text.rindex(b"\r\nFrom:"))]))
                got = tool.verify(other)[1]
                assert got != "pass" or arc_pass(other), (got, other)
                failed += got == "fail"
    assert passed == 30 and failed > 30, failed


# --- fixed vectors --------------------------------------------------------------------------------

def put(folder, name, codes, arc, text):
    with open(f"{TOP}/tests/corpus/{folder}/{name}", "wb") as f:
        f.write(vector(text, f"{NOW} {codes} {arc}"))


def write():
    for folder in ("dkim", "arc"):
        os.makedirs(f"{TOP}/tests/corpus/{folder}", exist_ok=True)
    for canon in CANONS:
        tag = b"-".join(canon).decode()
        for key in (RSA, ED):
            signed = dkimpy_sign(message(), key, canon)
            put("dkim", f"dkimpy-{key.kind}-{tag}", "pass", "none", signed)
            put("dkim", f"dkimpy-{key.kind}-{tag}-body", "fail", "none", signed + b"more\r\n")
            put("dkim", f"dkimpy-{key.kind}-{tag}-from", "fail", "none",
                signed.replace(b"\r\nFrom: A", b"\r\nFrom: B"))
            put("dkim", f"dkimpy-{key.kind}-{tag}-second-from", "fail", "none",
                signed.replace(b"\r\nFrom: A", b"\r\nFrom: x@example.org\r\nFrom: A"))
    for n in range(4):
        put("dkim", f"openssl-{n}", "pass", "none", openssl_sign(message(), RSA))
    both = dkimpy_sign(dkimpy_sign(message(), RSA, CANONS[3]), ED, CANONS[0])
    put("dkim", "both-algorithms", "pass,pass", "none", both)
    text = message()
    for hop in range(1, 6):
        text = arc_seal(text, RSA, hop)
        put("arc", f"dkimpy-{hop}", "none", "pass", text)
        put("arc", f"dkimpy-{hop}-body", "none", "fail", text + b"more\r\n")
        put("arc", f"dkimpy-{hop}-results", "none", "fail", text.replace(b"spf=pass", b"spf=fail", 1))


def main():
    if sys.argv[2:] == ["--write"]:
        random.seed(1)
        return write()
    seed = int(os.environ.get("POSTERN_TEST_SEED") or time.time())
    random.seed(seed)
    print(f"# seed {seed}")
    good = True
    for number, (name, function) in enumerate(
            [(n, f) for n, f in globals().items() if n.startswith("test_")], 1):
        try:
            function()
            print(f"ok {number} - {name}", flush=True)
        except Exception as why:
            good = False
            print(f"# {type(why).__name__} {why}\nnot ok {number} - {name}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
