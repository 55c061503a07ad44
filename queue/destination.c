/* SPDX-License-Identifier: ISC */
/*
 * Which delivery to another server is tried when. Each domain has a struct destination (with a
 * smarthost there is one for all); they know nothing of each other, so that a dead one delays nobody.
 *
 * A destination with deliveries that are ready is
 *
 *	runnable  in one of three lists, by what is known of it: REACHED, NEW (never tried), FAILED
 *	busy      it has as many jobs as its window allows; the end of one makes it runnable
 *	away      it could not be reached; at again_ms it is runnable, with a window of one
 *
 * The window begins with one and grows by one with each job that succeeds. A delivery that failed
 * for now waits in its destination's heap; destinations that wait for a time, in one heap. No event
 * looks at more than it is about. How the classes share the jobs: transfer.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/map.h"
#include "base/xalloc.h"
#include "mail/address.h"
#include "queue/remote_priv.h"

/* The clock is looked at again after this, whatever was computed. */
enum { LOOK_MS = 60000 };

/* --- destinations ------------------------------------------------------------------------------ */
static uint64_t
hash(struct str s)
{
	return hash_add(HASH_START, s);
}

struct destination *
destination_find(const struct remote *o, struct str domain)
{
	struct destination *to = map_get(o->destinations, hash(domain));

	while (to && !str_eq(str_of(to->domain), domain))
		to = to->same_hash;
	return to;
}

struct destination *
destination_get(struct remote *o, struct str domain)
{
	struct destination *to = destination_find(o, domain);

	if (to)
		return to;
	to = xcalloc(1, sizeof(*to) + domain.n + 1);
	memcpy(to->domain, domain.p, domain.n);
	to->class = CLASS_NEW;
	to->window = 1;
	TAILQ_INIT(&to->ready);
	to->same_hash = map_put(o->destinations, hash(domain), to);
	return to;
}

struct destination *
remote_destination(struct remote *o, struct str address)
{
	struct destination *to = destination_get(o, address_text_domain(address));

	to->refs++;
	return to;
}

void
destination_free(struct destination *to)
{
	free(to->last);
	free(to);
}

static void
leave_lists(struct remote *o, struct destination *to)
{
	if (to->runs)
		TAILQ_REMOVE(&o->runnable[to->class], to, run);
	if (to->wakes)
		heap_remove(&o->wake, &to->wake);
	to->runs = to->wakes = false;
}

void
destination_forget(struct remote *o, struct destination *to)
{
	uint64_t h = hash(str_of(to->domain));
	struct destination *first = map_get(o->destinations, h), *d = first;

	if (to->jobs > 0 || to == o->smarthost)
		return;
	leave_lists(o, to);
	if (first == to) {
		map_del(o->destinations, h);
		if (to->same_hash)
			map_put(o->destinations, h, to->same_hash);
	} else {
		while (d->same_hash != to)
			d = d->same_hash;
		d->same_hash = to->same_hash;
	}
	destination_free(to);
}

void
remote_destination_done(struct remote *o, struct destination *to)
{
	if (--to->refs == 0)
		destination_forget(o, to);
}

struct destination *
delivery_place(const struct remote *o, const struct delivery *d)
{
	return o->smarthost ? o->smarthost : d->destination;
}

/* --- time -------------------------------------------------------------------------------------- */
uint64_t
remote_now(const struct remote *o)
{
	return queue_now(o->queue);
}

/* 3/4 to 5/4 of ms. */
uint64_t
remote_jitter(struct remote *o, uint64_t ms)
{
	o->random ^= o->random << 13;
	o->random ^= o->random >> 7;
	o->random ^= o->random << 17;
	return ms - ms / 4 + o->random % (ms / 2 + 1);
}

uint64_t
remote_back_off(struct remote *o, unsigned failures)
{
	const struct queue_options *opt = &o->queue->options;
	uint64_t ms = opt->remote_retry_min_ms;

	while (--failures > 0 && ms < opt->remote_retry_max_ms)
		ms *= 2;
	return remote_jitter(o, ms < opt->remote_retry_max_ms ? ms : opt->remote_retry_max_ms);
}

/* A time that far ahead was not computed from this clock: it was set back since. */
bool
remote_is_due(const struct remote *o, uint64_t key, uint64_t now)
{
	return key <= now || key - now > 2 * o->queue->options.remote_retry_max_ms;
}

void
destination_set_timer(struct remote *o)
{
	struct heap_node *first = heap_first(&o->wake);
	uint64_t now = remote_now(o), ms = LOOK_MS;

	if (first == NULL) {
		io_timer_stop(o->timer);
		return;
	}
	if (remote_is_due(o, first->key, now))
		ms = 0;
	else if (first->key - now < ms)
		ms = first->key - now;
	io_timer_set(o->timer, ms);
}

/* --- lists ------------------------------------------------------------------------------------- */
/* When there will be something to do for it without anything else happening; 0: never. */
static uint64_t
next_time(const struct destination *to, uint64_t now)
{
	const struct heap_node *first = heap_first(&to->later);
	uint64_t t = first ? first->key : 0;

	if (!TAILQ_EMPTY(&to->ready) && to->again_ms > now && (t == 0 || to->again_ms < t))
		t = to->again_ms;
	return t;
}

void
destination_place(struct remote *o, struct destination *to, bool hot)
{
	uint64_t now = remote_now(o), t = next_time(to, now);
	bool runs = !TAILQ_EMPTY(&to->ready) && to->jobs < to->window && to->again_ms <= now;

	if (to->runs && (!runs || hot)) {
		TAILQ_REMOVE(&o->runnable[to->class], to, run);
		to->runs = false;
	}
	if (runs && !to->runs) {
		if (hot)
			TAILQ_INSERT_HEAD(&o->runnable[to->class], to, run);
		else
			TAILQ_INSERT_TAIL(&o->runnable[to->class], to, run);
		to->runs = true;
	}
	if (to->wakes && t != to->wake.key) {
		heap_remove(&o->wake, &to->wake);
		to->wakes = false;
	}
	if (t != 0 && !to->wakes) {
		heap_add(&o->wake, &to->wake, t);
		to->wakes = true;
		if (heap_first(&o->wake) == &to->wake)
			destination_set_timer(o);
	}
}

void
destination_set_class(struct remote *o, struct destination *to, enum destination_class class)
{
	if (to->runs)
		TAILQ_REMOVE(&o->runnable[to->class], to, run);
	to->runs = false;
	to->class = class;
}

void
delivery_wait_ready(struct remote *o, struct delivery *d)
{
	d->phase = PHASE_WAIT;
	TAILQ_INSERT_TAIL(&delivery_place(o, d)->ready, d, link);
}

void
delivery_wait_later(struct remote *o, struct delivery *d, uint64_t due_ms)
{
	d->phase = PHASE_LATER;
	heap_add(&delivery_place(o, d)->later, &d->later, due_ms);
}

/* Out of its list, if it is in one. */
void
delivery_wait_no_more(struct remote *o, struct delivery *d)
{
	if (d->phase == PHASE_WAIT)
		TAILQ_REMOVE(&delivery_place(o, d)->ready, d, link);
	else if (d->phase == PHASE_LATER)
		heap_remove(&delivery_place(o, d)->later, &d->later);
	d->phase = PHASE_NONE;
}

/* --- time passes ------------------------------------------------------------------------------- */
static void
wake(struct remote *o, struct destination *to, uint64_t now)
{
	struct heap_node *first;

	heap_remove(&o->wake, &to->wake);
	to->wakes = false;
	while ((first = heap_first(&to->later)) != NULL && remote_is_due(o, first->key, now)) {
		struct delivery *d = heap_entry(first, struct delivery, later);

		heap_remove(&to->later, first);
		delivery_wait_ready(o, d);
	}
	if (to->again_ms && remote_is_due(o, to->again_ms, now))
		to->again_ms = 0;
	destination_place(o, to, false);
}

void
remote_time_passed(struct remote *o)
{
	uint64_t now = remote_now(o);
	struct heap_node *first;

	while ((first = heap_first(&o->wake)) != NULL && remote_is_due(o, first->key, now))
		wake(o, heap_entry(first, struct destination, wake), now);
	destination_set_timer(o);
	remote_pump(o);
}
