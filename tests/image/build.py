# SPDX-License-Identifier: ISC
"""The build of the appliance: the same sources give the same slot."""
import os
import shutil
import subprocess
import tempfile

from machine import BUILT, TOP, image_path, release


def digest(path):
    return subprocess.run(["sha256sum", path], check=True, capture_output=True).stdout.split()[0]


def copy_of_sources(to):
    """What the repository holds, as it stands here, without what was built."""
    names = subprocess.run(["git", "-C", TOP, "ls-files", "-z"], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-C", TOP, "--null", "-T", "-", "-cf", to + ".tar"], input=names, check=True)
    os.mkdir(to)
    subprocess.run(["tar", "-C", to, "-xf", to + ".tar"], check=True)


def test_reproducible():
    """Built from nothing in another folder at another time, with the same key."""
    home = tempfile.mkdtemp(prefix="postern-again-")
    try:
        top = os.path.join(home, "another")
        copy_of_sources(top)
        env = {**os.environ, "IMAGE_SERIAL": release()["serial"], "IMAGE_ZSTD": "none",
               "IMAGE_KEY": os.path.join(BUILT, "developer-key.pem"), "IMAGE_OUT": os.path.join(home, "out")}
        subprocess.run(["make", "-s", "-C", top, "-j2", "progs"], env=env, check=True, stdout=subprocess.DEVNULL)
        subprocess.run([os.path.join(top, "image", "build"), release()["kernel"]], env=env, check=True,
                       stdout=subprocess.DEVNULL)
        names = [image_path()[:-len("img")] + kind for kind in ("slot", "sbom")]
        for name in names:
            again = os.path.join(home, "out", os.path.basename(name))
            assert digest(name) == digest(again), f"{name} differs: {compare(home)}"
    finally:
        shutil.rmtree(home, ignore_errors=True)


def compare(home):
    done = subprocess.run(["diff", "-rq", "--no-dereference", os.path.join(BUILT, "root"),
                           os.path.join(home, "out", "root")], capture_output=True)
    return done.stdout.decode()
