/* SPDX-License-Identifier: ISC */
/*
 * May this client send for this domain? check_host() of rfc7208 (with rfc8616 for names that are not
 * ASCII) as a function of its input and the DNS facts so far: it returns SPF_NEED with every
 * question it can name already, also those of terms behind the one that waits, or SPF_DONE with the
 * verdict. The same input and facts give the same verdict. It recurses by include: only, at most
 * SPF_LOOKUPS_MAX deep, and allocates nothing.
 *
 * The host bounds the time (rfc7208:4.6.4 wants at least 20 seconds): a question that got no answer
 * in it is a DNS_FACT_TEMP.
 */
#ifndef POSTERN_SPF_SPF_H
#define POSTERN_SPF_SPF_H

#include "dns/facts.h"

enum {
	SPF_LOOKUPS_MAX = 10, /* terms that ask the DNS (rfc7208:4.6.4) */
	SPF_VOIDS_MAX = 2,    /* of them, those that find nothing (the same place) */
	SPF_NAMES_MAX = 10,   /* hosts of one mx, names of one ptr (the same place) */
	/* Bytes of one record: the text recommends under 450; large senders have up to 2,000. */
	SPF_RECORD_MAX = 8192,
	SPF_TERM_MAX = 512, /* a name has 253 at most; the rest is for macros */
	/* A hostile policy may ask for a hundred addresses: they go out in rounds. */
	SPF_QUESTIONS_MAX = 32,
	/* Rounds that a policy can need: 10 terms each behind the other, hosts of the last, %{p}, exp=. */
	SPF_ROUNDS_MAX = 32,
	SPF_EXPLANATION_MAX = 400, /* it shares a reply line of 512 octets with our own words */
	SPF_MECHANISM_MAX = 128,   /* for the log; longer ones are cut */
};

enum { SPF_DONE = 0, SPF_NEED = 1 };

/* rfc7208:2.6; the words of spf_code_word are those of rfc8601:2.7.2. */
#define SPF_CODES(X) \
	X(SPF_NONE, "none") \
	X(SPF_NEUTRAL, "neutral") \
	X(SPF_PASS, "pass") \
	X(SPF_FAIL, "fail") \
	X(SPF_SOFTFAIL, "softfail") \
	X(SPF_TEMPERROR, "temperror") \
	X(SPF_PERMERROR, "permerror")
#define X(id, word) id,
enum spf_code { SPF_CODES(X) };
#undef X

enum spf_identity { SPF_HELO, SPF_MAIL_FROM };

struct spf_address {
	uint8_t
	    n; /* 4 or 16; an IPv4 address inside of an IPv6 one (::ffff:192.0.2.1) counts as IPv4 */
	uint8_t bytes[16];
};

/* All strings are borrowed and may hold any bytes. */
struct spf_input {
	enum spf_identity identity;
	struct spf_address client;
	struct str helo; /* as the client said it */
	/* The reverse-path without angle brackets; n == 0: the null one, which stands for
	 * postmaster@HELO (rfc7208:2.4). Not looked at when the identity is HELO. */
	struct str mail_from;
	struct str receiver; /* our host name, for explanations; n == 0: "unknown" */
	int64_t time;        /* seconds since 1970, for explanations */
};

struct spf_result {
	enum spf_code code;
	/* The domain that was checked, in lower case and A-labels; n == 0 when it was no domain name
	 * (then the code is SPF_NONE). DMARC's SPF identifier when the identity is MAIL FROM. */
	struct dns_name domain;
	/* What decided, as the record of that domain (or the one it redirects to) says it, "-all";
	 * "default" when nothing matched, "" for an error or none. Printable ASCII, NUL-terminated. */
	char mechanism[SPF_MECHANISM_MAX + 1];
	/* SPF_FAIL: what the domain's owner says (exp=), "" when nothing usable. Printable ASCII of
	 * a stranger: say so where it is shown. NUL-terminated. */
	char explanation[SPF_EXPLANATION_MAX + 1];
	const char *reason;      /* constant, one line of English: why an error or none; else "" */
	unsigned lookups, voids; /* how much of the limits was used */
	struct dns_question questions[SPF_QUESTIONS_MAX];
	size_t question_count; /* more than 0 for SPF_NEED, none of them has a fact */
};

/* SPF_DONE or SPF_NEED; *out is filled anew by each call. At most SPF_ROUNDS_MAX rounds. */
int spf_check(const struct spf_input *in, const struct dns_facts *facts, struct spf_result *out);

const char *spf_code_word(enum spf_code code);

#endif
