# SPDX-License-Identifier: ISC
"""The kill rounds (tests/crash/kill.py): 30 here, 1,000 in make check-long."""
import json

from harness import *

sys.path.insert(0, os.path.join(TOP, "tests", "crash"))
import kill  # noqa: E402

OPTIONS = None


def test_kill_rounds(_):
    seed = random.randrange(1 << 31)
    print(f"# kill seed {seed}: tests/crash/kill.py --seed {seed}", flush=True)
    totals = kill.rounds(1000 if LONG else 30, seed, progress=lambda text: print(
        "\n".join("# " + line for line in text.splitlines()), flush=True))
    print("# " + json.dumps(totals))
    name = "crash-long.json" if LONG else "crash.json"
    with open(os.path.join(TOP, "build", name), "w") as f:
        json.dump(totals, f, indent=1)
