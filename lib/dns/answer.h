/* SPDX-License-Identifier: ISC */
/*
 * Reads one DNS response: follows aliases to the name that has the records and brings these into
 * one form, checked, so that whoever uses them needs no parser for messages.
 *
 * The records: each is preceded by its length as two bytes, most significant first. Domain names in
 * them (NS, CNAME, PTR, DNAME, MX, AFSDB, SRV, SOA) are written out, not compressed, in lower case;
 * dns_name_read(record, length, &at, &name) reads them.
 */
#ifndef POSTERN_DNS_ANSWER_H
#define POSTERN_DNS_ANSWER_H

#include "base/buf.h"
#include "dns/name.h"

enum {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AFSDB = 18,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_DNAME = 39,
	DNS_DS = 43,
	DNS_DNSKEY = 48,
	DNS_TLSA = 52,
};

enum {
	DNS_ALIASES_MAX = 11, /* as many as resolvers follow; a longer chain is a loop or a prank */
	DNS_TTL_MAX = 86400,  /* nobody's answer is trusted longer than a day */
};

enum {
	DNS_ERR_FORMAT = -1, /* not a response, malformed, a record of an impossible length */
	DNS_ERR_ALIASES = -2,
	DNS_ERR_SIZE = -3, /* the limit of records was reached */
};

struct dns_answer {
	struct dns_name name; /* the name asked for, behind its aliases */
	uint32_t ttl;         /* seconds; of a negative answer the SOA's (rfc2308:5), 0 without */
	unsigned rcode;
	unsigned count;
	struct buf records; /* initialised by the caller: its limit counts */
};

/* 1: at least one record; 0: there is none (rcode tells whether the name exists); <0: DNS_ERR_*. */
int dns_answer_read(const uint8_t *packet, size_t size, uint16_t type, struct dns_answer *out);

/* Types that ask for something else than records of one type (ANY, AXFR, OPT ...; rfc6895:3.1). */
bool dns_type_is_meta(uint32_t type);

#endif
