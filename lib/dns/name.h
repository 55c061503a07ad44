/* SPDX-License-Identifier: ISC */
/* Domain names as they stand in DNS messages: length-prefixed labels, ended by the empty one. */
#ifndef POSTERN_DNS_NAME_H
#define POSTERN_DNS_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum {
	DNS_NAME_MAX = 255, /* bytes of a name on the wire (rfc1035:2.3.4) */
	DNS_LABEL_MAX = 63, /* rfc1035:2.3.4 */
	/* Text of a name and its NUL: what has no plain form is \DDD, four for one byte. */
	DNS_TEXT_MAX = 1010,
};

struct dns_name {
	uint8_t n; /* bytes used */
	uint8_t wire[DNS_NAME_MAX];
};

/*
 * Reads a name that may be compressed at packet[*at] and moves *at behind it (not behind what a
 * pointer leads to). Upper case becomes lower case. false: malformed, or a pointer that does not
 * lead backwards (so that none can go round).
 */
bool dns_name_read(const uint8_t *packet, size_t size, size_t *at, struct dns_name *out);
bool dns_name_eq(const struct dns_name *a, const struct dns_name *b);
/*
 * From text, with or without the last dot; "" and "." are the root. Only printable ASCII without
 * space, quote and backslash is taken: no name a mail server asks for has others. false: not a
 * name.
 */
bool dns_name_parse(struct str text, struct dns_name *out);
/* As text without the last dot ("." for the root), escaped where necessary; returns out. */
const char *dns_name_text(const struct dns_name *name, char out[DNS_TEXT_MAX]);

#endif
