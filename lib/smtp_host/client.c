/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "smtp_host/smtp_host.h"

void
smtp_client_address(const struct sockaddr *sa, struct net_address *out)
{
	const struct sockaddr_in6 *six = (const void *)sa;
	const struct sockaddr_in *four = (const void *)sa;
	char text[INET6_ADDRSTRLEN] = "127.0.0.1";

	if (sa->sa_family == AF_INET)
		inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text));
	else if (sa->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text));
	(void)net_parse(str_of(text), out);
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

static uintptr_t
count_of(const struct map *m, uint64_t key)
{
	return (uintptr_t)map_get(m, key);
}

static void
set_count(struct map *m, uint64_t key, uintptr_t n)
{
	if (n > 0)
		map_put(m, key, (void *)n);
	else
		map_del(m, key);
}

/* Of this minute; ourselves we do not count. */
static bool
too_many_a_minute(struct smtp_host *h, const struct net_address *client)
{
	uint64_t minute = io_now_ms(h->loop) / 60000, key = net_client_key(client);
	uintptr_t n;

	if (h->max_per_minute == 0 || net_is_loopback(client))
		return false;
	if (minute != h->minute) {
		map_free(&h->this_minute);
		h->this_minute = map_new();
		h->minute = minute;
	}
	n = count_of(h->this_minute, key);
	if (n == 0 && map_count(h->this_minute) >= SMTP_HOST_MINUTE_MAX)
		return false;
	if (n < h->max_per_minute)
		set_count(h->this_minute, key, n + 1);
	return n >= h->max_per_minute;
}

bool
smtp_client_count(struct smtp_host *h, const struct net_address *client)
{
	uint64_t one = net_client_key(client), all = net_network_key(client);
	uintptr_t n = count_of(h->per_address, one), m = count_of(h->per_network, all);

	if (n >= h->max_per_address || (h->max_per_network != 0 && m >= h->max_per_network) ||
	    too_many_a_minute(h, client))
		return false;
	set_count(h->per_address, one, n + 1);
	set_count(h->per_network, all, m + 1);
	return true;
}

void
smtp_client_uncount(struct smtp_host *h, const struct net_address *client)
{
	uint64_t one = net_client_key(client), all = net_network_key(client);

	set_count(h->per_address, one, count_of(h->per_address, one) - 1);
	set_count(h->per_network, all, count_of(h->per_network, all) - 1);
}
