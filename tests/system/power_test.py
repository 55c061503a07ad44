# SPDX-License-Identifier: ISC
"""Power cuts (tests/crash/power.py): some here, many in make check-long."""
from harness import *

sys.path.insert(0, os.path.join(TOP, "tests", "crash"))
import image  # noqa: E402
import inject  # noqa: E402
import orders  # noqa: E402
import power  # noqa: E402

OPTIONS = None
RUNS = 20 if LONG else 1
CUTS, STARTS = (1000, 50) if LONG else (120, 8)
COPIES = 100 if LONG else 5


def ready():
    if os.geteuid() != 0:
        raise Skip("needs a mount namespace")
    if not os.path.exists(inject.LIBRARY):
        raise Skip("release builds only")


def comment(text):
    print("\n".join("# " + line for line in text.splitlines()), flush=True)


def test_power_cuts(_):
    ready()
    orders.own_mounts()
    for _ in range(RUNS):
        seed = random.randrange(1 << 31)
        print(f"#! seed {seed} (again: tests/crash/power.py --seed {seed} --cuts {CUTS} "
              f"--starts {STARTS})", flush=True)
        done = power.replay(seed, CUTS, STARTS, progress=comment)
        print(f"#! {done['operations']} operations recorded, {done['messages']} messages with 250, "
              f"{done['read']} disks read, {done['started']} started, every promise kept")


def test_failed_sync_and_power_cut(_):
    """What a failed sync left unwritten is never promised by a later one."""
    ready()
    orders.own_mounts()
    rng, done = random.Random(random.randrange(1 << 31)), []
    for _ in range(40 if LONG else 2):
        seed = rng.randrange(1 << 31)
        fault = (rng.choice(("queue", "queue", "mailbox")), "sync", rng.randrange(1, 25),
                 rng.choice(("EIO", "ENOSPC", "EDQUOT")))
        print(f"# power.py --seed {seed} --steps 1 --cuts 40 --starts 3 --fault "
              + " ".join(map(str, fault)), flush=True)
        done.append(power.replay(seed, 40, 3, 1, comment, fault))
    hits = sum(d["hits"] for d in done)
    print(f"#! {hits} failed syncs, {sum(d['read'] for d in done)} disks read, "
          f"{sum(d['started'] for d in done)} started, every promise kept")
    assert hits * 10 >= len(done) * 8, done


def test_copied_images(_):
    """The image of the file system, copied while the instance works on it."""
    if os.geteuid() != 0:
        raise Skip("needs a mount namespace")
    orders.own_mounts()
    for _ in range(10 if LONG else 1):
        seed = random.randrange(1 << 31)
        print(f"#! seed {seed} (again: tests/crash/image.py --seed {seed} --copies {COPIES})",
              flush=True)
        done = image.copies(seed, COPIES, comment)
        print(f"#! {done['copies']} images recovered, {done['messages']} messages with 250, "
              f"{done['promises']} looked for, none lost, none twice")
        assert done["copies"] == COPIES


def test_the_replay_knows_what_is_certain(_):
    """A write, a name and their syncs: what each kind of cut leaves."""
    home = tempfile.mkdtemp()
    try:
        for store in power.STORES:
            os.mkdir(os.path.join(home, store))
        recording = power.Recording(home)
        folder = os.stat(os.path.join(home, "queue")).st_ino
        entry = power.orders.Entry
        recording.add([
            entry(0, "open", "queue", True, 3, folder, 999999, 0, "f", "", b""),
            entry(8, "write", "queue", False, 3, 999999, 0, 0, "", "", b"abc"),
            entry(16, "sync", "queue", False, 0, 999999, 0, 0, "", "", b""),
            entry(24, "write", "queue", False, 3, 999999, 0, 3, "", "", b"def"),
            entry(32, "sync", "queue", False, -5, 999999, 0, 0, "", "", b""),
            entry(40, "sync", "queue", False, 0, 999999, 0, 0, "", "", b""),
            entry(48, "sync", "queue", False, 0, folder, 0, 0, "", "", b""),
        ], 56)

        def left(cut, mode):
            root = recording.disk(cut, random.Random(1), mode)
            names = root[recording.roots["queue"]].names
            return bytes(root[names["f"]].data) if "f" in names else None

        assert left(56, "none") == b"abc"  # the second sync does not make up for the first
        assert left(56, "all") == b"abcdef"
        assert left(48, "none") is None  # its directory was not synced yet
        assert left(48, "all") == b"abcdef"
        assert left(16, "all") == b"abc"
    finally:
        shutil.rmtree(home)
