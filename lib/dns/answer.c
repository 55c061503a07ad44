/* SPDX-License-Identifier: ISC */
#include "dns/answer.h"

#include <string.h>

enum { HEADER = 12, QR = 0x80 };

struct packet {
	const uint8_t *p;
	size_t size;
	size_t answers; /* where the answer section begins */
	unsigned ancount, nscount;
};

struct rr {
	struct dns_name owner;
	uint16_t type, class;
	uint32_t ttl;
	size_t rdata, rdlen;
};

static unsigned
u16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t
u32(const uint8_t *p)
{
	return (uint32_t)u16(p) << 16 | u16(p + 2);
}

bool
dns_type_is_meta(uint32_t type)
{
	return type == 0 || type == 41 || (type >= 128 && type <= 255) || type > 65279;
}

static bool
rr_read(const struct packet *k, size_t *at, struct rr *rr)
{
	const uint8_t *p;

	if (!dns_name_read(k->p, k->size, at, &rr->owner) || k->size - *at < 10)
		return false;
	p = k->p + *at;
	rr->type = (uint16_t)u16(p);
	rr->class = (uint16_t)u16(p + 2);
	rr->ttl = u32(p + 4);
	if (rr->ttl > 0x7fffffff) /* rfc2181:8 */
		rr->ttl = 0;
	if (rr->ttl > DNS_TTL_MAX)
		rr->ttl = DNS_TTL_MAX;
	rr->rdlen = u16(p + 8);
	rr->rdata = *at + 10;
	*at = rr->rdata + rr->rdlen;
	return *at <= k->size;
}

/* --- records into their written-out form ------------------------------------------------------ */

/* Fixed bytes before, names, fixed bytes behind; 0 names: copied as it is. */
static void
layout(unsigned type, size_t *before, unsigned *names, size_t *behind)
{
	*before = *behind = 0;
	*names = 0;
	switch (type) {
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
	case DNS_DNAME:
		*names = 1;
		break;
	case DNS_MX:
	case DNS_AFSDB:
		*before = 2;
		*names = 1;
		break;
	case DNS_SRV:
		*before = 6;
		*names = 1;
		break;
	case DNS_SOA:
		*names = 2;
		*behind = 20;
		break;
	}
}

static bool
strings_are_whole(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n)
		i += 1U + p[i];
	return n > 0 && i == n;
}

static bool
plain_length_is_right(unsigned type, const uint8_t *p, size_t n)
{
	switch (type) {
	case DNS_A:
		return n == 4;
	case DNS_AAAA:
		return n == 16;
	case DNS_TXT:
		return strings_are_whole(p, n);
	case DNS_TLSA:
		return n > 3;
	default:
		return true;
	}
}

/* Writes the record to out (room for its largest form); 0: malformed. */
static size_t
record_write(const struct packet *k, const struct rr *rr, uint8_t *out)
{
	size_t at = rr->rdata, end = rr->rdata + rr->rdlen, before, behind, o;
	unsigned names;
	struct dns_name name;

	layout(rr->type, &before, &names, &behind);
	if (rr->rdlen < before)
		return 0;
	memcpy(out, k->p + at, o = before);
	at += before;
	for (unsigned i = 0; i < names; i++) {
		/* Only pointers may lead out of the record. */
		if (at >= end || !dns_name_read(k->p, end, &at, &name))
			return 0;
		memcpy(out + o, name.wire, name.n);
		o += name.n;
	}
	if (end - at != behind)
		return 0;
	memcpy(out + o, k->p + at, behind);
	return o + behind;
}

static int
record_put(const struct packet *k, const struct rr *rr, struct buf *out)
{
	uint8_t small[6 + 2 * DNS_NAME_MAX + 20];
	const uint8_t *p = k->p + rr->rdata;
	size_t n = rr->rdlen, before, behind;
	unsigned names;
	uint8_t length[2];

	layout(rr->type, &before, &names, &behind);
	if (names > 0) {
		if ((n = record_write(k, rr, small)) == 0)
			return DNS_ERR_FORMAT;
		p = small;
	} else if (!plain_length_is_right(rr->type, p, n)) {
		return DNS_ERR_FORMAT;
	}
	if (buf_room(out) < n + 2)
		return DNS_ERR_SIZE;
	length[0] = (uint8_t)(n >> 8);
	length[1] = (uint8_t)n;
	buf_put(out, length, 2);
	buf_put(out, p, n);
	return 0;
}

/* --- the answer ------------------------------------------------------------------------------- */

static int
packet_open(struct packet *k, const uint8_t *packet, size_t size, struct dns_answer *out)
{
	*k = (struct packet){ .p = packet, .size = size };
	if (size < HEADER || !(packet[2] & QR) || u16(packet + 4) != 1)
		return DNS_ERR_FORMAT;
	out->rcode = packet[3] & 15;
	k->ancount = u16(packet + 6);
	k->nscount = u16(packet + 8);
	k->answers = HEADER;
	if (!dns_name_read(packet, size, &k->answers, &out->name) || size - k->answers < 4)
		return DNS_ERR_FORMAT;
	k->answers += 4;
	return 0;
}

static void
ttl_lower(struct dns_answer *out, uint32_t ttl)
{
	if (ttl < out->ttl)
		out->ttl = ttl;
}

/* All records of this type the current name has; *alias: where it points instead, if it does. */
static int
collect(const struct packet *k, uint16_t type, struct dns_answer *out, struct dns_name *alias)
{
	size_t at = k->answers;
	struct rr rr;
	int rc;

	alias->n = 0;
	for (unsigned i = 0; i < k->ancount; i++) {
		if (!rr_read(k, &at, &rr))
			return DNS_ERR_FORMAT;
		if (rr.class != 1 || !dns_name_eq(&rr.owner, &out->name))
			continue;
		if (rr.type == type) {
			if ((rc = record_put(k, &rr, &out->records)) < 0)
				return rc;
			out->count++;
			ttl_lower(out, rr.ttl);
		} else if (rr.type == DNS_CNAME) {
			size_t name = rr.rdata;

			if (!dns_name_read(k->p, rr.rdata + rr.rdlen, &name, alias))
				return DNS_ERR_FORMAT;
			ttl_lower(out, rr.ttl);
		}
	}
	return 0;
}

static int
negative_ttl(const struct packet *k, struct dns_answer *out)
{
	size_t at = k->answers;
	struct rr rr;
	uint32_t ttl = 0;

	for (unsigned i = 0; i < k->ancount + k->nscount; i++) {
		if (!rr_read(k, &at, &rr))
			return DNS_ERR_FORMAT;
		if (i >= k->ancount && rr.type == DNS_SOA && rr.rdlen >= 20) {
			uint32_t minimum = u32(k->p + at - 4);

			ttl = rr.ttl < minimum ? rr.ttl : minimum;
		}
	}
	ttl_lower(out, ttl);
	return 0;
}

int
dns_answer_read(const uint8_t *packet, size_t size, uint16_t type, struct dns_answer *out)
{
	struct packet k;
	struct dns_name alias;
	int rc;

	out->ttl = DNS_TTL_MAX;
	out->count = 0;
	buf_clear(&out->records);
	if ((rc = packet_open(&k, packet, size, out)) < 0)
		return rc;
	for (unsigned i = 0; i <= DNS_ALIASES_MAX; i++) {
		if ((rc = collect(&k, type, out, &alias)) < 0)
			return rc;
		if (out->count > 0)
			return 1;
		if (alias.n == 0)
			return negative_ttl(&k, out);
		out->name = alias;
	}
	return DNS_ERR_ALIASES;
}
