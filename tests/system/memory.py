# SPDX-License-Identifier: ISC
"""A memory of reputation that is older than the instance."""
import os
import subprocess

from harness import SAN, TOP

TOOL = os.path.join(TOP, "build", "obj-san" if SAN else "obj-release", "bench", "old_memory")


def age(m, days):
    """Stops the instance, has it remember from so many days ago on (nothing yet), and starts it."""
    m.stop()
    folder = os.path.join(m.folder, "reputation")
    owner = os.stat(folder)
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    subprocess.run([TOOL, folder, str(days)], check=True)
    for name in os.listdir(folder):
        os.chown(os.path.join(folder, name), owner.st_uid, owner.st_gid)
    m.start()
