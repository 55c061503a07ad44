# SPDX-License-Identifier: ISC
"""The appliance in short: its image is built, boots once in QEMU, takes a message and gives it back. All else
about it is in `make check-image`."""
from harness import *

OPTIONS = None
PROGRAMS = ("qemu-system-x86_64", "mksquashfs", "mcopy", "mkfs.vfat", "sfdisk", "veritysetup", "grub-mkimage", "cpio",
            "busybox", "nft", "swaks", "curl")
FOLDER = os.path.join(TOP, "build", "image-check")


def kernel():
    """Which one `make` has at hand, or why none."""
    try:
        with open(os.path.join(TOP, "build", "quick-image")) as f:
            words = f.read().strip()
    except FileNotFoundError:
        words = "run by make, this test has a kernel"
    if words not in ("own", "debian"):
        raise Skip("no kernel for the image: " + words.replace("\n", "; "))
    return words


def test_boots_once_and_serves(_):
    if SAN:
        raise Skip("the image holds the programs without sanitizers")
    for program in PROGRAMS:
        need(program)
    env = {**os.environ, "IMAGE_OUT": FOLDER, "IMAGE_ZSTD": "none"}
    run(os.path.join(TOP, "image", "build"), kernel(), env=env, timeout=600)
    os.environ["POSTERN_IMAGE"] = FOLDER
    sys.path.insert(0, os.path.join(TOP, "tests", "image"))
    import check
    check.test_short()
