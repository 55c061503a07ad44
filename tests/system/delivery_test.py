# SPDX-License-Identifier: ISC
"""delivery and resolver, as they are released and in their sandboxes, bring messages to Debian's
Postfix and Exim, found by MX records of nsd, and through Postfix as a smarthost."""
import contextlib
import shutil as sh

from harness import *
from room import Channel, Room
from zones import Zones

OPTIONS = None
PORT, SMARTHOST_PORT, DNS = 31025, 31587, 5302
ZONES = {
    "postfix.test": """@ MX 10 dead.postfix.test.
@ MX 20 mx.postfix.test.
dead A 127.0.0.99
mx A 127.0.0.1
""",
    "exim.test": "@ A 127.0.0.2\n",  # no MX: the domain itself
    "six.test": "@ MX 10 mx.six.test.\nmx AAAA ::1\n",
    "null.test": "@ MX 0 .\n",
    "loop.test": "@ MX 10 own.example.test.\n",
    "example.test": "mail A 127.0.0.1\nown A 127.0.0.1\n",
    "public.test": "@ MX 10 mx.public.test.\nmx A 127.0.0.1\n",
}
BODY = "".join(f"line {n}\r\n" for n in range(300)) + ".\r\n..\r\n.dot\r\n" + "x" * 900 + "\r\nend\r\n"


class Outbound:
    """A resolver and a delivery; the test is queue."""

    def __init__(self, **settings):
        to_resolver, to_delivery = socket.socketpair()
        ours, theirs = socket.socketpair()
        self.resolver = Room("resolver", {
            "resolver.server": f"127.0.0.1@{DNS}", "resolver.trust-anchor-file": "/dev/null",
        }, [("resolver", True, "delivery", to_resolver.fileno())], 65602)
        self.delivery = Room("delivery", {
            "general.hostname": "own.example.test", "delivery.port": PORT,
            "delivery.allow-private": "yes", "delivery.connect-timeout": 5,
            **{k.replace("__", ".").replace("_", "-"): v for k, v in settings.items()},
        }, [("resolver", False, "resolver", to_delivery.fileno()),
            ("delivery", True, "queue", theirs.fileno())], 65610)
        for s in (to_resolver, to_delivery, theirs):
            s.close()
        self.queue, self.jobs = Channel(ours), 0

    def deliver(self, domain, recipients, content, sender="sender@example.test", **more):
        """The results by recipient, and job_done."""
        content = content.encode() if isinstance(content, str) else content
        self.jobs += 1
        self.queue.send("job_begin", self.jobs, domain=domain, queue_id=f"q{self.jobs}",
                        reverse_path=sender, size=len(content), recipients=len(recipients),
                        body_8bit=any(b > 127 for b in content), **more)
        for address in recipients:
            self.queue.send("job_recipient", self.jobs, address=address)
        results, sent = {}, 0
        while True:
            name, _, fields = self.queue.receive()
            if name == "job_want":
                end = sent + fields["bytes"]
                while sent < end:
                    piece = content[sent:min(end, sent + 65536)]
                    self.queue.send("job_content", self.jobs, bytes=piece)
                    sent += len(piece)
            elif name == "job_result":
                results[recipients[fields["recipient"]]] = fields
            else:
                return results, fields

    def stop(self):
        status = self.delivery.stop(), self.resolver.stop()
        assert status == (0, 0), (status, self.delivery.log())
        bad = [l for l in (self.delivery.text + self.resolver.text).splitlines()
               if level_of(l) in ("warn", "error", "fatal")]
        return bad


def level_of(line):
    return line.split()[0] if line.strip() else ""


@contextlib.contextmanager
def outbound(warnings=(), **settings):
    """Warnings that are not announced fail the test."""
    if os.geteuid() != 0:
        raise Skip("the peers need root")
    zones, o = Zones(DNS, ZONES), None
    try:
        o = Outbound(**settings)
        yield o
    finally:
        bad = o.stop() if o else []
        zones.stop()
    bad = [line for line in bad if not any(re.search(w, line) for w in warnings)]
    assert not bad, bad


@contextlib.contextmanager
def running(peer):
    try:
        peer.start()
        yield peer
    except BaseException:
        print(peer.log()[-3000:])
        raise
    finally:
        peer.stop()
        sh.rmtree(peer.folder, ignore_errors=True)


def postfix(domain="postfix.test", extra="", port=PORT, users=None):
    folder = tempfile.mkdtemp(prefix="postern-peer-")
    os.chmod(folder, 0o755)
    peer = servers.Postfix(folder, port, users or (f"bob@{domain}", f"eve@{domain}"), log=True,
                           extra=f"""\
virtual_mailbox_domains = {domain}
inet_protocols = all
smtpd_tls_security_level = may
smtpd_tls_cert_file = {folder}/cert.pem
smtpd_tls_key_file = {folder}/key.pem
smtpd_tls_loglevel = 1
{extra}""")
    peer.certificate, _ = servers.make_certificate(folder)
    return peer


def add_service(peer, line):
    with open(peer.conf + "/master.cf", "a") as f:
        f.write(line + "\n")


def stored(folder, seconds=20):
    """The messages of a Maildir, oldest first, with CR LF."""
    def look():
        new = os.path.join(folder, "new")
        names = sorted(os.listdir(new), key=lambda n: os.stat(f"{new}/{n}").st_mtime_ns) \
            if os.path.isdir(new) else []
        return [open(f"{new}/{n}", "rb").read().replace(b"\n", b"\r\n") for n in names]
    return wait_until("mail in " + folder, seconds * SLOW, look)


def text(subject, body=BODY):
    return message(subject, body)


def test_to_postfix(_):
    with running(postfix()) as peer, outbound() as o:
        got, done = o.deliver("postfix.test", ["bob@postfix.test", "nobody@postfix.test",
                                               "eve@postfix.test"], text("first"))
        assert got["bob@postfix.test"]["result"] == 0, got
        assert got["bob@postfix.test"]["code"] == 250 and got["bob@postfix.test"]["dsn"] == 1
        assert got["bob@postfix.test"]["enhanced"] == "2.0.0"
        assert got["bob@postfix.test"]["remote"] == f"mx.postfix.test [127.0.0.1]:{PORT}", got
        assert got["eve@postfix.test"]["result"] == 0, got
        nobody = got["nobody@postfix.test"]
        assert (nobody["result"], nobody["code"], nobody["enhanced"]) == (1, 550, "5.1.1"), nobody
        assert done["destination"] == 0 and done["tls"].startswith("TLSv1.3 "), done
        for user in ("bob@postfix.test", "eve@postfix.test"):
            assert stored(peer.maildir(user))[0].endswith(text("first").encode()), user
        line = re.search(r"q1 event=transaction .*", o.delivery.log()).group(0)
        for want in ("domain=postfix.test", "mx.postfix.test [127.0.0.1]", "delivered=2",
                     "refused=1", "ms="):
            assert want in line, (want, line)


def test_one_connection_for_many(_):
    with running(postfix()) as peer, outbound() as o:
        for n in range(20):
            got, _done = o.deliver("postfix.test", ["bob@postfix.test"], text(f"n{n}"))
            assert got["bob@postfix.test"]["result"] == 0, got
        assert len(stored(peer.maildir("bob@postfix.test"))) > 0
        assert peer.log().count("TLS connection established from") == 1, peer.log()


def test_large_and_8bit(_):
    body = "ü" * 300 + "\r\n" + ("y" * 70 + "\r\n") * 100000
    with running(postfix(extra="mailbox_size_limit = 0\nvirtual_mailbox_limit = 0\n"
                               "message_size_limit = 20000000\n")) as peer, outbound() as o:
        got, _done = o.deliver("postfix.test", ["bob@postfix.test"], text("large", body))
        assert got["bob@postfix.test"]["result"] == 0, got
        assert stored(peer.maildir("bob@postfix.test"))[0].endswith(text("large", body).encode())
        # Its limit is told beforehand: refused without sending.
        got, done = o.deliver("postfix.test", ["bob@postfix.test"],
                              text("larger", ("z" * 70 + "\r\n") * 300000))
        assert got["bob@postfix.test"]["result"] == 1, got
        assert got["bob@postfix.test"]["enhanced"] == "5.3.4" and done["destination"] == 0


def test_ipv6(_):
    peer = postfix("six.test")
    add_service(peer, f"[::1]:{PORT} inet n - n - - smtpd")
    with running(peer) as peer, outbound() as o:
        got, _done = o.deliver("six.test", ["bob@six.test"], text("six"))
        assert got["bob@six.test"]["result"] == 0, got
        assert got["bob@six.test"]["remote"] == f"mx.six.test [::1]:{PORT}"
        stored(peer.maildir("bob@six.test"))


def test_to_exim(_):
    peer = servers.Exim(tempfile.mkdtemp(prefix="postern-peer-"), "127.0.0.2", PORT)
    os.chmod(peer.folder, 0o755)
    with running(peer) as peer, outbound() as o:
        for n in range(3):
            got, done = o.deliver("exim.test", ["bob@exim.test", "nobody@exim.test"],
                                  text(f"exim {n}"))
            assert got["bob@exim.test"]["result"] == 0, got
            assert got["nobody@exim.test"]["result"] == 1 and "no such mailbox" in got[
                "nobody@exim.test"]["text"], got
            assert done["tls"].startswith("TLSv1.3"), done
        wait_until("three messages", 20 * SLOW, lambda: len(stored(peer.maildir())) == 3)
        for n in range(3):
            assert any(m.endswith(text(f"exim {n}").encode()) for m in stored(peer.maildir())), n


def test_later_then_taken(_):
    """A server that wants to see us a second time (greylisting)."""
    folder = tempfile.mkdtemp(prefix="postern-grey-")
    os.chmod(folder, 0o755)

    def access(word):
        with open(folder + "/access", "w") as f:
            f.write(f"bob@postfix.test {word}\n")
    access("450 4.2.0 greylisted")
    with running(postfix(extra=f"smtpd_recipient_restrictions = check_recipient_access "
                               f"texthash:{folder}/access, permit_mynetworks, reject\n")) as peer, \
            outbound(delivery__idle_time=0) as o:
        got, done = o.deliver("postfix.test", ["bob@postfix.test", "eve@postfix.test"],
                              text("grey"))
        grey = got["bob@postfix.test"]
        assert (grey["result"], grey["code"], grey["enhanced"]) == (4, 450, "4.2.0"), got
        assert got["eve@postfix.test"]["result"] == 0 and done["destination"] == 0
        access("OK")
        run(servers.PEERS + "/usr/sbin/postfix", "-c", peer.conf, "reload", check=False,
            env=peer.env)
        wait_until("bob is taken", 20 * SLOW, lambda: o.deliver(
            "postfix.test", ["bob@postfix.test"], text("again"))[0]["bob@postfix.test"][
                "result"] == 0)
    sh.rmtree(folder)


def test_no_route(_):
    with outbound() as o:
        for domain, result, status in (("null.test", 1, "5.1.10"), ("loop.test", 1, "5.4.6"),
                                       ("none.postfix.test", 1, "5.1.2"),
                                       ("postfix.test", 4, "4.4.1"),
                                       ("refused.example.org", 4, "4.4.3")):
            got, _done = o.deliver(domain, [f"bob@{domain}"], text("x"))
            one = got[f"bob@{domain}"]
            assert (one["result"], one["enhanced"]) == (result, status), (domain, one)


def test_never_to_ourselves(_):
    """Without the test setting: not to loopback, whatever the DNS says."""
    with running(postfix()) as peer, outbound(delivery__allow_private="no") as o:
        for domain in ("public.test", "[127.0.0.1]", "six.test", "[IPv6:::1]"):
            got, _done = o.deliver(domain, ["bob@postfix.test"], text("x"))
            assert got["bob@postfix.test"]["result"] == 1, (domain, got)
        # Whoever connects now is seen behind all that would have been seen before.
        with Raw(PORT) as c:
            c.expect(None, 220)
        wait_until("Postfix logs us", 20 * SLOW,
                   lambda: peer.log().count("disconnect from") >= 2)
        # The harness looked whether it runs, and we did.
        assert peer.log().count(": connect from") == 2, peer.log()


# --- Postfix as a smarthost --------------------------------------------------------------------


@contextlib.contextmanager
def smarthost(*services):
    """A Postfix that relays for who has logged in (Dovecot's auth), into one mailbox."""
    peer = postfix("far.test", port=SMARTHOST_PORT, extra=f"""\
smtpd_tls_security_level = encrypt
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/postern-auth
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
""")
    for line in services:
        add_service(peer, line)
    logins = servers.Dovecot(tempfile.mkdtemp(prefix="postern-auth-"), 31143, 31993, "/nonexistent")
    with open(logins.folder + "/dovecot.conf", "a") as f:
        f.write(f"""
auth_mechanisms = plain login
service auth {{
  unix_listener {peer.queue}/private/postern-auth {{
    mode = 0666
  }}
}}
""")
    os.chmod(logins.folder, 0o755)
    logins.start()
    try:
        with running(peer):
            yield peer
    finally:
        logins.stop()
        sh.rmtree(logins.folder, ignore_errors=True)


def test_smarthost(_):
    with smarthost() as peer, outbound(
            delivery__allow_private="no", delivery__smarthost=f"mail.{DOMAIN}:{SMARTHOST_PORT}",
            delivery__smarthost_user=USER, delivery__smarthost_password=PASSWORD,
            delivery__ca_file=peer.certificate) as o:
        for domain in ("far.test", "far.test"):
            got, done = o.deliver(domain, ["bob@far.test"], text("by the smarthost"))
            assert got["bob@far.test"]["result"] == 0, got
            assert done["tls"].startswith("TLSv1.3")
        assert stored(peer.maildir("bob@far.test"))[0].endswith(text("by the smarthost").encode())
        assert re.search("sasl_method=PLAIN, sasl_username=" + USER, peer.log()), peer.log()
        assert PASSWORD not in o.delivery.log()


def test_smarthost_implicit_tls(_):
    with smarthost("127.0.0.1:465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes") as peer:
        with outbound(delivery__allow_private="no", delivery__smarthost=f"mail.{DOMAIN}:465",
                      delivery__smarthost_user=USER, delivery__smarthost_password=PASSWORD,
                      delivery__ca_file=peer.certificate) as o:
            got, done = o.deliver("far.test", ["bob@far.test"], text("465"))
            assert got["bob@far.test"]["result"] == 0, got
            assert done["tls"].startswith("TLSv1.3")


def test_smarthost_wrong_password(_):
    with smarthost() as peer, outbound(
            warnings=["smarthost-login-failed"],
            delivery__smarthost=f"mail.{DOMAIN}:{SMARTHOST_PORT}", delivery__smarthost_user=USER,
            delivery__smarthost_password="not the password",
            delivery__ca_file=peer.certificate) as o:
        got, done = o.deliver("far.test", ["bob@far.test"], text("x"))
        assert got["bob@far.test"]["result"] == 4 and got["bob@far.test"]["code"] == 535, got
        assert done["destination"] == 4
        assert "not the password" not in o.delivery.log()


def test_smarthost_not_proved(_):
    """A certificate of somebody else, or the right one for another name: no login, no message."""
    with smarthost() as peer:
        for name, ca in ((f"mail.{DOMAIN}", "/etc/ssl/certs/ca-certificates.crt"),
                         (f"own.{DOMAIN}", peer.certificate)):
            with outbound(warnings=["smarthost-tls-failed"], delivery__smarthost_user=USER,
                          delivery__smarthost=f"{name}:{SMARTHOST_PORT}",
                          delivery__smarthost_password=PASSWORD, delivery__ca_file=ca) as o:
                got, _done = o.deliver("far.test", ["bob@far.test"], text("x"))
                assert got["bob@far.test"]["result"] == 4, got
                assert got["bob@far.test"]["enhanced"] == "4.7.5", got
        assert "sasl_username" not in peer.log() and "from=<" not in peer.log()
