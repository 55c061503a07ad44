/* SPDX-License-Identifier: ISC */
/*
 * What accounts answered about recipients, so that the next message to the same address need not
 * ask. Exact: accounts says addresses_changed in the turn in which it commits a change, and then
 * everything is forgotten. Only good answers are kept, so guessed addresses cannot push them out.
 */
#ifndef POSTERN_SMTPD_ADDRESS_CACHE_H
#define POSTERN_SMTPD_ADDRESS_CACHE_H

#include <stdbool.h>

#include "base/str.h"

enum { ADDRESS_CACHE_PLACES = 256 }; /* an address has one place; at most 230 KiB in all */

struct address_cache;

/* As in ipc_address_is; good when it names an account or goes elsewhere. */
struct address_answer {
	struct str accounts;
	bool elsewhere;
};

struct address_cache *address_cache_new(void);
void address_cache_free(struct address_cache **c);
/* The answer is borrowed until the next change of the cache. */
bool address_cache_get(
    const struct address_cache *c, struct str address, struct address_answer *answer);
void address_cache_put(
    struct address_cache *c, struct str address, const struct address_answer *answer);
void address_cache_clear(struct address_cache *c);

#endif
