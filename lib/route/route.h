/* SPDX-License-Identifier: ISC */
/*
 * Where mail for a domain goes (rfc5321:5.1, rfc7505): a function of its input and the DNS facts so
 * far. It returns ROUTE_NEED with every question it can name already, or ROUTE_DONE with an ordered
 * list of hosts and addresses, or why there is none. The same input gives the same list, in
 * whatever order the records came.
 *
 * A trouble of DNS is always temporary: only a good answer can say that a domain does not exist.
 */
#ifndef POSTERN_ROUTE_ROUTE_H
#define POSTERN_ROUTE_ROUTE_H

#include "dns/facts.h"
#include "route/refuse.h"

enum {
	/* Hosts of one domain that are tried: real domains have under six; more only cost time. */
	ROUTE_HOSTS_MAX = 10,
	/* Addresses of one host: both families and a spare. */
	ROUTE_ADDRESSES_MAX = 5,
	ROUTE_HOPS_MAX = ROUTE_HOSTS_MAX * ROUTE_ADDRESSES_MAX,
	ROUTE_QUESTIONS_MAX = ROUTE_HOSTS_MAX * 2, /* the first round is one MX question */
};

enum { ROUTE_DONE = 0, ROUTE_NEED = 1 };
enum route_class { ROUTE_OK, ROUTE_TEMP, ROUTE_PERM };

/* Bits of route_input.flags. */
enum route_flag {
	ROUTE_HOST = 1,          /* a configured host: its addresses, no MX */
	ROUTE_ALLOW_PRIVATE = 2, /* addresses that are not public (tests, a smarthost) */
	ROUTE_ALLOW_OWN = 4,     /* own names and addresses: no cut, nothing refused */
	ROUTE_NO_IPV4 = 8,
	ROUTE_NO_IPV6 = 16,
};

struct route_input {
	/* Normal form of mail/address.h, U-labels made A-labels; or an address literal "[...]". */
	struct str domain;
	unsigned flags;
	uint64_t seed; /* orders what is equal: take another for each message or connection */
	const struct dns_name *own_names;
	size_t own_name_count;
	const struct route_address *own_addresses;
	size_t own_address_count;
};

struct route_host {
	struct dns_name name; /* as the MX record says; n == 0 for an address literal */
	uint16_t preference;  /* 0 when it came from no MX record */
	bool secure;          /* its addresses are proved by DNSSEC */
};

struct route_hop {
	uint8_t host; /* number in hosts */
	struct route_address address;
};

struct route_result {
	enum route_class class;
	const char *status; /* enhanced status code; "" for ROUTE_OK */
	const char *reason; /* constant, one line of English for logs and notifications */
	bool from_mx;       /* the hosts come from MX records */
	bool mx_secure;     /* the answer to the MX question is proved by DNSSEC */
	bool incomplete;    /* some addresses could not be asked for: a failure is temporary then */
	struct route_host hosts[ROUTE_HOSTS_MAX];
	size_t host_count;
	struct route_hop hops[ROUTE_HOPS_MAX]; /* in the order to try */
	size_t hop_count;                      /* more than 0 for ROUTE_OK */
	struct dns_question questions[ROUTE_QUESTIONS_MAX];
	size_t question_count; /* more than 0 for ROUTE_NEED */
};

/* ROUTE_DONE or ROUTE_NEED; *out is filled anew by each call. At most two rounds are needed. */
int route_mx(const struct route_input *in, const struct dns_facts *facts, struct route_result *out);

#endif
