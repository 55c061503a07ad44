# SPDX-License-Identifier: ISC
"""postern setup: a machine's first instance from a file of answers, and from somebody at a terminal."""
import contextlib
import imaplib
import json
import pty
import select

import qr
from harness import *

OPTIONS = None
ANSWERS = {"domain": DOMAIN, "hostname": "mail." + DOMAIN, "admin": "anna", "password": PASSWORD}


def postern(folder, *words):
    return subprocess.run([os.path.join(OUT, "bin", "postern"), "--dir", folder, *words],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)


@contextlib.contextmanager
def answers(**more):
    """A folder, and in it a file of these answers."""
    home = tempfile.mkdtemp(prefix="postern-setup-")
    os.chmod(home, 0o711)
    path = os.path.join(home, "answers")
    with open(path, "w") as f:
        f.writelines(f"{name}={value}\n" for name, value in {**ANSWERS, **more}.items())
    try:
        yield home, path
    finally:
        shutil.rmtree(home)


def needs_own_ports():
    """The instance it makes uses the ports of mail themselves, and starts for a moment."""
    if os.geteuid() != 0:
        raise Skip("needs the ports below 1024")


@contextlib.contextmanager
def running(folder):
    with open(folder + ".output", "w+") as output:
        proc = subprocess.Popen([os.path.join(OUT, "bin", "postern"), "run", "--dir", folder],
                                stdout=output, stderr=output)
        try:
            wait_until("ready", 30 * SLOW, lambda: "ready" in open(folder + ".output").read())
            yield
        finally:
            proc.terminate()
            assert proc.wait(30 * SLOW) == 0


def test_from_a_file(_):
    needs_own_ports()
    with answers() as (home, path):
        folder = os.path.join(home, "d")
        done = postern(folder, "--json", "setup", "--answers", path)
        assert done.returncode == 0, done.stderr
        assert f"IMAP mail.{DOMAIN} port 993, sending mail.{DOMAIN} port 465" in json.loads(done.stdout)["message"]
        records = {(row["name"], row["type"]): row["value"] for row in json.loads(done.stdout)["rows"]}
        assert records[DOMAIN + ".", "MX"] == f"10 mail.{DOMAIN}."
        assert records[f"_imaps._tcp.{DOMAIN}.", "SRV"] == f"0 1 993 mail.{DOMAIN}."
        assert records[DOMAIN + ".", "TXT"] == '"v=spf1 mx -all"'
        assert postern(folder, "--json", "setup", "--summary").stdout == done.stdout.replace(
            json.loads(done.stdout)["message"],
            json.loads(done.stdout)["message"].split("postern). ", 1)[1])
        with running(folder):
            context = servers.tls_context(folder + "/ca.pem")
            context.check_hostname = False
            client = imaplib.IMAP4_SSL("127.0.0.1", 993, ssl_context=context)
            assert client.login("anna@" + DOMAIN, PASSWORD)[0] == "OK"
            client.logout()
            assert postern(folder, "user", "list").stdout.count("@") == 1


def test_listens_where_the_network_is(_):
    needs_own_ports()
    both = dict(network="192.0.2.5/24,2001:db8::5/64", gateway="192.0.2.1,fe80::1", dns="192.0.2.1")
    only_ipv6 = dict(network="2001:db8::5/64", gateway="fe80::1", dns="2001:db8::1")
    for more, wanted in (({}, ["0.0.0.0"]), (both, ["0.0.0.0", "::"]), (only_ipv6, ["::"])):
        with answers(**more) as (home, path):
            folder = os.path.join(home, "d")
            done = postern(folder, "setup", "--answers", path)
            assert done.returncode == 0, done
            listen = json.loads(postern(folder, "--json", "config", "get", "general.listen").stdout)["rows"][0]
            assert listen["value"].split(",") == wanted, (more, listen)


def test_no_instance_is_overwritten(_):
    needs_own_ports()
    with answers() as (home, path):
        folder = os.path.join(home, "d")
        assert postern(folder, "setup", "--answers", path).returncode == 0
        with open(folder + "/postern.conf", "rb") as f:
            before = f.read()
        again = postern(folder, "setup", "--answers", path)
        assert again.returncode == 1 and again.stderr.strip(), again
        with open(folder + "/postern.conf", "rb") as f:
            assert f.read() == before


def test_every_fault_is_told_and_nothing_is_made(_):
    with answers(domain="bad domain", colour="blue", network="192.0.2.300/24") as (home, path):
        for words in (["--check", path], ["--answers", path]):
            done = postern(os.path.join(home, "d"), "setup", *words)
            assert done.returncode == 1, done
            for text in ("line 1: ", "line 5: There is no such question.", "line 6: "):
                assert text in done.stderr, done.stderr
            assert "?" not in done.stderr, done.stderr
            lines = done.stderr.splitlines()
            assert len(lines) == 4 and all(path in line for line in lines), lines
        assert os.listdir(home) == ["answers"]
    with answers(network="192.0.2.5/24") as (home, path):
        assert "gateway and dns" in postern(home, "setup", "--check", path).stderr
    with answers(language="de", domain="x") as (home, path):
        assert "Zeile 1: Bitte " in postern(home, "setup", "--check", path).stderr


class Terminal:
    """Somebody at a console."""

    def __init__(self, folder, *words):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(os.path.join(OUT, "bin", "postern"),
                     ["postern", "--dir", folder, "setup", *words])

    def read(self):
        while select.select([self.fd], [], [], 0)[0]:
            try:
                self.seen += os.read(self.fd, 4096)
            except OSError:  # it has ended
                return

    def answer(self, question, text):
        """Waits for a question, and types."""
        def asked():
            self.read()
            return question.encode() in self.seen
        try:
            wait_until(question, 20 * SLOW, asked)
        except TimeoutError:
            raise AssertionError(f"not asked: {question!r} in {self.seen!r}") from None
        self.seen = self.seen.split(question.encode(), 1)[1]
        os.write(self.fd, text.encode() + b"\n")

    def end(self):
        status = None

        def ended():
            nonlocal status
            self.read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return pid != 0
        wait_until("the end", 20 * SLOW, ended)
        self.read()
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def test_at_a_terminal_in_german(_):
    with answers() as (home, _path):
        saved = os.path.join(home, "saved")
        t = Terminal(os.path.join(home, "d"), "--save", saved)
        t.answer("Language (en, de) [en]: ", "de")
        t.answer("Maildomain", "kein name")
        t.answer("Bitte ", "beispiel.example")
        t.answer("Name dieses Rechners", "mail.beispiel.example")
        t.answer("Netzwerk", "192.0.2.5/24")
        t.answer("Adresse des Routers", "")
        t.answer("Bitte ", "192.0.2.1")
        t.answer("DNS-Server", "192.0.2.1")
        t.answer("Ihre eigene Adresse", "anna")
        t.answer("Ihr Passwort", PASSWORD)
        t.answer("Noch einmal: ", PASSWORD + "x")
        t.answer("verschieden", PASSWORD)
        t.answer("Noch einmal: ", PASSWORD)
        t.answer("Zeitzone", "")
        t.answer("Zeitserver", "")
        assert t.end() == 0, t.seen
        assert PASSWORD.encode() not in t.seen
        assert os.stat(saved).st_mode & 0o777 == 0o600
        with open(saved) as f:
            lines = f.read().splitlines()
        assert f"password={PASSWORD}" in lines and "domain=beispiel.example" in lines, lines
        assert postern(home, "setup", "--check", saved).returncode == 0
        assert postern(home, "setup", "--answers", _path, "--save", saved).returncode == 1
        assert not os.path.exists(os.path.join(home, "d"))


# What is asked, in both languages, and what is answered.
QUESTIONS = {
    "en": ["Language (en, de) [en]: ", "Mail domain", "Name of this machine", "Network",
           "Your own address", "Its password", "Once more: ", "Time zone", "Time servers"],
    "de": ["Language (en, de) [en]: ", "Maildomain", "Name dieses Rechners", "Netzwerk",
           "Ihre eigene Adresse", "Ihr Passwort", "Noch einmal: ", "Zeitzone", "Zeitserver"]}
ENDS = {"en": ("The instance is ready", "For telephones:"),
        "de": ("Die Instanz ist fertig", "Für Telefone:")}


def for_telephones(host):
    return f"IMAP {host}:993 TLS\nSMTP {host}:465 TLS"


def at_a_terminal(language):
    """The whole of it: questions, an instance with an account, and what to do next, in that language."""
    needs_own_ports()
    with answers() as (home, _path):
        folder = os.path.join(home, "d")
        t = Terminal(folder)
        for question, text in zip(QUESTIONS[language], (
                language, DOMAIN, "mail." + DOMAIN, "", "anna", PASSWORD, PASSWORD, "", "")):
            t.answer(question, text)
        assert t.end() == 0, t.seen
        seen = t.seen.decode()
        for text in (*ENDS[language], f"10 mail.{DOMAIN}."):
            assert text in seen, seen
        assert qr.read(seen) == for_telephones("mail." + DOMAIN), seen
        again = Terminal(folder, "--summary", "--lang", language)
        assert again.end() == 0, again.seen
        assert qr.read(again.seen.decode()) == for_telephones("mail." + DOMAIN)
        # Only a terminal gets one.
        done = postern(folder, "setup", "--summary", "--lang", language)
        assert done.returncode == 0 and "\033" not in done.stdout, done
        with running(folder):
            assert "anna@" + DOMAIN in postern(folder, "user", "list").stdout


def test_the_whole_at_a_terminal_in_english(_):
    at_a_terminal("en")


def test_the_whole_at_a_terminal_in_german(_):
    at_a_terminal("de")


def test_a_long_name_fits_its_code(_):
    """The longest that a name may be: more modules, but as readable."""
    host = ".".join(["m" * 63] * 3 + ["x" * 45, "example"])
    with answers() as (home, _path):
        folder = os.path.join(home, "d")
        run(os.path.join(OUT, "bin", "postern"), "init", "--dir", folder, "--domain", DOMAIN,
            "--hostname", host)
        t = Terminal(folder, "--summary")
        assert t.end() == 0, t.seen
        assert qr.read(t.seen.decode()) == for_telephones(host), t.seen


def test_the_input_ends(_):
    with answers() as (home, _path):
        done = postern(os.path.join(home, "d"), "setup")
        assert done.returncode == 1 and "nothing was changed" in done.stderr, done
        assert not os.path.exists(os.path.join(home, "d"))
