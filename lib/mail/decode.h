/* SPDX-License-Identifier: ISC */
/* Streaming decoders of transfer encodings (rfc2045:6.7, 6.8): lenient, never longer than their
 * input. */
#ifndef POSTERN_MAIL_DECODE_H
#define POSTERN_MAIL_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Start with all zero. */
struct mail_base64 {
	uint32_t bits;
	unsigned have; /* sextets in bits */
	bool ended;    /* padding was seen: what follows is ignored */
};

/* Decodes in into out (at least in.n / 4 * 3 + 3 bytes); returns the bytes written. Bytes outside
 * of the alphabet are skipped. */
size_t mail_base64_decode(struct mail_base64 *d, struct str in, uint8_t *out);
/* Writes what an unpadded end leaves (at most 2 bytes). */
size_t mail_base64_end(struct mail_base64 *d, uint8_t *out);

/* The strict form of SASL and other protocols: whole groups, right padding, nothing else. False:
 * not base64. out takes in.n / 4 * 3 bytes. */
bool mail_base64_strict(struct str in, uint8_t *out, size_t *n);
/* out takes (n + 2) / 3 * 4 bytes; returns the length. */
size_t mail_base64_encode(const void *p, size_t n, char *out);

struct mail_qp {
	uint8_t held[80]; /* white space that may stand at the end of a line, or a begun escape */
	unsigned n;
	bool escape;
};

/* Decodes into out (at least in.n + sizeof(held) bytes). header: the Q encoding of rfc2047, in
 * which '_' is a space and lines do not occur. */
size_t mail_qp_decode(struct mail_qp *d, struct str in, bool header, uint8_t *out);
size_t mail_qp_end(struct mail_qp *d, uint8_t *out);

#endif
