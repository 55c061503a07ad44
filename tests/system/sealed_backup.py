#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Sealed backups by what lib/seal/seal.h says of them, with Python's libraries instead of Postern's code.

sealed_backup.py open TARGET SECRET         prints the archive in it
sealed_backup.py forge TARGET SECRET [CUT]  seals what comes on standard input; CUT: without the mark of the
                                            end, and with so many bytes in all
SECRET: the passphrase, or what the key file holds. Needs Debian's python3-nacl."""
import hashlib
import os
import struct
import sys

import nacl.bindings as stream
import nacl.pwhash

PIECE, BLOCK = 4 << 20, 65536


def subkeys(master):
    """libsodium's crypto_kdf."""
    return [hashlib.blake2b(b"", digest_size=32, key=master, salt=struct.pack("<QQ", number, 0),
                            person=b"PosternB".ljust(16, b"\0")).digest() for number in (1, 2)]


def head_and_stream_keys(head, secret):
    if struct.unpack_from("<I", head, 12)[0] == 1:
        passes, memory = struct.unpack_from("<QQ", head, 32)
        return subkeys(nacl.pwhash.argon2id.kdf(32, secret.encode(), head[16:32], passes, memory))
    return subkeys(hashlib.blake2b(head[16:32], digest_size=32, key=bytes.fromhex(secret)).digest())


def mac(head, key):
    return hashlib.blake2b(head[:224], digest_size=32, key=key).digest()


def archive_of(target, secret):
    """The bytes in a sealed backup, by lib/seal/seal.h alone."""
    with open(os.path.join(target, "postern.backup"), "rb") as f:
        head = f.read()
    head_key, stream_key = head_and_stream_keys(head, secret)
    assert head[:8] == b"PSTNSEAL" and len(head) == 256 and head[224:] == mac(head, head_key)
    count, _, size = struct.unpack_from("<IIQ", head, 88)
    names = [f"postern-{head[48:56].hex()}-{n + 1:06}" for n in range(count)]
    sealed = b"".join(open(os.path.join(target, name), "rb").read() for name in names)
    assert len(sealed) == size
    state, plain, tag = stream.crypto_secretstream_xchacha20poly1305_state(), [], 0
    stream.crypto_secretstream_xchacha20poly1305_init_pull(state, head[64:88], stream_key)
    for at in range(0, size, BLOCK + 17):
        assert tag == 0
        block, tag = stream.crypto_secretstream_xchacha20poly1305_pull(state, sealed[at:at + BLOCK + 17])
        plain.append(block)
    assert tag == 3
    return b"".join(plain)


def forge(target, secret, archive, cut=0):
    """A backup that anybody who knows the key could make."""
    os.makedirs(target, exist_ok=True)
    salt, ident, made = os.urandom(16), b"identity", 0
    head = b"PSTNSEAL" + struct.pack("<II", 1, 2) + salt + struct.pack("<QQ", 0, 0) + ident + struct.pack("<q", made)
    head_key, stream_key = head_and_stream_keys(head, secret)
    state, sealed = stream.crypto_secretstream_xchacha20poly1305_state(), b""
    start = stream.crypto_secretstream_xchacha20poly1305_init_push(state, stream_key)
    assert len(archive) <= BLOCK
    sealed = stream.crypto_secretstream_xchacha20poly1305_push(state, archive, None, 0 if cut else 3)
    if cut:
        sealed = sealed.ljust(cut, b"x")
    head = (head + start + struct.pack("<IIQ", 1, PIECE, len(sealed))).ljust(224, b"\0")
    with open(os.path.join(target, "postern.backup"), "wb") as f:
        f.write(head + mac(head, head_key))
    with open(os.path.join(target, f"postern-{ident.hex()}-000001"), "wb") as f:
        f.write(sealed)


def main():
    what, target, secret = sys.argv[1:4]
    if what == "open":
        sys.stdout.buffer.write(archive_of(target, secret))
    else:
        forge(target, secret, sys.stdin.buffer.read(), int(sys.argv[4]) if sys.argv[4:] else 0)


if __name__ == "__main__":
    main()
