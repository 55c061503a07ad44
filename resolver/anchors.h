/* SPDX-License-Identifier: ISC */
/* DNSSEC trust anchors: from a file, or the keys of the root that are known at build time. */
#ifndef POSTERN_RESOLVER_ANCHORS_H
#define POSTERN_RESOLVER_ANCHORS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

enum {
	ANCHORS_FILE_MAX = 65536, /* a root key set is 1 KB */
	ANCHOR_MAX = 4096,        /* one record */
};

/* The root's key signing keys 20326 and 38696 as DS records, one a line. */
extern const char anchors_of_root[];

/*
 * Cuts a zone file's text into its DS and DNSKEY records, each on one line without comment and
 * parentheses, and calls fn with it (NUL-terminated). Directives and other records are passed over.
 * Returns how many there were, -1 when one is longer than ANCHOR_MAX.
 */
int anchors_each(struct str text, void (*fn)(void *arg, const char *record), void *arg);

/* True when one of the records is for this name or one below it: "test." of ". IN DS" is false. */
bool anchors_cover(struct str text, const char *name);

#endif
