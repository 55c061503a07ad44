/* SPDX-License-Identifier: ISC */
#include "smtpd/address_cache.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/xalloc.h"

struct place {
	char *text; /* address, then accounts; NULL: empty */
	size_t address_n, accounts_n;
	bool elsewhere;
};

struct address_cache {
	struct place places[ADDRESS_CACHE_PLACES];
};

/* Who finds collisions only makes us ask more often. */
static size_t
place_of(struct str address)
{
	uint64_t h = hash_add(HASH_START, address);

	return (size_t)(h ^ h >> 32) % ADDRESS_CACHE_PLACES;
}

struct address_cache *
address_cache_new(void)
{
	return xcalloc(1, sizeof(struct address_cache));
}

void
address_cache_clear(struct address_cache *c)
{
	for (size_t i = 0; i < ADDRESS_CACHE_PLACES; i++) {
		free(c->places[i].text);
		c->places[i] = (struct place){ 0 };
	}
}

void
address_cache_free(struct address_cache **c)
{
	if (*c == NULL)
		return;
	address_cache_clear(*c);
	free(*c);
	*c = NULL;
}

bool
address_cache_get(const struct address_cache *c, struct str address, struct address_answer *answer)
{
	const struct place *p = &c->places[place_of(address)];

	if (p->text == NULL || !str_eq(str_from(p->text, p->address_n), address))
		return false;
	answer->accounts = str_from(p->text + p->address_n, p->accounts_n);
	answer->elsewhere = p->elsewhere;
	return true;
}

void
address_cache_put(struct address_cache *c, struct str address, const struct address_answer *answer)
{
	struct place *p = &c->places[place_of(address)];
	struct str accounts = answer->accounts;

	free(p->text);
	p->text = xmalloc(address.n + accounts.n);
	memcpy(p->text, address.p, address.n);
	if (accounts.n > 0)
		memcpy(p->text + address.n, accounts.p, accounts.n);
	p->address_n = address.n;
	p->accounts_n = accounts.n;
	p->elsewhere = answer->elsewhere;
}
