/* SPDX-License-Identifier: ISC */
/* The address of a client, as the checks of reception see it. Pure. */
#ifndef POSTERN_RECEPTION_CLIENT_H
#define POSTERN_RECEPTION_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "dns/name.h"

struct reception_client {
	uint8_t n; /* 4 or 16; an IPv4 address inside of an IPv6 one counts as IPv4 */
	uint8_t bytes[16];
};

/* From text. false: no address. */
bool reception_client_parse(const char *text, struct reception_client *out);
/* Loopback, link-local and private addresses (rfc1918, rfc4193, rfc6598): whoever is there is known to
 * no list and has no name in public DNS. */
bool reception_client_inside(const struct reception_client *c);
/*
 * The address backwards, followed by a zone: "5.113.0.203." or the nibbles of IPv6 (rfc5782:2.1, 2.4).
 * zone "" stands for in-addr.arpa and ip6.arpa (rfc1035:3.5, rfc3596:2.5). false: no room for it.
 */
bool reception_client_reverse(
    const struct reception_client *c, const char *zone, struct dns_name *out);

#endif
