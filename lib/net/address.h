/* SPDX-License-Identifier: ISC */
/*
 * IP addresses as bytes, and the numbers by which clients are counted: an IPv4 address or an IPv6 /64 is
 * one client (whoever has one address of a /64 has all of them); an IPv4 /24 or an IPv6 /48 is one network,
 * about what one customer or one server farm has. IPv4 in IPv6 (::ffff:a.b.c.d) is IPv4.
 */
#ifndef POSTERN_NET_ADDRESS_H
#define POSTERN_NET_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { NET_TEXT_MAX = 46 }; /* with its NUL */

struct net_address {
	bool six;
	uint8_t b[16]; /* IPv4: the first four */
};

/* Text without brackets or zone. */
bool net_parse(struct str text, struct net_address *out);
/* rfc5952, or dotted; returns out. */
const char *net_print(const struct net_address *a, char out[NET_TEXT_MAX]);
bool net_eq(const struct net_address *a, const struct net_address *b);
bool net_is_loopback(const struct net_address *a);

/* No two of these numbers are alike, whatever they stand for. */
uint64_t net_client_key(const struct net_address *a);  /* IPv4 address, IPv6 /64 */
uint64_t net_network_key(const struct net_address *a); /* IPv4 /24, IPv6 /48 */
/* IPv4 /24, IPv6 /64: within it the servers of one sender change places. */
uint64_t net_pool_key(const struct net_address *a);

#endif
