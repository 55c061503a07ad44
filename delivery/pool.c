/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "delivery/impl.h"

/* --- kept connections ------------------------------------------------------------------------ */

/* The newest of that destination: the others may age and go. */
struct conn *
pool_take(struct delivery *d, const char *domain)
{
	struct conn *c;

	TAILQ_FOREACH_REVERSE(c, &d->idle, conn_list, idle_entry) {
		if (strcmp(c->domain, domain) == 0) {
			pool_remove(c);
			return c;
		}
	}
	return NULL;
}

bool
pool_put(struct conn *c)
{
	struct delivery *d = c->d;
	size_t same = 0;
	struct conn *other;

	if (d->nidle >= DELIVERY_IDLE_MAX)
		return false;
	TAILQ_FOREACH(other, &d->idle, idle_entry)
		same += strcmp(other->domain, c->domain) == 0;
	if (same >= DELIVERY_IDLE_PER_DESTINATION)
		return false;
	TAILQ_INSERT_TAIL(&d->idle, c, idle_entry);
	d->nidle++;
	c->pooled = true;
	return true;
}

void
pool_remove(struct conn *c)
{
	if (!c->pooled)
		return;
	TAILQ_REMOVE(&c->d->idle, c, idle_entry);
	c->d->nidle--;
	c->pooled = false;
}

/* --- who failed in TLS ----------------------------------------------------------------------- */

static struct no_tls *
find(struct delivery *d, const struct route_address *a)
{
	for (size_t i = 0; i < DELIVERY_NO_TLS_MAX; i++)
		if (d->no_tls[i].until_ms > 0 && d->no_tls[i].address.n == a->n &&
		    memcmp(d->no_tls[i].address.bytes, a->bytes, a->n) == 0)
			return &d->no_tls[i];
	return NULL;
}

bool
no_tls_find(struct delivery *d, const struct route_address *a)
{
	const struct no_tls *n = find(d, a);

	return n != NULL && io_now_ms(d->loop) < n->until_ms;
}

void
no_tls_put(struct delivery *d, const struct route_address *a)
{
	struct no_tls *n = find(d, a);

	if (n == NULL)
		n = &d->no_tls[d->next_no_tls++ % DELIVERY_NO_TLS_MAX];
	n->address = *a;
	n->until_ms = io_now_ms(d->loop) + DELIVERY_NO_TLS_MS;
}
