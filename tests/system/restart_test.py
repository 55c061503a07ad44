# SPDX-License-Identifier: ISC
"""kill -9 of each daemon in turn: it is back within a second, and what does not need it goes on."""
from harness import *

OPTIONS = {}
DAEMONS = ("logger", "keys", "resolver", "accounts", "auth", "queue", "control", "smtpd",
           "submission", "delivery", "imapd", "mailbox")


def works(m):
    """A message in over TLS, read by a new login, an admin command."""
    before = m.count()
    m.send(message("after a restart"), tls=True)
    m.wait_count(before + 1)
    m.cli("user", "list")
    return True


def works_at_last(m):
    try:
        return works(m)
    except Exception:  # a session may fall into the gap; the next must not
        return False


def make_test(name):
    @expects(r".")
    def test(m):
        m.imap().logout()  # so that there is a mailbox process
        old = m.daemons()[name]
        began = time.monotonic()
        os.kill(old[0], signal.SIGKILL)
        if name != "mailbox":
            wait_until(name + " is started again", 5 * SLOW,
                       lambda: set(m.daemons().get(name, [])) - set(old))
        wait_until("everything works", 10 * SLOW, lambda: works_at_last(m))
        took = time.monotonic() - began
        print(f"# {name}: works again after {took:.2f} s")
        assert took < 2.5 * SLOW, f"{name}: {took:.2f} s"
    return test


for _name in DAEMONS:
    globals()["test_kill_" + _name] = make_test(_name)


@expects(r".")
def test_imap_session_outlives_smtp_side(m):
    client = m.imap()
    client.select("INBOX")
    for name in ("smtpd", "queue", "resolver", "auth", "control"):
        os.kill(m.daemons()[name][0], signal.SIGKILL)
        assert client.noop()[0] == "OK", f"the session ended with {name}"
    client.logout()
    wait_until("everything works", 10 * SLOW, lambda: works_at_last(m))


@expects(r".")
def test_a_daemon_that_always_dies_does_not_take_others_down(m):
    end = time.monotonic() + 3
    killed = 0
    while time.monotonic() < end:
        for pid in m.daemons().get("resolver", []):
            try:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            except ProcessLookupError:  # ended since it was listed
                pass
        time.sleep(0.02)
    assert killed >= 3, killed
    wait_until("everything works", 20 * SLOW, lambda: works_at_last(m))
    print(f"# resolver killed {killed} times")
