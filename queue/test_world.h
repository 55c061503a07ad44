/* SPDX-License-Identifier: ISC */
/* The queue between a fake smtpd and fake mailboxes, for tests; all static. */
#ifndef POSTERN_QUEUE_TEST_WORLD_H
#define POSTERN_QUEUE_TEST_WORLD_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"
#include "command/command.h"
#include "journal/crashsim.h"
#include "queue/queue.h"

enum { ACCOUNTS = 4, NUMBERS_MAX = 40000, KEYS_MAX = 40000 };

/* What the mailbox of one account does. */
enum behaviour { GOOD, SILENT, TEMPORARY, DROPS, REFUSED, GONE };

struct box {
	struct world *world;
	struct ipc_channel *ch;
	uint32_t account;
	enum behaviour behaviour;
	unsigned opened, begun, floor_errors;
	/* stable: what was stored, by number; a repeat is recognised as long as it is above floor */
	struct map *known;
	uint64_t floor;
	/* the one that comes in, and those that wait for the sync */
	struct ipc_deliver_begin open;
	char folder[32]; /* of the last one */
	uint64_t got;
	struct buf content;
	struct {
		uint64_t number, id;
		uint32_t key;
	} whole[4096];
	size_t wholes;
};

struct world {
	struct io_loop *loop;
	char dir[64];
	int dirfd;
	struct queue *queue;
	struct queue_options options;
	struct ipc_channel *smtpd, *admin;
	struct box box[ACCOUNTS];
	struct io_timer *timer;
	bool timed_out;
	unsigned stored, not_stored, refused, result_full;
	char last_id[32];
	unsigned room;                          /* IPC_OK until queue says otherwise */
	uint8_t answer[KEYS_MAX];               /* per key: 1 stored, 2 not */
	uint16_t delivered[ACCOUNTS][KEYS_MAX]; /* times stored in a mailbox */
	size_t expected_size;
	char rows[8192];
	unsigned row_count, ended;
	bool (*until)(struct world *w);
	uint32_t asked[64];
	unsigned asked_count;
	struct io_timer *asked_timer;
	void (*open_now)(struct world *w, uint32_t account);
};

/* --- contents: the key in the first line, then a pattern --------------------------------------- */
static inline void
content_make(struct buf *b, uint32_t key, size_t n)
{
	buf_clear(b);
	assert_int_equal(buf_printf(b, "Key: %010u\r\n\r\n", key), 0);
	while (buf_len(b) < n)
		buf_putc(b, 'a' + (int)((key + buf_len(b)) % 26));
}

static const char prepend[] = "Received: from test\r\n";
static const char trace[] = "Delivered-To: ";

/* The key, after all of it was compared. */
static inline uint32_t
content_check(const struct buf *b)
{
	const char *p = (const char *)buf_data(b);
	struct buf want;
	uint32_t key;
	size_t at;

	assert_true(buf_len(b) > sizeof(trace) + sizeof(prepend) + 15);
	assert_memory_equal(p, trace, sizeof(trace) - 1);
	at = (size_t)(str_chr(str_from(p, buf_len(b)), '\n') + 1);
	assert_memory_equal(p + at, prepend, sizeof(prepend) - 1);
	at += sizeof(prepend) - 1;
	key = (uint32_t)strtoul(p + at + 5, NULL, 10);
	buf_init(&want, 64 << 20);
	content_make(&want, key, buf_len(b) - at);
	assert_int_equal(buf_len(&want), buf_len(b) - at);
	assert_memory_equal(p + at, buf_data(&want), buf_len(&want));
	buf_free(&want);
	return key;
}

/* --- a mailbox --------------------------------------------------------------------------------- */
static inline void
box_sync(struct box *b)
{
	for (size_t i = 0; i < b->wholes; i++) {
		uint64_t number = b->whole[i].number;

		if (b->behaviour == GOOD && map_put(b->known, number, b) == NULL)
			b->world->delivered[b->account][b->whole[i].key]++;
		ipc_send_delivered(b->ch, b->whole[i].id,
		    &(struct ipc_delivered){
			.result = b->behaviour == GOOD ? IPC_OK : IPC_TEMP,
			.number = number,
			.uid = 1,
		    });
	}
	b->wholes = 0;
}

static inline void
on_deliver_begin(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_deliver_begin *m, int fd)
{
	struct box *b = arg;
	uint64_t known;
	size_t it = 0;

	(void)fd;
	(void)id;
	b->begun++;
	if (m->number < b->floor || m->floor > m->number)
		b->floor_errors++;
	if (m->floor > b->floor)
		b->floor = m->floor;
	while (map_next(b->known, &it, &known) != NULL)
		if (known < b->floor)
			map_del(b->known, known);
	b->open = *m;
	snprintf(b->folder, sizeof(b->folder), "%.*s", (int)m->folder.n, m->folder.p);
	b->got = 0;
	buf_clear(&b->content);
	if (b->behaviour == DROPS)
		ipc_channel_free(&b->ch);
	(void)ch;
}

static inline void
on_deliver_content(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_deliver_content *m, int fd)
{
	struct box *b = arg;

	(void)ch;
	(void)fd;
	b->got += m->bytes.n;
	assert_true(b->got <= b->open.size);
	buf_put(&b->content, m->bytes.p, m->bytes.n);
	if (b->got < b->open.size)
		return;
	assert_true(b->wholes < 4096);
	b->whole[b->wholes].number = b->open.number;
	b->whole[b->wholes].id = id;
	b->whole[b->wholes++].key = content_check(&b->content);
}

static inline void
on_deliver_sync(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_deliver_sync *m, int fd)
{
	struct box *b = arg;

	(void)ch;
	(void)id;
	(void)m;
	(void)fd;
	if (b->behaviour != SILENT)
		box_sync(b);
}

static inline unsigned
box_state(void *arg, uint64_t id)
{
	struct box *b = arg;

	(void)id;
	return b->got < b->open.size ? IPC_ST_OPEN : IPC_ST_IDLE;
}

static inline void
box_closed(void *arg, struct ipc_channel *ch)
{
	struct box *b = arg;

	(void)ch;
	ipc_channel_free(&b->ch);
	b->wholes = 0;
	b->open.size = b->got = 0;
}

static const union ipc_handler box_handlers[IPC__MAX] = {
	IPC_ON(deliver_begin, on_deliver_begin),
	IPC_ON(deliver_content, on_deliver_content),
	IPC_ON(deliver_sync, on_deliver_sync),
};

static const struct ipc_ops box_ops = {
	.handlers = box_handlers,
	.state = box_state,
	.on_close = box_closed,
};

static inline void
box_attach(struct box *b, int fd)
{
	if (b->ch)
		box_closed(b, b->ch);
	b->open.size = b->got = 0;
	b->wholes = 0;
	b->opened++;
	b->ch =
	    ipc_channel_new(b->world->loop, fd, IPC_CH_mailbox_deliver, IPC_SERVER, &box_ops, b);
}

/* The answer of master comes in a later turn. */
static inline void
open_mailbox(void *arg, uint32_t account)
{
	struct world *w = arg;

	assert_true(w->asked_count < sizeof(w->asked) / sizeof(w->asked[0]));
	w->asked[w->asked_count++] = account;
	io_timer_set(w->asked_timer, 0);
}

static inline void
open_now(struct world *w, uint32_t account)
{
	struct box *b = &w->box[account];
	int sv[2];

	if (b->behaviour == REFUSED || b->behaviour == GONE) {
		b->opened++;
		queue_mailbox_opened(
		    w->queue, account, b->behaviour == GONE ? IPC_NO : IPC_TEMP, -1);
		return;
	}
	assert_int_equal(ipc_pair(sv), 0);
	box_attach(b, sv[1]);
	queue_mailbox_opened(w->queue, account, IPC_OK, sv[0]);
}

static inline void
on_asked(void *arg)
{
	struct world *w = arg;
	unsigned n = w->asked_count;

	w->asked_count = 0;
	for (unsigned i = 0; i < n; i++)
		w->open_now(w, w->asked[i]);
}

/* --- smtpd ------------------------------------------------------------------------------------- */
static inline void
on_msg_stored(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_stored *m, int fd)
{
	struct world *w = arg;

	(void)ch;
	(void)fd;
	w->answer[id] = m->result == IPC_OK ? 1 : 2;
	if (m->result != IPC_OK) {
		w->not_stored++;
		w->result_full += m->result == IPC_FULL;
		return;
	}
	w->stored++;
	snprintf(w->last_id, sizeof(w->last_id), "%.*s", STRF(m->queue_id));
}

static inline void
on_msg_refused(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_refused *m, int fd)
{
	struct world *w = arg;

	(void)ch;
	(void)fd;
	w->answer[id] = 2;
	w->refused++;
	w->result_full += m->result == IPC_FULL;
}

static inline void
on_queue_room(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_queue_room *m, int fd)
{
	struct world *w = arg;

	(void)ch;
	(void)id;
	(void)fd;
	w->room = m->result;
}

static inline void
smtpd_closed(void *arg, struct ipc_channel *ch)
{
	struct world *w = arg;

	(void)ch;
	ipc_channel_free(&w->smtpd);
}

static const union ipc_handler smtpd_handlers[IPC__MAX] = {
	IPC_ON(msg_stored, on_msg_stored),
	IPC_ON(msg_refused, on_msg_refused),
	IPC_ON(queue_room, on_queue_room),
};

static const struct ipc_ops smtpd_ops = { .handlers = smtpd_handlers, .on_close = smtpd_closed };

static inline void
send_begin(struct world *w, uint64_t key)
{
	ipc_send_msg_begin(w->smtpd, key,
	    &(struct ipc_msg_begin){
		.session = STR("s1"),
		.client_address = STR("192.0.2.1"),
		.reverse_path = STR("from@example.org"),
	    });
}

static inline void
send_recipient(
    struct world *w, uint64_t key, const char *address, const uint32_t *account, size_t n)
{
	char bytes[400];

	for (size_t i = 0; i < n; i++) {
		bytes[i * 4] = bytes[i * 4 + 1] = bytes[i * 4 + 2] = 0;
		bytes[i * 4 + 3] = (char)account[i];
	}
	ipc_send_msg_recipient(w->smtpd, key,
	    &(struct ipc_msg_recipient){
		.address = str_of(address), .accounts = str_from(bytes, n * 4) });
}

static inline void
send_content(struct world *w, uint64_t key, size_t n)
{
	struct buf b;
	size_t total;

	buf_init(&b, 64 << 20);
	content_make(&b, (uint32_t)key, n);
	total = buf_len(&b);
	while (buf_len(&b) > 0) {
		size_t k = buf_len(&b) < 60000 ? buf_len(&b) : 60000;

		ipc_send_msg_content(
		    w->smtpd, key, &(struct ipc_msg_content){ .bytes = str_from(buf_data(&b), k) });
		buf_drain(&b, k);
	}
	buf_free(&b);
	w->expected_size = total;
}

static inline void
send_commit(struct world *w, uint64_t key, size_t size)
{
	ipc_send_msg_commit(
	    w->smtpd, key, &(struct ipc_msg_commit){ .size = size, .prepend = str_of(prepend) });
}

static inline void
send_message(struct world *w, uint64_t key, uint32_t account, size_t n)
{
	send_begin(w, key);
	send_recipient(w, key, "to@example.test", &account, 1);
	send_content(w, key, n);
	send_commit(w, key, w->expected_size);
}

/* --- the world --------------------------------------------------------------------------------- */
#include "queue/test_until.h"

static inline void
connect_smtpd(struct world *w)
{
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	w->smtpd = ipc_channel_new(w->loop, sv[1], IPC_CH_queue_accept, IPC_CLIENT, &smtpd_ops, w);
	queue_accept_peer(w->queue, sv[0]);
}

static inline void
queue_start(struct world *w)
{
	assert_int_equal(queue_new(w->loop, w->dirfd, &w->options, &w->queue), 0);
	connect_smtpd(w);
}

static inline void
queue_stop(struct world *w)
{
	ipc_channel_free(&w->smtpd);
	ipc_channel_free(&w->admin);
	queue_free(&w->queue);
	w->asked_count = 0;
	for (int i = 0; i < ACCOUNTS; i++)
		if (w->box[i].ch)
			box_closed(&w->box[i], w->box[i].ch);
}

static inline struct world *
world_bare(void)
{
	struct world *w = xcalloc(1, sizeof(*w));

	strcpy(w->dir, "/tmp/queue_test.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	w->loop = io_loop_new();
	w->timer = io_timer_new(w->loop, on_timeout, w);
	w->asked_timer = io_timer_new(w->loop, on_asked, w);
	w->open_now = open_now;
	io_loop_after_turn(w->loop, check_until, w);
	for (uint32_t i = 0; i < ACCOUNTS; i++) {
		w->box[i].world = w;
		w->box[i].account = i;
		w->box[i].known = map_new();
		buf_init(&w->box[i].content, 64 << 20);
	}
	w->options = (struct queue_options){
		.spool = { .limits = { 100000, 1 << 30, 0 }, .segment_bytes = 1 << 20 },
		.message_max = 50 << 20,
		.retry_min_ms = 50,
		.retry_max_ms = 200,
		.mailboxes_max = 64,
		.remote_retry_min_ms = 300000,
		.remote_retry_max_ms = 3600000,
		.jobs_max = 100,
		.per_destination_max = 20,
		.warn_after_ms = 14400000,
		.expire_after_ms = 432000000,
		.hostname = "mx.example.test",
		.open_mailbox = open_mailbox,
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
	for (int i = 0; i < ACCOUNTS; i++) {
		assert_int_equal(w->box[i].floor_errors, 0);
		map_free(&w->box[i].known);
		buf_free(&w->box[i].content);
	}
	io_timer_free(&w->timer);
	io_timer_free(&w->asked_timer);
	io_loop_free(&w->loop);
	close(w->dirfd);
	snprintf(cmd, sizeof(cmd), "rm -r %s", w->dir);
	assert_int_equal(system(cmd), 0);
	free(w);
}

static size_t target;

static inline bool
answered(struct world *w)
{
	return w->stored + w->not_stored + w->refused >= target;
}

static inline size_t
delivered_total(const struct world *w)
{
	size_t n = 0;

	for (int a = 0; a < ACCOUNTS; a++)
		for (int k = 0; k < KEYS_MAX; k++)
			n += w->delivered[a][k];
	return n;
}

static inline bool
delivered(struct world *w)
{
	return delivered_total(w) >= target;
}

/* --- administration */
static inline void
on_row(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_row *m, int fd)
{
	struct world *w = arg;
	struct str rest = m->cells, cell;

	(void)ch;
	(void)id;
	(void)fd;
	w->row_count++;
	while (command_cell_next(&rest, &cell)) {
		size_t at = strlen(w->rows);

		snprintf(w->rows + at, sizeof(w->rows) - at, "%.*s|", STRF(cell));
	}
	strncat(w->rows, "\n", sizeof(w->rows) - strlen(w->rows) - 1);
}

static inline void
on_end(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_end *m, int fd)
{
	struct world *w = arg;

	(void)ch;
	(void)id;
	(void)fd;
	w->ended = 1 + m->result;
}

static inline bool
ended(struct world *w)
{
	return w->ended != 0;
}

static inline void
admin_closed(void *arg, struct ipc_channel *ch)
{
	struct world *w = arg;

	(void)ch;
	ipc_channel_free(&w->admin);
}

static inline unsigned
admin(struct world *w, enum command_id verb, const char *arg)
{
	static const union ipc_handler h[IPC__MAX] = {
		IPC_ON(admin_row, on_row),
		IPC_ON(admin_end, on_end),
	};
	static const struct ipc_ops ops = { .handlers = h, .on_close = admin_closed };
	int sv[2];

	if (w->admin == NULL) {
		assert_int_equal(ipc_pair(sv), 0);
		w->admin = ipc_channel_new(w->loop, sv[1], IPC_CH_admin, IPC_CLIENT, &ops, w);
		queue_admin_peer(w->queue, sv[0]);
	}
	w->rows[0] = '\0';
	w->row_count = w->ended = 0;
	ipc_send_admin_request(w->admin, 1,
	    &(struct ipc_admin_request){
		.verb = verb, .args = str_from(arg ? arg : "", arg ? strlen(arg) + 1 : 0) });
	assert_true(run_for(w, ended, 3000));
	return w->ended - 1;
}

/* --- kill -9 ----------------------------------------------------------------------------------- */
/* The queue is a process of its own; mailboxes' ends are made before it starts. */
enum { LIVES = 25, ENDS = 64 };

#endif
