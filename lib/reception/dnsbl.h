/* SPDX-License-Identifier: ISC */
/*
 * Blocklists in the DNS (rfc5782): is the client in one? A function of its address, the lists and the DNS
 * facts so far; all questions come in one round.
 *
 * A list is believed only when its two test entries are as they must be: 127.0.0.2 listed, 127.0.0.1 not
 * (rfc5782:5). One that is dead, sold, out of reach, or answers with an error code (127.255.255.x) or
 * with anything that is no answer of a list (outside of 127.0.0.0/8) counts nothing. So no trouble of a
 * list or of the DNS refuses anybody.
 */
#ifndef POSTERN_RECEPTION_DNSBL_H
#define POSTERN_RECEPTION_DNSBL_H

#include "base/buf.h"
#include "dns/facts.h"
#include "reception/client.h"

enum {
	/* Each costs three look-ups: with those of name and sender they stay below 30 before RCPT. */
	DNSBL_LISTS_MAX = 5,
	DNSBL_QUESTIONS_MAX = DNSBL_LISTS_MAX * 3,
	DNSBL_RANGES_MAX = 8, /* of accepted answers */
	DNSBL_ZONE_SIZE =
	    180, /* with NUL; leaves room for the nibbles of an IPv6 address before it */
	DNSBL_LINK_SIZE = 81, /* with NUL; it stands in a reply with an address behind it */
	DNSBL_REFUSE = 100,   /* the weights of the lists that name the client add up to it */
};

enum { DNSBL_DONE = 0, DNSBL_NEED = 1 };

struct dnsbl_list {
	char zone[DNSBL_ZONE_SIZE]; /* in lower case */
	char link[DNSBL_LINK_SIZE]; /* a page about one address, which is put behind it; "": none */
	unsigned weight;            /* 1 to DNSBL_REFUSE */
	struct {
		uint32_t first, last; /* IPv4 addresses as numbers */
	} range[DNSBL_RANGES_MAX];
	size_t ranges;
};

struct dnsbl_lists {
	struct dnsbl_list list[DNSBL_LISTS_MAX];
	size_t n;
};

/*
 * Reads lists, separated by blanks, each written as ZONE[/[ANSWERS][/[WEIGHT][/[LINK]]]]: ANSWERS are
 * addresses in 127.0.0.0/8 or ranges of their last byte, separated by commas ("127.0.0.2,127.0.0.4-7").
 * What is left out comes from the table (dnsbl_table.h), else: 127.0.0.2-255, weight 100, no link. true,
 * or false with a sentence in *why; *out holds those that stood before.
 */
bool dnsbl_parse(struct str text, struct dnsbl_lists *out, struct buf *why);

/* What the answer of a list means; constant. */
struct dnsbl_class {
	const char *zone;
	uint8_t first, last;
	bool dialup;
	const char *english, *german; /* 7-bit */
};

struct dnsbl_found {
	bool listed;
	/* One word why the list was not believed ("timeout", "bogus", "error-code", "not-a-list",
	 * "lists-everything", "lists-nothing"); NULL: it was. Constant. */
	const char *trouble;
	uint32_t answer;                 /* of the list; 0 unless listed */
	const struct dnsbl_class *class; /* never NULL when listed */
};

struct dnsbl_result {
	bool refuse;
	unsigned weight;                           /* of all lists that name the client */
	size_t heaviest;                           /* number of the list to be named, if any does */
	struct dnsbl_found found[DNSBL_LISTS_MAX]; /* in the order of the lists */
	struct dns_question questions[DNSBL_QUESTIONS_MAX];
	size_t question_count; /* more than 0 for DNSBL_NEED, none of them has a fact */
};

/* DNSBL_DONE or DNSBL_NEED; *out is filled anew by each call. One round; without lists none. */
int dnsbl_check(const struct reception_client *client, const struct dnsbl_lists *lists,
    const struct dns_facts *facts, struct dnsbl_result *out);

#endif
