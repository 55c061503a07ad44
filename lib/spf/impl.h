/* SPDX-License-Identifier: ISC */
/* Inside of the SPF engine: records, terms, macros, and what one evaluation works on. */
#ifndef POSTERN_SPF_IMPL_H
#define POSTERN_SPF_IMPL_H

#include "idn/idn.h"
#include "spf/spf.h"

/* What a term or a look-up came to. MATCH and NO are the answers; the others end the record, apart
 * from SPF_EVAL_NEED, after which the terms behind are looked at for their questions only. */
enum spf_eval { SPF_EVAL_NO, SPF_EVAL_MATCH, SPF_EVAL_NEED, SPF_EVAL_TEMP, SPF_EVAL_PERM };

/* --- terms (record.c) ------------------------------------------------------------------------- */

enum spf_argument { SPF_ARG_NONE, SPF_ARG_OPTIONAL, SPF_ARG_DOMAIN, SPF_ARG_IP4, SPF_ARG_IP6 };

/* One list of the mechanisms (rfc7208:5): name, argument, takes a prefix length, asks the DNS. */
#define SPF_MECHANISMS(X) \
	X(SPF_M_ALL, "all", SPF_ARG_NONE, false, false) \
	X(SPF_M_INCLUDE, "include", SPF_ARG_DOMAIN, false, true) \
	X(SPF_M_A, "a", SPF_ARG_OPTIONAL, true, true) \
	X(SPF_M_MX, "mx", SPF_ARG_OPTIONAL, true, true) \
	X(SPF_M_PTR, "ptr", SPF_ARG_OPTIONAL, false, true) \
	X(SPF_M_IP4, "ip4", SPF_ARG_IP4, true, false) \
	X(SPF_M_IP6, "ip6", SPF_ARG_IP6, true, false) \
	X(SPF_M_EXISTS, "exists", SPF_ARG_DOMAIN, false, true)
enum spf_term_kind {
#define X(id, name, argument, prefix, asks) id,
	SPF_MECHANISMS(X)
#undef X
	    SPF_T_REDIRECT,
	SPF_T_EXP,
	SPF_T_UNKNOWN, /* a modifier nobody knows */
};

struct spf_term {
	enum spf_term_kind kind;
	enum spf_code qualifier; /* of a mechanism: what a match gives */
	bool asks;               /* counts as a look-up */
	struct str argument;     /* the domain-spec; n == 0: the current domain */
	struct spf_address network;
	unsigned prefix4, prefix6;
	struct str text; /* the whole term */
};

/* Reads one term; *t points into text. false: a syntax error. */
bool spf_term_read(struct str text, struct spf_term *t);

/* Where a term stands in the joined strings of a record. */
struct spf_place {
	uint16_t begin, n;
};

/*
 * What is known of a whole record before the DNS is asked: its terms that do so, up to the first other
 * one that matches the client. More of them than the limit are of no interest.
 */
struct spf_outline {
	struct spf_place asking[SPF_LOOKUPS_MAX + 1];
	unsigned asking_n;
	struct spf_place match;                                 /* n == 0: none */
	enum spf_code code;                                     /* of match */
	char redirect[SPF_TERM_MAX + 1], exp[SPF_TERM_MAX + 1]; /* domain-specs, "" without */
};

/* The TXT record begins with "v=spf1" and a space, or is no longer. */
bool spf_record_is_ours(struct str record);
/* Joined bytes of the record from this one on, max at most; their number. */
size_t spf_record_copy(struct str record, size_t from, char *out, size_t max);
/*
 * Checks every term of the record (rfc7208:4.6) and fills *out. NULL, or what is wrong as a constant.
 * scratch is for this call only.
 */
const char *spf_record_check(struct str record, const struct spf_address *client,
    char scratch[SPF_RECORD_MAX], struct spf_outline *out);

/* --- one evaluation (check.c) ----------------------------------------------------------------- */

struct spf_work {
	const struct spf_input *in;
	const struct dns_facts *facts;
	struct spf_result *out;
	struct spf_address client; /* IPv4 inside of IPv6 is IPv4 here */
	struct str sender_local, sender_domain, helo;
	char ascii_sender[IDN_SIZE];  /* what sender_domain points into when it had U-labels */
	bool need;                    /* some fact is missing: the rest is for questions only */
	bool counted_p;               /* %{p} was counted as a look-up */
	unsigned depth;               /* of include: */
	char scratch[SPF_RECORD_MAX]; /* for spf_record_check */
	const char *why;              /* reason of the first error */
};

/* The fact, or NULL and the question is noted and w->need is set. */
const struct dns_fact *spf_ask(struct spf_work *w, const struct dns_name *name, uint16_t type);
/* Counts a term that asks the DNS; false: too many. */
bool spf_count_lookup(struct spf_work *w);

/* --- macros (macro.c) ------------------------------------------------------------------------- */

enum {
	SPF_EXPANDED_MAX = 1024, /* of a domain-spec only the last 253 bytes count */
	SPF_DOMAIN_MAX = 253,    /* rfc7208:7.3 */
};

enum spf_macro_place { SPF_IN_TERM, SPF_IN_EXPLANATION };

/* macro-string, in an explanation with spaces and the letters c, r and t (rfc7208:7.1). */
bool spf_macro_valid(struct str s, enum spf_macro_place place);
/* A macro-string that ends as a domain must (domain-end). */
bool spf_domain_spec_valid(struct str s);
/*
 * Expands the domain-spec for the current domain to a name. SPF_EVAL_MATCH: *name is filled;
 * SPF_EVAL_NO: what comes out is no name of DNS; NEED, PERM: %{p} asks for facts, or passed the limit.
 */
enum spf_eval spf_expand_name(
    struct spf_work *w, struct str spec, struct str domain, struct dns_name *name);
/* Expands an explanation to printable ASCII; false: facts are missing, or it is not usable and
 * *out is "". */
bool spf_expand_explanation(
    struct spf_work *w, struct str text, struct str domain, char out[SPF_EXPLANATION_MAX + 1]);

/* --- addresses (client.c) --------------------------------------------------------------------- */

/* The first bits of both are the same; false for different kinds. */
bool spf_address_in(const struct spf_address *a, const struct spf_address *network, unsigned bits);
/* One of the A or AAAA records has the client in its network. */
bool spf_client_in_records(
    struct spf_work *w, const struct dns_fact *fact, const struct spf_term *t);
/* "192.0.2.1" or 32 nibbles with dots (%{i}); text as people write it (%{c}). */
size_t spf_address_dotted(const struct spf_address *a, char out[64]);
size_t spf_address_text(const struct spf_address *a, char out[64]);
/*
 * The validated names of the client (rfc7208:5.5): SPF_EVAL_MATCH and the first that is domain or
 * below it; SPF_EVAL_NO: none is; NEED. *any: the first validated one, whatever it is (n == 0:
 * none). *empty: the address has no PTR record.
 */
enum spf_eval spf_validated_name(struct spf_work *w, const struct dns_name *domain,
    struct dns_name *name, struct dns_name *any, bool *empty);
uint16_t spf_address_type(const struct spf_work *w);

#endif
