# SPDX-License-Identifier: ISC
"""Forms of machines: each starts once, takes a message and gives it back. A row here is a test."""
import time

from machine import Machine, release

FORMS = {
    "uefi": dict(uefi=True),
    "uefi_nvme": dict(uefi=True, disk="nvme", net="e1000e"),
    "ahci": dict(disk="ahci", net="e1000e"),
    "nvme": dict(disk="nvme"),
    "usb": dict(disk="usb"),
    "scsi": dict(disk="scsi"),
    "e1000": dict(disk="ide", net="e1000"),
    "memory_96": dict(memory=96),
    "memory_128": dict(memory=128),
    "memory_512_two": dict(memory=512, words=["-smp", "2"]),
    "clock_2020": dict(clock="2020-01-01T00:00:00"),
    "clock_2038": dict(clock="2038-01-20T00:00:00"),
    "clock_2099": dict(clock="2099-01-01T00:00:00"),
}
# Debian's kernel for virtual machines has no drivers for these, and too little is left of 96 MB beside it.
OWN_KERNEL_ONLY = ("uefi_nvme", "ahci", "usb", "e1000", "memory_96")


def arrival(machine):
    """When the first message came, by the machine's clock."""
    with machine.imap() as client:
        text = client.fetch("1", "(INTERNALDATE)")[1][0].decode()
    day = text.split('"')[1].split()[0]
    return time.strptime(day, "%d-%b-%Y")


def right_clock(machine, clock):
    """2038 is believed. A time before the build, or twenty years after it, is not."""
    built = time.gmtime(int(release()["time"]))
    year = int(clock[:4])
    believed = year if built.tm_year <= year < built.tm_year + 20 else built.tm_year
    assert arrival(machine).tm_year == believed, (clock, arrival(machine))


def form(name, options):
    def test():
        if name in OWN_KERNEL_ONLY and release()["kernel"] == "debian":
            print(f"# {name}: not with Debian's kernel for virtual machines")
            return
        with Machine(**options) as machine:
            machine.use()
            if "clock" in options:
                right_clock(machine, options["clock"])
    return test


for _name, _options in FORMS.items():
    globals()["test_" + _name] = form(_name, _options)
