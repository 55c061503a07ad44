# SPDX-License-Identifier: ISC
"""A machine that runs the appliance: QEMU without KVM, its disk a copy of what `make image` built.

Nothing here waits for a fixed time; the limits only end a hang. The forwarded ports answer before the
guest listens, so a machine is up when a banner has been read. The guest reaches nothing outside but, when a
test wants it, one server of that test, or (not alone) whatever a network namespace of the test has."""
import contextlib
import imaplib
import os
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILT = os.environ.get("POSTERN_IMAGE") or os.path.join(TOP, "build", "image")
DOMAIN, ADMIN, PASSWORD = "example.test", "admin@example.test", "six green horses 12"
ANSWERS = f"""language=en
hostname=mail.{DOMAIN}
domain={DOMAIN}
network=dhcp
admin=admin
password={PASSWORD}
timezone=UTC
"""
PORTS = (25, 143, 465, 587, 993)
MIB = 1 << 20
LIMIT = 900  # seconds for a start on a machine that does much else
WEB = "10.0.2.100"  # a machine's name for an HTTPS server of the tests
OVMF = "/usr/share/OVMF/OVMF_CODE_4M.fd"
DISKS = {
    "none": [],
    "virtio": ["-drive", "file={disk},format=raw,if=virtio"],
    "ahci": ["-device", "ahci,id=ahci", "-drive", "file={disk},format=raw,if=none,id=d",
             "-device", "ide-hd,drive=d,bus=ahci.0"],
    "nvme": ["-drive", "file={disk},format=raw,if=none,id=d", "-device", "nvme,serial=1,drive=d"],
    "ide": ["-drive", "file={disk},format=raw,if=ide"],
    "scsi": ["-device", "virtio-scsi-pci", "-drive", "file={disk},format=raw,if=none,id=d",
             "-device", "scsi-hd,drive=d"],
    "usb": ["-device", "qemu-xhci", "-drive", "file={disk},format=raw,if=none,id=d",
            "-device", "usb-storage,drive=d"],
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def image_path():
    with open(os.path.join(TOP, "VERSION")) as f:
        return os.path.join(BUILT, f"postern-{f.read().strip()}-amd64.img")


def release():
    """What was built: version, serial, time, kernel."""
    with open(os.path.join(BUILT, "release")) as f:
        return dict(line.strip().split("=", 1) for line in f)


class Machine:
    def __init__(self, size=1024, answers=ANSWERS, memory=256, disk="virtio", net="virtio-net-pci",
                 uefi=False, clock=None, extra=(), words=(), web=None, alone=True):
        self.home = tempfile.mkdtemp(prefix="postern-image-")
        self.disk = os.path.join(self.home, "disk")
        self.serial = os.path.join(self.home, "serial")
        self.memory, self.kind, self.net, self.uefi, self.clock = memory, disk, net, uefi, clock
        self.ports = {port: free_port() for port in PORTS}
        self.proc, self.line, self.said, self.extra = None, None, 0, list(extra)
        self.heard = bytearray()
        self.words, self.web, self.alone = list(words), web, alone
        subprocess.run(["cp", "--sparse=always", image_path(), self.disk], check=True)
        os.truncate(self.disk, size * MIB)
        if answers:
            self.give_answers(answers)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.destroy()

    def give_answers(self, text):
        path = os.path.join(self.home, "answers")
        with open(path, "w") as f:
            f.write(text)
        subprocess.run(["mcopy", "-o", "-i", self.disk + "@@2M", path, "::postern-setup.txt"],
                       check=True)

    def answers_on_disk(self):
        return subprocess.run(["mtype", "-i", self.disk + "@@2M", "::postern-setup.txt"],
                              check=True, capture_output=True).stdout.decode()

    def command(self):
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{host}-:{guest}"
                           for guest, host in self.ports.items())
        if self.web:
            forwards += f",guestfwd=tcp:{WEB}:443-cmd:{HERE}/pipe.py {self.web}"
        words = ["qemu-system-x86_64", "-accel", "tcg", "-m", str(self.memory), "-display", "none",
                 "-monitor", "none", "-serial", "chardev:console", "-chardev",
                 f"socket,id=console,path={self.home}/console,server=on,wait=on",
                 "-netdev", f"user,id=n,restrict={'on' if self.alone else 'off'}" + forwards,
                 "-device", self.net + ",netdev=n",
                 "-device", "virtio-rng-pci"]
        words += [w.format(disk=self.disk) for w in DISKS[self.kind]]
        words += self.words
        for path in self.extra:
            words += ["-drive", f"file={path},format=raw,if=virtio,readonly=on"]
        if self.uefi:
            words += ["-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}"]
        if self.clock:
            words += ["-rtc", "base=" + self.clock]
        return words

    def start(self):
        """QEMU waits for who reads the console, so nothing of it is lost. (Its own log of it doubles letters.)"""
        self.proc = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL)
        self.heard = bytearray()
        self.line = socket.socket(socket.AF_UNIX)
        self.wait("QEMU", self.connect, pause=0.02)
        threading.Thread(target=self.listen, args=(self.line, self.heard), daemon=True).start()
        return self

    def connect(self):
        try:
            self.line.connect(os.path.join(self.home, "console"))
            return True
        except (FileNotFoundError, ConnectionRefusedError):  # not yet
            return False

    def listen(self, line, heard):
        try:
            with open(self.serial, "ab") as f:
                while data := line.recv(1 << 16):
                    heard += data
                    f.write(data)
                    f.flush()
        except OSError:  # closed: the power went off
            pass

    def console(self):
        return self.heard.decode("utf-8", "replace")

    def type(self, text):
        """At the serial console."""
        self.line.sendall(text.encode() + b"\n")

    def log_in(self, password=PASSWORD):
        for prompt, word in ((" login: ", "admin"), ("Password: ", password)):
            self.wait_console(prompt)
            self.type(word)
        self.wait_console("mail# ")

    def begin(self, command):
        """Types a command for the administrator; finish() waits for its end. The quotes tell what
        is typed from what it prints."""
        self.said += 1
        self.type(f"echo begin-'{self.said}'; {command}; echo end-'{self.said}'-$?")

    def ended(self):
        """None, or what the console says between the two marks."""
        return re.search(rf"begin-{self.said}\r?\n(.*?)end-{self.said}-(\d+)", self.console(), re.S)

    def finish(self):
        """Status and output of the command."""
        found = self.wait("the end of a command", self.ended)
        return int(found.group(2)), found.group(1).replace("\r", "")

    def written(self):
        """Bytes that QEMU has written so far, to the disk most of them."""
        with open(f"/proc/{self.proc.pid}/io") as f:
            return int(f.readlines()[1].split()[1])

    def shell(self, command):
        self.begin(command)
        return self.finish()

    def must(self, command):
        """Output of a command that succeeds."""
        status, text = self.shell(command)
        assert status == 0, (command, status, text)
        return text

    def wait(self, what, check, limit=LIMIT, pause=0.2):
        end = time.monotonic() + limit
        while True:
            value = check()
            if value:
                return value
            if self.proc.poll() is not None:
                raise RuntimeError(f"QEMU ended while waiting for {what}:\n{self.console()[-3000:]}")
            if time.monotonic() > end:
                raise TimeoutError(f"not within {limit} s: {what}\n{self.console()[-3000:]}")
            time.sleep(pause)

    def banner(self, port):
        try:
            with socket.create_connection(("127.0.0.1", self.ports[port]), 5) as s:
                s.settimeout(30)
                return s.recv(200).decode("utf-8", "replace")
        except OSError:
            return ""

    def wait_up(self):
        return self.wait("220 on port 25", lambda: self.banner(25).startswith("220 "))

    def use(self, subject="first"):
        """One start; a message goes in by SMTP and comes out by IMAP."""
        slot = self.boot()
        self.send(subject)
        self.wait_mail(subject)
        return slot

    def wait_console(self, text):
        return self.wait(f"{text} on the console", lambda: text in self.console())

    def boot(self):
        """One start up to its confirmation; returns the slot that runs."""
        self.start()
        return self.running()

    def running(self):
        self.wait_console("postern: system=kept ")
        line = [x for x in self.console().splitlines() if "postern: system=kept " in x][-1]
        return line.split("slot=")[1][0]

    def send(self, subject, recipient=ADMIN):
        """Returns when the machine has promised to keep the message."""
        client = smtplib.SMTP("127.0.0.1", self.ports[25], "client.example.net", timeout=LIMIT)
        try:
            client.sendmail("sender@example.net", [recipient],
                            f"From: sender@example.net\r\nTo: {recipient}\r\nSubject: {subject}\r\n\r\nText\r\n")
        finally:
            client.close()

    def public_key(self):
        """That of its certificate: names differ between machines anyway."""
        certificate = ssl.get_server_certificate(("127.0.0.1", self.ports[993]), timeout=LIMIT)
        return subprocess.run(["openssl", "x509", "-noout", "-pubkey"], input=certificate.encode(), check=True,
                              capture_output=True).stdout

    @contextlib.contextmanager
    def imap(self):
        """The administrator's INBOX."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client = imaplib.IMAP4_SSL("127.0.0.1", self.ports[993], ssl_context=context, timeout=LIMIT)
        try:
            client.login(ADMIN, PASSWORD)
            client.count = int(client.select("INBOX", readonly=True)[1][0])
            yield client
        finally:
            client.shutdown()

    def subjects(self):
        with self.imap() as client:
            if client.count == 0:
                return []
            answer = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        return [part[1].decode().split(":", 1)[1].strip() for part in answer
                if isinstance(part, tuple)]

    def wait_mail(self, *subjects):
        self.wait(f"{subjects} in the mailbox", lambda: set(subjects) <= set(self.subjects()))

    def cut(self):
        """The power goes off."""
        self.proc.kill()
        self.proc.wait()
        if self.line:
            self.line.close()
        self.proc, self.line = None, None

    def destroy(self):
        if self.proc:
            self.cut()
        if os.environ.get("POSTERN_IMAGE_KEEP"):
            print("kept:", self.home)
            return
        shutil.rmtree(self.home, ignore_errors=True)
