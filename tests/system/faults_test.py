# SPDX-License-Identifier: ISC
"""Faults injected into the calls of running daemons (tests/crash/inject.py): a sample here, every
one in make check-long."""
from harness import *

sys.path.insert(0, os.path.join(TOP, "tests", "crash"))
import inject  # noqa: E402
import orders  # noqa: E402
import reader  # noqa: E402

OPTIONS = None
SAMPLE = 20
PARTS = 8


def ready():
    if os.geteuid() != 0:
        raise Skip("needs a mount namespace")
    if not os.path.exists(inject.LIBRARY):
        raise Skip("release builds only")


def comment(text):
    print("\n".join("# " + line for line in text.splitlines()), flush=True)


def test_every_fault(_):
    """Mostly waiting: so in parts side by side, each in a network of its own."""
    ready()
    if not LONG:
        raise Skip("in make check-long")
    seed = random.randrange(1 << 31)
    print(f"#! seed {seed} (again: tests/crash/inject.py --seed {seed})", flush=True)
    parts = [subprocess.Popen(
        ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable,
         os.path.join(TOP, "tests", "crash", "inject.py"), "--seed", str(seed), "--part",
         f"{n}/{PARTS}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for n in range(1, PARTS + 1)]
    texts = [p.communicate()[0] for p in parts]
    for p, text in zip(parts, texts):
        comment(text)
        print("#! " + text.splitlines()[-1], flush=True)
        assert p.returncode == 0, "a part failed"


def test_sample_of_faults(_):
    ready()
    orders.own_mounts()
    seed = random.randrange(1 << 31)
    print(f"#! seed {seed} (again: tests/crash/inject.py --seed {seed} --quick --sample {SAMPLE})",
          flush=True)
    house = inject.prepared()
    try:
        todo = list(inject.plan(house, inject.QUICK))
        picked = inject.sample(todo, SAMPLE, seed)
        totals = inject.runs(house, picked, comment)
    finally:
        house.close()
    print(f"#! {len(picked)} of {len(todo)} faults, {totals['reached']} reached their call, "
          f"{totals['messages']} messages with 250, every promise kept")
    # The index of a mailbox is written between other work: how many calls there are differs from run to run.
    assert totals["reached"] * 2 >= len(picked), totals


def test_the_judge_finds_what_it_should(_):
    """A loss, a double, a refused message that is there, a UID used again."""
    house = inject.House.__new__(inject.House)

    def judge(found, waiting=None, **facts):
        house.promised, house.unknown, house.refused, house.removed = {}, {}, set(), set()
        house.maybe_removed, house.uids = set(), {}
        house.__dict__.update(facts)
        try:
            return house.judge(waiting or {}, found) or "kept"
        except inject.Broken as error:
            return str(error)

    alice = {"t1": inject.USERS[:1]}
    one = {1: {(7, 1): "t1"}}
    assert judge(one, promised=alice) == "kept"
    assert judge({}, promised=alice) == "t1 is lost for alice@" + DOMAIN
    assert "still in the queue" in judge({}, {"t1": [1]}, promised=alice)
    assert "twice" in judge({1: {(7, 1): "t1", (7, 2): "t1"}}, promised=alice)
    assert "was refused" in judge(one, refused={"t1"})
    assert "was refused" in judge({}, {"t1": [1]}, refused={"t1"})
    assert "names another" in judge(one, promised=alice, uids={(1, 7, 1): "t0"})
    assert "never sent" in judge(one)
    assert "expunged" in judge(one, promised=alice, removed={"t1"})


def test_the_reader_finds_damage(_):
    """What a power cut cannot do: a bad byte below what was synced, content that is missing."""
    m = Instance()
    try:
        for n in range(3):
            m.send(message(f"n{n}", X_Token=f"t{n}"))
        m.send(message("large", "x" * 200000, X_Token="t3"))
        m.wait_count(4)
        assert m.stop() == 0
        folder = os.path.join(m.folder, "mail", "1")
        assert sorted(reader.Mailbox(folder).tokens().values()) == ["t0", "t1", "t2", "t3"]
        assert reader.Queue(os.path.join(m.folder, "queue")).tokens() == {}
        damaged(folder, one_of(folder, ".seg"), 5000)
        damaged(folder, one_of(folder, ".big"), 5000)
    finally:
        m.destroy()


def one_of(folder, suffix):
    return os.path.join(folder, next(n for n in sorted(os.listdir(folder)) if n.endswith(suffix)))


def damaged(folder, path, at):
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)
        f.seek(at)
        f.write(bytes([byte[0] ^ 1]))
        f.flush()
        try:
            reader.Mailbox(folder).tokens()
        except reader.Damage:
            pass
        else:
            raise AssertionError(f"not found: {path}")
        f.seek(at)
        f.write(byte)
