/* SPDX-License-Identifier: ISC */
/*
 * How a private key is asked to sign: the numbers of key_sign.algorithm in ipc/ipc_table.h, known
 * to lib/tls (which asks) and keys (which signs). A request carries the digest, never the message.
 */
#ifndef POSTERN_TLS_KEY_ALGORITHM_H
#define POSTERN_TLS_KEY_ALGORITHM_H

/* X(name, number, key type, padding, hash, digest length) */
#define KEY_ALGORITHMS(X) \
	X(ECDSA_SHA256, 1, EC, NONE, "SHA2-256", 32) \
	X(ECDSA_SHA384, 2, EC, NONE, "SHA2-384", 48) \
	X(ECDSA_SHA512, 3, EC, NONE, "SHA2-512", 64) \
	X(RSA_PKCS1_SHA256, 4, RSA, PKCS1, "SHA2-256", 32) \
	X(RSA_PKCS1_SHA384, 5, RSA, PKCS1, "SHA2-384", 48) \
	X(RSA_PKCS1_SHA512, 6, RSA, PKCS1, "SHA2-512", 64) \
	X(RSA_PSS_SHA256, 7, RSA, PSS, "SHA2-256", 32) \
	X(RSA_PSS_SHA384, 8, RSA, PSS, "SHA2-384", 48) \
	X(RSA_PSS_SHA512, 9, RSA, PSS, "SHA2-512", 64)

enum key_type { KEY_TYPE_EC, KEY_TYPE_RSA };
enum key_padding { KEY_PADDING_NONE, KEY_PADDING_PKCS1, KEY_PADDING_PSS };

enum key_algorithm {
#define X(name, number, type, padding, hash, length) KEY_##name = number,
	KEY_ALGORITHMS(X)
#undef X
};

/* A signature fits into this: RSA with 8192 bits. */
enum { KEY_SIGNATURE_MAX = 1024, KEY_DIGEST_MAX = 64 };

#endif
