/* SPDX-License-Identifier: ISC */
/*
 * For tests: a DNS made of lines "OWNER TYPE VALUE", which answers the questions of an evaluator. TYPE
 * is A, AAAA, MX, PTR or TXT ("|" separates strings); a value TEMP or BOGUS is a state; "\xHH" in a
 * TXT record is a byte. Owners are written as dns_name_text does it, in lower case.
 */
#ifndef POSTERN_DNS_TEST_ZONE_H
#define POSTERN_DNS_TEST_ZONE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "base/buf.h"
#include "dns/facts.h"

enum { ENTRIES = 400, FACTS = 400, LINE_SIZE = 4096 };

struct entry {
	char owner[LINE_SIZE];
	char type[8];
	char value[2048];
};

static struct entry zone[ENTRIES];
static size_t zone_n;
static struct dns_fact test_list[FACTS];
static struct buf test_records[FACTS];
static struct dns_facts test_facts = { test_list, 0 };

static inline int
hex(char c)
{
	return c <= '9' ? c - '0' : ascii_tolower(c) - 'a' + 10;
}

/* \xHH is a byte. In place; the length. */
static inline size_t
test_zone_unescape(char *s)
{
	char *o = s;

	for (char *p = s; *p != '\0'; p++) {
		if (p[0] == '\\' && p[1] == 'x') {
			*o++ = (char)(hex(p[2]) << 4 | hex(p[3]));
			p += 3;
		} else {
			*o++ = *p;
		}
	}
	*o = '\0';
	return (size_t)(o - s);
}

static inline void
test_zone_record(struct buf *out, const void *p, size_t n)
{
	uint8_t length[2] = { (uint8_t)(n >> 8), (uint8_t)n };

	assert_int_equal(buf_put(out, length, 2), 0);
	assert_int_equal(buf_put(out, p, n), 0);
}

/* "one string|another", each in pieces of 255 bytes at most. */
static inline void
put_txt(struct buf *out, const char *value)
{
	static char text[2048];
	static uint8_t rdata[8192];
	size_t n = 0;
	char *at = text;

	snprintf(text, sizeof(text), "%s", value);
	for (char *piece; (piece = strsep(&at, "|")) != NULL;) {
		size_t left = test_zone_unescape(piece);

		do {
			size_t take = left < 255 ? left : 255;

			rdata[n++] = (uint8_t)take;
			memcpy(rdata + n, piece, take);
			n += take;
			piece += take;
			left -= take;
		} while (left > 0);
	}
	test_zone_record(out, rdata, n);
}

static inline void
put_value(struct buf *out, const char *type, const char *value)
{
	uint8_t rdata[2 + DNS_NAME_MAX] = { 0, 10 };
	struct dns_name name;

	if (strcmp(type, "TXT") == 0) {
		put_txt(out, value);
	} else if (strcmp(type, "A") == 0) {
		assert_int_equal(inet_pton(AF_INET, value, rdata), 1);
		test_zone_record(out, rdata, 4);
	} else if (strcmp(type, "AAAA") == 0) {
		assert_int_equal(inet_pton(AF_INET6, value, rdata), 1);
		test_zone_record(out, rdata, 16);
	} else {
		size_t before = strcmp(type, "MX") == 0 ? 2 : 0;

		assert_true(dns_name_parse(str_of(value), &name));
		memcpy(rdata + before, name.wire, name.n);
		test_zone_record(out, rdata, before + name.n);
	}
}

static inline const char *
type_word(uint16_t type)
{
	switch (type) {
	case DNS_A:
		return "A";
	case DNS_AAAA:
		return "AAAA";
	case DNS_MX:
		return "MX";
	case DNS_PTR:
		return "PTR";
	default:
		assert_int_equal(type, DNS_TXT);
		return "TXT";
	}
}

static inline bool
state_of(const char *value, enum dns_fact_state *state)
{
	if (strcmp(value, "TEMP") == 0)
		*state = DNS_FACT_TEMP;
	else if (strcmp(value, "BOGUS") == 0)
		*state = DNS_FACT_BOGUS;
	else
		return false;
	return true;
}

/* What has something below it exists, too (rfc8020). */
static inline bool
at_or_below(const char *owner, const char *name)
{
	size_t a = strlen(owner), b = strlen(name);

	return a >= b && strcmp(owner + a - b, name) == 0 && (a == b || owner[a - b - 1] == '.');
}

/* Adds the answer to test_facts. */
static inline void
test_zone_answer(const struct dns_question *q)
{
	struct dns_fact *f = &test_list[test_facts.n];
	struct buf *out = &test_records[test_facts.n++];
	char owner[DNS_TEXT_MAX];

	assert_true(test_facts.n < FACTS);
	*f = (struct dns_fact){ .asked = *q, .name = q->name, .state = DNS_FACT_NXDOMAIN };
	dns_name_text(&q->name, owner);
	buf_clear(out);
	for (size_t i = 0; i < zone_n; i++) {
		if (!at_or_below(zone[i].owner, owner))
			continue;
		if (f->state == DNS_FACT_NXDOMAIN)
			f->state = DNS_FACT_NONE;
		if (strcmp(zone[i].owner, owner) != 0 ||
		    strcmp(zone[i].type, type_word(q->type)) != 0 ||
		    state_of(zone[i].value, &f->state))
			continue;
		f->state = DNS_FACT_FOUND;
		put_value(out, zone[i].type, zone[i].value);
	}
	f->records = str_from(buf_data(out), buf_len(out));
}

static inline void
test_zone_put(const char *owner, const char *type, const char *value)
{
	struct entry *e = &zone[zone_n++];

	assert_true(zone_n < ENTRIES);
	snprintf(e->owner, sizeof(e->owner), "%s", owner);
	snprintf(e->type, sizeof(e->type), "%s", type);
	snprintf(e->value, sizeof(e->value), "%s", value);
}

static inline void
test_zone_clear(void)
{
	zone_n = 0;
}

static inline void
test_zone_line(const char *s)
{
	char owner[LINE_SIZE], type[8];
	int at = 0;

	assert_int_equal(sscanf(s, "%4095s %7s %n", owner, type, &at), 2);
	assert_true(at > 0);
	test_zone_put(owner, type, s + at);
}

/* Once, before anything else. */
static inline void
test_zone_init(void)
{
	for (size_t i = 0; i < FACTS; i++)
		buf_init(&test_records[i], 65536);
}

#endif
