/* SPDX-License-Identifier: ISC */
/*
 * The one parser of envelope paths and mailboxes (rfc5321:4.1.2, rfc6531:3.3): smtpd, accounts,
 * queue and the command line all see the same local part and the same domain.
 *
 * Normal form: local part without needless quoting, its case kept; domain in lower case (ASCII
 * letters); address literals as inet_ntop prints them. Printing and parsing again gives the same
 * struct. Beyond the letter of the grammar an underscore is taken in a domain label, because
 * senders in the field have it; a trailing dot and address literals with other tags are refused.
 */
#ifndef POSTERN_MAIL_ADDRESS_H
#define POSTERN_MAIL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum {
	ADDRESS_LOCAL_MAX = 64,   /* rfc5321:4.5.3.1.1, octets as written */
	ADDRESS_DOMAIN_MAX = 255, /* rfc5321:4.5.3.1.2 */
	ADDRESS_LABEL_MAX = 63,   /* rfc1035:2.3.4 */
	ADDRESS_PATH_MAX = 256,   /* rfc5321:4.5.3.1.3, with the angle brackets */
	/* What address_print can write, with its NUL. */
	ADDRESS_TEXT_SIZE = ADDRESS_PATH_MAX + 1
};

/* What address_parse_path and address_parse_mailbox may take besides plain mailboxes. */
enum address_options {
	ADDRESS_UTF8 = 1,       /* SMTPUTF8 was asked for: valid UTF-8 in local part and domain */
	ADDRESS_NULL = 2,       /* "<>" */
	ADDRESS_POSTMASTER = 4, /* "<postmaster>" without a domain, in any case */
};

enum address_error {
	ADDRESS_ERR_SYNTAX = -1,
	ADDRESS_ERR_LONG = -2,  /* a limit above was passed */
	ADDRESS_ERR_8BIT = -3,  /* bytes >= 0x80 that are not UTF-8, or without ADDRESS_UTF8 */
	ADDRESS_ERR_SPACE = -4, /* address_print: out is too small */
};

/* The null path has both lengths 0; a bare postmaster has only a local part. No padding is
 * compared: use address_equal. */
struct address {
	unsigned char local_n, domain_n;
	bool utf8;                       /* has bytes >= 0x80 */
	bool literal;                    /* domain is an address literal, brackets included */
	char local[ADDRESS_LOCAL_MAX];   /* as meant: no quotes, no quoted pairs; never NUL bytes */
	char domain[ADDRESS_DOMAIN_MAX]; /* normal form */
};

/*
 * Parses a path in angle brackets at the start of `in`; a source route before the mailbox is
 * checked and dropped (rfc5321:4.1.1.3). 1: *out is filled and *used is the length of the path;
 * or an address_error.
 */
int address_parse_path(struct str in, unsigned flags, struct address *out, size_t *used);
/* The whole of `in` is a mailbox without angle brackets. 1 or an address_error. */
int address_parse_mailbox(struct str in, unsigned flags, struct address *out);
/* The whole of `in` is a domain name; *out (ADDRESS_DOMAIN_MAX bytes) gets the normal form. The
 * length, or an address_error. */
int address_parse_domain(struct str in, unsigned flags, char *out);
/* The same for an address literal "[192.0.2.1]" or "[IPv6:2001:db8::1]". */
int address_parse_literal(struct str in, char *out);

/* The mailbox in normal form with a NUL, without angle brackets ("" for the null path); its
 * length, or ADDRESS_ERR_SPACE. ADDRESS_TEXT_SIZE bytes are always enough. */
int address_print(const struct address *a, char *out, size_t outsize);

static inline struct str
address_local(const struct address *a)
{
	return str_from(a->local, a->local_n);
}

static inline struct str
address_domain(const struct address *a)
{
	return str_from(a->domain, a->domain_n);
}

/* The same of an address as text, in normal form; all of it when it has none. */
static inline struct str
address_text_domain(struct str text)
{
	size_t at = text.n;

	while (at > 0 && text.p[at - 1] != '@')
		at--;
	return str_from(text.p + at, text.n - at);
}

static inline bool
address_is_null(const struct address *a)
{
	return a->local_n == 0 && a->domain_n == 0;
}

/* Local parts byte for byte, domains in normal form. */
bool address_equal(const struct address *a, const struct address *b);
/*
 * Splits the local part at the first '+': *user is what stands before it, *detail what comes
 * after. false (and *user = all) when there is none or nothing would be left of the user. Both
 * point into *a.
 */
bool address_split_detail(const struct address *a, struct str *user, struct str *detail);

/* Whole, shortest-form UTF-8 without surrogates; control characters are the caller's affair. */
bool address_utf8_valid(struct str s);

#endif
