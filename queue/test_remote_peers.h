/* SPDX-License-Identifier: ISC */
/* Who the queue speaks to about mail that leaves the house: fake accounts, a fake delivery, a fake mailbox; all static. */
#ifndef POSTERN_QUEUE_TEST_REMOTE_PEERS_H
#define POSTERN_QUEUE_TEST_REMOTE_PEERS_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"
#include "journal/crashsim.h"
#include "queue/queue_priv.h"
#include "smtp/command.h"

enum { ME = 7, JOBS_MAX = 4000, OPEN_MAX = 600, MINUTE = 60000, HOUR = 60 * MINUTE };

/* What the fake delivery does with a domain, by the beginning of its name. */
struct sent {
	uint64_t time, id;
	char domain[64], from[128], to[512];
	unsigned recipients;
	uint64_t size;
	bool done, eightbit;
};

struct world {
	struct io_loop *loop;
	char dir[64];
	int dirfd;
	struct queue *queue;
	struct queue_options options;
	uint64_t now;
	struct ipc_channel *smtpd, *door, *accounts, *delivery, *box;
	struct io_timer *timer, *asked;
	bool timed_out;
	bool (*until)(struct world *w);
	/* accounts */
	bool silent;
	unsigned questions;
	/* the clients */
	unsigned answers, result, door_result;
	uint64_t last_key;
	/* delivery */
	struct sent sent[JOBS_MAX];
	unsigned jobs, running, most_running, dead_running, most_dead;
	uint64_t open[OPEN_MAX]; /* ids of jobs that nobody has answered */
	bool hold;               /* jobs wait for answer_all */
	struct buf content;      /* of the last job */
	/* the mailbox of every account */
	struct buf mail;
	uint64_t box_number[64], box_id[64];
	size_t box_waiting;
	unsigned delivered;
	bool no_box;
};

/* --- accounts ---------------------------------------------------------------------------------- */
static inline void
on_expand(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_address_expand *m, int fd)
{
	struct world *w = arg;
	struct ipc_address_targets t = { .result = IPC_OK };

	(void)fd;
	w->questions++;
	if (w->silent)
		return;
	if (str_find_nocase(m->address, STR("@example.test")) < 0)
		t.result = IPC_NOT_LOCAL;
	else if (str_starts_nocase(m->address, STR("nobody@")))
		t.result = IPC_NO;
	else if (str_starts_nocase(m->address, STR("full@")))
		t = (struct ipc_address_targets){ .full = 1, .accounts = STR("\0\0\0\7") };
	else if (str_starts_nocase(m->address, STR("fwd@")))
		t.remote = STR("bob@away.test\0");
	else if (str_starts_nocase(m->address, STR("team@")))
		t = (struct ipc_address_targets){ .list = 1,
			.accounts = STR("\0\0\0\7"),
			.remote = STR("x@a.test\0y@b.test\0") };
	else
		t.accounts = STR("\0\0\0\7");
	ipc_send_address_targets(ch, id, &t);
}

static inline void
on_check(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_sender_check *m, int fd)
{
	struct world *w = arg;
	bool ok = m->account == ME && str_eq(m->address, STR("me@example.test"));

	(void)fd;
	if (!w->silent)
		ipc_send_sender_is(
		    ch, id, &(struct ipc_sender_is){ .result = ok ? IPC_OK : IPC_DENIED });
}

static inline void
accounts_closed(void *arg, struct ipc_channel *ch)
{
	struct world *w = arg;

	(void)ch;
	ipc_channel_free(&w->accounts);
}

static inline void
connect_accounts(struct world *w)
{
	static const union ipc_handler h[IPC__MAX] = {
		IPC_ON(address_expand, on_expand),
		IPC_ON(sender_check, on_check),
	};
	static const struct ipc_ops ops = { .handlers = h, .on_close = accounts_closed };
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	w->accounts = ipc_channel_new(w->loop, sv[1], IPC_CH_accounts_queue, IPC_SERVER, &ops, w);
	queue_accounts_peer(w->queue, sv[0]);
	ipc_send_forward_key(w->accounts, 0,
	    &(struct ipc_forward_key){ .key = STR("0123456789abcdef0123456789abcdef") });
}

/* --- delivery ---------------------------------------------------------------------------------- */
static inline struct sent *
job_find(struct world *w, uint64_t id)
{
	for (unsigned i = w->jobs; i-- > 0;)
		if (w->sent[i].id == id)
			return &w->sent[i];
	return NULL;
}

static inline bool
is_dead(const struct sent *s)
{
	return strncmp(s->domain, "dead", 4) == 0;
}

static inline void
job_result(struct world *w, struct sent *s, unsigned i, const char *to)
{
	struct ipc_job_result r = { .recipient = i, .remote = STR("mx.test") };

	if (is_dead(s)) {
		r.result = IPC_TEMP;
		r.text = STR("connection refused");
	} else if (strncmp(s->domain, "grey", 4) == 0 || strncmp(to, "later", 5) == 0) {
		r.result = IPC_TEMP;
		r.code = 451;
		r.enhanced = STR("4.7.1");
		r.text = STR("come back later");
	} else if (strncmp(s->domain, "perm", 4) == 0 || strncmp(to, "no", 2) == 0) {
		r.result = IPC_NO;
		r.code = 550;
		r.enhanced = STR("5.1.1");
		r.text = STR("who is that?");
	} else {
		r.code = 250;
		r.dsn = strncmp(s->domain, "dsn", 3) == 0;
	}
	ipc_send_job_result(w->delivery, s->id, &r);
}

static inline void
job_answer(struct world *w, struct sent *s)
{
	char *save, copy[sizeof(s->to)], *to;
	unsigned i = 0;

	strcpy(copy, s->to);
	for (to = strtok_r(copy, " ", &save); to; to = strtok_r(NULL, " ", &save))
		job_result(w, s, i++, to);
	ipc_send_job_done(w->delivery, s->id,
	    &(struct ipc_job_done){ .destination = is_dead(s) ? IPC_TEMP : IPC_OK });
	s->done = true;
	w->running--;
	w->dead_running -= is_dead(s);
}

static inline void
on_job_begin(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_job_begin *m, int fd)
{
	struct world *w = arg;
	struct sent *s = &w->sent[w->jobs++];

	(void)ch;
	(void)fd;
	assert_true(w->jobs < JOBS_MAX);
	memset(s, 0, sizeof(*s));
	s->id = id;
	s->time = w->now;
	s->size = m->size;
	s->recipients = m->recipients;
	s->eightbit = m->body_8bit;
	snprintf(s->domain, sizeof(s->domain), "%.*s", STRF(m->domain));
	snprintf(s->from, sizeof(s->from), "%.*s", STRF(m->reverse_path));
	w->running++;
	w->dead_running += is_dead(s);
	if (w->running > w->most_running)
		w->most_running = w->running;
	if (w->dead_running > w->most_dead)
		w->most_dead = w->dead_running;
}

static inline void
on_job_recipient(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_job_recipient *m, int fd)
{
	struct world *w = arg;
	struct sent *s = job_find(w, id);
	size_t at = strlen(s->to);

	(void)fd;
	if (at + m->address.n + 2 < sizeof(s->to))
		snprintf(s->to + at, sizeof(s->to) - at, "%s%.*s", at ? " " : "", STRF(m->address));
	if (--s->recipients > 0)
		return;
	buf_clear(&w->content);
	if (w->hold)
		return;
	if (is_dead(s))
		job_answer(w, s);
	else
		ipc_send_job_want(ch, id, &(struct ipc_job_want){ .bytes = 100 });
}

static inline void
on_job_content(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_job_content *m, int fd)
{
	struct world *w = arg;
	struct sent *s = job_find(w, id);

	(void)fd;
	assert_true(m->bytes.n > 0 && m->bytes.n <= s->size);
	buf_put(&w->content, m->bytes.p, m->bytes.n);
	s->size -= m->bytes.n;
	if (s->size > 0)
		ipc_send_job_want(
		    ch, id, &(struct ipc_job_want){ .bytes = (uint32_t)m->bytes.n + 1000 });
	else
		job_answer(w, s);
}

static inline void
on_job_cancel(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_job_cancel *m, int fd)
{
	struct world *w = arg;

	(void)ch;
	(void)id;
	(void)m;
	(void)fd;
	w->timed_out = false;
}

static inline unsigned
job_state(void *arg, uint64_t id)
{
	struct sent *s = job_find(arg, id);

	if (s == NULL || s->done)
		return IPC_ST_IDLE;
	return s->recipients > 0 ? IPC_ST_OPEN : IPC_ST_BUSY;
}

static inline void
delivery_closed(void *arg, struct ipc_channel *ch)
{
	struct world *w = arg;

	(void)ch;
	ipc_channel_free(&w->delivery);
}

static inline void
connect_delivery(struct world *w)
{
	static const union ipc_handler h[IPC__MAX] = {
		IPC_ON(job_begin, on_job_begin),
		IPC_ON(job_recipient, on_job_recipient),
		IPC_ON(job_content, on_job_content),
		IPC_ON(job_cancel, on_job_cancel),
	};
	static const struct ipc_ops ops = {
		.handlers = h,
		.state = job_state,
		.on_close = delivery_closed,
	};
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	w->running = w->dead_running = 0;
	w->delivery = ipc_channel_new(w->loop, sv[1], IPC_CH_delivery, IPC_SERVER, &ops, w);
	queue_delivery_peer(w->queue, sv[0]);
}

static inline void
answer_all(struct world *w)
{
	unsigned n = w->jobs;

	for (unsigned i = 0; i < n; i++)
		if (!w->sent[i].done)
			job_answer(w, &w->sent[i]);
}

/* --- the mailbox ------------------------------------------------------------------------------- */
static inline void
on_deliver_begin(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_deliver_begin *m, int fd)
{
	struct world *w = arg;

	(void)ch;
	(void)fd;
	assert_true(w->box_waiting < 64);
	w->box_number[w->box_waiting] = m->number;
	w->box_id[w->box_waiting++] = id;
}

static inline void
on_deliver_content(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_deliver_content *m, int fd)
{
	struct world *w = arg;

	(void)ch;
	(void)id;
	(void)fd;
	buf_put(&w->mail, m->bytes.p, m->bytes.n);
}

static inline void
on_deliver_sync(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_deliver_sync *m, int fd)
{
	struct world *w = arg;

	(void)id;
	(void)m;
	(void)fd;
	for (size_t i = 0; i < w->box_waiting; i++)
		ipc_send_delivered(ch, w->box_id[i],
		    &(struct ipc_delivered){ .number = w->box_number[i], .uid = 1 });
	w->delivered += (unsigned)w->box_waiting;
	w->box_waiting = 0;
}

static inline unsigned
box_state(void *arg, uint64_t id)
{
	(void)arg;
	(void)id;
	return IPC_ST_OPEN | IPC_ST_IDLE;
}

static inline void
box_closed(void *arg, struct ipc_channel *ch)
{
	struct world *w = arg;

	(void)ch;
	ipc_channel_free(&w->box);
}

static inline void
open_mailbox(void *arg, uint32_t account)
{
	struct world *w = arg;

	assert_int_equal(account, ME);
	if (!w->no_box)
		io_timer_set(w->asked, 0);
}

static inline void
on_asked(void *arg)
{
	static const union ipc_handler h[IPC__MAX] = {
		IPC_ON(deliver_begin, on_deliver_begin),
		IPC_ON(deliver_content, on_deliver_content),
		IPC_ON(deliver_sync, on_deliver_sync),
	};
	static const struct ipc_ops ops = {
		.handlers = h, .state = box_state, .on_close = box_closed
	};
	struct world *w = arg;
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	ipc_channel_free(&w->box);
	w->box = ipc_channel_new(w->loop, sv[1], IPC_CH_mailbox_deliver, IPC_SERVER, &ops, w);
	queue_mailbox_opened(w->queue, ME, IPC_OK, sv[0]);
}

#endif
