/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "smtp_host/smtp_host.h"

static uint64_t
key_of_v4(struct in_addr a)
{
	/* no /64 of IPv6 that is in use begins like that */
	return UINT64_C(0xffffffff) << 32 | ntohl(a.s_addr);
}

uint64_t
smtp_client_key(const struct sockaddr *sa, char *text, size_t size)
{
	const struct sockaddr_in6 *six = (const void *)sa;
	struct in_addr four;
	uint64_t key = 0;

	if (sa->sa_family == AF_INET) {
		four = ((const struct sockaddr_in *)(const void *)sa)->sin_addr;
	} else if (sa->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
		memcpy(&four, six->sin6_addr.s6_addr + 12, 4);
	} else if (sa->sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &six->sin6_addr, text, (socklen_t)size);
		for (int i = 0; i < 8; i++)
			key = key << 8 | six->sin6_addr.s6_addr[i];
		return key;
	} else { /* a socket pair of a test */
		snprintf(text, size, "127.0.0.1");
		return 0;
	}
	inet_ntop(AF_INET, &four, text, (socklen_t)size);
	return key_of_v4(four);
}

bool
smtp_client_in_list(const struct settings *settings, enum setting which, const char *address)
{
	unsigned char want[16], got[16];
	char text[INET6_ADDRSTRLEN];
	struct str item;
	size_t it = 0;

	while (settings_list_next(settings, which, &it, &item)) {
		int family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;

		if (item.n >= sizeof(text))
			continue;
		memcpy(text, item.p, item.n);
		text[item.n] = '\0';
		if (inet_pton(family, address, want) == 1 && inet_pton(family, text, got) == 1 &&
		    memcmp(want, got, family == AF_INET6 ? 16 : 4) == 0)
			return true;
	}
	return false;
}

bool
smtp_client_is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

bool
smtp_client_count(struct smtp_host *h, uint64_t key)
{
	uintptr_t n = (uintptr_t)map_get(h->per_address, key);

	if (n >= h->max_per_address)
		return false;
	map_put(h->per_address, key, (void *)(n + 1));
	return true;
}

void
smtp_client_uncount(struct smtp_host *h, uint64_t key)
{
	uintptr_t n = (uintptr_t)map_get(h->per_address, key);

	if (n > 1)
		map_put(h->per_address, key, (void *)(n - 1));
	else
		map_del(h->per_address, key);
}
