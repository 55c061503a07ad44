/* SPDX-License-Identifier: ISC */
/*
 * libsasl2: loaded once with the plug-ins for PLAIN, LOGIN and SCRAM-SHA-256 and nothing else. No
 * environment variable and no configuration file has a say in it.
 *
 * The plug-in for SCRAM gets its randomness and the keys of the login from here, by library_scram:
 * the library's own generator is a 48-bit one that wants to open /dev/urandom, and with the same
 * nonce again an exchange can be run again from its start.
 */
#ifndef POSTERN_AUTH_LIBRARY_H
#define POSTERN_AUTH_LIBRARY_H

#include <sasl/sasl.h>

#include "base/buf.h"
#include "base/str.h"
#include "scram/scram.h"

enum { LIBRARY_NONCE = 24 }; /* bytes that the plug-in asks for */

/* What a run of SCRAM works with. */
struct library_scram {
	uint8_t nonce[LIBRARY_NONCE];
	const char *user; /* whose keys they are: no other login is looked up */
	uint8_t salt[SCRAM_SALT];
	struct scram_keys keys;
};

/* Before the sandbox. 0, or -1 with a sentence in *why. */
int library_init(struct buf *why);
void library_end(void);
/* For the runs that follow (the process has one thread); borrowed until it is set again. NULL:
 * nothing is looked up. */
void library_scram(const struct library_scram *s);

/* An entry of an array of sasl_callback_t. */
#define LIBRARY_CALLBACK(id, fn, context) \
	{ \
		(id), (int (*)(void))(uintptr_t)(fn), (context) \
	}
/* What both the library and each connection need as callbacks. */
int library_getopt(
    void *context, const char *plugin, const char *option, const char **result, unsigned *len);
int library_log(void *context, int level, const char *message);

#endif
