# SPDX-License-Identifier: ISC
"""Set-up of the appliance: at the console, from the firmware of a virtual machine; answers that are no good."""
import os

from machine import ADMIN, ANSWERS, BUILT, DOMAIN, PASSWORD, Machine

NOT_SET_UP = "This machine has not been set up."
QUESTIONS = (  # what the console asks for, and what is typed
    ("Language (en, de) [en]: ", ""),
    ("Mail domain", DOMAIN),
    ("Name of this machine", "mail." + DOMAIN),
    ("Network: dhcp, ", ""),
    ("Your own address", ADMIN.split("@", maxsplit=1)[0]),
    ("Its password: ", PASSWORD),
    ("Once more: ", PASSWORD),
    ("Time zone", ""),
    ("Time servers", ""),
)


def test_wizard():
    """Questions on the console; then what to publish, and a login that wants the password."""
    with Machine(answers=None) as machine:
        machine.start()
        machine.wait_console("Press Enter")
        assert not machine.banner(25).startswith("220 ")
        machine.type("")
        for question, answer in QUESTIONS:
            machine.wait_console(question)
            machine.type(answer)
        machine.wait_console("postern: setup=done ")
        assert machine.running() == "a"
        machine.wait_console(" login: ")
        said = machine.console()
        for text in (f"_imaps._tcp.{DOMAIN}.", "v=spf1 mx -all", f"mail.{DOMAIN} port 993", "For telephones:"):
            assert text in said, said[-4000:]
        assert PASSWORD not in said
        machine.send("first")
        machine.wait_mail("first")
        machine.type("admin")
        machine.wait_console("Password: ")
        machine.type("not the password")
        machine.wait_console("Login incorrect")
        machine.cut()
        assert machine.boot() == "a"  # nothing is asked, nothing is told a second time
        machine.wait_console(" login: ")
        assert "For telephones:" not in machine.console() and NOT_SET_UP not in machine.console()
        machine.wait_mail("first")


def test_firmware():
    """Answers in fw_cfg, with the line ends of another system."""
    with Machine(answers=None) as machine:
        path = os.path.join(machine.home, "answers")
        with open(path, "w", newline="") as f:
            f.write(ANSWERS.replace("\n", "\r\n"))
        machine.words = ["-fw_cfg", "name=opt/postern/setup,file=" + path]
        machine.use()


def test_kernel_argument():
    """Answers in the kernel's command line, which QEMU gives it here instead of the boot loader."""
    answers = ANSWERS.replace(PASSWORD, "six-green-horses").strip().replace("\n", ";")
    boot = os.path.join(BUILT, "root", "boot")
    words = ["-kernel", os.path.join(boot, "vmlinuz"), "-initrd", os.path.join(boot, "initrd"), "-append",
             f"console=ttyS0 loglevel=4 panic=10 postern.slot=a postern.new=0 postern.setup={answers}"]
    with Machine(answers=None, words=words) as machine:
        machine.boot()
        machine.log_in("six-green-horses")
        machine.send("first")


def test_bad_answers():
    """They are refused with all reasons, and stay; nothing is set up and nothing serves."""
    bad = ANSWERS.replace("hostname=mail." + DOMAIN, "hostname=mail_1\ncolour=blue")
    with Machine(answers=bad) as machine:
        machine.start()
        machine.wait_console("postern: setup=refused ")
        machine.wait_console(NOT_SET_UP)
        for reason in ("line 2: Please give a full name", "line 3: There is no such question."):
            assert reason in machine.console(), machine.console()
        assert not machine.banner(25).startswith("220 ")
        machine.cut()
        assert "password" in machine.answers_on_disk()
        machine.give_answers(ANSWERS)
        machine.use()


def test_fixed_network():
    """Addresses, ways and name servers of the answers, without DHCP."""
    answers = ANSWERS.replace("network=dhcp", "network=10.0.2.15/24, fec0::15/64\ngateway=10.0.2.2,fec0::2\n"
                              "dns=10.0.2.3,fec0::3")
    with Machine(answers=answers) as machine:
        machine.use()
        machine.log_in()
        text = machine.must("ip addr; ip route; ip -6 route; cat /run/resolv.conf; pidof udhcpc || echo no DHCP")
        for wanted in ("inet 10.0.2.15/24 ", "inet6 fec0::15/64 ", "default via 10.0.2.2 ", "default via fec0::2 ",
                       "nameserver 10.0.2.3\n", "nameserver fec0::3\n", "no DHCP"):
            assert wanted in text, (wanted, text)


def test_console_keeps_its_state():
    """A service that is started again does not make the console show what is typed: it may be a password."""
    with Machine() as machine:
        machine.boot()
        machine.log_in()
        state = machine.must("stty -echo; old=$(pidof keep); kill $old; "
                             "until new=$(pidof keep) && [ $new != $old ]; do sleep 1; done; stty -a; stty echo")
        assert " -echo " in state, state
