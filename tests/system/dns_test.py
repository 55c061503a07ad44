# SPDX-License-Identifier: ISC
"""Postern's resolver asks unbound, which asks nsd: the client's name in Received, and no DNS."""
from harness import *
from zones import Zones, answers

OPTIONS = None
NSD_PORT, UNBOUND_PORT = 5301, 5300
REVERSE = """10 PTR client.example.net.
11 PTR liar.example.net.
"""
FORWARD = """ns A 127.0.0.1
@ MX 10 client.example.net.
client A 198.18.0.10
liar A 198.18.0.99
"""


class Names:
    """nsd with two zones, unbound in front of it."""

    def __init__(self):
        need("unbound")
        self.zones = Zones(NSD_PORT, {"example.net": FORWARD, "0.18.198.in-addr.arpa": REVERSE})
        self.folder = tempfile.mkdtemp(prefix="postern-dns-")
        unbound = self.write("unbound.conf", f"""server:
  interface: 127.0.0.1@{UNBOUND_PORT}
  username: ""
  chroot: ""
  directory: "{self.folder}"
  pidfile: "{self.folder}/unbound.pid"
  do-daemonize: no
  use-syslog: no
  logfile: "{self.folder}/unbound.log"
  do-not-query-localhost: no
  module-config: "iterator"
stub-zone:
  name: "0.18.198.in-addr.arpa"
  stub-addr: 127.0.0.1@{NSD_PORT}
stub-zone:
  name: "example.net"
  stub-addr: 127.0.0.1@{NSD_PORT}
""")
        self.proc = subprocess.Popen(["unbound", "-c", unbound], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until("unbound answers", 20 * SLOW, lambda: answers(UNBOUND_PORT, "example.net"))

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def stop(self):
        self.proc.terminate()
        self.proc.wait(10)
        self.zones.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def received_of(m, source):
    """Sends a message from an address of this namespace; its own Received field as stored."""
    run("ip", "address", "replace", source + "/32", "dev", "lo")
    before = m.count()
    with m.raw() as c:
        c.close()
        c.socket = socket.socket()
        c.socket.settimeout(40 * SLOW)
        c.socket.bind((source, 0))
        c.socket.connect(("127.0.0.1", m.smtp_port))
        c.expect(None, 220)
        c.expect("EHLO said.example.org", 250)
        c.expect("MAIL FROM:<sender@example.net>", 250)
        c.expect(f"RCPT TO:<{USER}>", 250)
        c.expect("DATA", 354)
        c.send(message("dns").encode() + b".\r\n")
        c.expect(None, 250)
    m.wait_count(before + 1)
    newest = max(m.messages().items())[1].decode()
    return re.search(r"Received: from (.*(?:\r\n[ \t].*)*)", newest).group(1)


def make(server, *settings):
    # The test's zones are not signed, and no root vouches for that: validation off.
    return Instance(settings=[("resolver.server", server),
                              ("resolver.trust-anchor-file", "/dev/null"), ("smtpd.greylist", "off"), *settings])


def with_server(port, check):
    names = Names()
    try:
        m = make(f"127.0.0.1@{port}")
        try:
            check(m, names)
            bad = m.bad_lines([re.compile("resolver|dns")])
            assert not bad, bad
        finally:
            m.destroy()
    finally:
        names.stop()


def check_names(m, _):
    got = received_of(m, "198.18.0.10")
    assert re.search(r"client\.example\.net\.? \[198\.18\.0\.10\]", got), got
    got = received_of(m, "198.18.0.11")
    assert "liar" not in got and "[198.18.0.11]" in got, got
    got = received_of(m, "198.18.0.12")
    assert "[198.18.0.12]" in got, got


def test_client_name_through_unbound(_):
    with_server(UNBOUND_PORT, check_names)


def test_client_name_from_authoritative_nsd(_):
    with_server(NSD_PORT, check_names)


def test_nothing_is_refused_for_good_when_dns_is_down(_):
    """The sender's domain cannot be looked at: try again later."""
    m = make("127.0.0.1@9")
    try:
        received_of(m, "198.18.0.10")
        raise RuntimeError("taken")
    except AssertionError as e:
        assert "got (451" in str(e), e
    finally:
        m.destroy()


def test_mail_comes_in_when_dns_is_down_and_domains_are_not_checked(_):
    m = make("127.0.0.1@9", ("smtpd.check-sender-domain", "no"))
    try:
        began = time.monotonic()
        got = received_of(m, "198.18.0.10")
        assert "[198.18.0.10]" in got and "client.example.net" not in got, got
        assert time.monotonic() - began < 40 * SLOW
    finally:
        m.destroy()
