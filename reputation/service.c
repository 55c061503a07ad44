/* SPDX-License-Identifier: ISC */
#include "reputation/service.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "ipc/ipc.h"
#include "net/address.h"
#include "reputation/greylist.h"
#include "reputation/penalty.h"
#include "reputation_client/reputation_client.h"

static const int points[] = {
#define OFFENCE(name, points, what) points,
#include "reputation_client/offence_table.h"
#undef OFFENCE
};

struct peer {
	LIST_ENTRY(peer) entry;
	struct service *service;
	struct ipc_channel *ch;
};

struct service {
	struct io_loop *loop;
	struct store *store;
	uint32_t (*clock)(void);
	LIST_HEAD(, peer) peers;
	struct io_timer *flush;
	bool full; /* the disk, at the last flush */

	struct grey_policy grey;
	uint32_t known_good, half_life, sent_age;
};

/* --- writing ------------------------------------------------------------------------------------ */

static void
changed(struct service *s)
{
	if (!io_timer_pending(s->flush))
		io_timer_set(s->flush, s->full ? SERVICE_FULL_MS : STORE_FLUSH_MS);
}

/* Removes rows that say nothing any more. over: its time is over. */
static void
purge(struct table *t, bool (*over)(const struct service *s, const struct row *r, uint32_t now),
    const struct service *s, uint32_t now)
{
	const struct row *r;

	for (unsigned n = 0; n < STORE_PURGE_ROWS && (r = table_oldest(t)) != NULL; n++) {
		if (!over(s, r, now))
			return;
		table_del(t, r->key);
	}
}

static bool
waited_too_long(const struct service *s, const struct row *r, uint32_t now)
{
	return now > r->v[0] && now - r->v[0] > s->grey.window;
}

static bool
passed_long_ago(const struct service *s, const struct row *r, uint32_t now)
{
	return now > r->v[0] && now - r->v[0] > s->grey.lifetime;
}

static bool
good_long_ago(const struct service *s, const struct row *r, uint32_t now)
{
	return now > r->v[1] && now - r->v[1] > s->grey.lifetime;
}

static bool
faded(const struct service *s, const struct row *r, uint32_t now)
{
	return penalty_now(&(struct penalty){ r->v[0], r->v[1] }, now, s->half_life) <
	       PENALTY_UNIT / 2;
}

static bool
sent_long_ago(const struct service *s, const struct row *r, uint32_t now)
{
	return now > r->v[0] && now - r->v[0] > s->sent_age;
}

static void
purge_all(struct service *s)
{
	uint32_t now = s->clock();

	purge(store_table(s->store, STORE_WAITING), waited_too_long, s, now);
	purge(store_table(s->store, STORE_PASSED), passed_long_ago, s, now);
	purge(store_table(s->store, STORE_GOOD), good_long_ago, s, now);
	purge(store_table(s->store, STORE_CLIENTS), faded, s, now);
	purge(store_table(s->store, STORE_NETWORKS), faded, s, now);
	purge(store_table(s->store, STORE_SENT), sent_long_ago, s, now);
}

static void
on_flush(void *arg)
{
	struct service *s = arg;
	bool was_full = s->full;

	purge_all(s);
	s->full = !store_flush(s->store);
	if (s->full && !was_full)
		log_warn(NULL, "event=disk-full effect=\"kept in memory only\"");
	else if (was_full && !s->full)
		log_info(NULL, "event=disk-has-space");
	if (store_changed(s->store))
		changed(s);
}

/* --- greylist ----------------------------------------------------------------------------------- */

static uint64_t
hash2(const struct service *s, const char *what, struct str a)
{
	struct str parts[] = { str_of(what), a };

	return store_hash(s->store, parts, 2);
}

static uint64_t
domain_key(const struct service *s, struct str domain)
{
	return hash2(s, "domain", domain);
}

static uint64_t
pool_key(const struct service *s, const struct net_address *client)
{
	uint64_t key = net_pool_key(client);

	return hash2(s, "pool", str_from(&key, sizeof(key)));
}

static uint64_t
pool_domain_key(const struct service *s, const struct net_address *client, struct str domain)
{
	uint64_t key = net_pool_key(client);
	struct str parts[] = { STR("pool+domain"), str_from(&key, sizeof(key)), domain };

	return store_hash(s->store, parts, 3);
}

static bool
is_good(const struct service *s, uint64_t key)
{
	const struct row *r = table_get(store_table(s->store, STORE_GOOD), key);

	return r != NULL && r->v[0] >= s->known_good && !good_long_ago(s, r, s->clock());
}

/* One more, unless the last one was within the hour. */
static void
raise_good(struct service *s, uint64_t key)
{
	struct table *t = store_table(s->store, STORE_GOOD);
	const struct row *r = table_get(t, key);
	uint32_t now = s->clock(), count = r != NULL && !good_long_ago(s, r, now) ? r->v[0] : 0;

	if (count > 0 && now >= r->v[1] && now - r->v[1] < SERVICE_GOOD_HOURS)
		return;
	table_put(t, key, count < UINT32_MAX ? count + 1 : count, now, NULL);
	changed(s);
}

static struct str
domain_of(struct str address)
{
	const char *at = memrchr(address.p, '@', address.n);

	return at == NULL ? STR("") : str_from(at + 1, address.n - (size_t)(at + 1 - address.p));
}

static uint64_t
triplet_key(const struct service *s, uint64_t who, const struct ipc_grey_ask *m)
{
	char sender[GREY_SENDER_MAX], recipient[512];
	struct str parts[] = { STR("triplet"), str_from(&who, sizeof(who)),
		str_from(sender, grey_sender(m->sender, sender)),
		str_from(recipient, m->recipient.n) };

	for (size_t i = 0; i < m->recipient.n; i++)
		recipient[i] = (char)ascii_tolower((unsigned char)m->recipient.p[i]);
	return store_hash(s->store, parts, 4);
}

static struct grey_decision
decide(struct service *s, uint64_t key)
{
	struct table *waiting = store_table(s->store, STORE_WAITING);
	struct table *passed = store_table(s->store, STORE_PASSED);
	const struct row *w = table_get(waiting, key), *p = table_get(passed, key);
	struct grey_memory memory = { .first = w ? w->v[0] : 0, .last = p ? p->v[0] : 0 };
	struct grey_decision d = grey_decide(&s->grey, memory, s->clock());

	if (d.pass) {
		table_put(passed, key, d.memory.last, 0, NULL);
		table_del(waiting, key);
	} else {
		table_put(waiting, key, d.memory.first, 0, NULL);
		table_del(passed, key);
	}
	changed(s);
	return d;
}

/* Servers of a big sender take turns: with SPF the domain stands for all of them. */
static uint32_t
grey_wait(struct service *s, const struct ipc_grey_ask *m)
{
	struct net_address client;
	struct str domain = m->domain.n > 0 ? m->domain : domain_of(m->sender);
	struct grey_decision d;
	uint64_t pool, key;
	bool waited;

	if (!net_parse(m->client, &client))
		return 0;
	pool = pool_key(s, &client);
	if (is_good(s, pool) || is_good(s, pool_domain_key(s, &client, domain)) ||
	    (m->domain.n > 0 && is_good(s, domain_key(s, m->domain))))
		return 0;
	key = triplet_key(s, m->domain.n > 0 ? domain_key(s, m->domain) : pool, m);
	waited = table_get(store_table(s->store, STORE_WAITING), key) != NULL;
	d = decide(s, key);
	if (d.pass && waited)
		raise_good(s, pool);
	return d.pass ? 0 : d.wait;
}

static void
on_grey_ask(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_grey_ask *m, int fd)
{
	struct peer *p = arg;

	(void)fd;
	ipc_send_grey_answer(ch, id, &(struct ipc_grey_answer){ .wait = grey_wait(p->service, m) });
}

static void
on_good_note(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_good_note *m, int fd)
{
	struct service *s = ((struct peer *)arg)->service;
	struct net_address client;

	(void)ch, (void)id, (void)fd;
	if (m->domain.n == 0 || !net_parse(m->client, &client))
		return;
	raise_good(s, pool_domain_key(s, &client, m->domain));
	if (m->spf)
		raise_good(s, domain_key(s, m->domain));
}

/* --- clients ------------------------------------------------------------------------------------ */

static void
send_state(const struct service *s, struct ipc_channel *ch, uint64_t key, const struct penalty *p)
{
	uint32_t now = s->clock();

	ipc_send_client_state(ch, 0,
	    &(struct ipc_client_state){ .key = key,
		.refused = penalty_until(p, now, s->half_life, PENALTY_REFUSE),
		.watched = penalty_until(p, now, s->half_life, PENALTY_WATCH) });
}

/* Adds to a row; all are told when it is, or was, one to watch. */
static void
punish(struct service *s, enum store_table which, uint64_t key, int64_t amount)
{
	struct table *t = store_table(s->store, which);
	const struct row *r = table_get(t, key);
	struct penalty p = r != NULL ? (struct penalty){ r->v[0], r->v[1] } : (struct penalty){ 0 };
	uint32_t now = s->clock(), before = penalty_now(&p, now, s->half_life);
	struct peer *peer;

	if (r == NULL && amount < 0)
		return;
	penalty_add(&p, now, s->half_life, amount);
	table_put(t, key, p.points, p.at, NULL);
	changed(s);
	if (before < PENALTY_WATCH && p.points < PENALTY_WATCH)
		return;
	LIST_FOREACH(peer, &s->peers, entry)
		send_state(s, peer->ch, key, &p);
}

static void
on_client_note(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_client_note *m, int fd)
{
	struct service *s = ((struct peer *)arg)->service;
	struct net_address client;
	int64_t amount;

	(void)ch, (void)id, (void)fd;
	if (m->what >= OFFENCE__MAX || !net_parse(m->client, &client))
		return;
	amount = (int64_t)points[m->what] * PENALTY_UNIT *
		 (m->count < SERVICE_NOTE_MAX ? m->count : SERVICE_NOTE_MAX);
	punish(s, STORE_CLIENTS, net_client_key(&client), amount);
	punish(s, STORE_NETWORKS, net_network_key(&client), amount / SERVICE_NETWORK_SHARE);
}

static void
send_states(const struct service *s, struct ipc_channel *ch, enum store_table which)
{
	const struct row *r = NULL;

	while ((r = table_next(store_table(s->store, which), r)) != NULL) {
		struct penalty p = { r->v[0], r->v[1] };

		if (penalty_now(&p, s->clock(), s->half_life) >= PENALTY_WATCH)
			send_state(s, ch, r->key, &p);
	}
}

/* --- what was sent ------------------------------------------------------------------------------ */

static void
on_sent_note(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_sent_note *m, int fd)
{
	struct service *s = ((struct peer *)arg)->service;
	struct row out;

	(void)ch, (void)id, (void)fd;
	/* One that is forgotten before its time: from here on the memory is not complete. */
	if (table_put(store_table(s->store, STORE_SENT), hash2(s, "sent", m->message_id),
		s->clock(), 0, &out) &&
	    !sent_long_ago(s, &out, s->clock()))
		store_gap(s->store, out.v[0] + 1);
	changed(s);
}

static void
on_sent_gap(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_sent_gap *m, int fd)
{
	struct service *s = ((struct peer *)arg)->service;

	(void)ch, (void)id, (void)m, (void)fd;
	log_warn(NULL, "event=sent-gap effect=\"foreign reports are not refused for 30 days\"");
	store_gap(s->store, s->clock());
	changed(s);
}

static bool
knows_one(const struct service *s, struct str ids)
{
	const struct table *t = store_table(s->store, STORE_SENT);

	while (ids.n > 0) {
		size_t n = strnlen(ids.p, ids.n);
		const struct row *r = table_get(t, hash2(s, "sent", str_from(ids.p, n)));

		if (n > 0 && r != NULL && !sent_long_ago(s, r, s->clock()))
			return true;
		n += n < ids.n;
		ids = str_from(ids.p + n, ids.n - n);
	}
	return false;
}

static void
on_sent_ask(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_sent_ask *m, int fd)
{
	struct service *s = ((struct peer *)arg)->service;

	(void)fd;
	ipc_send_sent_answer(ch, id,
	    &(struct ipc_sent_answer){
		.result = knows_one(s, m->ids) ? IPC_OK : IPC_NO, .since = store_since(s->store) });
}

/* --- life --------------------------------------------------------------------------------------- */

static void
peer_free(struct peer *p)
{
	LIST_REMOVE(p, entry);
	ipc_channel_free(&p->ch);
	free(p);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	peer_free(arg);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(grey_ask, on_grey_ask),
	IPC_ON(good_note, on_good_note),
	IPC_ON(client_note, on_client_note),
	IPC_ON(sent_note, on_sent_note),
	IPC_ON(sent_gap, on_sent_gap),
	IPC_ON(sent_ask, on_sent_ask),
};
static const struct ipc_ops ops = { .handlers = handlers, .on_close = on_close };

void
service_peer(struct service *s, int fd)
{
	struct peer *p = xcalloc(1, sizeof(*p));

	p->service = s;
	p->ch = ipc_channel_new(s->loop, fd, IPC_CH_reputation, IPC_SERVER, &ops, p);
	LIST_INSERT_HEAD(&s->peers, p, entry);
	send_states(s, p->ch, STORE_CLIENTS);
	send_states(s, p->ch, STORE_NETWORKS);
}

void
service_settings(struct service *s, const struct settings *st)
{
	s->grey = (struct grey_policy){ .delay = (uint32_t)settings_u64(
					    st, SET_reputation_greylist_delay),
		.window = (uint32_t)settings_u64(st, SET_reputation_greylist_window),
		.lifetime = (uint32_t)settings_u64(st, SET_reputation_greylist_lifetime) };
	s->known_good = (uint32_t)settings_u64(st, SET_reputation_known_good);
	s->half_life = (uint32_t)settings_u64(st, SET_reputation_penalty_half_life);
	s->sent_age = (uint32_t)settings_u64(st, SET_reputation_sent_age);
	table_set_most(
	    store_table(s->store, STORE_SENT), settings_u64(st, SET_reputation_sent_messages));
}

struct service *
service_new(struct io_loop *loop, struct store *store, const struct settings *settings,
    uint32_t (*clock)(void))
{
	struct service *s = xcalloc(1, sizeof(*s));

	s->loop = loop;
	s->store = store;
	s->clock = clock;
	LIST_INIT(&s->peers);
	s->flush = io_timer_new(loop, on_flush, s);
	service_settings(s, settings);
	if (store_changed(store))
		changed(s);
	return s;
}

void
service_free(struct service **sp)
{
	struct service *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	while (!LIST_EMPTY(&s->peers))
		peer_free(LIST_FIRST(&s->peers));
	io_timer_free(&s->flush);
	free(s);
}
