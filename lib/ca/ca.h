/* SPDX-License-Identifier: ISC */
/*
 * The private certificate authority of an instance, made once by `postern init`, so that the
 * server speaks TLS before anybody has got it a public certificate.
 *
 * Below dirfd are written:
 *   ca.pem            the CA's certificate, for mail programs to trust              (mode 0644)
 *   keys/ca.key       its private key, to issue the next server certificate         (mode 0600)
 *   keys/default.crt  the server's certificate, then the CA's                       (mode 0600)
 *   keys/default.key  the server's private key                                      (mode 0600)
 * "keys" is made (mode 0700) when it is missing; its owner is the caller's business. Keys are ECDSA
 * P-256. Each file is written under another name, synced and renamed.
 */
#ifndef POSTERN_CA_CA_H
#define POSTERN_CA_CA_H

#include <stddef.h>

enum {
	CA_DAYS = 3650,       /* a new CA means touching every mail program */
	CA_SERVER_DAYS = 825, /* the longest that Apple's clients take from a private CA */
	CA_ERROR_MAX = 256,
};

enum { CA_OK = 0, CA_EXISTS = -1, CA_FAILED = -2 };

/*
 * The CA is named after domain; the server certificate carries hostname, "localhost" and the
 * loopback addresses (an instance is first tried on its own machine). CA_EXISTS when ca.pem is
 * there already: nothing is changed. On failure error holds a text for a human.
 */
int ca_create(int dirfd, const char *domain, const char *hostname, char error[CA_ERROR_MAX]);

#endif
