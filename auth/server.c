/* SPDX-License-Identifier: ISC */
#include "auth/server.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "auth/exchange.h"
#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"

enum {
	SWEEP_MS = 1000,
	SERVICE_NAME_MAX = 16,
	MECHANISM_MAX = 32,
	BINDINGS = 3,
	BINDING_MAX = 64, /* ipc_table.h: auth_start */
};

enum exchange_state {
	EX_CLIENT,   /* the client has the word */
	EX_VERIFIER, /* accounts is asked for the verifier */
	EX_QUEUED,   /* its password waits to be checked */
	EX_OPEN,     /* accounts is asked for the mailbox */
};

/* A client end of the auth channel: one imapd process. */
struct peer {
	LIST_ENTRY(peer) link;
	struct server *s;
	struct ipc_channel *ch;
	struct map *exchanges; /* by their id */
	uint64_t last_id;      /* the highest of them that ever was */
};

struct exchange {
	TAILQ_ENTRY(exchange) link; /* of all, oldest first */
	TAILQ_ENTRY(exchange) turn; /* of those in EX_QUEUED */
	struct peer *peer;
	uint64_t id, ask_id; /* theirs; ours towards accounts, 0: not asking */
	uint64_t deadline;
	enum exchange_state state;
	char service[SERVICE_NAME_MAX + 1], mechanism[MECHANISM_MAX + 1];
	uint8_t seed[EXCHANGE_SEED];
	struct buf binding[BINDINGS]; /* exporter, unique, end point */
	char login[EXCHANGE_LOGIN_MAX + 1];
	bool has_initial;
	unsigned n;
	struct buf input[EXCHANGE_INPUTS_MAX]; /* secrets */
	bool known;                            /* facts are there */
	struct verify_facts facts;
};

struct server {
	struct io_loop *loop;
	const struct settings *settings;
	struct ipc_channel *accounts;
	struct verify *verify;
	struct io_timer *turn, *sweep;
	struct map *asking; /* exchanges by ask_id */
	LIST_HEAD(, peer) peers;
	TAILQ_HEAD(, exchange) all;
	TAILQ_HEAD(, exchange) queue;
	size_t count, waiting; /* exchanges; those in EX_VERIFIER or EX_QUEUED */
	uint64_t next_ask;
};

/* ---- exchanges --------------------------------------------------------------------------------
 */

static void
set_state(struct exchange *x, enum exchange_state state)
{
	struct server *s = x->peer->s;

	if (x->state == EX_VERIFIER || x->state == EX_QUEUED)
		s->waiting--;
	if (x->state == EX_QUEUED)
		TAILQ_REMOVE(&s->queue, x, turn);
	x->state = state;
	if (state == EX_VERIFIER || state == EX_QUEUED)
		s->waiting++;
	if (state == EX_QUEUED)
		TAILQ_INSERT_TAIL(&s->queue, x, turn);
}

static void
forget_ask(struct exchange *x)
{
	if (x->ask_id)
		(void)map_del(x->peer->s->asking, x->ask_id);
	x->ask_id = 0;
}

static void
exchange_free(struct exchange *x)
{
	struct server *s = x->peer->s;

	set_state(x, EX_CLIENT);
	forget_ask(x);
	(void)map_del(x->peer->exchanges, x->id);
	TAILQ_REMOVE(&s->all, x, link);
	s->count--;
	for (unsigned i = 0; i < EXCHANGE_INPUTS_MAX; i++)
		buf_free_secret(&x->input[i]);
	for (unsigned i = 0; i < BINDINGS; i++)
		buf_free(&x->binding[i]);
	sodium_memzero(x, sizeof(*x));
	free(x);
}

/* The end of an exchange without success; every reason but our own trouble looks alike. */
static void
fail(struct exchange *x, enum ipc_result result)
{
	result = result == IPC_TEMP ? IPC_TEMP : IPC_NO;
	ipc_send_auth_failed(x->peer->ch, x->id,
	    &(struct ipc_auth_failed){ .result = (uint8_t)result, .login = str_of(x->login) });
	exchange_free(x);
}

static void
take_bindings(struct exchange *x, const struct ipc_auth_start *m)
{
	const struct str from[BINDINGS] = { m->tls_exporter, m->tls_unique,
		m->tls_server_end_point };

	for (unsigned i = 0; i < BINDINGS; i++) {
		buf_init(&x->binding[i], BINDING_MAX);
		(void)buf_put(&x->binding[i], from[i].p, from[i].n);
	}
}

static struct exchange *
exchange_new(struct peer *peer, uint64_t id, const struct ipc_auth_start *m)
{
	struct server *s = peer->s;
	struct exchange *x = xcalloc(1, sizeof(*x));

	x->peer = peer;
	x->id = id;
	x->deadline = io_now_ms(s->loop) + settings_u64(s->settings, SET_auth_exchange_time) * 1000;
	memcpy(x->service, m->service.p, m->service.n);
	memcpy(x->mechanism, m->mechanism.p, m->mechanism.n);
	randombytes_buf(x->seed, sizeof(x->seed));
	take_bindings(x, m);
	for (unsigned i = 0; i < EXCHANGE_INPUTS_MAX; i++)
		buf_init(&x->input[i], EXCHANGE_INPUT_MAX + 1);
	TAILQ_INSERT_TAIL(&s->all, x, link);
	(void)map_put(peer->exchanges, id, x);
	if (id > peer->last_id)
		peer->last_id = id;
	s->count++;
	if (!io_timer_pending(s->sweep))
		io_timer_set(s->sweep, SWEEP_MS);
	return x;
}

/* Keeps a copy and wipes what stands in the channel's buffer, which lives on. */
static void
take_input(struct exchange *x, struct str bytes)
{
	struct buf *b = &x->input[x->n++];

	(void)buf_put(b, bytes.p, bytes.n);
	(void)buf_putc(b, 0); /* so that an empty one has an address */
	sodium_memzero((void *)(uintptr_t)bytes.p, bytes.n);
}

/* ---- running ----------------------------------------------------------------------------------
 */

static enum ipc_result
check(void *arg, struct str login, struct str password)
{
	struct exchange *x = arg;
	struct server *s = x->peer->s;

	return verify_password(s->verify, &x->facts, login, password, io_now_ms(s->loop),
	    settings_u64(s->settings, SET_auth_cache_age) * 1000);
}

static void
ask_verifier(struct exchange *x)
{
	struct server *s = x->peer->s;

	if (s->accounts == NULL || s->waiting >= settings_u64(s->settings, SET_auth_queue)) {
		fail(x, IPC_TEMP);
		return;
	}
	x->ask_id = ++s->next_ask;
	(void)map_put(s->asking, x->ask_id, x);
	set_state(x, EX_VERIFIER);
	ipc_send_verifier_get(
	    s->accounts, x->ask_id, &(struct ipc_verifier_get){ .login = str_of(x->login) });
}

static void
ask_mailbox(struct exchange *x)
{
	struct server *s = x->peer->s;

	if (s->accounts == NULL) {
		fail(x, IPC_TEMP);
		return;
	}
	/* proven: the password has done its duty */
	for (unsigned i = 0; i < EXCHANGE_INPUTS_MAX; i++)
		buf_free_secret(&x->input[i]);
	x->ask_id = ++s->next_ask;
	(void)map_put(s->asking, x->ask_id, x);
	set_state(x, EX_OPEN);
	ipc_send_login_open(s->accounts, x->ask_id,
	    &(struct ipc_login_open){ .account = x->facts.account,
		.submission = strcmp(x->service, "smtp") == 0,
		.generation = x->facts.generation });
}

static void
send_challenge(struct exchange *x, const struct buf *challenge)
{
	set_state(x, EX_CLIENT);
	ipc_send_auth_challenge(x->peer->ch, x->id,
	    &(struct ipc_auth_challenge){
		.challenge = str_from(buf_len(challenge) ? (const char *)buf_data(challenge) : "",
		    buf_len(challenge)) });
}

static struct str
bytes_of(const struct buf *b)
{
	return str_from(buf_len(b) ? (const char *)buf_data(b) : "", buf_len(b));
}

static enum exchange_result
run(struct exchange *x, struct exchange_output *out)
{
	const char *hostname = settings_text(x->peer->s->settings, SET_general_hostname);
	struct exchange_input in = { .service = x->service,
		.hostname = hostname[0] ? hostname : "localhost",
		.mechanism = x->mechanism,
		.bindings = { bytes_of(&x->binding[0]), bytes_of(&x->binding[1]),
		    bytes_of(&x->binding[2]) },
		.has_initial = x->has_initial,
		.n = x->n,
		.known = x->known ? x->login : NULL,
		.check = check,
		.arg = x,
		.keys = x->facts.keys,
		.nkeys = x->facts.result == IPC_OK ? x->facts.nkeys : 0 };
	enum exchange_result r;

	memcpy(in.seed, x->seed, sizeof(in.seed));
	memcpy(in.salt, x->facts.salt, sizeof(in.salt));
	for (unsigned i = 0; i < x->n; i++)
		in.input[i] = str_from(buf_data(&x->input[i]), buf_len(&x->input[i]) - 1);
	r = exchange_run(&in, out);
	sodium_memzero(in.seed, sizeof(in.seed));
	return r;
}

/* As far as it goes with what is there. */
static void
advance(struct exchange *x)
{
	struct exchange_output out;
	enum exchange_result r;

	buf_init(&out.challenge, EXCHANGE_OUTPUT_MAX);
	r = run(x, &out);
	if (!x->known)
		memcpy(x->login, out.login, sizeof(x->login));
	switch (r) {
	case EXCHANGE_NEED:
		ask_verifier(x);
		break;
	case EXCHANGE_CHALLENGE:
		send_challenge(x, &out.challenge);
		break;
	case EXCHANGE_PROVEN:
		ask_mailbox(x);
		break;
	case EXCHANGE_FAILED:
		fail(x, IPC_NO);
		break;
	case EXCHANGE_TEMP:
		fail(x, IPC_TEMP);
		break;
	}
	buf_free(&out.challenge);
}

static uint64_t
clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Cached logins take microseconds, the others some 50 ms: work by the clock, not by number. */
static void
on_turn(void *arg)
{
	struct server *s = arg;
	uint64_t until = clock_ms() + SERVER_SLICE_MS;
	struct exchange *x;

	while ((x = TAILQ_FIRST(&s->queue)) != NULL && clock_ms() < until) {
		set_state(x, EX_CLIENT);
		advance(x);
	}
	if (x)
		io_timer_set(s->turn, 0);
}

static void
on_sweep(void *arg)
{
	struct server *s = arg;
	uint64_t now = io_now_ms(s->loop);
	struct exchange *x;

	while ((x = TAILQ_FIRST(&s->all)) != NULL && x->deadline <= now)
		fail(x, x->state == EX_CLIENT ? IPC_NO : IPC_TEMP);
	if (x)
		io_timer_set(s->sweep, SWEEP_MS);
}

/* ---- messages of imapd ------------------------------------------------------------------------
 */

static unsigned
session_state(void *arg, uint64_t id)
{
	struct peer *peer = arg;
	const struct exchange *x = map_get(peer->exchanges, id);

	/* It may have failed here (too late) while the client's next word was on its way. */
	if (x == NULL)
		return IPC_ST_IDLE | (id <= peer->last_id ? IPC_ST_BUSY : 0);
	return x->state == EX_CLIENT ? IPC_ST_BUSY : IPC_ST_OPEN;
}

static void
on_auth_start(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_auth_start *m, int fd)
{
	struct peer *peer = arg;
	struct exchange *x;

	(void)ch;
	(void)fd;
	x = exchange_new(peer, id, m);
	x->has_initial = m->has_initial != 0;
	if (x->has_initial)
		take_input(x, m->initial);
	if (peer->s->count > SERVER_EXCHANGES_MAX || (!x->has_initial && m->initial.n > 0))
		fail(x, IPC_TEMP);
	else
		advance(x);
}

static void
on_auth_continue(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_auth_continue *m, int fd)
{
	struct peer *peer = arg;
	struct exchange *x = map_get(peer->exchanges, id);

	(void)ch;
	(void)fd;
	if (x == NULL) {
		sodium_memzero((void *)(uintptr_t)m->response.p, m->response.n);
		return;
	}
	if (x->n >= EXCHANGE_INPUTS_MAX) {
		sodium_memzero((void *)(uintptr_t)m->response.p, m->response.n);
		fail(x, IPC_NO);
		return;
	}
	take_input(x, m->response);
	advance(x);
}

static void
on_auth_cancel(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_auth_cancel *m, int fd)
{
	struct peer *peer = arg;
	struct exchange *x = map_get(peer->exchanges, id);

	(void)ch;
	(void)m;
	(void)fd;
	if (x)
		exchange_free(x);
}

static void
peer_free(struct peer *peer)
{
	struct exchange *x, *next;

	for (x = TAILQ_FIRST(&peer->s->all); x; x = next) {
		next = TAILQ_NEXT(x, link);
		if (x->peer == peer)
			exchange_free(x);
	}
	LIST_REMOVE(peer, link);
	map_free(&peer->exchanges);
	ipc_channel_free(&peer->ch);
	free(peer);
}

static void
on_peer_close(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	peer_free(arg);
}

static const union ipc_handler auth_handlers[IPC__MAX] = {
	IPC_ON(auth_start, on_auth_start),
	IPC_ON(auth_continue, on_auth_continue),
	IPC_ON(auth_cancel, on_auth_cancel),
};
static const struct ipc_ops auth_ops = {
	.handlers = auth_handlers,
	.state = session_state,
	.on_close = on_peer_close,
};

/* ---- answers of accounts ----------------------------------------------------------------------
 */

/* The exchange may be gone (cancelled, too late): then the answer is for nobody. */
static struct exchange *
asked(struct server *s, uint64_t ask_id, enum exchange_state state)
{
	struct exchange *x = map_get(s->asking, ask_id);

	if (x == NULL || x->state != state)
		return NULL;
	forget_ask(x);
	return x;
}

static void
take_keys(struct verify_facts *facts, const struct ipc_verifier_is *m)
{
	struct str keys = m->keys;

	if (m->salt.n != SCRAM_SALT || keys.n % sizeof(struct scram_keys) != 0)
		facts->result = IPC_TEMP; /* not what accounts would say */
	else
		memcpy(facts->salt, m->salt.p, SCRAM_SALT);
	facts->nkeys = 0;
	while (keys.n >= sizeof(struct scram_keys) && facts->nkeys < EXCHANGE_KEYS_MAX) {
		memcpy(&facts->keys[facts->nkeys++], keys.p, sizeof(struct scram_keys));
		keys = str_from(
		    keys.p + sizeof(struct scram_keys), keys.n - sizeof(struct scram_keys));
	}
	sodium_memzero((void *)(uintptr_t)m->keys.p, m->keys.n);
}

static void
on_verifier_is(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_verifier_is *m, int fd)
{
	struct server *s = arg;
	struct exchange *x = asked(s, id, EX_VERIFIER);

	(void)ch;
	(void)fd;
	if (x == NULL)
		return;
	x->facts.result = m->result < IPC_RESULT__MAX ? (enum ipc_result)m->result : IPC_TEMP;
	x->facts.account = m->account;
	x->facts.generation = m->generation;
	memcpy(x->facts.verifier, m->verifier.p, m->verifier.n);
	x->facts.verifier[m->verifier.n] = 0;
	take_keys(&x->facts, m);
	if (x->facts.result != IPC_OK && x->facts.result != IPC_NO &&
	    x->facts.result != IPC_SUSPENDED) {
		fail(x, IPC_TEMP);
		return;
	}
	x->known = true;
	set_state(x, EX_QUEUED);
	if (!io_timer_pending(s->turn))
		io_timer_set(s->turn, 0);
}

static void
on_login_opened(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_login_opened *m, int fd)
{
	struct exchange *x = asked(arg, id, EX_OPEN);

	(void)ch;
	if (x == NULL) {
		close(fd);
		return;
	}
	ipc_send_auth_ok(x->peer->ch, x->id,
	    &(struct ipc_auth_ok){ .account = x->facts.account,
		.login = str_of(x->login),
		.hidden_capabilities = m->hidden_capabilities },
	    fd);
	exchange_free(x);
}

static void
on_login_refused(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_login_refused *m, int fd)
{
	struct exchange *x = asked(arg, id, EX_OPEN);

	(void)ch;
	(void)fd;
	if (x)
		fail(x, m->result == IPC_NO || m->result == IPC_SUSPENDED ? IPC_NO : IPC_TEMP);
}

static void
on_accounts_close(void *arg, struct ipc_channel *ch)
{
	struct server *s = arg;
	struct exchange *x, *next;

	(void)ch;
	ipc_channel_free(&s->accounts);
	for (x = TAILQ_FIRST(&s->all); x; x = next) {
		next = TAILQ_NEXT(x, link);
		if (x->ask_id)
			fail(x, IPC_TEMP);
	}
}

static const union ipc_handler accounts_handlers[IPC__MAX] = {
	IPC_ON(verifier_is, on_verifier_is),
	IPC_ON(login_opened, on_login_opened),
	IPC_ON(login_refused, on_login_refused),
};
static const struct ipc_ops accounts_ops = {
	.handlers = accounts_handlers,
	.on_close = on_accounts_close,
};

/* ---- life -------------------------------------------------------------------------------------
 */

void
server_peer(struct server *s, enum ipc_channel_kind kind, enum ipc_side side, int fd)
{
	struct peer *peer;

	if (kind == IPC_CH_accounts_auth && side == IPC_CLIENT) {
		if (s->accounts)
			on_accounts_close(s, s->accounts);
		s->accounts = ipc_channel_new(s->loop, fd, kind, side, &accounts_ops, s);
	} else if (kind == IPC_CH_auth && side == IPC_SERVER) {
		peer = xcalloc(1, sizeof(*peer));
		peer->s = s;
		peer->exchanges = map_new();
		LIST_INSERT_HEAD(&s->peers, peer, link);
		peer->ch = ipc_channel_new(s->loop, fd, kind, side, &auth_ops, peer);
	} else {
		log_error(NULL, "peer channel=%d is none of mine", kind);
		close(fd);
	}
}

struct server *
server_new(struct io_loop *loop, const struct settings *settings)
{
	struct server *s = xcalloc(1, sizeof(*s));

	s->loop = loop;
	s->settings = settings;
	s->verify = verify_new((size_t)settings_u64(settings, SET_auth_cache_entries),
	    settings_u64(settings, SET_auth_memory), settings_u64(settings, SET_auth_passes));
	s->asking = map_new();
	s->turn = io_timer_new(loop, on_turn, s);
	s->sweep = io_timer_new(loop, on_sweep, s);
	LIST_INIT(&s->peers);
	TAILQ_INIT(&s->all);
	TAILQ_INIT(&s->queue);
	return s;
}

void
server_settings(struct server *s, const struct settings *settings)
{
	s->settings = settings;
	verify_set_cost(s->verify, settings_u64(settings, SET_auth_memory),
	    settings_u64(settings, SET_auth_passes));
}

void
server_free(struct server **sp)
{
	struct server *s = *sp;
	struct peer *peer;

	if (s == NULL)
		return;
	while ((peer = LIST_FIRST(&s->peers)) != NULL)
		peer_free(peer);
	ipc_channel_free(&s->accounts);
	io_timer_free(&s->turn);
	io_timer_free(&s->sweep);
	map_free(&s->asking);
	verify_free(&s->verify);
	free(s);
	*sp = NULL;
}

size_t
server_exchanges(const struct server *s)
{
	return s->count;
}

const struct verify *
server_verify(const struct server *s)
{
	return s->verify;
}
