/* SPDX-License-Identifier: ISC */
/*
 * TLS for streams, server role; the client's is in tls/tls_client.h. No private key is in this
 * process: certificates come over the "keys" channel, and each handshake's signature is asked for
 * there by a synchronous call of at most TLS_SIGN_MS; when it does not come the handshake fails,
 * nothing else does.
 *
 * TLS 1.2 and 1.3, ECDHE with AEAD ciphers only; no finite-field DH, compression, renegotiation or
 * early data. Sessions are resumed by tickets only, whose keys come from keys, too; a session of
 * one service is not accepted by another.
 *
 * A stream's TLS works on the descriptor itself (an SSL with a socket BIO behind the transport of
 * io/stream_priv.h), not on libevent's bufferevents: decrypted bytes are copied once, there is no
 * second pair of buffers, and OpenSSL's own are released when idle.
 */
#ifndef POSTERN_TLS_TLS_H
#define POSTERN_TLS_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "io/io.h"

enum {
	TLS_SIGN_MS = 2000,       /* one signature takes 1; a machine that is short of CPU more */
	TLS_FETCH_MS = 2000,      /* the list of certificates, at start and after a change */
	TLS_HANDSHAKE_MS = 30000, /* a whole handshake, on the slowest line that is still used */
	TLS_TICKET_FETCH_MS = 1800 * 1000, /* how often ticket keys are asked for again */
	TLS_SESSION_S = 6 * 3600,  /* a ticket's life; keys' rotation (<= 24 h) bounds it anyway */
	TLS_CERTIFICATES_MAX = 64, /* of one instance: some domains, each RSA and ECDSA */
	TLS_DESCRIPTION_MAX = 64,  /* equals the hand-over field */
	TLS_BINDING_MAX = 64,      /* a SHA-512; ipc_table.h: auth_start */
};

/* X(name, session id context, ALPN protocol or "" when none is registered) */
#define TLS_SERVICES(X) \
	X(SMTP, "smtp", "") \
	X(SUBMISSION, "submission", "") \
	X(IMAP, "imap", "imap")

enum tls_service {
#define X(name, id, alpn) TLS_##name,
	TLS_SERVICES(X)
#undef X
	    TLS_SERVICE__MAX
};

/* Before the sandbox: everything that OpenSSL would open or ask for later. */
void tls_preload(void);

/* One per process. Its contexts live as long. */
struct tls_server;
struct tls_server *tls_server_new(struct io_loop *loop);
/* All streams must have been freed. */
void tls_server_free(struct tls_server **t);
/*
 * Takes over the client end of a "keys" channel in place of an older one and asks for certificates
 * and ticket keys (again whenever keys says that they changed). Running sessions keep theirs.
 */
void tls_server_set_keys(struct tls_server *t, int fd);
/* There is a certificate to show: STARTTLS can be offered. */
bool tls_server_ready(const struct tls_server *t);

enum tls_start {
	TLS_START_OK = 0,
	TLS_START_INJECTED = -1,    /* input came behind the STARTTLS command: end the session */
	TLS_START_UNAVAILABLE = -2, /* no certificate, or the stream is in TLS or at its end */
};

/*
 * The server's part of a handshake on s: at once after io_stream_new, or for STARTTLS after "220"
 * was written (output queued before goes out in plain text first) and the command was drained from
 * the input. Then on_tls comes, or on_end (IO_END_ERROR; IO_END_TIMEOUT after TLS_HANDSHAKE_MS).
 */
enum tls_start io_stream_starttls(
    struct io_stream *s, struct tls_server *t, enum tls_service service);

/* What is known of a stream in TLS; borrowed from it. */
struct tls_facts {
	const char *version; /* "TLSv1.3" */
	const char *cipher;  /* "TLS_AES_256_GCM_SHA384" */
	int bits;
	const char *sni; /* "" when the client sent none; untrusted bytes */
	bool resumed;
};
/* false: not (yet) in TLS. */
bool tls_stream_facts(const struct io_stream *s, struct tls_facts *facts);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384 256", "" when not in TLS. Returns out. */
const char *tls_stream_describe(const struct io_stream *s, char out[TLS_DESCRIPTION_MAX]);
/*
 * Channel bindings of a stream in TLS, for SCRAM with -PLUS: "tls-exporter" (TLS 1.3),
 * "tls-unique" (TLS 1.2 with extended master secret) and "tls-server-end-point" (not when the
 * session was resumed). Those that there are not are empty. They point into *b: do not copy it.
 */
struct tls_bindings {
	struct str exporter, unique, end_point;
	uint8_t bytes[3][TLS_BINDING_MAX];
};
void tls_stream_bindings(const struct io_stream *s, struct tls_bindings *b);
/* Why the handshake or the stream failed, for the log; "" when nothing did. */
const char *tls_stream_error(const struct io_stream *s);

#endif
