# SPDX-License-Identifier: ISC
"""A client of OpenSSL's own library, for what Python's ssl does not send: KeyUpdate and renegotiation, and records
that carry nothing."""
import ctypes
import ctypes.util

TLS1_2, TLS1_3 = 0x303, 0x304
SET_MIN, SET_MAX = 123, 124  # SSL_CTX_ctrl
BIO_INFO = 3  # BIO_ctrl: where the bytes of a memory BIO are
UPDATE_NOT_REQUESTED = 0


class Flood:
    """A session inside TLS on a connected socket; everything blocks."""

    def __init__(self, plain, version):
        self.lib = lib = ctypes.CDLL(ctypes.util.find_library("ssl"))
        self.crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
        for where, name in ((lib, "TLS_client_method"), (lib, "SSL_CTX_new"), (lib, "SSL_new"),
                            (self.crypto, "BIO_s_mem"), (self.crypto, "BIO_new")):
            getattr(where, name).restype = ctypes.c_void_p
        self.socket = plain
        self.ctx = ctypes.c_void_p(lib.SSL_CTX_new(ctypes.c_void_p(lib.TLS_client_method())))
        for which in (SET_MIN, SET_MAX):
            lib.SSL_CTX_ctrl(self.ctx, which, ctypes.c_long(version), None)
        self.ssl = ctypes.c_void_p(lib.SSL_new(self.ctx))
        lib.SSL_set_fd(self.ssl, plain.fileno())
        assert lib.SSL_connect(self.ssl) == 1, "no handshake"

    def close(self):
        self.lib.SSL_free(self.ssl)
        self.lib.SSL_CTX_free(self.ctx)
        self.socket.close()

    def write(self, data):
        return self.lib.SSL_write(self.ssl, data, len(data)) == len(data)

    def read(self):
        out = ctypes.create_string_buffer(4096)
        n = self.lib.SSL_read(self.ssl, out, len(out))
        return out.raw[:n] if n > 0 else b""

    def update_key(self):
        """False when the peer does not take it any more."""
        return (self.lib.SSL_key_update(self.ssl, UPDATE_NOT_REQUESTED) == 1 and
                self.lib.SSL_do_handshake(self.ssl) == 1)

    def send_updates(self, count):
        """So many in one piece, as fast as the peer reads; nothing can be written by TLS any more."""
        memory = ctypes.c_void_p(self.crypto.BIO_new(ctypes.c_void_p(self.crypto.BIO_s_mem())))
        self.lib.SSL_set0_wbio(self.ssl, memory)
        for _ in range(count):
            assert self.update_key()
        where = ctypes.c_void_p()
        self.crypto.BIO_ctrl.restype = ctypes.c_long
        size = self.crypto.BIO_ctrl(memory, BIO_INFO, ctypes.c_long(0), ctypes.byref(where))
        self.socket.sendall(ctypes.string_at(where, size))

    def renegotiate(self):
        return self.lib.SSL_renegotiate(self.ssl) == 1 and self.lib.SSL_do_handshake(self.ssl) == 1
