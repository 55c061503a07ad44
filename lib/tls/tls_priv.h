/* SPDX-License-Identifier: ISC */
/* Inside of lib/tls only. */
#ifndef POSTERN_TLS_TLS_PRIV_H
#define POSTERN_TLS_TLS_PRIV_H

#include <openssl/ssl.h>

#include "tls/tls.h"

/* The stream's session; NULL: not (yet) in TLS. */
SSL *tls_stream_ssl(const struct io_stream *s);
/* Loads OpenSSL without the system's openssl.cnf, which must not change what is promised here. */
void tls_openssl_start(void);
/* Bytes of s go through ssl from now on (its role is set); takes over ssl. */
enum tls_start tls_stream_start(struct io_stream *s, SSL *ssl);

#endif
