/* SPDX-License-Identifier: ISC */
/* Inside of lib/tls only. */
#ifndef POSTERN_TLS_TLS_PRIV_H
#define POSTERN_TLS_TLS_PRIV_H

#include <openssl/ssl.h>

#include "tls/tls.h"

/* The context of a service for new sessions, NULL: none; borrowed. */
SSL_CTX *tls_server_context(struct tls_server *t, enum tls_service service);
/* The stream's session; NULL: not (yet) in TLS. */
SSL *tls_stream_ssl(const struct io_stream *s);

#endif
