# SPDX-License-Identifier: ISC
"""Figures of the appliance, printed, and compared with what it has to reach."""
import os
import time

from machine import Machine, image_path, release

WANTED = {  # the most; seconds and memory with the own kernel on a machine that does nothing else
    "slot": (20e6, "bytes of the slot"),
    "disk": (24e6, "bytes of the disk, compressed"),
    "start": (12, "seconds from QEMU's start to 220, second start"),
    "memory": (40, "MiB of the guest's memory in use at rest"),
    "wakeups": (20, "interrupts a second in the guest at rest"),
}
REST_S = 60


def tell(name, value):
    most, what = WANTED[name]
    print(f"# {what}: {value:,.1f} of {most:,.0f}{'' if value <= most else '  TOO MUCH'}", flush=True)
    return value <= most


def test_sizes():
    path = image_path()
    good = tell("slot", os.path.getsize(path[:-len("img")] + "slot"))
    good = tell("disk", os.path.getsize(path + ".zst")) and good
    assert good or release()["kernel"] == "debian"


def seconds_to_banner(machine):
    began = time.monotonic()
    machine.start()
    machine.wait("220", lambda: machine.banner(25).startswith("220 "), pause=0.05)
    return time.monotonic() - began


def at_rest(machine):
    """MiB in use, and interrupts a second, after the machine has come to rest."""
    text = machine.must(f"sleep {REST_S}; grep ^intr /proc/stat | cut -d' ' -f2; sleep {REST_S}; "
                        "grep ^intr /proc/stat | cut -d' ' -f2; grep -E '^(MemTotal|MemAvailable):' /proc/meminfo")
    lines = text.split("\n")
    memory = {x.split(":")[0]: int(x.split()[1]) for x in lines if x.startswith("Mem")}
    return ((memory["MemTotal"] - memory["MemAvailable"]) / 1024,
            (int(lines[1]) - int(lines[0])) / REST_S)


def test_figures():
    with Machine() as machine:
        machine.use()
        machine.cut()
        start = seconds_to_banner(machine)
        machine.running()
        machine.log_in()
        memory, wakeups = at_rest(machine)
        good = [tell("start", start), tell("memory", memory), tell("wakeups", wakeups)]
        # Seconds depend on what else this computer does.
        assert all(good[1:]) or release()["kernel"] == "debian", machine.must("cat /proc/meminfo /proc/interrupts")
