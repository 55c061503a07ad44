# SPDX-License-Identifier: ISC
"""Reads a QR code from what a terminal was sent, with libzbar: the eye of a telephone."""
import ctypes
import re

SCALE = 4  # pixels of a module
HALVES = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
LINE = re.compile("\033\\[30;47m([ ▀▄█]+)\033\\[0m")


def pixels(text):
    """Rows of grey: black on white, as the colours say."""
    rows = []
    for line in LINE.findall(text):
        for half in (0, 1):
            row = b"".join((b"\0" if HALVES[c][half] else b"\xff") * SCALE for c in line)
            rows += [row] * SCALE
    return rows


def library():
    zbar = ctypes.CDLL("libzbar.so.0")
    for name in ("scanner_create", "create", "first_symbol"):
        getattr(zbar, "zbar_image_" + name).restype = ctypes.c_void_p
    zbar.zbar_symbol_get_data.restype = ctypes.c_char_p
    return zbar


def read(text):
    """What the code says, or None."""
    rows = pixels(text)
    assert rows, text
    zbar, data = library(), b"".join(rows)
    scanner = ctypes.c_void_p(zbar.zbar_image_scanner_create())
    zbar.zbar_image_scanner_set_config(scanner, 0, 0, 1)
    image = ctypes.c_void_p(zbar.zbar_image_create())
    zbar.zbar_image_set_format(image, ctypes.c_ulong(int.from_bytes(b"Y800", "little")))
    zbar.zbar_image_set_size(image, len(rows[0]), len(rows))
    zbar.zbar_image_set_data(image, data, ctypes.c_ulong(len(data)), None)
    zbar.zbar_scan_image(scanner, image)
    symbol = zbar.zbar_image_first_symbol(image)
    found = zbar.zbar_symbol_get_data(ctypes.c_void_p(symbol)).decode() if symbol else None
    zbar.zbar_image_destroy(image)
    zbar.zbar_image_scanner_destroy(scanner)
    return found
