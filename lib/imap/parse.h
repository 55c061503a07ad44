/* SPDX-License-Identifier: ISC */
/*
 * The words of one whole command (rfc3501:9), as imap_frame hands it out. Every function returns
 * true and steps behind what it read, or returns false and leaves a text for the client in
 * p->error; strings stand in the arena or are borrowed from the command.
 */
#ifndef POSTERN_IMAP_PARSE_H
#define POSTERN_IMAP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

struct imap_parse {
	const char *p, *end;
	struct arena *a;
	const char *error;
	bool utf8; /* bytes above 127 in quoted strings must be UTF-8 (rfc9755:3) */
};

void imap_parse_init(struct imap_parse *p, struct str command, struct arena *a);
/* Notes the first error; always false. */
bool imap_parse_fail(struct imap_parse *p, const char *why);
bool imap_parse_at_end(const struct imap_parse *p);
/* The next byte, 0 at the end. */
char imap_parse_peek(const struct imap_parse *p);
/* Steps over c if it is next; no error if not. */
bool imap_parse_try(struct imap_parse *p, char c);
bool imap_parse_char(struct imap_parse *p, char c);
bool imap_parse_sp(struct imap_parse *p);
bool imap_parse_end(struct imap_parse *p);

/* Any ASTRING-CHAR but '+', at most IMAP_TAG_MAX bytes. */
bool imap_parse_tag(struct imap_parse *p, struct str *tag);
bool imap_parse_atom(struct imap_parse *p, struct str *s);
bool imap_parse_astring(struct imap_parse *p, struct str *s);
bool imap_parse_string(struct imap_parse *p, struct str *s);
/* NIL gives p == NULL. */
bool imap_parse_nstring(struct imap_parse *p, struct str *s);
/* ASTRING or with the wildcards of LIST. */
bool imap_parse_list_pattern(struct imap_parse *p, struct str *s);
bool imap_parse_number(struct imap_parse *p, uint64_t max, uint64_t *n);
/* A date of SEARCH, quoted or not: days since 1970. */
bool imap_parse_date(struct imap_parse *p, int64_t *day);

/* An atom can hold this byte. */
bool imap_is_atom_char(char c);

/* ---- sets of numbers --------------------------------------------------------------------------
 */
struct imap_range {
	uint32_t lo, hi; /* after parsing 0 stands for '*' */
};
struct imap_set {
	struct imap_range *r;
	size_t n;
	bool saved; /* "$" (rfc5182): see imap_set_fill */
};
bool imap_parse_set(struct imap_parse *p, struct imap_set *set);
/* "$" becomes what was saved: UIDs in ranges. False: out of room. */
bool imap_set_fill(struct imap_set *set, const uint32_t *uids, size_t n, struct arena *a);
/* '*' becomes max; the ranges are sorted and merged. */
void imap_set_resolve(struct imap_set *set, uint32_t max);
bool imap_set_has(const struct imap_set *set, uint32_t n); /* of a resolved set */

#endif
