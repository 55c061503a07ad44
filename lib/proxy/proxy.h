/* SPDX-License-Identifier: ISC */
/*
 * The header with which a proxy begins a connection to tell whose it is (PROXY protocol of haproxy.org,
 * version 1 in text, version 2 in bytes), for TCP over IPv4 and IPv6.
 */
#ifndef POSTERN_PROXY_PROXY_H
#define POSTERN_PROXY_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "net/address.h"

enum {
	PROXY_V1_MAX = 107, /* with its CR LF: what version 1 can need at most */
	PROXY_V2_MAX =
	    2048, /* header, addresses and what more a proxy tells (TLS names and the like) */
};

struct proxy_header {
	bool local; /* the proxy speaks for itself (a health check), or does not know */
	struct net_address client;
	uint16_t port;
};

/* 1: *out is filled, and *used bytes were the header. 0: more is needed. -1: this is no such header. */
int proxy_parse(struct str in, struct proxy_header *out, size_t *used);

#endif
