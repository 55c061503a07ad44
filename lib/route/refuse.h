/* SPDX-License-Identifier: ISC */
/* Addresses no mail of others may lead to: otherwise a domain's owner chooses whom we talk to. */
#ifndef POSTERN_ROUTE_REFUSE_H
#define POSTERN_ROUTE_REFUSE_H

#include <stdint.h>

struct route_address {
	uint8_t n; /* 4 or 16 */
	uint8_t bytes[16];
};

/*
 * NULL: a public address; otherwise one word why it is none ("loopback", "private" ...). IPv4
 * addresses inside of IPv6 ones (NAT64, 6to4) are judged as such.
 */
const char *route_address_refused(const struct route_address *a);

#endif
