/* SPDX-License-Identifier: ISC */
/*
 * Keys and messages of SCRAM-SHA-256 (rfc5802, rfc7677). The exchange itself is libsasl2's affair;
 * this is what has to be known around it: which login a client's first message names, to what it is
 * bound, and which of several passwords its proof was made with.
 */
#ifndef POSTERN_SCRAM_SCRAM_H
#define POSTERN_SCRAM_SCRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum {
	SCRAM_KEY = 32,
	SCRAM_SALT = 16,
	/* rfc7677:4 asks for at least as many. More would only slow down logins: what is kept in
	   this form has 100 bits of chance (app passwords), or the administrator wanted it. */
	SCRAM_ITERATIONS = 4096,
	SCRAM_USER_MAX = 320,     /* auth/exchange.h: EXCHANGE_LOGIN_MAX */
	SCRAM_MESSAGE_MAX = 2048, /* longer ones libsasl2 refuses */
	SCRAM_BINDING_MAX = 64,   /* bytes of data: a SHA-512 */
};

/* What is kept instead of a password. Who has it can check a proof but not make one. */
struct scram_keys {
	uint8_t stored[SCRAM_KEY], server[SCRAM_KEY];
};

/* Some milliseconds of work. The password is taken as it is. */
void scram_keys_make(struct str password, const uint8_t salt[SCRAM_SALT], struct scram_keys *out);

/* The client's first message; borrows from it. */
struct scram_first {
	char flag;          /* 'n': no binding; 'y': would, but thinks the server cannot; 'p' */
	struct str binding; /* of 'p': "tls-exporter" ...; else empty */
	struct str header;  /* GS2 header, with its comma at the end */
	struct str bare;    /* behind it */
	char user[SCRAM_USER_MAX + 1]; /* "=2C" and "=3D" resolved */
};

/* 0, or -1: malformed, or an extension that must be understood. */
int scram_first_parse(struct str message, struct scram_first *out);

/* The client's last message; borrows from it. */
struct scram_final {
	struct str without_proof;
	struct str binding; /* base64 */
	uint8_t proof[SCRAM_KEY];
};

int scram_final_parse(struct str message, struct scram_final *out);

/* Does the last message repeat the header and name this binding data ("" without one), and nothing
 * else? libsasl2 does not mind more behind the header. */
bool scram_binding_is(
    const struct scram_final *final, const struct scram_first *first, struct str data);
/* Was the proof made with the password whose `stored` this is? challenge: what the server sent
 * between. The time does not depend on the answer. */
bool scram_proves(const struct scram_first *first, struct str challenge,
    const struct scram_final *final, const uint8_t stored[SCRAM_KEY]);

#endif
