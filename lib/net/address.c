/* SPDX-License-Identifier: ISC */
#include "net/address.h"

#include <arpa/inet.h>
#include <string.h>

/* Above the 64 bits of an IPv6 prefix that is in use: fc00::/7 and 2000::/3 are. */
#define V4 (UINT64_C(0xffffffff) << 32)
#define V4_NETWORK (UINT64_C(0xfffffffe) << 32)
/* A /48 is kept apart from its first /64. */
#define V6_NETWORK (UINT64_C(1) << 63)

bool
net_parse(struct str text, struct net_address *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char z[NET_TEXT_MAX];

	if (text.n == 0 || text.n >= sizeof(z) || memchr(text.p, '\0', text.n) != NULL)
		return false;
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, z, out->b) == 1)
		return true;
	if (inet_pton(AF_INET6, z, out->b) != 1)
		return false;
	out->six = memcmp(out->b, mapped, sizeof(mapped)) != 0;
	if (!out->six) {
		memmove(out->b, out->b + 12, 4);
		memset(out->b + 4, 0, 12);
	}
	return true;
}

const char *
net_print(const struct net_address *a, char out[NET_TEXT_MAX])
{
	inet_ntop(a->six ? AF_INET6 : AF_INET, a->b, out, NET_TEXT_MAX);
	return out;
}

bool
net_eq(const struct net_address *a, const struct net_address *b)
{
	return a->six == b->six && memcmp(a->b, b->b, a->six ? 16 : 4) == 0;
}

bool
net_is_loopback(const struct net_address *a)
{
	static const uint8_t one[16] = { [15] = 1 };

	return a->six ? memcmp(a->b, one, sizeof(one)) == 0 : a->b[0] == 127;
}

static uint64_t
front(const struct net_address *a, int bytes)
{
	uint64_t n = 0;

	for (int i = 0; i < bytes; i++)
		n = n << 8 | a->b[i];
	return n;
}

uint64_t
net_client_key(const struct net_address *a)
{
	return a->six ? front(a, 8) : V4 | front(a, 4);
}

uint64_t
net_network_key(const struct net_address *a)
{
	return a->six ? V6_NETWORK ^ front(a, 6) << 16 : V4_NETWORK | front(a, 3) << 8;
}

uint64_t
net_pool_key(const struct net_address *a)
{
	return a->six ? front(a, 8) : V4_NETWORK | front(a, 3) << 8;
}
