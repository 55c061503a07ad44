# SPDX-License-Identifier: ISC
"""Random commands of several IMAP sessions of one user against a model of what the RFCs say
(imap_model.py): 20,000 commands here, a million in make check-long. Every other world has
mailbox.compress, and bodies that are worth it. POSTERN_TEST_SEED repeats one."""
import glob

import imap_model
from harness import *

OPTIONS = {}
COMMANDS = 1000000 if LONG else 5000 if SAN else 20000
# A world begins anew now and then, so that folders do not only grow old.
ROUND = 10000 if LONG else COMMANDS // 2
# Begins what is compressed.
FRAME = b"\x28\xb5\x2f\xfd"


def has_frames(folder):
    for path in glob.glob(folder + "/*.seg") + glob.glob(folder + "/*.big"):
        with open(path, "rb") as f:
            if FRAME in f.read():
                return True
    return False


def one_round(m, user, seed, commands, compress):
    rng = random.Random(seed)
    world = imap_model.World(("127.0.0.1", m.imaps_port), m.folder + "/ca.pem", user, PASSWORD, rng,
                             long=compress)
    client = None
    try:
        for _ in range(commands):
            client = world.step()
    except Exception:
        print(f"# seed {seed}, compress {compress}, command {sum(c.count for c in world.clients)}")
        for c in world.clients:
            print(f"# client {c.number} in {c.folder and c.folder.name}, qresync {c.qresync}, "
                  f"condstore {c.condstore}, readonly {c.readonly}")
            for line in c.trace[-12:]:
                print(f"#   {line!r}"[:600])
        raise
    finally:
        world.finish()
    return sum(c.count for c in world.clients)


def test_random_commands(m):
    done, compress = 0, False
    while done < COMMANDS:
        seed = random.getrandbits(32)
        user = f"model{done}@{DOMAIN}"
        m.cli("config", "set", "mailbox.compress", "yes" if compress else "no")
        m.cli("reload")
        before = set(os.listdir(m.folder + "/mail"))
        m.add_user(user)
        commands = one_round(m, user, seed, min(ROUND, COMMANDS - done), compress)
        print(f"# seed {seed}{', compressed' * compress}: {commands} commands", flush=True)
        assert m.cli("mailbox", "check", user).returncode == 0
        (own,) = set(os.listdir(m.folder + "/mail")) - before
        assert has_frames(f"{m.folder}/mail/{own}") == compress, (own, compress)
        done += max(commands, 1)
        compress = not compress
