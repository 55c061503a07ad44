# SPDX-License-Identifier: ISC
"""Every trouble of the DNS against every check that asks it: mail is taken or comes again, never refused for good,
and nobody waits longer than 20 seconds."""
import base64
import concurrent.futures
import hashlib

from harness import *
from world import World

KINDS = {"timeout": "timeout", "servfail": "servfail", "refused": "refused", "cut": "truncate-only",
         "garbage": "garbage"}
TROUBLES = [*KINDS, "bogus", "loop", "chain", "many"]
# What the log says of a blocklist with this trouble.
LISTS = {**dict.fromkeys(TROUBLES, "timeout"), "bogus": "bogus", "many": "lists-everything", "parked": "not-a-list"}
LONGEST = 20
GOOD = "203.0.113.5"


def name(check, trouble):
    return f"{check}.{trouble}.example.net"


def ill(owner, kind, trouble):
    """Records of this name that cannot be had."""
    if trouble in KINDS:
        return f"$WHEN {owner} {kind} {KINDS[trouble]}\n"
    if trouble == "loop":
        return f"{owner}. CNAME again.{owner}.\nagain.{owner}. CNAME {owner}.\n"
    if trouble == "chain":
        links = [f"n{i}.{owner}" for i in range(40)]
        return "".join(f"{a}. CNAME {b}.\n" for a, b in zip([owner, *links], links))
    return ""  # all of bogus.example.net is bogus; many: see below


def zones():
    text = ("$TTL 60\n$HOST mail.example.org 203.0.113.5\nexample.org. MX 10 mail.example.org.\n"
            "$BOGUS bogus.example.net\n")
    for n, trouble in enumerate(TROUBLES):
        reverse = f"{10 + n}.112.0.203.in-addr.arpa"
        text += ill(reverse, "PTR", trouble) if trouble != "bogus" else ""
        text += f"{20 + n}.112.0.203.in-addr.arpa. PTR {name('forward', trouble)}.\n"
        text += ill(name("forward", trouble), "A", trouble)
        text += ill(name("sender", trouble), "MX", trouble)
        for check in ("spf", "include", "helo"):
            text += f"{name(check, trouble)}. MX 10 mail.example.org.\n" if trouble not in ("loop", "chain") else ""
        text += ill(name("spf", trouble), "TXT", trouble)
        text += f"include-{trouble}.example.org. MX 10 mail.example.org.\n"
        text += (f'include-{trouble}.example.org. TXT "v=spf1 include:{name("include", trouble)} '
                 f'mx:{name("mx", trouble)} -all"\n')
        text += ill(name("include", trouble), "TXT", trouble)
        text += ill("_dmarc." + name("author", trouble), "TXT", trouble)
        text += f'_dmarc.key-{trouble}.example.org. TXT "v=DMARC1; p=reject"\n'
        text += f"{trouble}._domainkey.key-{trouble}.example.org. CNAME {name('key', trouble)}.\n"
        text += ill(name("key", trouble), "TXT", trouble)
        text += ill("*." + name("list", trouble), "A", trouble)
    many = "many.example.net"
    for check in ("sender", "mx"):
        text += f"$GENERATE 1-1000 {check}.{many}. MX 10 mx$.{many}.\n"
    text += f'include.{many}. TXT "v=spf1 ?all"\n'
    text += f"$GENERATE 1-1000 18.112.0.203.in-addr.arpa. PTR h$.{many}.\n"
    text += f"$GENERATE 1-250 forward.{many}. A 10.9.0.$\n"
    text += f"$GENERATE 1-250 *.list.{many}. A 127.0.0.$\n"
    text += f"*.{name('list', 'parked')}. CNAME {name('sale', 'parked')}.\n{name('sale', 'parked')}. A 192.0.2.80\n"
    for about, number in (("2.0.0.127", 2), ("5.113.0.203", 4)):
        target = name(f"n{number}", "alias")
        text += f"{about}.{name('list', 'alias')}. CNAME {target}.\n{target}. A 127.0.0.{number}\n"
    return text


WORLD = World(zones())
OPTIONS = dict(settings=[*WORLD.settings(), ("resolver.timeout", "2"), ("smtpd.connections-per-minute", "0"),
                         ("smtpd.penalties", "no"), ("smtpd.require-name", "yes"),
                         ("smtpd.greylist", "off")])
WARNINGS = r"dns=bogus|blocklist-bypassed"


def signature(trouble):
    digest = base64.b64encode(hashlib.sha256(b"body\r\n").digest()).decode()
    return (f"DKIM-Signature: v=1; a=rsa-sha256; d=key-{trouble}.example.org; s={trouble}; h=from;\r\n"
            f" bh={digest}; b=AAAA\r\n")


def give(m, source=GOOD, sender="a@example.org", author="a@example.org", field="", helo="mail.example.org"):
    """The last reply to a message, and the seconds of the longest step."""
    slowest = 0
    with m.raw(source=source) as c:
        c.expect(None, 220)
        for line in (f"EHLO {helo}", f"MAIL FROM:<{sender}>", f"RCPT TO:<{USER}>", "DATA",
                     f"{field}From: {author}\r\n\r\nbody\r\n."):
            began = time.monotonic()
            code, _ = c.command(line)
            slowest = max(slowest, time.monotonic() - began)
            if code >= 400:
                break
    return code, slowest


def all_troubles(m, codes, of):
    """of(trouble, number) is how the message is given."""
    with concurrent.futures.ThreadPoolExecutor(len(TROUBLES)) as pool:
        asked = {t: pool.submit(give, m, **of(t, n)) for n, t in enumerate(TROUBLES)}
        got = {t: a.result() for t, a in asked.items()}
    wrong = {t: g for t, g in got.items() if g[0] not in codes or g[1] > LONGEST * SLOW}
    assert not wrong, wrong


@expects(WARNINGS)
def test_name_of_the_client(m):
    """A name is required; a thousand names of which none leads back are no trouble but no name, either."""
    all_troubles(m, (250,), lambda t, n: dict(source=f"203.0.112.{10 + n}") if t not in ("bogus", "many") else {})
    all_troubles(m, (250,), lambda t, n: dict(source=f"203.0.112.{20 + n}") if t != "many" else {})
    assert give(m, source="203.0.112.18")[0] == 550


@expects(WARNINGS)
def test_domain_of_the_sender(m):
    start = m.log_size()
    all_troubles(m, (250, 451), lambda t, _: dict(sender="a@" + name("sender", t)))
    for trouble in ("servfail", "bogus", "loop", "timeout"):
        m.wait_log(f'event=refused .*from="a@sender.{trouble}.example.net".* code=451', start)
    assert give(m, sender="a@sender.many.example.net")[0] == 250


@expects(WARNINGS)
def test_policy_of_spf(m):
    all_troubles(m, (250, 451), lambda t, _: dict(sender="a@" + name("spf", t)))
    all_troubles(m, (250, 451), lambda t, _: dict(sender=f"a@include-{t}.example.org"))
    all_troubles(m, (250, 451), lambda t, _: dict(sender="", helo=name("spf", t)))


@expects(WARNINGS)
def test_policy_of_dmarc(m):
    all_troubles(m, (250, 451), lambda t, _: dict(author="a@" + name("author", t)))


@expects(WARNINGS)
def test_key_of_dkim(m):
    """A key that is not there at all is another thing: DMARC refuses."""
    all_troubles(m, (250, 451), lambda t, _: dict(author=f"a@key-{t}.example.org", field=signature(t))
                 if t != "many" else {})
    code, _ = give(m, author="a@key-many.example.org", field=signature("many"))
    assert code == 550, code


def lists(m, *troubles):
    m.cli("config", "set", "smtpd.blocklists", " ".join(name("list", t) for t in troubles))
    m.cli("reload")


@expects(WARNINGS)
def test_blocklists(m):
    """Each in trouble is bypassed with an alarm that says why, and mail comes in."""
    every = list(LISTS)
    for some in (every[:5], every[5:]):
        start = m.log_size()
        lists(m, *some)

        def all_told():
            code, slowest = give(m)
            assert code == 250 and slowest <= LONGEST * SLOW, (some, code, slowest)
            text = m.log(start)
            return all(f" warn - event=blocklist-bypassed list={name('list', t)} trouble={LISTS[t]}\n" in text
                       for t in some)
        wait_until(f"an alarm for each of {some}", 120 * SLOW, all_told)
    lists(m, "alias")  # an alias alone is no trouble: the list works
    wait_until("refused by a list of aliases", 60 * SLOW, lambda: give(m)[0] == 550)
    lists(m)
    wait_until("no list is asked", 60 * SLOW, lambda: give(m)[0] == 250)
