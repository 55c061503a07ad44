# SPDX-License-Identifier: ISC
"""What attackers and broken machines send to port 25 and no other suite has: docs/reception.md lists them all."""
import select
import statistics

from harness import *
from world import World

ELSEWHERE = "elsewhere.example"
WORLD = World(r"""
$HOST mail.example.net 203.0.113.5
example.net. MX 10 mail.example.net.
5.112.0.203.in-addr.arpa. PTR a\013\010X-Evil:\032yes\013\010.example.net.
a\013\010X-Evil:\032yes\013\010.example.net. A 203.0.112.5
6.112.0.203.in-addr.arpa. PTR <script>alert</script>.example.net.
<script>alert</script>.example.net. A 203.0.112.6
7.112.0.203.in-addr.arpa. PTR a\000b.example.net.
a\000b.example.net. A 203.0.112.7
8.112.0.203.in-addr.arpa. PTR `id`\059${HOME}\034|cmd.example.net.
`id`\059${HOME}\034|cmd.example.net. A 203.0.112.8
exp.example.net. MX 10 mail.example.net.
exp.example.net. TXT "v=spf1 -all exp=why.example.net"
why.example.net. TXT "go away\013\010250 2.0.0 ok\027[31m\000<script>\255"
""")
OPTIONS = dict(settings=[*WORLD.settings(), ("smtpd.greylist", "off"), ("smtpd.penalties", "no"),
                         ("smtpd.connections-per-minute", "0")])
GOOD = "203.0.113.5"


def begin(m, source=GOOD, sender="sender@example.net"):
    c = m.raw(source=source)
    c.expect(None, 220)
    c.expect("EHLO mail.example.net", 250)
    c.expect(f"MAIL FROM:<{sender}>", 250)
    return c


def give(m, data, source=GOOD, sender="sender@example.net"):
    """The code for a message of these bytes, and that the session goes on behind it."""
    with begin(m, source, sender) as c:
        c.expect(f"RCPT TO:<{USER}>", 250)
        c.expect("DATA", 354)
        c.send(data + b"\r\n.\r\n")
        code, _ = c.reply()
        c.expect("NOOP", 250)
        return code


def newest(m):
    return max(m.messages().items())[1]


def only_one_more(m, before):
    """A marker is stored, and nothing before it was."""
    m.send(message("marker"))
    m.wait_count(before + 1)
    assert m.count() == before + 1


# --- the end of TLS

def in_data_by_tls(m):
    """A session inside TLS and inside a message; and the same connection without TLS."""
    c = m.raw(source=GOOD)
    c.expect(None, 220)
    c.expect("EHLO mail.example.net", 250)
    c.expect("STARTTLS", 220)
    plain = c.socket.dup()
    c.socket = servers.tls_context().wrap_socket(c.socket)
    for text, code in (("EHLO mail.example.net", 250), ("MAIL FROM:<sender@example.net>", 250),
                       (f"RCPT TO:<{USER}>", 250), ("DATA", 354)):
        c.expect(text, code)
    c.send(b"From: sender@example.net\r\n\r\nhalf of it\r\n")
    return c, plain


def test_clear_bytes_behind_the_end_of_tls(m):
    """After close_notify nothing is taken any more: neither the rest of the message nor a command."""
    before = m.count()
    for behind in (b".\r\n", b"rest\r\n.\r\nNOOP\r\n", b"NOOP\r\n" * 1000):
        c, plain = in_data_by_tls(m)
        with c, plain:
            plain.settimeout(20 * SLOW)
            c.socket.settimeout(20 * SLOW)
            got = b""
            try:
                c.socket.unwrap()
            except (OSError, ValueError):
                pass  # it need not answer in kind
            try:
                plain.sendall(behind)
                while data := plain.recv(65536):
                    got += data
            except ConnectionError:
                pass
            assert b"250" not in got and b"354" not in got, (behind[:20], got)
    only_one_more(m, before)


def test_connection_that_ends_without_an_end_of_tls(m):
    before = m.count()
    c, plain = in_data_by_tls(m)
    with c, plain:
        plain.shutdown(socket.SHUT_WR)
        plain.settimeout(20 * SLOW)
        while plain.recv(65536):  # an alert, and then the end
            pass
    only_one_more(m, before)


# --- relaying

FORMS = f"""
u@{ELSEWHERE} U@{ELSEWHERE.upper()} u@sub.{ELSEWHERE} u@{ELSEWHERE}. "u"@{ELSEWHERE} "u\\u"@{ELSEWHERE}
postmaster@{ELSEWHERE} abuse@{ELSEWHERE} u%{ELSEWHERE}@{DOMAIN} u%{ELSEWHERE}@mail.{DOMAIN}
u%{ELSEWHERE}%{DOMAIN}@{DOMAIN}
postmaster%{ELSEWHERE}@{DOMAIN} u%{ELSEWHERE} {ELSEWHERE}!u {ELSEWHERE}!u@{DOMAIN} {DOMAIN}!{ELSEWHERE}!u
{ELSEWHERE}!u@{ELSEWHERE} "{ELSEWHERE}!u"@{DOMAIN} "u@{ELSEWHERE}"@{DOMAIN} "u%{ELSEWHERE}"@{DOMAIN} "u@{ELSEWHERE}"
u@{ELSEWHERE}@{DOMAIN} alice@{DOMAIN}@{ELSEWHERE} @{DOMAIN}:u@{ELSEWHERE} @{DOMAIN},@mail.{DOMAIN}:u@{ELSEWHERE}
@{ELSEWHERE}:u@{ELSEWHERE} @[127.0.0.1]:u@{ELSEWHERE} u@[127.0.0.1] u@[192.0.2.25] u@[IPv6:::1] u@[203.0.113.5]
alice@[127.0.0.1] alice@[IPv6:::ffff:127.0.0.1] u@127.0.0.1 u@2130706433 u@0x7f000001 u@localhost alice@localhost
alice@mail.{DOMAIN}.{ELSEWHERE} alice@{DOMAIN}.{ELSEWHERE} alice@{ELSEWHERE}.{DOMAIN} alice@{DOMAIN}%{ELSEWHERE}
alice@{DOMAIN}..{ELSEWHERE} alice@x{DOMAIN} u@xn--bcher-kva.example u@xn--{ELSEWHERE} alice@{DOMAIN};u@{ELSEWHERE}
alice@{DOMAIN},u@{ELSEWHERE} alice@{DOMAIN}><u@{ELSEWHERE} alice@{DOMAIN}\x00@{ELSEWHERE} |u@{ELSEWHERE}
u@{ELSEWHERE}:25
""".split()


def test_forms_of_relaying(m):
    """However the other server is written, and whatever our own name does in the address."""
    assert len(FORMS) >= 50, len(FORMS)
    sender = "relay@example.net"
    for form in FORMS:
        with begin(m, sender=sender) as c:
            code, text = c.command(f"RCPT TO:<{form}>")
            assert code in (500, 501, 550, 553), (form, code, text)
            if code != 500:
                c.expect("DATA", 554)
    # The log comes a little later than the replies: one that is taken marks the end.
    assert give(m, b"From: a@example.net\r\n\r\nx", sender=sender) == 250
    line = rf'event=accepted .*from="{sender}"'
    m.wait_log(line)
    assert len(re.findall(line, m.log())) == 1


# --- guessing

def test_recipients_that_are_not_there_all_look_the_same(m):
    """One that never was, one that is suspended, one like another's name: the same words, after the same time."""
    gone = "gone@" + DOMAIN
    m.add_user(gone)
    m.cli("user", "suspend", gone)
    guesses = {"never": lambda n: f"never{n}@{DOMAIN}", "gone": lambda _: gone, "like": lambda n: f"x{n}{USER}"}
    times, texts = {kind: [] for kind in guesses}, set()
    for n in range(10):
        with begin(m) as c:
            for k in range(30):
                for kind in random.sample(sorted(guesses), len(guesses)):
                    began = time.monotonic()
                    c.send(f"RCPT TO:<{guesses[kind](100 * n + k)}>\r\n".encode())
                    lines = [c.line() for _ in range(3)]
                    times[kind].append(time.monotonic() - began)
                    texts.update(re.sub(rb"s[0-9a-f]+-[0-9a-f]+|time \S+", b"", line) for line in lines)
    assert len(texts) == 3, texts
    medians = {kind: statistics.median(taken) for kind, taken in times.items()}
    assert max(medians.values()) - min(medians.values()) < 0.001 * SLOW, medians


# --- content

def test_odd_beginnings(m):
    """What is no header is refused, not guessed at; a header alone is a message."""
    author, before = b"From: a@example.net\r\n", m.count()
    for data, want in ((b"From a@example.net Mon Nov 23 00:00:00 2026\r\n" + author + b"\r\nx", 550),
                       (b">From a@example.net Mon Nov 23 00:00:00 2026\r\n" + author + b"\r\nx", 550),
                       (b" " + author + b"\r\nx", 550), (b": x\r\n" + author + b"\r\nx", 550),
                       (b"\r\n" + author + b"\r\nx", 550), (b"", 550), (b"just text", 550),
                       (b"From " + b"x" * (10 << 20), 550), (author[:-2], 250), (author + b"\r\n", 250)):
        code = give(m, data)
        assert code == want, (data[:40], code)
    m.wait_count(before + 2)


def test_lines_are_kept_as_they_are(m):
    """Long ones are not cut, so that no end of a message can come of it; those of dots are no end."""
    long = [b"x" * n for n in (997, 998, 999, 1000, 4094, 65534, 65536, 3 << 20)]
    dots = [b".", b"..", b".QUIT", b"." * 1000, b". ", b"MAIL FROM:<evil@example.net>", b"RCPT TO:<bob@x>", b"DATA"]
    body = b"\r\n".join(line for pair in zip(long, dots) for line in pair)
    before = m.count()
    assert give(m, b"From: a@example.net\r\n\r\n" + re.sub(rb"(?m)^\.", b"..", body)) == 250
    m.wait_count(before + 1)
    assert newest(m).endswith(b"\r\n\r\n" + body + b"\r\n")


def files(m):
    """KiB of each file in the queue's folder."""
    listed = run("du", "-ak", os.path.join(m.folder, "queue"), check=False).stdout.splitlines()
    return {name: int(size) for size, name in (line.split("\t") for line in listed)}


def kept(m):
    """KiB on the disk, without the log."""
    return sum(int(run("du", "-sk", os.path.join(m.folder, name)).stdout.split()[0])
               for name in os.listdir(m.folder) if name != "log")


def test_messages_that_break_off_leave_nothing(m):
    """Each almost complete when its client goes away."""
    m.send(message("first"))
    before, count, start = kept(m), m.count(), m.log_size()
    rounds, chunk = 12, b"y" * 76 + b"\r\n"
    for n in range(rounds):
        with begin(m, source=f"203.0.{100 + n}.9") as c:
            old = files(m)
            c.expect(f"RCPT TO:<{USER}>", 250)
            c.expect("DATA", 354)
            c.send(b"From: a@example.net\r\n\r\n" + chunk * (4 << 20 >> 6))
            wait_until("it is on the disk", 30 * SLOW, lambda old=old: any(
                size > 2048 for name, size in files(m).items() if name not in old))
    wait_until("all sessions are over", 60 * SLOW,
               lambda: len(re.findall(r"event=closed client=203\.0\.1\d\d\.9 ", m.log(start))) == rounds)
    wait_until("their space is free again", 60 * SLOW, lambda: kept(m) < before + 8192)
    only_one_more(m, count)


# --- names from the DNS

def test_names_that_are_none(m):
    """Whatever stands in the DNS: a name that no host may have is none, and no byte of it is written."""
    for last in (5, 6, 7, 8):
        before, start, source = m.count(), m.log_size(), f"203.0.112.{last}"
        assert give(m, b"From: a@example.net\r\n\r\nx", source) == 250
        m.wait_log(rf"event=closed client={re.escape(source)} name=\"\"", start)
        m.wait_count(before + 1)
        header = newest(m).split(b"\r\n\r\n")[0]
        assert b"Received: from mail.example.net ([%s])" % source.encode() in header, header
        assert b"iprev=permerror" in header or b"iprev=fail" in header, header
        for word in (b"evil", b"script", b"cmd", b"home"):
            assert word not in header.lower() and word.decode() not in m.log(start).lower(), (word, header)


def test_explanation_that_is_none(m):
    """What a policy of SPF has to say goes into our reply, but not as it likes."""
    with begin(m, sender="a@exp.example.net") as c:
        c.send(f"RCPT TO:<{USER}>\r\n".encode())
        lines = [c.line() for _ in range(3)]
        c.expect("NOOP", 250)
    assert all(re.fullmatch(rb"550[ -]5\.7\.23 [ -~]*", line) for line in lines), lines


# --- the resolver under load

def waiting(m, count):
    """The resolver, stopped, and sessions that wait for it, each from a network of its own."""
    resolver, = m.daemons()["resolver"]
    os.kill(resolver, signal.SIGSTOP)
    held = []
    for n in range(count):
        c = begin(m, source=f"198.18.{n}.9")
        c.send(f"RCPT TO:<{USER}>\r\n".encode())
        held.append(c)
    return resolver, held


def test_who_waits_for_the_dns_holds_up_nobody(m):
    resolver, held = waiting(m, 60)
    try:
        m.send(message("of a program in the house"))
        ready, _, _ = select.select([c.socket for c in held], [], [], 0)
        assert not ready, [c.reply() for c in held[:3]]
    finally:
        os.kill(resolver, signal.SIGCONT)
    assert {c.reply()[0] for c in held} == {250}
    for c in held:
        c.close()


def is_taken(m):
    with begin(m) as c:
        return c.command(f"RCPT TO:<{USER}>")[0] == 250


def timed(ask, *words):
    """The code of a reply, and the seconds it took."""
    began = time.monotonic()
    return ask(*words)[0], time.monotonic() - began


@expects("died program=resolver", "channel=.* lost", "resolver", "child=|ended")
def test_nobody_waits_longer_than_20_s(m):
    """For the DNS, all checks of client, sender and message together; a part of it is kept for the message."""
    start, (resolver,) = m.log_size(), m.daemons()["resolver"]
    with m.raw(source="198.19.0.9") as c:
        os.kill(resolver, signal.SIGSTOP)
        try:
            c.expect(None, 220)
            c.expect("EHLO mail.example.net", 250)
            c.expect("MAIL FROM:<>", 250)
            code, first = timed(c.command, f"RCPT TO:<{USER}>")
            assert code == 250 and 14 < first < 16 * SLOW, (code, first)
            c.expect("DATA", 354)
            c.send(b"From: a@example.net\r\n\r\nx\r\n.\r\n")
            code, second = timed(c.reply)
            assert code == 250 and 4 < second and first + second < 21 * SLOW, (code, first, second)
        finally:
            os.kill(resolver, signal.SIGKILL)  # its own alarm would end it soon
    m.wait_log("died program=resolver", start)
    wait_until("mail is taken", 30 * SLOW, lambda: is_taken(m))


@expects("died program=resolver", "channel=.* lost", "resolver", "child=|ended")
def test_resolver_killed_under_load(m):
    """Who waits for it is told to come again at once; who comes later finds it as before."""
    start = m.log_size()
    resolver, held = waiting(m, 20)
    os.kill(resolver, signal.SIGKILL)
    assert {c.reply()[0] for c in held} == {451}
    for c in held:
        c.expect("NOOP", 250)
        c.close()
    m.wait_log("died program=resolver", start)
    assert "dns-given-up" not in m.log(start), "they waited to the end of their time"
    wait_until("mail is taken", 30 * SLOW, lambda: is_taken(m))
