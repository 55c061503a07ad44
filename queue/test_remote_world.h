/* SPDX-License-Identifier: ISC */
/* The queue between the peers of test_remote_peers.h, its clients and a clock of the test's own; all static. */
#ifndef POSTERN_QUEUE_TEST_REMOTE_WORLD_H
#define POSTERN_QUEUE_TEST_REMOTE_WORLD_H

#include "queue/test_remote_peers.h"

/* --- the clients ------------------------------------------------------------------------------- */
static inline void
on_stored(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_stored *m, int fd)
{
	struct world *w = arg;

	(void)ch;
	(void)id;
	(void)fd;
	w->answers++;
	w->result = m->result;
}

static inline void
on_refused(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_refused *m, int fd)
{
	struct world *w = arg;

	(void)ch;
	(void)id;
	(void)fd;
	w->answers++;
	w->result = m->result;
}

static inline void
on_door_answer(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_door_answer *m, int fd)
{
	struct world *w = arg;

	(void)ch;
	(void)id;
	(void)fd;
	w->answers++;
	w->door_result = m->result;
}

static inline void
client_closed(void *arg, struct ipc_channel *ch)
{
	struct world *w = arg;

	if (ch == w->door)
		ipc_channel_free(&w->door);
	else
		ipc_channel_free(&w->smtpd);
}

static inline struct ipc_channel *
client(struct world *w, int fd)
{
	static const union ipc_handler h[IPC__MAX] = {
		IPC_ON(msg_stored, on_stored),
		IPC_ON(msg_refused, on_refused),
		IPC_ON(door_answer, on_door_answer),
	};
	static const struct ipc_ops ops = { .handlers = h, .on_close = client_closed };

	return ipc_channel_new(w->loop, fd, IPC_CH_queue_accept, IPC_CLIENT, &ops, w);
}

struct mail {
	const char *from, *to; /* to: separated by spaces */
	uint8_t notify, elsewhere, body_8bit;
	const char *content;
	size_t size; /* at least */
};

static inline void
send_mail(struct world *w, struct ipc_channel *ch, const struct mail *m)
{
	char copy[4096], *save, *to;
	uint64_t key = ++w->last_key;
	struct buf b;

	ipc_send_msg_begin(ch, key,
	    &(struct ipc_msg_begin){
		.session = STR("s"), .reverse_path = str_of(m->from), .body_8bit = m->body_8bit });
	snprintf(copy, sizeof(copy), "%s", m->to);
	for (to = strtok_r(copy, " ", &save); to; to = strtok_r(NULL, " ", &save))
		ipc_send_msg_recipient(ch, key,
		    &(struct ipc_msg_recipient){ .address = str_of(to),
			.notify = m->notify,
			.elsewhere = m->elsewhere,
			.accounts = ch == w->smtpd && !m->elsewhere ? STR("\0\0\0\7") : STR("") });
	buf_init(&b, 1 << 20);
	buf_puts(&b, m->content ? m->content : "Subject: x\r\n\r\nHello\r\n");
	while (buf_len(&b) < m->size)
		buf_puts(&b, "0123456789\r\n");
	for (size_t at = 0; at < buf_len(&b); at += 60000) {
		size_t n = buf_len(&b) - at < 60000 ? buf_len(&b) - at : 60000;

		ipc_send_msg_content(
		    ch, key, &(struct ipc_msg_content){ .bytes = str_from(buf_data(&b) + at, n) });
	}
	ipc_send_msg_commit(ch, key,
	    &(struct ipc_msg_commit){ .size = buf_len(&b), .prepend = STR("Received: y\r\n") });
	buf_free(&b);
}

/* --- the world --------------------------------------------------------------------------------- */
static inline uint64_t
clock_ms(void *arg)
{
	return ((struct world *)arg)->now;
}

#include "queue/test_until.h"

static inline void
queue_start(struct world *w)
{
	int sv[2];

	assert_int_equal(queue_new(w->loop, w->dirfd, &w->options, &w->queue), 0);
	connect_accounts(w);
	connect_delivery(w);
	assert_int_equal(ipc_pair(sv), 0);
	w->smtpd = client(w, sv[1]);
	queue_accept_peer(w->queue, sv[0]);
	assert_int_equal(ipc_pair(sv), 0);
	w->door = client(w, sv[1]);
	ipc_send_door_bind(w->accounts, 0,
	    &(struct ipc_door_bind){ .account = ME, .login = STR("me@example.test") }, sv[0]);
}

static inline void
queue_stop(struct world *w)
{
	ipc_channel_free(&w->smtpd);
	ipc_channel_free(&w->door);
	ipc_channel_free(&w->accounts);
	ipc_channel_free(&w->delivery);
	ipc_channel_free(&w->box);
	queue_free(&w->queue);
	w->box_waiting = 0;
}

static inline struct world *
world_bare(void)
{
	struct world *w = xcalloc(1, sizeof(*w));

	strcpy(w->dir, "/tmp/queue_remote.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->loop = io_loop_new();
	w->now = UINT64_C(1800000000000);
	w->timer = io_timer_new(w->loop, on_timeout, w);
	w->asked = io_timer_new(w->loop, on_asked, w);
	io_loop_after_turn(w->loop, check_until, w);
	buf_init(&w->content, 4 << 20);
	buf_init(&w->mail, 4 << 20);
	w->options = (struct queue_options){
		.spool = { .limits = { 100000, 1 << 30, 0 }, .segment_bytes = 1 << 20 },
		.message_max = 50 << 20,
		.retry_min_ms = 50,
		.retry_max_ms = 200,
		.mailboxes_max = 64,
		.remote_retry_min_ms = 5 * MINUTE,
		.remote_retry_max_ms = HOUR,
		.jobs_max = 40,
		.per_destination_max = 10,
		.warn_after_ms = 4 * HOUR,
		.expire_after_ms = 120 * (uint64_t)HOUR,
		.hostname = "mx.example.test",
		.open_mailbox = open_mailbox,
		.now_ms = clock_ms,
		.arg = w,
	};
	return w;
}

static inline struct world *
world_new(void)
{
	struct world *w = world_bare();

	queue_start(w);
	return w;
}

static inline void
world_free(struct world *w)
{
	char cmd[96];

	queue_stop(w);
	io_timer_free(&w->timer);
	io_timer_free(&w->asked);
	io_loop_free(&w->loop);
	close(w->dirfd);
	buf_free(&w->content);
	buf_free(&w->mail);
	snprintf(cmd, sizeof(cmd), "rm -r %s", w->dir);
	assert_int_equal(system(cmd), 0);
	free(w);
}

static unsigned target;

static inline bool
answered(struct world *w)
{
	return w->answers >= target;
}

static inline bool
jobs_begun(struct world *w)
{
	return w->jobs >= target;
}

static inline bool
all_answered(struct world *w)
{
	return w->jobs >= target && w->running == 0;
}

static inline bool
mail_came(struct world *w)
{
	return w->delivered >= target;
}

static inline bool
is_empty(struct world *w)
{
	return spool_count(w->queue->spool) == 0;
}

/* Events that wait already happen, nothing else. */
static inline void
settle_down(struct world *w)
{
	assert_false(run_for(w, NULL, 40));
}

static inline void
time_passes(struct world *w, uint64_t ms)
{
	w->now += ms;
	queue_time_passed(w->queue);
}

/* From the login's door; stored. */
static inline void
mail_out(struct world *w, const char *to)
{
	target = w->answers + 1;
	send_mail(w, w->door, &(struct mail){ .from = "me@example.test", .to = to });
	assert_true(run_for(w, answered, 3000));
	assert_int_equal(w->result, IPC_OK);
}

static inline bool
has(const struct buf *b, const char *text)
{
	return str_find_nocase(str_from(buf_data(b), buf_len(b)), str_of(text)) >= 0;
}

/* To so many addresses: '#' stands for the number. */
static inline void
mails_out(struct world *w, const char *pattern, unsigned n)
{
	size_t at = strcspn(pattern, "#");
	char address[64];

	target = w->answers + n;
	for (unsigned i = 0; i < n; i++) {
		snprintf(
		    address, sizeof(address), "%.*s%u%s", (int)at, pattern, i, pattern + at + 1);
		send_mail(w, w->door, &(struct mail){ .from = "me@example.test", .to = address });
	}
	assert_true(run_for(w, answered, 10000));
}

#endif
