/* SPDX-License-Identifier: ISC */
/* DMARC policy records (rfc9989:4.7, 4.8). */
#ifndef POSTERN_DMARC_RECORD_H
#define POSTERN_DMARC_RECORD_H

#include "base/str.h"

enum {
	/* Bytes of one record. Real ones have under 500; what is longer is no record. */
	DMARC_RECORD_MAX = 2048,
	DMARC_URIS_MAX = 511, /* of one list: half a dozen addresses */
};

/* In order of severity. */
#define DMARC_POLICIES(X) \
	X(DMARC_P_NONE, "none") \
	X(DMARC_P_QUARANTINE, "quarantine") \
	X(DMARC_P_REJECT, "reject")
#define X(id, word) id,
enum dmarc_policy { DMARC_POLICIES(X) };
#undef X

enum dmarc_psd { DMARC_PSD_UNKNOWN, DMARC_PSD_YES, DMARC_PSD_NO };

/* Bits of dmarc_record.failure_options. */
enum { DMARC_FO_ALL = 1, DMARC_FO_ANY = 2, DMARC_FO_DKIM = 4, DMARC_FO_SPF = 8 };

struct dmarc_record {
	enum dmarc_policy p, sp, np; /* with what follows from absent tags filled in */
	bool has_sp, has_np;
	/* p, sp or np is there and not valid: with a usable rua the policy is none, else nothing
	 * applies (rfc9989:4.10.1). An absent p is none (rfc9989:4.7). */
	bool policy_invalid;
	bool testing; /* t=y */
	bool strict_spf, strict_dkim;
	enum dmarc_psd psd;
	unsigned failure_options; /* DMARC_FO_*; fo without ruf means nothing */
	/* The valid URIs with commas between, as they stand; "" without. NUL-terminated; those that
	 * do not fit are left out. */
	char rua[DMARC_URIS_MAX + 1], ruf[DMARC_URIS_MAX + 1];
};

/*
 * One TXT record, its strings joined. false: not a DMARC record. Unknown tags (pct, rf and ri among
 * them) are ignored, a tag with a wrong value counts as absent, apart from the three policies.
 */
bool dmarc_record_parse(struct str txt, struct dmarc_record *out);

const char *dmarc_policy_word(enum dmarc_policy policy);

#endif
