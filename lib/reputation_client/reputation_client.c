/* SPDX-License-Identifier: ISC */
#include "reputation_client/reputation_client.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"

/* Until when, of one client or network. */
struct state {
	uint64_t refused_ms, watched_ms;
};

struct note {
	STAILQ_ENTRY(note) entry;
	struct str id; /* behind it */
};

struct reputation_question {
	TAILQ_ENTRY(reputation_question) entry;
	struct reputation *r;
	uint64_t id, until_ms;
	reputation_grey_fn *grey; /* one of the two */
	reputation_sent_fn *sent;
	void *arg;
};

struct reputation {
	struct io_loop *loop;
	struct ipc_channel *ch; /* NULL: away */
	struct map *states;
	struct map *questions;                     /* id -> question */
	TAILQ_HEAD(, reputation_question) waiting; /* oldest first: all wait equally long */
	struct io_timer *timer;                    /* for the oldest */
	STAILQ_HEAD(, note) notes;                 /* while it is away */
	unsigned nnotes;
	bool gap;         /* notes were lost */
	unsigned unasked; /* questions that had no answer since the last line in the log */
	uint64_t logged_ms;
	uint64_t last_id;
};

/* --- questions ---------------------------------------------------------------------------------- */

static void
remove_question(struct reputation_question *q)
{
	map_del(q->r->questions, q->id);
	TAILQ_REMOVE(&q->r->waiting, q, entry);
}

/* Answers it; the question is gone before. */
static void
answer(struct reputation_question *q, uint32_t wait, enum reputation_known known, uint64_t since)
{
	struct reputation_question old = *q;

	remove_question(q);
	free(q);
	if (old.grey != NULL)
		old.grey(old.arg, wait);
	else
		old.sent(old.arg, known, since);
}

static void
set_timer(struct reputation *r)
{
	struct reputation_question *q = TAILQ_FIRST(&r->waiting);
	uint64_t now = io_now_ms(r->loop);

	if (q == NULL)
		io_timer_stop(r->timer);
	else
		io_timer_set(r->timer, q->until_ms > now ? q->until_ms - now : 0);
}

/* Once in REPUTATION_LOG_MS: a busy server would fill its log. */
static void
log_unasked(struct reputation *r)
{
	uint64_t now = io_now_ms(r->loop);

	if (r->unasked == 0 || (r->logged_ms != 0 && now - r->logged_ms < REPUTATION_LOG_MS))
		return;
	log_warn(NULL, "event=reputation-unasked reason=%s count=%u",
	    r->ch != NULL ? "no-answer" : "away", r->unasked);
	r->unasked = 0;
	r->logged_ms = now;
}

static void
on_timer(void *arg)
{
	struct reputation *r = arg;
	struct reputation_question *q;

	while ((q = TAILQ_FIRST(&r->waiting)) != NULL && q->until_ms <= io_now_ms(r->loop)) {
		r->unasked++;
		answer(q, 0, REPUTATION_UNKNOWN, 0);
	}
	log_unasked(r);
	set_timer(r);
}

/* Without a process to ask the answer comes at the next turn of the loop. */
static struct reputation_question *
question_new(struct reputation *r, void *arg)
{
	struct reputation_question *q = xcalloc(1, sizeof(*q));

	q->r = r;
	q->id = ++r->last_id;
	q->arg = arg;
	q->until_ms = io_now_ms(r->loop) + REPUTATION_ANSWER_MS;
	map_put(r->questions, q->id, q);
	if (r->ch != NULL) {
		TAILQ_INSERT_TAIL(&r->waiting, q, entry);
	} else {
		q->until_ms = io_now_ms(r->loop);
		TAILQ_INSERT_HEAD(&r->waiting, q, entry);
	}
	set_timer(r);
	return q;
}

struct reputation_question *
reputation_ask_grey(
    struct reputation *r, const struct reputation_grey *grey, reputation_grey_fn *fn, void *arg)
{
	struct reputation_question *q = question_new(r, arg);

	q->grey = fn;
	if (r->ch != NULL)
		ipc_send_grey_ask(r->ch, q->id,
		    &(struct ipc_grey_ask){ .client = str_of(grey->client),
			.sender = grey->sender,
			.recipient = grey->recipient,
			.domain = grey->domain });
	return q;
}

struct reputation_question *
reputation_ask_sent(struct reputation *r, struct str ids, reputation_sent_fn *fn, void *arg)
{
	struct reputation_question *q = question_new(r, arg);

	q->sent = fn;
	if (r->ch != NULL)
		ipc_send_sent_ask(r->ch, q->id, &(struct ipc_sent_ask){ .ids = ids });
	return q;
}

void
reputation_forget(struct reputation_question **qp)
{
	struct reputation_question *q = *qp;
	struct reputation *r;

	*qp = NULL;
	if (q == NULL)
		return;
	r = q->r;
	remove_question(q);
	free(q);
	set_timer(r);
}

/* --- clients ------------------------------------------------------------------------------------ */

/* NULL: nothing is known of it, or it is over; then it is forgotten. */
static struct state *
state_of(struct reputation *r, uint64_t key)
{
	struct state *s = map_get(r->states, key);
	uint64_t now = io_now_ms(r->loop);

	if (s == NULL || s->refused_ms > now || s->watched_ms > now)
		return s;
	map_del(r->states, key);
	free(s);
	return NULL;
}

static uint32_t
seconds_left(const struct reputation *r, const struct state *s)
{
	uint64_t now = io_now_ms(r->loop);

	return s == NULL || s->refused_ms <= now ? 0
						 : (uint32_t)((s->refused_ms - now + 999) / 1000);
}

uint32_t
reputation_refused(struct reputation *r, const struct net_address *client)
{
	uint32_t one = seconds_left(r, state_of(r, net_client_key(client)));
	uint32_t all = seconds_left(r, state_of(r, net_network_key(client)));

	return one > all ? one : all;
}

bool
reputation_watched(struct reputation *r, const struct net_address *client)
{
	return state_of(r, net_client_key(client)) != NULL;
}

/* Loopback is ourselves: a proxy tells who is behind it. */
void
reputation_note(
    struct reputation *r, const struct net_address *client, enum offence what, uint32_t count)
{
	char text[NET_TEXT_MAX];

	if (r->ch == NULL || count == 0 || net_is_loopback(client))
		return;
	ipc_send_client_note(r->ch, 0,
	    &(struct ipc_client_note){
		.client = str_of(net_print(client, text)), .what = (uint8_t)what, .count = count });
}

static void
sweep(struct reputation *r)
{
	uint64_t now = io_now_ms(r->loop), key;
	struct state *s;
	size_t it = 0;

	while ((s = map_next(r->states, &it, &key)) != NULL)
		if (s->refused_ms <= now && s->watched_ms <= now) {
			map_del(r->states, key);
			free(s);
		}
}

static void
on_client_state(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_client_state *m, int fd)
{
	struct reputation *r = arg;
	struct state *s = map_get(r->states, m->key);
	uint64_t now = io_now_ms(r->loop);

	(void)ch, (void)id, (void)fd;
	if (s == NULL) {
		if (map_count(r->states) >= REPUTATION_STATES_MAX)
			sweep(r);
		if (map_count(r->states) >= REPUTATION_STATES_MAX)
			return;
		s = xcalloc(1, sizeof(*s));
		map_put(r->states, m->key, s);
	}
	s->refused_ms = now + (uint64_t)m->refused * 1000;
	s->watched_ms = now + (uint64_t)m->watched * 1000;
}

/* --- notes -------------------------------------------------------------------------------------- */

void
reputation_good(struct reputation *r, const char *client, struct str domain, bool spf)
{
	if (r->ch != NULL)
		ipc_send_good_note(r->ch, 0,
		    &(struct ipc_good_note){
			.client = str_of(client), .domain = domain, .spf = spf });
}

static void
keep_note(struct reputation *r, struct str id)
{
	struct note *n;
	char *copy;

	if (r->nnotes >= REPUTATION_NOTES_MAX) {
		r->gap = true;
		return;
	}
	n = xmalloc(sizeof(*n) + id.n + 1);
	copy = (char *)(n + 1);
	memcpy(copy, id.p, id.n);
	n->id = str_from(copy, id.n);
	STAILQ_INSERT_TAIL(&r->notes, n, entry);
	r->nnotes++;
}

void
reputation_sent(struct reputation *r, struct str id)
{
	if (id.n == 0 || id.n > REPUTATION_ID_MAX || memchr(id.p, '\0', id.n) != NULL)
		return;
	if (r->ch != NULL)
		ipc_send_sent_note(r->ch, 0, &(struct ipc_sent_note){ .message_id = id });
	else
		keep_note(r, id);
}

static void
drop_notes(struct reputation *r)
{
	struct note *n;

	while ((n = STAILQ_FIRST(&r->notes)) != NULL) {
		STAILQ_REMOVE_HEAD(&r->notes, entry);
		free(n);
	}
	r->nnotes = 0;
}

static void
send_notes(struct reputation *r)
{
	struct note *n;

	STAILQ_FOREACH(n, &r->notes, entry)
		ipc_send_sent_note(r->ch, 0, &(struct ipc_sent_note){ .message_id = n->id });
	drop_notes(r);
	if (r->gap)
		ipc_send_sent_gap(r->ch, 0, &(struct ipc_sent_gap){ 0 });
	r->gap = false;
}

/* --- answers ------------------------------------------------------------------------------------ */

static void
on_grey_answer(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_grey_answer *m, int fd)
{
	struct reputation *r = arg;
	struct reputation_question *q = map_get(r->questions, id);

	(void)ch, (void)fd;
	if (q != NULL && q->grey != NULL)
		answer(q, m->wait, REPUTATION_UNKNOWN, 0);
	set_timer(r);
}

static void
on_sent_answer(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_sent_answer *m, int fd)
{
	struct reputation *r = arg;
	struct reputation_question *q = map_get(r->questions, id);

	(void)ch, (void)fd;
	if (q != NULL && q->sent != NULL)
		answer(q, 0, m->result == IPC_OK ? REPUTATION_YES : REPUTATION_NO, m->since);
	set_timer(r);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	struct reputation *r = arg;
	struct reputation_question *q;

	(void)ch;
	ipc_channel_free(&r->ch);
	TAILQ_FOREACH(q, &r->waiting, entry)
		q->until_ms = 0; /* answered by the timer, in the next turn */
	set_timer(r);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(grey_answer, on_grey_answer),
	IPC_ON(sent_answer, on_sent_answer),
	IPC_ON(client_state, on_client_state),
};
static const struct ipc_ops ops = { .handlers = handlers, .on_close = on_close };

/* --- life --------------------------------------------------------------------------------------- */

struct reputation *
reputation_new(struct io_loop *loop)
{
	struct reputation *r = xcalloc(1, sizeof(*r));

	r->loop = loop;
	r->states = map_new();
	r->questions = map_new();
	r->timer = io_timer_new(loop, on_timer, r);
	TAILQ_INIT(&r->waiting);
	STAILQ_INIT(&r->notes);
	return r;
}

static void
drop_states(struct reputation *r)
{
	struct state *s;
	uint64_t key;
	size_t it = 0;

	while ((s = map_next(r->states, &it, &key)) != NULL) {
		map_del(r->states, key);
		free(s);
	}
}

void
reputation_free(struct reputation **rp)
{
	struct reputation *r = *rp;
	struct reputation_question *q;

	if (r == NULL)
		return;
	*rp = NULL;
	while ((q = TAILQ_FIRST(&r->waiting)) != NULL) {
		remove_question(q);
		free(q);
	}
	ipc_channel_free(&r->ch);
	drop_states(r);
	drop_notes(r);
	map_free(&r->states);
	map_free(&r->questions);
	io_timer_free(&r->timer);
	free(r);
}

/* reputation tells all states anew: what it has forgotten is forgotten here, too. */
void
reputation_open(struct reputation *r, int fd)
{
	if (r->ch != NULL)
		on_close(r, r->ch);
	drop_states(r);
	r->ch = ipc_channel_new(r->loop, fd, IPC_CH_reputation, IPC_CLIENT, &ops, r);
	send_notes(r);
}
