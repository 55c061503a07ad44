# SPDX-License-Identifier: ISC
"""The kernel has no random numbers: nothing that needs them starts, and no key is made of something else."""
import ctypes
import struct

from harness import *

OPTIONS = None
SYS_GETRANDOM = {"x86_64": 318, "aarch64": 278}[os.uname().machine]
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ERRNO_EIO, ALLOW = 0x00050005, 0x7fff0000
# BPF: load the number of the call; getrandom fails with EIO, all others go through.
FILTER = (struct.pack("HBBI", 0x20, 0, 0, 0) + struct.pack("HBBI", 0x15, 0, 1, SYS_GETRANDOM) +
          struct.pack("HBBI", 0x06, 0, 0, ERRNO_EIO) + struct.pack("HBBI", 0x06, 0, 0, ALLOW))
# The devices are empty, too; in a mount namespace of its own.
WRAP = ["unshare", "--mount", "sh", "-c",
        'mount --bind /dev/null /dev/urandom && mount --bind /dev/null /dev/random && exec "$@"', "sh"]


def no_random():
    """In the child, before it becomes another program; what it starts inherits it."""
    program = ctypes.create_string_buffer(FILTER, len(FILTER))
    fprog = struct.pack("HxxxxxxP", len(FILTER) // 8, ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, fprog, 0, 0):
        os._exit(99)


def without(*command):
    if os.geteuid() != 0:
        raise Skip("only root can hide the devices")
    return run(*WRAP, *command, check=False, preexec=no_random)


def test_the_kernel_has_none(_):
    """The test's own means work."""
    assert without("head", "-c", "8", "/dev/urandom").stdout == ""
    assert without("openssl", "rand", "-hex", "8").returncode != 0


def test_no_instance_is_made(_):
    with tempfile.TemporaryDirectory(prefix="postern-test-") as home:
        folder = os.path.join(home, "d")
        done = without(os.path.join(OUT, "bin", "postern"), "init", "--dir", folder, "--domain", DOMAIN,
                       "--hostname", "mail." + DOMAIN)
        assert done.returncode != 0, done
        keys = [name for _, _, names in os.walk(folder) for name in names if "key" in name or name.endswith(".pem")]
        assert not keys, keys


def test_no_daemon_starts(_):
    """Those who make keys, tickets and nonces end with a word; nobody greets."""
    m = Instance()
    try:
        assert m.stop(20 * SLOW) == 0
        start = m.log_size()
        out = open(m.output, "a")
        m.read_from = out.tell()
        m.proc = subprocess.Popen([*WRAP, m.command, "run", "--dir", m.folder], stdin=subprocess.DEVNULL, stdout=out,
                                  stderr=subprocess.STDOUT, preexec_fn=no_random)
        out.close()

        def over():
            return m.proc.poll() is not None or re.search(r"cannot (start|use) OpenSSL", m.log(start) + m.said())
        wait_until("it ends, or its daemons do", 60 * SLOW, over)
        for port in (m.smtp_port, m.submissions_port, m.imaps_port):
            assert not greets(port), port
        assert "\nready" not in m.said(), m.said()
    finally:
        m.destroy()


def greets(port):
    """Anything at all comes from it."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as s:
            s.settimeout(2)
            return s.recv(64) != b""
    except OSError:
        return False
