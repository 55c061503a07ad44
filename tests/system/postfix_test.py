# SPDX-License-Identifier: ISC
"""Debian's Postfix delivers to Postern with STARTTLS, verified against the instance's CA."""
from harness import *

OPTIONS = {}


def relay(m, level, **more):
    extra = "".join(f"{k} = {v}\n" for k, v in more.items())
    peer = servers.Postfix(os.path.join(m.home, "postfix-" + level), 31125, log=True, extra=f"""\
virtual_mailbox_domains =
relayhost =
transport_maps = inline:{{ {DOMAIN}=smtp:[mail.{DOMAIN}]:{m.smtp_port} }}
smtp_host_lookup = native
smtp_dns_support_level = disabled
smtp_tls_security_level = {level}
smtp_tls_CAfile = {m.folder}/ca.pem
smtp_tls_loglevel = 1
{extra}""")
    peer.start()
    return peer


def arrives(m, level, log):
    before = m.count()
    peer = relay(m, level)
    try:
        for n in range(5):
            peer.submit("sender@example.net", USER, message(f"by postfix {n}"))
        try:
            m.wait_count(before + 5, seconds=30)
        except TimeoutError:
            raise AssertionError(peer.log()[-3000:])
        wait_until("Postfix logs the delivery", 10 * SLOW,
                   lambda: peer.log().count("status=sent") == 5)
        assert re.search(log, peer.log()), peer.log()[-3000:]
    finally:
        peer.stop()
    newest = max(m.messages().items())[1]
    assert re.search(rb"with\s+ESMTPS", newest), newest[:800]


def test_encrypt(m):
    arrives(m, "encrypt", r"TLS connection established to mail.*TLSv1\.3")


def test_verified(m):
    arrives(m, "secure", r"Verified TLS connection established to mail")


def test_refusal_reaches_the_sender_side(m):
    peer = relay(m, "encrypt")
    try:
        peer.submit("sender@example.net", "nobody@" + DOMAIN, message("refused"))
        wait_until("Postfix logs the refusal", 20 * SLOW,
                   lambda: re.search(r"dsn=5\.1\.1.*status=bounced", peer.log()))
    finally:
        peer.stop()
