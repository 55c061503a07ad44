# SPDX-License-Identifier: ISC
"""The Debian package: what is in it, its fields and scripts, the same bytes for the same input.
tests/package-check installs, upgrades and removes it."""
import hashlib
import json

from harness import *

OPTIONS = None
BUILD = os.path.join(TOP, "packaging", "deb", "build")
PEOPLE = ("postinst", "prerm", "postrm", "config")


class Package:
    """Built once for all tests, of programs that need not be those of a release."""
    made = None

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="postern-deb-")
        self.path = run(BUILD, OUT, self.folder, "9.8.7", timeout=120).stdout.strip()
        self.root = os.path.join(self.folder, "root")
        run("dpkg-deb", "-R", self.path, self.root)

    def listing(self):
        """Mode, owner and what a link leads to, by path."""
        found = {}
        for line in run("dpkg-deb", "-c", self.path).stdout.splitlines():
            mode, owner, _, _, _, name = line.split(None, 5)
            name, _, target = name.partition(" -> ")
            found[name[1:]] = (mode, owner, target)
        return found

    def read(self, name):
        with open(os.path.join(self.root, name), encoding="utf-8") as f:
            return f.read()


def package():
    if SAN:
        raise Skip("sanitized programs are not packaged")
    need("dpkg-shlibdeps")
    Package.made = Package.made or Package()
    return Package.made


def test_files(_):
    """Every file has its place, nobody but root owns one, none has more rights than it needs."""
    listing = package().listing()
    programs = {"/usr/libexec/postern/" + name
                for name in os.listdir(os.path.join(OUT, "libexec", "postern"))}
    assert len(programs) > 10
    programs.add("/usr/bin/postern")
    allowed = {"d": "drwxr-xr-x", "-": "-rw-r--r--", "l": "lrwxrwxrwx"}
    for name, (mode, owner, _) in listing.items():
        want = "-rwxr-xr-x" if name in programs else allowed[mode[0]]
        assert mode == want, f"{name}: {mode}, want {want}"
        assert owner == "root/root", (name, owner)
    links = {n: t for n, (_, _, t) in listing.items() if t}
    assert links == {"/etc/postern/postern.conf": "/var/lib/postern/postern.conf",
                     "/var/log/postern": "../lib/postern/log"}, links
    for name in [*programs, "/lib/systemd/system/postern.service", "/usr/share/doc/postern/copyright",
                 "/usr/share/man/man8/postern.8.gz", "/usr/share/man/man5/postern.conf.5.gz"]:
        assert name in listing, name
    roots = {n.split("/")[1] for n in listing if n != "/"}
    assert roots == {"etc", "lib", "usr", "var"}, roots


def test_users(_):
    """Each daemon with a number of its own has a name in postinst."""
    p = package()
    with open(os.path.join(TOP, "lib", "proc", "process_table.h"), encoding="utf-8") as f:
        rows = re.findall(r"^PROCESS\((\w+), (\d+),", f.read(), re.M)
    config = json.loads(run(os.path.join(OUT, "bin", "postern"), "--json", "config", "list",
                            "--dir", made_instance(p)).stdout)
    base = next(int(r["value"]) for r in config["rows"]
                if r["setting"] == "general.daemon-uid-base")
    want = {f"{base + int(n)} postern-{name}" for name, n in rows}
    assert len(want) > 10
    assert want <= set(p.read("DEBIAN/postinst").splitlines()), want


def made_instance(p):
    folder = os.path.join(p.folder, "instance")
    run(os.path.join(OUT, "bin", "postern"), "init", "--dir", folder, "--domain", DOMAIN,
        "--hostname", "mail." + DOMAIN)
    return folder


def test_control(_):
    p = package()
    fields = dict(line.split(": ", 1) for line in p.read("DEBIAN/control").splitlines()
                  if re.match(r"[A-Z][-A-Za-z]*: ", line))
    assert fields["Version"] == "9.8.7"
    needs = {n.split()[0] for n in fields["Depends"].split(", ")}
    assert {"libc6", "libssl3", "libdb5.3", "libsasl2-modules", "libunbound8", "adduser"} <= needs
    assert p.read("DEBIAN/conffiles").split() == ["/etc/ufw/applications.d/postern"]
    sums = dict(reversed(line.split(None, 1)) for line in p.read("DEBIAN/md5sums").splitlines())
    for name, want in sums.items():
        with open(os.path.join(p.root, name), "rb") as f:
            assert hashlib.md5(f.read()).hexdigest() == want, name
    assert "usr/bin/postern" in sums and not any(n.startswith("etc/") for n in sums)


def test_scripts_and_unit(_):
    p = package()
    for name in PEOPLE:
        run("sh", "-n", os.path.join(p.root, "DEBIAN", name))
    unit = os.path.join(p.root, "lib", "systemd", "system", "postern.service")
    with open(unit, encoding="utf-8") as f:
        text = f.read()
    assert "ExecStart=/usr/bin/postern run\n" in text
    # What master keeps for itself is what the unit leaves to it.
    with open(os.path.join(TOP, "lib", "proc", "sandbox.c"), encoding="utf-8") as f:
        keeps = set(re.findall(r"1ULL << (CAP_\w+)", f.read()))
    leaves = set(re.findall(r"\bCAP_\w+", text))
    assert keeps and keeps == leaves, keeps ^ leaves
    need("systemd-analyze")
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=35", unit)
    print("#! systemd-analyze: exposure " + re.search(r"service: ([0-9.]+)", done.stdout).group(1))


def test_lintian(_):
    need("lintian")
    done = run("lintian", "--fail-on", "error,warning", package().path, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_reproducible(_):
    if not LONG:
        raise Skip("a second package takes its time: make check-long")
    p = package()
    with open(p.path, "rb") as f:
        first = f.read()
    run(BUILD, OUT, p.folder, "9.8.7", timeout=120)
    with open(p.path, "rb") as f:
        assert f.read() == first


def test_away(_):
    """The folder goes; what it was for has been seen."""
    shutil.rmtree(package().folder)
    Package.made = None
