/* SPDX-License-Identifier: ISC */
/*
 * A provider inside this process through which OpenSSL uses keys that it does not have: the public
 * half comes from the certificate, the signature from the keys process.
 */
#ifndef POSTERN_TLS_PROVIDER_H
#define POSTERN_TLS_PROVIDER_H

#include <openssl/evp.h>
#include <stdint.h>

#include "tls/key_client.h"

/* Prefers the default provider wherever both could do something. */
#define TLS_PROPERTIES "?provider=default"

/* Loads the default provider and this one; ends the process when that fails. */
void tls_provider_load(void);
/* Where signatures come from; NULL: nowhere. */
void tls_provider_set_client(struct key_client *k);
/* The private key that belongs to public (EC or RSA) and is called key in the keys process; NULL
 * when its type is not supported. */
EVP_PKEY *tls_provider_key(EVP_PKEY *public, uint32_t key);

#endif
