/* SPDX-License-Identifier: ISC */
#include "reception/client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { REVERSE_MAX = 64 + DNS_NAME_MAX }; /* 32 nibbles with their dots, and a zone */

bool
reception_client_parse(const char *text, struct reception_client *out)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	memset(out, 0, sizeof(*out));
	out->n = 4;
	if (inet_pton(AF_INET, text, out->bytes) == 1)
		return true;
	out->n = 16;
	if (inet_pton(AF_INET6, text, out->bytes) != 1)
		return false;
	if (memcmp(out->bytes, mapped, sizeof(mapped)) == 0) {
		memmove(out->bytes, out->bytes + 12, 4);
		memset(out->bytes + 4, 0, 12);
		out->n = 4;
	}
	return true;
}

bool
reception_client_inside(const struct reception_client *c)
{
	static const struct {
		uint8_t n, bits, bytes[16];
	} inside[] = {
		{ 4, 8, { 127 } },
		{ 4, 8, { 10 } },
		{ 4, 12, { 172, 16 } },
		{ 4, 16, { 192, 168 } },
		{ 4, 10, { 100, 64 } },
		{ 4, 16, { 169, 254 } },
		{ 16, 7, { 0xfc } },
		{ 16, 10, { 0xfe, 0x80 } },
		{ 16, 128, { [15] = 1 } },
	};

	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		unsigned whole = inside[i].bits / 8, rest = inside[i].bits % 8;

		if (inside[i].n == c->n && memcmp(inside[i].bytes, c->bytes, whole) == 0 &&
		    (rest == 0 || (inside[i].bytes[whole] ^ c->bytes[whole]) >> (8 - rest) == 0))
			return true;
	}
	return false;
}

bool
reception_client_reverse(const struct reception_client *c, const char *zone, struct dns_name *out)
{
	char text[REVERSE_MAX + 1];
	size_t n = 0;

	for (int i = c->n - 1; i >= 0; i--) {
		if (c->n == 4)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%u.", c->bytes[i]);
		else
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%x.%x.",
			    c->bytes[i] & 15, c->bytes[i] >> 4);
	}
	if (zone[0] == '\0')
		zone = c->n == 4 ? "in-addr.arpa" : "ip6.arpa";
	n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", zone);
	return n < sizeof(text) && dns_name_parse(str_from(text, n), out);
}
