/* SPDX-License-Identifier: ISC */
#include "accounts/service.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "accounts/service_priv.h"
#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"

/* ---- requests to master -----------------------------------------------------------------------
 */

struct pending *
service_request(struct service *s, enum pending_kind kind, enum service_request what,
    uint32_t account, struct peer *peer, uint64_t their_id)
{
	struct pending *p;

	if (map_count(s->pending) >= SERVICE_PENDING_MAX)
		return NULL;
	p = xcalloc(1, sizeof(*p));
	p->kind = kind;
	p->account = account;
	p->peer = peer;
	p->their_id = their_id;
	(void)map_put(s->pending, ++s->next_id, p);
	s->ask(s->ask_arg, what, s->next_id, account);
	return p;
}

static void
pending_free(struct pending *p)
{
	if (p->verifier)
		sodium_memzero(p->verifier, strlen(p->verifier));
	sodium_memzero(&p->keys, sizeof(p->keys));
	free(p->address);
	free(p->verifier);
	free(p);
}

static void
refuse_login(struct ipc_channel *ch, uint64_t id, enum ipc_result result)
{
	ipc_send_login_refused(ch, id, &(struct ipc_login_refused){ .result = (uint8_t)result });
}

/* With what the account's sessions have to know; it may be gone by now. */
static void
send_opened(struct service *s, const struct pending *p, int fd)
{
	const struct account *a = directory_by_id(store_directory(s->store), p->account);
	struct ipc_login_opened m = { .hidden_capabilities = STR("") };

	if (a != NULL)
		m.hidden_capabilities = str_of(a->hidden ? a->hidden : "");
	ipc_send_login_opened(p->peer->ch, p->their_id, &m, fd);
}

static bool
is_open(const struct pending *p)
{
	return p->kind == PENDING_LOGIN || p->kind == PENDING_COMMAND || p->kind == PENDING_WAKE;
}

void
service_opened(struct service *s, uint64_t id, enum ipc_result result, int fd)
{
	struct pending *p = map_get(s->pending, id);

	if (p == NULL || !is_open(p)) {
		log_error(NULL, "master answers what was not asked");
		if (fd >= 0)
			close(fd);
		return;
	}
	(void)map_del(s->pending, id);
	if (p->peer == NULL) {
		if (fd >= 0)
			close(fd);
	} else if (p->kind == PENDING_COMMAND) {
		relay_begin(s, p, fd);
	} else if (fd >= 0) {
		send_opened(s, p, fd);
	} else {
		log_warn(NULL, "mailbox account=%u open=refused result=%d", p->account, result);
		refuse_login(p->peer->ch, p->their_id, IPC_TEMP);
	}
	pending_free(p);
}

static void
todo_done(struct service *s, const struct pending *p, enum ipc_result result)
{
	if (result == IPC_OK)
		store_todo_done(s->store, p->account);
	else
		log_warn(NULL, "account=%u directory=failed result=%d", p->account, result);
}

void
service_done(struct service *s, uint64_t id, enum ipc_result result)
{
	struct pending *p = map_get(s->pending, id);

	if (p == NULL || is_open(p)) {
		log_error(NULL, "master answers what was not asked");
		return;
	}
	(void)map_del(s->pending, id);
	if (p->kind == PENDING_TODO)
		todo_done(s, p, result);
	else
		admin_done(s, p, result);
	pending_free(p);
}

size_t
service_pending(const struct service *s)
{
	return map_count(s->pending);
}

/* ---- look-ups ---------------------------------------------------------------------------------
 */

enum ipc_result
service_resolve(struct service *s, struct str address, struct resolved *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return directory_resolve_all(store_directory(s->store), store_forward_key(s->store),
	    (uint64_t)now.tv_sec * 1000, address, out);
}

void
service_put_accounts(struct buf *out, const struct resolved *found)
{
	for (unsigned i = 0; i < found->n; i++)
		(void)record_put_u32(out, found->accounts[i]);
}

static void
on_address_lookup(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_address_lookup *m, int fd)
{
	struct peer *peer = arg;
	struct resolved found;
	struct buf accounts;
	enum ipc_result r;

	(void)fd;
	r = service_resolve(peer->s, m->address, &found);
	if (r == IPC_OK && usage_refuses(peer->s, &found))
		r = IPC_FULL;
	buf_init(&accounts, sizeof(found.accounts));
	if (r == IPC_OK)
		service_put_accounts(&accounts, &found);
	ipc_send_address_is(ch, id,
	    &(struct ipc_address_is){ .result = (uint8_t)r,
		.elsewhere = r == IPC_OK && found.remotes > 0,
		.for_good = r == IPC_FULL && usage_for_good(peer->s, &found),
		.accounts = str_from(buf_len(&accounts) ? (const char *)buf_data(&accounts) : "",
		    buf_len(&accounts)) });
	buf_free(&accounts);
}

static void
on_sender_allowed(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_sender_allowed *m, int fd)
{
	struct peer *peer = arg;
	enum ipc_result r =
	    directory_allows(store_directory(peer->s->store), m->recipient, m->sender);

	(void)fd;
	ipc_send_sender_allowed_is(ch, id, &(struct ipc_sender_allowed_is){ .result = (uint8_t)r });
}

/* ---- logins -----------------------------------------------------------------------------------
 */

static void
put_keys(struct buf *out, const struct account *a)
{
	struct str row = str_from(a->keys, a->keys_n);
	struct record_keys k;
	size_t it = 0;

	while (record_keys_next(row, &it, &k) == 1)
		(void)buf_put(out, &k.keys, sizeof(k.keys));
	sodium_memzero(&k, sizeof(k));
}

static void
on_verifier_get(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_verifier_get *m, int fd)
{
	struct peer *peer = arg;
	const struct account *a = directory_by_name(store_directory(peer->s->store), m->login);
	struct ipc_verifier_is is = { .result = IPC_NO, .verifier = STR(""), .keys = STR("") };
	uint8_t salt[SCRAM_SALT];
	struct buf keys;

	(void)fd;
	buf_init(&keys, (APP_PASSWORDS_MAX + 1) * sizeof(struct scram_keys));
	store_salt(peer->s->store, m->login, salt);
	is.salt = str_from(salt, sizeof(salt));
	if (a && a->state == ACCOUNT_SUSPENDED) {
		is.result = IPC_SUSPENDED;
	} else if (a && a->verifier) {
		is.result = IPC_OK;
		is.account = a->id;
		is.generation = a->generation;
		is.verifier = str_of(a->verifier);
		put_keys(&keys, a);
		is.keys =
		    str_from(buf_len(&keys) ? (const char *)buf_data(&keys) : "", buf_len(&keys));
	}
	ipc_send_verifier_is(ch, id, &is);
	buf_free_secret(&keys);
}

static void
open_door(struct service *s, const struct account *a, struct ipc_channel *ch, uint64_t id)
{
	enum ipc_result r;
	int fd;

	if ((r = doors_open(s, a, &fd)) == IPC_OK)
		ipc_send_login_opened(
		    ch, id, &(struct ipc_login_opened){ .hidden_capabilities = STR("") }, fd);
	else
		refuse_login(ch, id, r);
}

/* Between the proof and this the password may have changed or the account been locked. */
static void
on_login_open(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_login_open *m, int fd)
{
	struct peer *peer = arg;
	const struct account *a = directory_by_id(store_directory(peer->s->store), m->account);

	(void)fd;
	if (a == NULL || a->state != ACCOUNT_ACTIVE || a->generation != m->generation)
		refuse_login(ch, id, IPC_NO);
	else if (m->submission)
		open_door(peer->s, a, ch, id);
	else if (!service_request(peer->s, PENDING_LOGIN, SERVICE_OPEN, a->id, peer, id))
		refuse_login(ch, id, IPC_TEMP);
}

/* ---- peers ------------------------------------------------------------------------------------
 */

static void
peer_free(struct peer *peer)
{
	struct pending *p;
	uint64_t id;
	size_t it = 0;

	while ((p = map_next(peer->s->pending, &it, &id)) != NULL)
		if (p->peer == peer)
			p->peer = NULL;
	relays_forget(peer->s, peer);
	LIST_REMOVE(peer, link);
	ipc_channel_free(&peer->ch);
	free(peer);
}

void
service_on_close(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	peer_free(arg);
}

static const union ipc_handler lookup_handlers[IPC__MAX] = {
	IPC_ON(address_lookup, on_address_lookup),
	IPC_ON(sender_allowed, on_sender_allowed),
};
static const union ipc_handler auth_handlers[IPC__MAX] = {
	IPC_ON(verifier_get, on_verifier_get),
	IPC_ON(login_open, on_login_open),
};
static const union ipc_handler admin_handlers[IPC__MAX] = {
	IPC_ON(admin_request, admin_request),
};
static const struct ipc_ops lookup_ops = { .handlers = lookup_handlers,
	.on_close = service_on_close };
static const struct ipc_ops auth_ops = { .handlers = auth_handlers, .on_close = service_on_close };
static const struct ipc_ops admin_ops = { .handlers = admin_handlers,
	.on_close = service_on_close };

void
service_peer(struct service *s, enum ipc_channel_kind kind, int fd)
{
	const struct ipc_ops *ops = kind == IPC_CH_accounts_lookup  ? &lookup_ops
				    : kind == IPC_CH_accounts_auth  ? &auth_ops
				    : kind == IPC_CH_accounts_queue ? &doors_ops
				    : kind == IPC_CH_admin          ? &admin_ops
								    : NULL;
	struct peer *peer;

	if (ops == NULL) {
		log_error(NULL, "peer channel=%d is none of mine", kind);
		close(fd);
		return;
	}
	peer = xcalloc(1, sizeof(*peer));
	peer->s = s;
	LIST_INSERT_HEAD(&s->peers, peer, link);
	peer->ch = ipc_channel_new(s->loop, fd, kind, IPC_SERVER, ops, peer);
	if (kind == IPC_CH_accounts_queue)
		doors_peer(s, peer);
}

/* ---- life -------------------------------------------------------------------------------------
 */

/* A crash between a change and master's answer left notes: ask again. */
static void
ask_owed(struct service *s)
{
	uint32_t id = 0;
	bool none = true;
	uint8_t todo;

	while (store_todo_next(s->store, none, id, &id, &todo)) {
		none = false;
		if (!service_request(s, PENDING_TODO,
			todo == TODO_CREATE ? SERVICE_CREATE : SERVICE_REMOVE, id, NULL, 0))
			break; /* the rest at the next start */
	}
}

/* Those who keep answers of ours learn of a change in the turn in which it was committed. */
static void
announce(void *arg)
{
	struct service *s = arg;
	struct peer *peer;

	if (s->announced == store_changes(s->store))
		return;
	s->announced = store_changes(s->store);
	LIST_FOREACH(peer, &s->peers, link) {
		enum ipc_channel_kind kind = ipc_channel_kind(peer->ch);

		if (kind == IPC_CH_accounts_lookup)
			ipc_send_addresses_changed(
			    peer->ch, 0, &(struct ipc_addresses_changed){ 0 });
		else if (kind == IPC_CH_accounts_queue)
			ipc_send_targets_changed(peer->ch, 0, &(struct ipc_targets_changed){ 0 });
	}
	ipc_flush_all();
}

struct service *
service_new(struct io_loop *loop, struct store *store, const struct settings *settings,
    service_ask_fn *ask, void *arg)
{
	struct service *s = xcalloc(1, sizeof(*s));

	s->loop = loop;
	s->store = store;
	s->settings = settings;
	s->ask = ask;
	s->ask_arg = arg;
	s->pending = map_new();
	s->kicks = map_new();
	s->to_note = map_new();
	s->note_timer = io_timer_new(loop, usage_note, s);
	LIST_INIT(&s->peers);
	s->announced = store_changes(store);
	io_loop_after_turn(loop, announce, s);
	ask_owed(s);
	usage_begin(s);
	return s;
}

void
service_settings(struct service *s, const struct settings *settings)
{
	s->settings = settings;
	usage_announce(s); /* there may be another limit for all */
}

void
service_free(struct service **sp)
{
	struct service *s = *sp;
	struct pending *p;
	struct peer *peer;
	uint64_t id;
	size_t it = 0;

	if (s == NULL)
		return;
	io_loop_after_turn_remove(s->loop, s);
	usage_flush(s);
	while ((peer = LIST_FIRST(&s->peers)) != NULL)
		peer_free(peer);
	while ((p = map_next(s->pending, &it, &id)) != NULL)
		pending_free(p);
	map_free(&s->pending);
	map_free(&s->kicks);
	map_free(&s->to_note);
	io_timer_free(&s->note_timer);
	free(s);
	*sp = NULL;
}
