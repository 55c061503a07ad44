# SPDX-License-Identifier: ISC
"""What the command line says to typical mistakes: what was wrong, and what to do about it."""
from harness import *

OUTSIDE = "outside.example"


def says(done, *texts, status=None):
    """It failed, and told each of these texts on stderr, each line from postern or master."""
    assert done.returncode == status if status is not None else done.returncode != 0, done
    for text in texts:
        assert text in done.stderr, (text, done.stderr)
    for line in done.stderr.splitlines():
        assert line.startswith(("postern: ", "master ")) and "?" not in line, done.stderr
    return done


def command(m, *words, **more):
    return run(m.command, *words, check=False, **more)


def test_wrong_words(m):
    says(command(m, "frobnicate"), 'no command "frobnicate"', "postern --help", status=100)
    says(command(m, "user", "ad", USER), 'no command "user ad"', "add, list, remove", status=100)
    says(command(m, "app-password"), "behind app-password stands one of: add, list, remove", status=100)
    says(m.cli("user", "add", check=False), "too few arguments", "user add ADDRESS", status=100)
    says(m.cli("queue", "list", "--odler", "1d", check=False), "no option --odler", "[--FILTER]",
         status=100)
    says(command(m, "--dir"), "--dir needs a directory", status=100)


def test_names_and_addresses(m):
    says(m.cli("user", "remove", "carl@" + DOMAIN, check=False),
         "no such user: carl@" + DOMAIN, '"postern user list" shows all', status=1)
    says(m.cli("mailbox", "check", "carl@" + DOMAIN, check=False), "no such user: carl@", status=1)
    says(m.cli("app-password", "list", "carl@" + DOMAIN, check=False), "no such user: carl@", status=1)
    says(m.cli("alias", "add", "info@" + OUTSIDE, USER, check=False),
         OUTSIDE + " is not one of the domains", '"postern domain add"', status=1)
    says(m.cli("alias", "add", "info@" + DOMAIN, "nobody@" + DOMAIN, check=False),
         f"nobody@{DOMAIN} does not exist here", "first", status=1)
    says(m.cli("alias", "add", USER, "x@" + OUTSIDE, check=False),
         "the address of a user", '"postern forward add"', status=1)
    says(m.cli("domain", "remove", OUTSIDE, check=False), "no such domain", '"postern domain list"', status=1)
    says(m.cli("domain", "remove", DOMAIN, check=False), "still used by the user", "remove that first",
         status=1)
    says(m.cli("user", "quota", USER, "10X", "5", check=False), "K, M, G or T", status=1)
    says(command(m, "--dir", m.folder, "user", "add", "new@" + DOMAIN, stdin="short\n"),
         "at least 8 characters", status=1)


def test_directories(m):
    nothing = os.path.join(m.home, "nothing")
    for words in (("user", "list"), ("status",)):
        says(command(m, "--dir", nothing, *words), "no instance in " + nothing, "postern init", status=75)
    says(command(m, "--dir", nothing, "config", "list"), "No such file", "postern init", status=1)
    says(command(m, "--dir", nothing, "run"), "No such file", "postern init", status=111)
    says(command(m, "init", "--dir", nothing + "/below", "--domain", DOMAIN, "--hostname", "mail." + DOMAIN),
         "does not exist", "make that first", status=1)
    says(command(m, "init", "--dir", m.folder, "--domain", DOMAIN, "--hostname", "mail." + DOMAIN),
         "an instance already", status=1)
    says(command(m, "init", "--dir", nothing, "--domain", DOMAIN), "--hostname is missing", status=100)
    says(command(m, "init", "--dir", nothing, "--domain", DOMAIN, "--hostname", "mail." + DOMAIN,
                 "--port-base", "many"), '"many" is not such a number', "give a number from", status=100)
    says(command(m, "init", "--dir", nothing, "--domain", DOMAIN, "--hostname", "mail"),
         '--hostname: "mail" is a part of a name', "such as mail.example.org", status=100)
    says(command(m, "init", "--dir", nothing, "--domain", "office", "--hostname", "mail." + DOMAIN),
         '--domain: "office" is a part of a name', status=100)
    assert not os.path.exists(nothing)
    says(m.cli("backup", m.folder, check=False), "not empty", "empty or not there yet", status=1)
    key = os.path.join(m.home, "no-key")
    says(m.cli("backup", nothing, "--key", key, check=False), "No such file", "postern backup key " + key,
         status=1)
    says(m.cli("backup", nothing, "--key", m.home, check=False), "Is a directory", status=1)
    says(command(m, "--dir", m.folder, "run"), "already running", status=111)


def other_instance(m, port_base):
    """A second one that is not running."""
    folder = os.path.join(m.home, "other")
    if not os.path.exists(folder):
        run(m.command, "init", "--dir", folder, "--domain", DOMAIN, "--hostname", "mail." + DOMAIN,
            "--port-base", str(port_base))
    return folder


def test_not_running_and_port_in_use(m):
    folder = other_instance(m, m.smtp_port - 25)
    says(command(m, "--dir", folder, "user", "list"), "not running", "postern run --dir " + folder, status=75)
    says(command(m, "--dir", folder, "run"), "Address already in use", "another program has it",
         "general.port-base", status=111)


def test_settings(m):
    folder = other_instance(m, m.smtp_port - 25)
    path = os.path.join(folder, "postern.conf")
    says(m.cli("config", "get", "no.such", check=False), '"postern config list" shows all', status=1)
    says(m.cli("config", "set", "smtpd.max-recipients", "x", check=False),
         '"x" is not such a number', "give a number from", status=1)
    with open(path) as f:
        good = f.read()
    with open(path, "w") as f:
        f.write(good + "smtpd {\n\tmax-recipients = many\n\tmax-recipient = 3\n}\n")
    number = good.count("\n") + 2
    done = says(command(m, "--dir", folder, "config", "check"), f"postern.conf:{number}: smtpd.max-recipients",
                f"postern.conf:{number + 1}: smtpd.max-recipient:", status=1)
    assert len(done.stderr.splitlines()) == 2, done.stderr
    says(command(m, "--dir", folder, "run"), f"postern.conf:{number}: smtpd.max-recipients",
         "nothing was started", status=111)
    with open(path, "w") as f:
        f.write(good)


def test_without_rights(m):
    if os.geteuid() != 0:
        raise Skip("needs root")
    # The sources may lie where nobody cannot go.
    folder = os.path.join(m.home, "programs")
    if not os.path.exists(folder):
        shutil.copytree(os.path.dirname(os.path.dirname(m.command)) + "/libexec", folder + "/libexec")
        os.mkdir(folder + "/bin")
        shutil.copy(m.command, folder + "/bin")

    def as_nobody(*words):
        return subprocess.run([folder + "/bin/postern", "--dir", m.folder, *words], user="nobody",
                              capture_output=True, text=True, timeout=20 * SLOW)
    says(as_nobody("user", "list"), "Permission denied", "only root and the user who started", status=75)
    says(as_nobody("run"), "only root and the user", status=111)
    says(as_nobody("config", "set", "smtpd.max-recipients", "200"), "Permission denied", status=1)
