# SPDX-License-Identifier: ISC
"""Blocklists at RCPT, in a world of their own: what they refuse, what lifts it, and what must not refuse
anybody (the traps others fell into: error codes taken for listings, dead zones, allowlists that come too late)."""
from harness import *
from sender import BOB
from world import World

ZEN = "zen.spamhaus.org"
SENDER = "Friend@example.net"
WORLD_TEXT = """
$TTL 1
example.net. MX 10 mx.example.net.
$HOST mx.example.net 203.0.113.5
"""
ALIVE = f"2.0.0.127.{ZEN}. A 127.0.0.2\n"
HEALTHY = WORLD_TEXT + ALIVE + f"""
20.113.0.203.{ZEN}. A 127.0.0.2
21.113.0.203.{ZEN}. A 127.0.0.10
22.113.0.203.{ZEN}. A 127.0.0.3
*.error252.test. A 127.255.255.252
*.error254.test. A 127.255.255.254
*.error255.test. A 127.255.255.255
*.everything.test. A 127.0.0.2
nothing.test. TXT "no list any more"
*.sold.test. A 192.0.2.80
2.0.0.127.broken.test. A 127.0.0.2
20.113.0.203.broken.test. A 127.0.0.2
$WHEN *broken.test * servfail
5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.{ZEN}. A 127.0.0.4
"""
WORLD = World(HEALTHY)
OPTIONS = dict(users=(USER, BOB), settings=[*WORLD.settings(), ("smtpd.blocklists", ZEN), ("smtpd.greylist", "off"),
                                                 ("smtpd.connections-per-minute", "0")])


def rcpt(m, *recipients, source="203.0.113.20", sender=SENDER, to="127.0.0.1"):
    """What is answered to each recipient, as one text each."""
    with m.raw(source=source, to=to) as c:
        c.expect(None, 220)
        c.expect("EHLO client.example.net", 250)
        c.expect(f"MAIL FROM:<{sender}>", 250)
        return [answer(c, f"RCPT TO:<{r}>") for r in recipients]


def answer(c, word):
    c.send(word.encode() + b"\r\n")
    lines = [c.line()]
    while lines[-1][3:4] == b"-":
        lines.append(c.line())
    return b"\n".join(lines).decode()


def code(m, source, **options):
    return rcpt(m, USER, source=source, **options)[0][:3]


def test_listed_client_is_refused_with_list_class_and_link(m):
    text, = rcpt(m, USER)
    assert text.startswith("550") and "P506" in text, text
    for words in ("203.0.113.20", ZEN, "source of spam (SBL)", "Spamversand (SBL)", "check.spamhaus.org"):
        assert words in text, (words, text)
    assert code(m, "203.0.113.5") == "250"
    assert code(m, "2001:db8::5", to="2001:db8::25") == "550"


def test_home_connection_is_told_of_the_login(m):
    text, = rcpt(m, USER, source="203.0.113.21")
    assert text.startswith("550") and "465" in text and "PBL" in text, text


def test_postmaster_and_abuse_take_everything(m):
    got = rcpt(m, "postmaster", f"Postmaster@{DOMAIN}", f"abuse@{DOMAIN}", USER)
    assert [g[:3] for g in got] == ["250", "250", "250", "550"], got


def test_postmaster_needs_no_name_of_the_client(m):
    """Who has trouble with his names can say so."""
    m.cli("config", "set", "smtpd.require-name", "yes")
    wait_until("a name is required", 30 * SLOW, lambda: code(m, "203.0.113.30") == "550")
    got = rcpt(m, f"postmaster@{DOMAIN}", f"abuse@{DOMAIN}", source="203.0.113.30")
    m.cli("config", "set", "smtpd.require-name", "no")
    assert [g[:3] for g in got] == ["250", "250"], got
    wait_until("none is required", 30 * SLOW, lambda: code(m, "203.0.113.30") == "250")


def test_private_and_loopback_clients_are_not_looked_up(m):
    before = WORLD.names.count(f"1.0.0.127.{ZEN}", "A")
    assert code(m, "127.0.0.1") == "250" and code(m, "10.1.2.3") == "250"
    assert WORLD.names.count(f"3.2.1.10.{ZEN}", "A") == 0
    assert WORLD.names.count(f"1.0.0.127.{ZEN}", "A") == before


def test_allowed_sender_passes_to_who_allowed_him_and_to_nobody_else(m):
    """In one session A gets 250 and B gets 550; the message is A's alone."""
    start = m.log_size()
    m.cli("user", "allow", USER, SENDER)
    m.wait_log(r'event=sender-allowed account=\d+ sender="Friend@example.net" by=command-line', start)
    with m.raw(source="203.0.113.20") as c:
        c.expect(None, 220)
        c.expect("EHLO client.example.net", 250)
        c.expect(f"MAIL FROM:<{SENDER}>", 250)
        assert answer(c, f"RCPT TO:<{USER}>").startswith("250")
        assert answer(c, f"RCPT TO:<{BOB}>").startswith("550")
        c.expect("DATA", 354)
        c.send(message("allowed").encode() + b".\r\n")
        c.expect(None, 250)
    m.wait_log(r"event=allowed-by-recipient rcpt=.* list=zen.spamhaus.org", start)
    told = " ".join(m.cli("trace", SENDER).stdout.split())
    assert f"<{USER}> has allowed mail from <{SENDER}>: that the blocklist {ZEN} names the client" in told, told
    assert rcpt(m, USER, sender="friend@example.net")[0].startswith("550"), "letter by letter"
    assert rcpt(m, USER, sender="")[0].startswith("550")
    assert rcpt(m, USER, sender="Friend@nothing.example.org")[0].startswith("550")
    assert "Friend@example.net" in m.cli("user", "allowed", USER).stdout
    m.cli("user", "disallow", USER, SENDER)
    assert code(m, "203.0.113.20") == "550"


def test_allowing_lifts_the_blocklist_only(m):
    m.cli("user", "allow", USER, "x@nothing.example.org")
    text, = rcpt(m, USER, sender="x@nothing.example.org")
    assert text.startswith("550") and "P510" in text, text
    m.cli("user", "disallow", USER, "x@nothing.example.org")


def lists(m, value):
    m.cli("config", "set", "smtpd.blocklists", value)
    m.cli("reload")


def sick(m, zone, trouble):
    """With this list a client gets through, and one alarm stands in the log."""
    start = m.log_size()
    lists(m, zone)
    wait_until(f"alarm {trouble}", 60 * SLOW, lambda: code(m, "203.0.113.20") == "250" and re.search(
        f" warn - event=blocklist-bypassed list={zone} trouble={trouble}", m.log(start)))
    assert code(m, "203.0.113.20") == "250"
    assert len(re.findall("event=blocklist-bypassed", m.log(start))) == 1, m.log(start)


@expects(r"event=blocklist-bypassed list=error25\d.test trouble=error-code")
def test_error_codes_are_no_listings(m):
    """A name with a mistake, an open resolver, too many questions: zen then answers 127.255.255.x to everything."""
    for last in (252, 254, 255):
        sick(m, f"error{last}.test", "error-code")


@expects("event=blocklist-bypassed list=everything.test trouble=lists-everything")
def test_a_zone_that_lists_everything_is_dead(m):
    sick(m, "everything.test", "lists-everything")


@expects("event=blocklist-bypassed list=nothing.test trouble=lists-nothing")
def test_a_zone_that_lists_nothing_is_dead(m):
    sick(m, "nothing.test", "lists-nothing")


@expects("event=blocklist-bypassed list=sold.test trouble=not-a-list")
def test_a_zone_for_sale_is_no_list(m):
    sick(m, "sold.test", "not-a-list")


@expects("event=blocklist-bypassed list=broken.test trouble=timeout")
def test_a_list_without_answers_refuses_nobody(m):
    sick(m, "broken.test", "timeout")


@expects("event=blocklist-bypassed list=broken.test trouble=timeout")
def test_one_list_in_trouble_does_not_stop_another(m):
    lists(m, f"broken.test {ZEN}")
    wait_until("both are asked", 60 * SLOW, lambda: code(m, "203.0.113.20") == "550")


@expects("event=blocklist-bypassed list=broken.test trouble=timeout")
def test_a_list_that_works_again_is_believed_again(m):
    start = m.log_size()
    lists(m, "broken.test")
    wait_until("alarm", 60 * SLOW, lambda: code(m, "203.0.113.20") == "250"
               and "event=blocklist-bypassed" in m.log(start))
    WORLD.names.load(HEALTHY.replace("$WHEN *broken.test", "$WHEN *other.test"))
    wait_until("the list works", 60 * SLOW, lambda: code(m, "203.0.113.20") == "550")
    m.wait_log("event=blocklist-works list=broken.test", start)


@expects("event=bad-setting setting=smtpd.blocklists")
def test_a_bad_setting_is_told(m):
    start = m.log_size()
    lists(m, f"{ZEN} x.test//200")
    bad = m.cli("config", "check", check=False)
    assert bad.returncode == 1 and "smtpd.blocklists: the weight is not a number" in bad.stdout + bad.stderr, bad
    m.wait_log('event=bad-setting setting=smtpd.blocklists why="the weight is not a number', start)
    wait_until("what stands before it is used", 60 * SLOW, lambda: code(m, "203.0.113.20") == "550")
