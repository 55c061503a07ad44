/* SPDX-License-Identifier: ISC */
/* The certificates that keys has told of, as one set: a reload makes a new one, the old one lives
 * until its last session ends. Inside of lib/tls only. */
#ifndef POSTERN_TLS_CERTIFICATES_H
#define POSTERN_TLS_CERTIFICATES_H

#include <openssl/ssl.h>

#include "base/str.h"

struct tls_certificates;

/* The caller's reference. */
struct tls_certificates *tls_certificates_new(void);
struct tls_certificates *tls_certificates_ref(struct tls_certificates *set);
void tls_certificates_unref(struct tls_certificates **set);
size_t tls_certificates_count(const struct tls_certificates *set);

/* chain: PEM, leaf first. What cannot be used is logged and left out. */
void tls_certificates_add(
    struct tls_certificates *set, uint32_t key, bool is_default, struct str chain);
/* The default ones (the first when none is marked) into a context; 0 or -1. */
int tls_certificates_default(const struct tls_certificates *set, SSL_CTX *ctx);
/* Those for name instead of the default ones, when there are any; 0 or -1. */
int tls_certificates_choose(const struct tls_certificates *set, SSL *ssl, const char *name);

#endif
