/* SPDX-License-Identifier: ISC */
#include "route/refuse.h"

#include <stddef.h>
#include <string.h>

/* rfc6890 and the registries it founded; documentation prefixes lead nowhere and stay. */
static const struct prefix {
	uint8_t n;        /* bytes of an address */
	uint8_t bits;     /* that count */
	uint8_t embedded; /* place of an IPv4 address that decides instead; 0: none */
	uint8_t bytes[16];
	const char *why;
} prefixes[] = {
	{ 4, 8, 0, { 0 }, "unspecified" },
	{ 4, 8, 0, { 10 }, "private" },
	{ 4, 10, 0, { 100, 64 }, "private" },
	{ 4, 8, 0, { 127 }, "loopback" },
	{ 4, 16, 0, { 169, 254 }, "link-local" },
	{ 4, 12, 0, { 172, 16 }, "private" },
	{ 4, 24, 0, { 192, 0, 0 }, "reserved" },
	{ 4, 16, 0, { 192, 168 }, "private" },
	{ 4, 15, 0, { 198, 18 }, "private" },
	{ 4, 4, 0, { 224 }, "multicast" },
	{ 4, 4, 0, { 240 }, "reserved" },
	{ 16, 128, 0, { 0 }, "unspecified" },
	{ 16, 128, 0, { [15] = 1 }, "loopback" },
	/* An IPv4 address written as IPv6: the kernel would connect by IPv4. */
	{ 16, 96, 0, { [10] = 0xff, 0xff }, "mapped" },
	{ 16, 96, 0, { 0 }, "reserved" },
	{ 16, 96, 12, { 0x00, 0x64, 0xff, 0x9b }, NULL },
	{ 16, 48, 0, { 0x00, 0x64, 0xff, 0x9b, 0, 1 }, "private" },
	{ 16, 64, 0, { 1 }, "reserved" },
	{ 16, 32, 0, { 0x20, 0x01 }, "tunnel" },
	{ 16, 16, 2, { 0x20, 0x02 }, NULL },
	{ 16, 7, 0, { 0xfc }, "private" },
	{ 16, 10, 0, { 0xfe, 0x80 }, "link-local" },
	{ 16, 10, 0, { 0xfe, 0xc0 }, "private" },
	{ 16, 8, 0, { 0xff }, "multicast" },
};

static int
matches(const struct prefix *p, const struct route_address *a)
{
	unsigned whole = p->bits / 8, rest = p->bits % 8;

	if (p->n != a->n || memcmp(p->bytes, a->bytes, whole) != 0)
		return 0;
	return rest == 0 || ((p->bytes[whole] ^ a->bytes[whole]) >> (8 - rest)) == 0;
}

const char *
route_address_refused(const struct route_address *a)
{
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		const struct prefix *p = &prefixes[i];
		struct route_address v4 = { .n = 4 };

		if (!matches(p, a))
			continue;
		if (p->embedded == 0)
			return p->why;
		memcpy(v4.bytes, a->bytes + p->embedded, 4);
		return route_address_refused(&v4);
	}
	return NULL;
}
