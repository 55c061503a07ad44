/* SPDX-License-Identifier: ISC */
/*
 * TLS for streams, client role: to other mail servers, in two ways.
 *
 * TLS_ANY: against listeners only. Whatever the server has is taken: any certificate or none, weak
 * keys and signatures, TLS 1.0 on. The other choice would be clear text.
 * TLS_VERIFIED: TLS 1.2 on, keys and signatures of today's strength, a chain to one of the trusted
 * certificates, and the server's name in its certificate. Anything less ends the handshake.
 */
#ifndef POSTERN_TLS_TLS_CLIENT_H
#define POSTERN_TLS_TLS_CLIENT_H

#include "tls/tls.h"

struct tls_client;

enum tls_verify { TLS_ANY, TLS_VERIFIED };

/*
 * One per process, before the sandbox. ca_file: trusted certificates (PEM), read now; NULL: none,
 * every TLS_VERIFIED handshake fails. Ends the process when OpenSSL cannot be used. When the file
 * cannot be read or has no certificate: as with NULL, and *why is a static text, else NULL.
 */
struct tls_client *tls_client_new(const char *ca_file, const char **why);
/* All streams must have been freed. */
void tls_client_free(struct tls_client **t);

/*
 * The client's part of a handshake on s, at once after on_connected or after the server's reply to
 * STARTTLS was drained from the input. host: the name that is told (SNI) and, for TLS_VERIFIED,
 * checked; an IP address is looked for among the certificate's addresses and not told. Then on_tls
 * comes, or on_end; tls_stream_error tells the reason.
 */
enum tls_start io_stream_tls_connect(
    struct io_stream *s, struct tls_client *t, const char *host, enum tls_verify verify);

/*
 * For a connection that no stream carries (lib/http): the client's end of a TLS_VERIFIED handshake with
 * host, without a descriptor yet; the caller's. NULL: not with this name.
 */
struct ssl_st *tls_client_session(struct tls_client *t, const char *host);
/*
 * Why it ended, for people; "" when TLS had no part in it: the other end went away. code: OpenSSL's error, or 0.
 * *certificate: the server's certificate is the reason.
 */
const char *tls_session_error(const struct ssl_st *ssl, unsigned long code, bool *certificate);

#endif
