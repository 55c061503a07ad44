# SPDX-License-Identifier: ISC
"""Random commands of several IMAP sessions of one user against a model of what the RFCs say
(imap_model.py): 20,000 commands here, a million in make check-long. POSTERN_TEST_SEED repeats one."""
import imap_model
from harness import *

OPTIONS = {}
COMMANDS = 1000000 if LONG else 5000 if SAN else 20000
# A world begins anew now and then, so that folders do not only grow old.
ROUND = 20000


def one_round(m, user, seed, commands):
    rng = random.Random(seed)
    world = imap_model.World(("127.0.0.1", m.imaps_port), m.folder + "/ca.pem", user, PASSWORD, rng)
    client = None
    try:
        for _ in range(commands):
            client = world.step()
    except Exception:
        print(f"# seed {seed}, command {sum(c.count for c in world.clients)}")
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
    done = 0
    while done < COMMANDS:
        seed = random.getrandbits(32)
        user = f"model{done}@{DOMAIN}"
        m.add_user(user)
        commands = one_round(m, user, seed, min(ROUND, COMMANDS - done))
        print(f"# seed {seed}: {commands} commands", flush=True)
        done += max(commands, 1)
