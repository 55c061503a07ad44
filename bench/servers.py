# SPDX-License-Identifier: ISC
"""The servers that are measured or talked to: Postern, and Debian's Postfix and Dovecot unpacked in
build/peers. Each is started as a process of ours, listens on loopback only, and is stopped by pid."""
import imaplib
import os
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PEERS = os.path.join(TOP, "build", "peers", "root")
DOMAIN = "example.test"
USER = "alice@" + DOMAIN
PASSWORD = "correct horse battery"
# Peers run under users that every Debian system has; nothing is added to the system.
POSTFIX_OWNER, POSTFIX_GROUP, MAIL_USER = "uucp", "operator", "games"
DOVECOT_USER, DOVECOT_LOGIN = "list", "irc"


def children_of():
    """Map from pid to the list of its children."""
    tree = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as f:
                    ppid = int(f.read().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
            tree.setdefault(ppid, []).append(int(name))
    return tree


def process_tree(pid):
    tree, todo, found = children_of(), [pid], []
    while todo:
        one = todo.pop()
        found.append(one)
        todo += tree.get(one, [])
    return found


def program_of(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().split("(", 1)[1].rsplit(")", 1)[0]
    except OSError:
        return "?"


def pss_kib(pid):
    """Proportional set size of one process; 0 when it has just ended."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            return sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    except OSError:
        return 0


def private_kib(pid):
    try:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            return sum(int(line.split()[1]) for line in f
                       if line.startswith(("Private_Clean:", "Private_Dirty:")))
    except OSError:
        return 0


def cpu_seconds(pid):
    """User and system time of one process and of its children that ended."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            words = f.read().rsplit(")", 1)[1].split()
        return sum(int(w) for w in words[11:15]) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return 0.0


def wait_until(what, seconds, check, pause=0.01):
    """Polls check() until it is true, every pause seconds; an event, not a fixed sleep, ends the wait."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(pause)


def greets(port, first=None, address="127.0.0.1"):
    try:
        with socket.create_connection((address, port), 1) as s:
            s.settimeout(2)
            return first is None or s.recv(64).startswith(first)
    except OSError:
        return False


def tls_context(ca=None):
    if ca is not None:
        return ssl.create_default_context(cafile=ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # reads none of the system's certificates
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Server:
    """Common to all: a folder, a process, its figures."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.proc = None

    def pids(self):
        return process_tree(self.proc.pid)

    def pss(self):
        return sum(pss_kib(p) for p in self.pids())

    def cpu(self):
        return sum(cpu_seconds(p) for p in self.pids())

    def stop(self, seconds=15):
        if self.proc is None:
            return None
        if self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(seconds)
            except subprocess.TimeoutExpired:
                for pid in self.pids():
                    os.kill(pid, signal.SIGKILL)
                self.proc.wait()
        status, self.proc = self.proc.returncode, None
        return status

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        return path

    def imap(self, user=USER, password=PASSWORD):
        client = imaplib.IMAP4_SSL("127.0.0.1", self.imaps_port, ssl_context=tls_context())
        client.login(user, password)
        return client


def make_certificate(folder):
    """The peers' certificate: the same kind of key as Postern's (P-256)."""
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                    "/CN=mail." + DOMAIN, "-addext", "subjectAltName=DNS:mail." + DOMAIN,
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


class Postfix(Server):
    """Debian's defaults, but: no chroot (nothing is installed), virtual(8) delivers to a Maildir."""

    QUEUE = {"active": 0o700, "bounce": 0o700, "corrupt": 0o700, "defer": 0o700, "deferred": 0o700,
             "flush": 0o700, "hold": 0o700, "incoming": 0o700, "private": 0o700, "saved": 0o700,
             "trace": 0o700, "public": 0o710, "maildrop": 0o730, "pid": 0o755}

    def __init__(self, folder, smtp_port, users=(USER,), extra="", log=False):
        super().__init__(folder)
        self.smtp_port = smtp_port
        self.conf = os.path.join(self.folder, "conf")
        lib = PEERS + "/usr/lib/postfix"
        self.env = dict(PATH="/usr/sbin:/usr/bin:/sbin:/bin", LD_LIBRARY_PATH=lib,
                        MAIL_CONFIG=self.conf)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.queue = os.path.join(self.folder, "queue")
        for name, mode in self.QUEUE.items():
            path = os.path.join(self.queue, name)
            os.makedirs(path)
            owner = "root" if name == "pid" else POSTFIX_OWNER
            group = POSTFIX_GROUP if name in ("public", "maildrop") else "root"
            shutil.chown(path, owner, group)
            os.chmod(path, mode)
        for name, owner in (("data", POSTFIX_OWNER), ("mail", MAIL_USER)):
            os.makedirs(os.path.join(self.folder, name))
            shutil.chown(os.path.join(self.folder, name), owner)
        if log:
            extra += f"\nmaillog_file = {self.folder}/maillog\nmaillog_file_prefixes = {TOP},/tmp\n"
        self.write("conf/virtual", "".join(f"{u} {u}/\n" for u in users))
        self.write("conf/main.cf", f"""\
compatibility_level = 3.6
myhostname = peer.example.net
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
biff = no
append_dot_mydomain = no
queue_directory = {self.queue}
data_directory = {self.folder}/data
daemon_directory = {lib}/sbin
command_directory = {PEERS}/usr/sbin
shlib_directory = {lib}
meta_directory = {PEERS}/etc/postfix
mail_owner = {POSTFIX_OWNER}
setgid_group = {POSTFIX_GROUP}
default_privs = nobody
import_environment = MAIL_CONFIG LD_LIBRARY_PATH
virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_base = {self.folder}/mail
virtual_mailbox_maps = texthash:{self.conf}/virtual
virtual_uid_maps = static:{uid_of(MAIL_USER)}
virtual_gid_maps = static:{gid_of(MAIL_USER)}
virtual_minimum_uid = 1
{extra}""")
        with open(PEERS + "/usr/share/postfix/master.cf.dist") as f:
            master = [line for line in f if line[0] not in "#" and line.strip()]
        keep, skip = [], False
        for line in master:
            if not line[0].isspace():
                words = line.split()
                skip = words[7] == "pipe"
                if words[4] == "y":
                    words[4] = "n"
                if words[:2] == ["smtp", "inet"]:
                    words[0] = f"127.0.0.1:{smtp_port}"
                line = " ".join(words) + "\n"
            if not skip:
                keep.append(line)
        self.write("conf/master.cf", "".join(keep))

    def start(self):
        began = time.monotonic()
        self.proc = subprocess.Popen(
            [PEERS + "/usr/lib/postfix/sbin/master", "-c", self.conf, "-d"], env=self.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until("Postfix greets", 60, lambda: greets(self.smtp_port, b"220"))
        return time.monotonic() - began

    def maildir(self, user=USER):
        return os.path.join(self.folder, "mail", user)

    def submit(self, sender, recipient, message):
        """Hands it a message by SMTP, for its own client to deliver."""
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=30) as client:
            client.sendmail(sender, [recipient], message)

    def log(self):
        try:
            with open(self.folder + "/maillog") as f:
                return f.read()
        except OSError:
            return ""


class Exim(Server):
    """Debian's Exim as a server that keeps what it gets in one Maildir. It looks its own user up by
    name: in a mount namespace of its own that user is there."""

    def __init__(self, folder, address, port, routers="", transports="", options=""):
        super().__init__(folder)
        self.address, self.smtp_port = address, port
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        cert, key = make_certificate(self.folder)
        for name in ("spool", "log", "mail"):
            os.makedirs(os.path.join(self.folder, name))
            shutil.chown(os.path.join(self.folder, name), MAIL_USER)
        shutil.chown(key, MAIL_USER)
        for name in ("passwd", "group"):
            with open("/etc/" + name) as f:
                text = f.read()
            number = uid_of(MAIL_USER) if name == "passwd" else gid_of(MAIL_USER)
            self.write(name, text + (f"Debian-exim:x:{number}:{gid_of(MAIL_USER)}::/:/bin/false\n"
                                     if name == "passwd" else f"Debian-exim:x:{number}:\n"))
        # Exim starts itself again as its own user, who may not enter every folder a clone can be in.
        self.program = shutil.copy(PEERS + "/usr/sbin/exim4", self.folder)
        self.conf = self.write("exim.conf", f"""\
primary_hostname = exim.example.net
spool_directory = {self.folder}/spool
log_file_path = {self.folder}/log/%slog
pid_file_path = {self.folder}/exim.pid
exim_path = {self.program}
local_interfaces = {address}
daemon_smtp_ports = {port}
tls_advertise_hosts = *
tls_certificate = {cert}
tls_privatekey = {key}
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data
keep_environment =
message_size_limit = 100M
{options}
begin acl
acl_rcpt:
  deny local_parts = nobody
       message = no such mailbox here
  accept
acl_data:
  accept
begin routers
{routers}
all:
  driver = accept
  transport = keep
begin transports
keep:
  driver = appendfile
  directory = {self.folder}/mail/box
  maildir_format
  create_directory
  user = {MAIL_USER}
  group = {gid_of(MAIL_USER)}
{transports}
""")
        os.chmod(self.conf, 0o644)
        self.wrap = ["unshare", "--mount", "sh", "-c",
                     f'mount --bind "{self.folder}/passwd" /etc/passwd && '
                     f'mount --bind "{self.folder}/group" /etc/group && exec "$@"', "sh"]

    def start(self):
        self.proc = subprocess.Popen(
            self.wrap + [self.program, "-bdf", "-C", self.conf],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(self.folder + "/stderr", "w"))
        wait_until("Exim greets", 60,
                   lambda: greets(self.smtp_port, b"220", self.address) or self.proc.poll())

    def maildir(self):
        return os.path.join(self.folder, "mail", "box")

    def log(self):
        text = ""
        for name in ("log/mainlog", "log/paniclog", "stderr"):
            try:
                with open(os.path.join(self.folder, name)) as f:
                    text += f.read()
            except OSError:
                pass
        return text


class Dovecot(Server):
    """Debian's defaults; mail is the Maildir that Postfix's virtual(8) fills; the password hash is
    doveadm's default (bcrypt)."""

    def __init__(self, folder, imap_port, imaps_port, maildir_base, password=PASSWORD,
                 users=(USER,), lmtp_port=0, kind="maildir"):
        """lmtp_port: takes mail there, too, and keeps it below maildir_base; kind: mdbox or maildir."""
        super().__init__(folder)
        self.imap_port, self.imaps_port = imap_port, imaps_port
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        cert, key = make_certificate(self.folder)
        lib = PEERS + "/usr/lib/dovecot"
        self.env = dict(PATH="/usr/sbin:/usr/bin:/sbin:/bin",
                        LD_LIBRARY_PATH=f"{lib}:{lib}/modules")
        # Dovecot runs /usr/bin/doveconf by that name: in a mount namespace of its own the
        # unpacked /usr lies over the system's.
        self.wrap = ["unshare", "--mount", "sh", "-c",
                     f'mount -t overlay peers -o "lowerdir={PEERS}/usr:/usr" /usr && exec "$@"',
                     "sh"]
        head = f"""\
base_dir = {self.folder}/run
state_dir = {self.folder}/state
libexec_dir = {lib}
mail_plugin_dir = {lib}/modules
import_environment = LD_LIBRARY_PATH
default_internal_user = {DOVECOT_USER}
default_internal_group = {DOVECOT_USER}
default_login_user = {DOVECOT_LOGIN}
listen = 127.0.0.1
protocols = imap
log_path = {self.folder}/log
"""
        conf = self.write("dovecot.conf", head)
        done = subprocess.run(self.wrap + ["/usr/bin/doveadm", "-c", conf, "pw", "-p", password],
                              env=self.env, check=True, capture_output=True, text=True)
        uid, gid = uid_of(MAIL_USER), gid_of(MAIL_USER)
        self.write("users", "".join(f"{user}:{done.stdout.strip()}::::\n" for user in users))
        if lmtp_port:
            head = head.replace("protocols = imap", "protocols = imap lmtp") + f"""\
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp_port}
  }}
}}
"""
        self.write("dovecot.conf", head + f"""\
ssl_cert = <{cert}
ssl_key = <{key}
first_valid_uid = 1
mail_location = {kind}:{maildir_base}/%u
mail_max_userip_connections = 200
passdb {{
  driver = passwd-file
  args = {self.folder}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={maildir_base}/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
    ssl = yes
  }}
}}
""")

    def start(self):
        began = time.monotonic()
        self.proc = subprocess.Popen(
            self.wrap + ["/usr/sbin/dovecot", "-F", "-c", self.folder + "/dovecot.conf"], env=self.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(self.folder + "/stderr", "w"))
        wait_until("Dovecot greets", 60, lambda: greets(self.imap_port, b"* OK"))
        return time.monotonic() - began


def uid_of(name):
    import pwd
    return pwd.getpwnam(name).pw_uid


def gid_of(name):
    import pwd
    return pwd.getpwnam(name).pw_gid


class Postern(Server):
    """An instance made by `postern init`; out is the folder with bin/ and libexec/."""

    def __init__(self, folder, port_base, out=None):
        super().__init__(folder)
        self.base = port_base
        self.out = out or os.path.join(TOP, "build")
        self.command = os.path.join(self.out, "bin", "postern")
        self.smtp_port, self.imap_port, self.imaps_port = (port_base + n for n in (25, 143, 993))
        self.submissions_port, self.submission_port = port_base + 465, port_base + 587
        self.output = self.folder + ".output"
        self.read_from = 0

    def init(self, *options):
        subprocess.run([self.command, "init", "--dir", self.folder, "--domain", DOMAIN,
                        "--hostname", "mail." + DOMAIN, "--port-base", str(self.base),
                        "--listen", "127.0.0.1", *options], check=True, capture_output=True)

    def cli(self, *words, stdin="", check=True):
        done = subprocess.run([self.command, "--dir", self.folder, *words], input=stdin, text=True,
                              capture_output=True, timeout=60)
        if check and done.returncode != 0:
            raise RuntimeError(f"postern {' '.join(words)}: status {done.returncode}\n"
                               f"{done.stdout}{done.stderr}")
        return done

    def add_user(self, address=USER, password=PASSWORD):
        self.cli("user", "add", address, stdin=password + "\n")

    def launch(self):
        """Starts it without waiting for `ready`."""
        out = open(self.output, "a")
        self.read_from = out.tell()
        self.proc = subprocess.Popen([self.command, "run", "--dir", self.folder],
                                     stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=subprocess.STDOUT)
        out.close()

    def is_ready(self):
        if self.proc.poll() is not None:
            raise RuntimeError(f"postern run ended with {self.proc.returncode}:\n" + self.said())
        return any(line == "ready" for line in self.said().splitlines())

    def said(self):
        with open(self.output, errors="replace") as f:
            f.seek(self.read_from)
            return f.read()

    def start(self, seconds=20):
        began = time.monotonic()
        self.launch()
        wait_until("postern is ready", seconds, self.is_ready)
        return time.monotonic() - began
