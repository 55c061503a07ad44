/* SPDX-License-Identifier: ISC */
/* Top-level domains: IANA's list as this version knows it, or the one the administrator has fetched since. */
#ifndef POSTERN_RECEPTION_TLDS_H
#define POSTERN_RECEPTION_TLDS_H

#include "base/str.h"

enum {
	TLDS_FILE_MAX = 256 << 10, /* bytes of a list; IANA's has 10,000 */
	TLDS_LEAST =
	    1000, /* names: IANA's list has had more since 2015; half a list would refuse good mail */
};

struct tlds;

/* Reads the form of IANA's tlds-alpha-by-domain.txt: a name (A-label) a line, "#" begins a comment. NULL: it is no
 * such list, and *why tells in a few words. */
struct tlds *tlds_parse(struct str text, const char **why);
void tlds_free(struct tlds **t);

/* Is this, without a dot, a top-level domain of the list (NULL: lib/reception/tld_table.h), or among more: A-labels,
 * separated by spaces? ASCII, any case. */
bool tlds_know(const struct tlds *t, struct str label, struct str more);

#endif
