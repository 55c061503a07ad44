# SPDX-License-Identifier: ISC
"""The sandbox, proved from inside each running release daemon, and what /proc says of it."""
from harness import *

OPTIONS = {}
PROBE = os.path.join(OUT, "probe")
DAEMONS = ("control", "logger", "keys", "resolver", "accounts", "reputation", "auth", "smtpd", "queue",
           "delivery", "submission", "imapd", "mailbox")


def status_of(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)


def test_status_of_every_daemon(m):
    with_mailbox = m.imap()
    uids = {}
    daemons = m.daemons()
    missing = [d for d in DAEMONS if d not in daemons]
    assert not missing, f"not running: {missing}; there are {sorted(daemons)}"
    for name in DAEMONS:
        for pid in daemons[name]:
            s = status_of(pid)
            assert s["Seccomp"].strip() == "2", (name, s["Seccomp"])
            assert s["NoNewPrivs"].strip() == "1", name
            for cap in ("CapPrm", "CapEff", "CapBnd", "CapAmb", "CapInh"):
                assert int(s[cap], 16) == 0, (name, cap, s[cap])
            uid = s["Uid"].split()
            assert len(set(uid)) == 1 and uid[0] != "0", (name, uid)
            assert set(s["Groups"].split()) <= {s["Gid"].split()[0]}, (name, s["Groups"])
            assert s["Threads"].strip() == "1", (name, s["Threads"])
            uids.setdefault(uid[0], set()).add(name)
    shared = {u: n for u, n in uids.items() if len(n) > 1}
    assert not shared, f"one uid for several daemons: {shared}"
    with_mailbox.logout()


def test_nothing_inherited(m):
    """No daemon but logger holds a file of ours that is not its own."""
    for name, pids in m.daemons().items():
        for pid in pids:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                try:
                    target = os.readlink(f"/proc/{pid}/fd/{fd}")
                except FileNotFoundError:  # closed since it was listed
                    continue
                if name not in ("logger", "master", "postern"):
                    assert not target.endswith("postern.log"), (name, target)
                assert "shadow" not in target and "/etc/" not in target, (name, target)


def probe(m, name, *more):
    if SAN:
        raise Skip("the probe is for release builds")
    client = m.imap()
    try:
        pid = m.daemons()[name][0]
        done = run(PROBE, "--pid", str(pid), "--daemon", name, *more, check=False, timeout=60)
        bad = [line for line in done.stdout.splitlines() if line.startswith("not ok")]
        count = sum(line.startswith("ok") for line in done.stdout.splitlines())
        assert done.returncode == 0 and not bad and count > 20, (
            f"{name}: status {done.returncode}, {count} ok\n" + "\n".join(bad) + done.stderr)
        print(f"# {name}: {count} probes held")
    finally:
        try:
            client.logout()
        except Exception:  # its mailbox process may have been the victim
            pass


def make_test(name):
    def test(m):
        probe(m, name)
    return test


for _name in DAEMONS:
    globals()["test_probe_" + _name] = make_test(_name)


@expects(r"smtpd", r"master")
def test_exec_kills_the_daemon_and_it_comes_back(m):
    old = m.daemons().get("smtpd")
    probe(m, "smtpd", "--kill", "execve")
    wait_until("smtpd is back", 5 * SLOW,
               lambda: m.daemons().get("smtpd") not in (None, old) and servers.greets(
                   m.smtp_port, b"220"))
    m.send(message("after the restart"))


def memory_of(pid):
    """All readable memory of a process, in pieces."""
    with open(f"/proc/{pid}/maps") as f:
        areas = [line.split()[:2] for line in f]
    with open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for area, mode in areas:
            begin, end = (int(x, 16) for x in area.split("-"))
            if mode[0] != "r":
                continue
            try:
                mem.seek(begin)
                yield mem.read(end - begin)
            except (OSError, ValueError):
                continue


def holders(m, secret):
    return {name for name, pids in m.daemons().items() for pid in pids
            if any(secret in piece for piece in memory_of(pid))}


def test_private_key_is_in_keys_alone(m):
    if SAN:
        raise Skip("sanitizers keep freed memory")
    text = run("openssl", "ec", "-in", m.folder + "/keys/default.key", "-text", "-noout").stdout
    hexes = re.search(r"priv:\s*([0-9a-f:\s]+)pub:", text).group(1)
    secret = bytes.fromhex(re.sub(r"[^0-9a-f]", "", hexes)).lstrip(b"\0")
    m.imap().logout()
    m.send(message("over TLS"), tls=True)
    found = set()
    for form in (secret, secret[::-1]):  # as stored, and as a bignum's words
        found |= holders(m, form)
    assert found <= {"keys"}, f"the private key is in {found}"
    assert found == {"keys"}, "the search finds it nowhere: it would miss a leak, too"


def test_password_is_wiped(m):
    if SAN:
        raise Skip("sanitizers keep freed memory")
    password = "a pass phrase that occurs nowhere else"
    m.add_user("dora@" + DOMAIN, password)
    client = m.imap("dora@" + DOMAIN, password)
    found = holders(m, password.encode())
    client.logout()
    assert found <= {"auth"}, f"the password is still in {found}"


def test_secrets_stay_where_they_belong(m):
    """The private keys and verifiers are readable by their owner alone; mail by its user alone."""
    for where, _, names in os.walk(m.folder):
        for name in names:
            path = os.path.join(where, name)
            mode = os.lstat(path).st_mode & 0o777
            if "ca.pem" in name:
                continue
            assert mode & 0o007 == 0 or os.stat(m.folder).st_mode & 0o007 == 0 or not any(
                part in path for part in ("/keys/", "/mail/", "/queue/", "/accounts/", "/reputation/")), (
                    path, oct(mode))


def test_daemons_never_ran_into_their_own_sandbox(m):
    lines = [line for line in m.log().splitlines() if "sandbox refused=" in line]
    assert not lines, lines
