/* SPDX-License-Identifier: ISC */
/* The queue between a fake smtpd and fake mailboxes, with the real codecs and a real directory. */
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
static void
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
static uint32_t
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
static void
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

static void
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

static void
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

static void
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

static unsigned
box_state(void *arg, uint64_t id)
{
	struct box *b = arg;

	(void)id;
	return b->got < b->open.size ? IPC_ST_OPEN : IPC_ST_IDLE;
}

static void
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

static void
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
static void
open_mailbox(void *arg, uint32_t account)
{
	struct world *w = arg;

	assert_true(w->asked_count < sizeof(w->asked) / sizeof(w->asked[0]));
	w->asked[w->asked_count++] = account;
	io_timer_set(w->asked_timer, 0);
}

static void
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

static void
on_asked(void *arg)
{
	struct world *w = arg;
	unsigned n = w->asked_count;

	w->asked_count = 0;
	for (unsigned i = 0; i < n; i++)
		w->open_now(w, w->asked[i]);
}

/* --- smtpd ------------------------------------------------------------------------------------- */
static void
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

static void
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

static void
on_queue_room(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_queue_room *m, int fd)
{
	struct world *w = arg;

	(void)ch;
	(void)id;
	(void)fd;
	w->room = m->result;
}

static void
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

static void
send_begin(struct world *w, uint64_t key)
{
	ipc_send_msg_begin(w->smtpd, key,
	    &(struct ipc_msg_begin){
		.session = STR("s1"),
		.client_address = STR("192.0.2.1"),
		.reverse_path = STR("from@example.org"),
	    });
}

static void
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

static void
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

static void
send_commit(struct world *w, uint64_t key, size_t size)
{
	ipc_send_msg_commit(
	    w->smtpd, key, &(struct ipc_msg_commit){ .size = size, .prepend = str_of(prepend) });
}

static void
send_message(struct world *w, uint64_t key, uint32_t account, size_t n)
{
	send_begin(w, key);
	send_recipient(w, key, "to@example.test", &account, 1);
	send_content(w, key, n);
	send_commit(w, key, w->expected_size);
}

/* --- the world --------------------------------------------------------------------------------- */
static void
check_until(void *arg)
{
	struct world *w = arg;

	if (w->until && w->until(w))
		io_loop_stop(w->loop);
}

static void
on_timeout(void *arg)
{
	struct world *w = arg;

	w->timed_out = true;
	io_loop_stop(w->loop);
}

static bool
run_for(struct world *w, bool (*until)(struct world *w), uint64_t ms)
{
	w->until = until;
	w->timed_out = false;
	io_timer_set(w->timer, ms);
	if (until == NULL || !until(w))
		io_loop_run(w->loop);
	io_timer_stop(w->timer);
	w->until = NULL;
	return !w->timed_out;
}

static void
connect_smtpd(struct world *w)
{
	int sv[2];

	assert_int_equal(ipc_pair(sv), 0);
	w->smtpd = ipc_channel_new(w->loop, sv[1], IPC_CH_queue_accept, IPC_CLIENT, &smtpd_ops, w);
	queue_accept_peer(w->queue, sv[0]);
}

static void
queue_start(struct world *w)
{
	assert_int_equal(queue_new(w->loop, w->dirfd, &w->options, &w->queue), 0);
	connect_smtpd(w);
}

static void
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

static struct world *
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

static struct world *
world_new(void)
{
	struct world *w = world_bare();

	queue_start(w);
	return w;
}

static void
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

static bool
answered(struct world *w)
{
	return w->stored + w->not_stored + w->refused >= target;
}

static size_t
delivered_total(const struct world *w)
{
	size_t n = 0;

	for (int a = 0; a < ACCOUNTS; a++)
		for (int k = 0; k < KEYS_MAX; k++)
			n += w->delivered[a][k];
	return n;
}

static bool
delivered(struct world *w)
{
	return delivered_total(w) >= target;
}

/* --- tests ------------------------------------------------------------------------------------- */
static void
test_message_arrives(void **unused)
{
	static const size_t sizes[] = { 20, 4096, 65536, 131072, 131073, 3000000 };
	struct world *w = world_new();

	(void)unused;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		send_message(w, i + 1, 1, sizes[i]);
	target = 6;
	assert_true(run_for(w, answered, 5000));
	assert_int_equal(w->stored, 6);
	assert_true(run_for(w, delivered, 5000));
	for (size_t k = 1; k <= 6; k++)
		assert_int_equal(w->delivered[1][k], 1);
	assert_false(run_for(w, NULL, 700));
	/* Done marks are durable soon: nothing is left after an orderly restart. */
	queue_stop(w);
	queue_start(w);
	target = 7;
	assert_false(run_for(w, delivered, 150));
	assert_int_equal(w->box[1].opened, 1);
	world_free(w);
}

static void
test_interleaved_and_aborted(void **unused)
{
	struct world *w = world_new();
	static const uint32_t both[] = { 1, 2 };

	(void)unused;
	for (uint64_t k = 1; k <= 4; k++)
		send_begin(w, k);
	for (uint64_t k = 4; k >= 1; k--) {
		/* account 1 by two addresses: one copy */
		send_recipient(w, k, "a@example.test", both, 2);
		send_recipient(w, k, "b@example.test", both, 1);
	}
	for (uint64_t k = 1; k <= 4; k++)
		send_content(w, k, 1000);
	ipc_send_msg_abort(w->smtpd, 2, &(struct ipc_msg_abort){ 0 });
	for (uint64_t k = 1; k <= 4; k++)
		if (k != 2)
			send_commit(w, k, k == 3 ? 999 : 1000);
	target = 3;
	assert_true(run_for(w, answered, 5000));
	assert_int_equal(w->stored, 2);
	assert_int_equal(w->answer[3], 2);
	target = 4;
	assert_true(run_for(w, delivered, 5000));
	for (uint64_t k = 1; k <= 4; k++)
		for (int a = 1; a <= 2; a++)
			assert_int_equal(w->delivered[a][k], k == 1 || k == 4);
	/* An abort of what was never begun is no crime. */
	ipc_send_msg_abort(w->smtpd, 77, &(struct ipc_msg_abort){ 0 });
	send_message(w, 8, 1, 50);
	target = 5;
	assert_true(run_for(w, delivered, 5000));
	world_free(w);
}

/* The folder is remembered as long as the message waits. */
static void
test_junk(void **unused)
{
	uint32_t account = 1;
	struct world *w = world_new();

	(void)unused;
	w->box[1].behaviour = TEMPORARY;
	send_begin(w, 1);
	send_recipient(w, 1, "to@example.test", &account, 1);
	send_content(w, 1, 100);
	ipc_send_msg_commit(w->smtpd, 1,
	    &(struct ipc_msg_commit){
		.size = w->expected_size, .junk = 1, .prepend = str_of(prepend) });
	target = 1;
	assert_true(run_for(w, answered, 5000));
	queue_stop(w);
	queue_start(w);
	w->box[1].behaviour = GOOD;
	assert_true(run_for(w, delivered, 20000));
	assert_string_equal(w->box[1].folder, "Junk");
	send_message(w, 2, 1, 100);
	target = 2;
	assert_true(run_for(w, delivered, 20000));
	assert_string_equal(w->box[1].folder, "");
	world_free(w);
}

static void
test_one_sync_serves_all(void **unused)
{
	struct world *w = world_new();
	uint64_t t0, t1;
	struct timespec ts;

	(void)unused;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	t0 = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	for (uint64_t k = 1; k <= 2000; k++)
		send_message(w, k, k % 3, 4000);
	target = 2000;
	assert_true(run_for(w, answered, 20000));
	assert_int_equal(w->stored, 2000);
	assert_true(run_for(w, delivered, 20000));
	clock_gettime(CLOCK_MONOTONIC, &ts);
	t1 = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	print_message("2000 messages stored and delivered in %u ms\n", (unsigned)(t1 - t0));
	world_free(w);
}

/* A mailbox that is away, silent, broken or gone delays nobody else and loses nothing. */
static void
test_bad_mailboxes(void **unused)
{
	static const enum behaviour bad[] = { SILENT, TEMPORARY, DROPS, REFUSED };

	(void)unused;
	for (size_t i = 0; i < 4; i++) {
		struct world *w = world_new();

		w->box[1].behaviour = bad[i];
		for (uint64_t k = 1; k <= 20; k++)
			send_message(w, k, 1 + k % 2, 500);
		target = 10;
		assert_true(run_for(w, delivered, 3000));
		assert_false(run_for(w, NULL, 300));
		assert_int_equal(delivered_total(w), 10);
		if (bad[i] != SILENT)
			assert_true(w->box[1].opened + w->box[1].begun >= 3);
		w->box[1].behaviour = GOOD;
		if (bad[i] == SILENT) {
			/* the process dies */
			ipc_channel_free(&w->box[1].ch);
		}
		target = 20;
		assert_true(run_for(w, delivered, 3000));
		for (uint64_t k = 1; k <= 20; k++)
			assert_int_equal(w->delivered[1 + k % 2][k], 1);
		world_free(w);
	}
}

/* --- administration */
static void
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

static void
on_end(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_end *m, int fd)
{
	struct world *w = arg;

	(void)ch;
	(void)id;
	(void)fd;
	w->ended = 1 + m->result;
}

static bool
ended(struct world *w)
{
	return w->ended != 0;
}

static void
admin_closed(void *arg, struct ipc_channel *ch)
{
	struct world *w = arg;

	(void)ch;
	ipc_channel_free(&w->admin);
}

static unsigned
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

static void
test_admin_and_lost_account(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	w->box[1].behaviour = GONE;
	send_message(w, 1, 1, 500);
	target = 1;
	assert_true(run_for(w, answered, 3000));
	assert_false(run_for(w, NULL, 100));
	for (int again = 0; again < 2; again++) {
		/* Kept, visible, also after a restart. */
		assert_int_equal(admin(w, CMD_queue_list, NULL), IPC_OK);
		assert_int_equal(w->row_count, 1);
		assert_non_null(strstr(w->rows, w->last_id));
		assert_non_null(strstr(w->rows, "|failed|"));
		assert_non_null(strstr(w->rows, "|from@example.org|to@example.test|"));
		assert_int_equal(admin(w, CMD_queue_show, w->last_id), IPC_OK);
		assert_non_null(strstr(w->rows, "delivery|to@example.test account=1 failed|"));
		assert_non_null(strstr(w->rows, "header|Key: 0000000001|"));
		assert_int_equal(admin(w, CMD_queue_show, "Q0000"), IPC_NO);
		assert_int_equal(admin(w, CMD_user_add, "x"), IPC_INVALID);
		if (again == 0) {
			queue_stop(w);
			queue_start(w);
		}
	}
	assert_int_equal(w->box[1].opened, 1);
	/* A long list comes in pieces. */
	w->box[2].behaviour = REFUSED;
	for (uint64_t k = 2; k <= 1000; k++)
		send_message(w, k, 2, 100);
	target = 1000;
	assert_true(run_for(w, answered, 10000));
	assert_int_equal(admin(w, CMD_queue_list, NULL), IPC_OK);
	assert_int_equal(w->row_count, 1000);
	world_free(w);
}

static void
test_limits(void **unused)
{
	struct world *w = world_bare();

	(void)unused;
	w->options.spool.limits.max_messages = 5;
	w->options.message_max = 100000;
	queue_start(w);
	w->box[1].behaviour = REFUSED;
	for (uint64_t k = 1; k <= 7; k++) {
		send_message(w, k, 1, 100);
		target = k;
		assert_true(run_for(w, answered, 3000));
	}
	assert_int_equal(w->stored, 5);
	assert_int_equal(w->result_full, 2);
	assert_int_equal(w->answer[7], 2);
	assert_int_equal(w->room, IPC_FULL);
	/* Who comes later is told as well. */
	ipc_channel_free(&w->smtpd);
	w->room = IPC_OK;
	connect_smtpd(w);
	assert_false(run_for(w, NULL, 50));
	assert_int_equal(w->room, IPC_FULL);
	w->options.spool.limits.max_messages = 100;
	queue_set_options(w->queue, &w->options);
	assert_false(run_for(w, NULL, 150));
	assert_int_equal(w->room, IPC_OK);
	/* Too long; no recipient: the channel lives on. */
	send_message(w, 8, 1, 300000);
	send_begin(w, 9);
	send_content(w, 9, 50);
	send_commit(w, 9, 50);
	send_message(w, 10, 1, 100);
	target = 10;
	assert_true(run_for(w, answered, 3000));
	assert_int_equal(w->answer[8], 2);
	assert_int_equal(w->answer[9], 2);
	assert_int_equal(w->answer[10], 1);
	assert_non_null(w->smtpd);
	/* No space on disk. */
	w->options.spool.limits.min_free = UINT64_MAX;
	queue_set_options(w->queue, &w->options);
	send_message(w, 11, 1, 100);
	target = 11;
	assert_true(run_for(w, answered, 3000));
	assert_int_equal(w->result_full, 3);
	world_free(w);
}

/* The disk fills up: refused with a reason, the rest delivered, and all is well again by itself. */
static void
test_full_disk(void **unused)
{
	struct world *w = world_bare();
	struct crashsim *disk = crashsim_new();
	size_t stored;

	(void)unused;
	crashsim_set_capacity(disk, SPOOL_RESERVE_BYTES + (6 << 20));
	w->options.spool.io = crashsim_io(disk);
	queue_start(w);
	w->box[1].behaviour = REFUSED;
	for (uint64_t k = 1; k <= 3000; k += 100) {
		for (uint64_t i = k; i < k + 100; i++)
			send_message(w, i, 1, 4000);
		target = k + 99;
		assert_true(run_for(w, answered, 5000));
	}
	stored = w->stored;
	assert_true(stored > 800 && stored < 1700);
	assert_true(w->result_full > 1000);
	w->box[1].behaviour = GOOD;
	target = stored;
	assert_true(run_for(w, delivered, 5000));
	assert_false(run_for(w, NULL, 1500));
	for (uint64_t k = 1; k <= 3000; k++)
		assert_int_equal(w->delivered[1][k], w->answer[k] == 1);
	w->stored = w->not_stored = w->refused = 0;
	for (uint64_t k = 3001; k <= 3100; k++)
		send_message(w, k, 1, 4000);
	target = 100;
	assert_true(run_for(w, answered, 5000));
	assert_int_equal(w->stored, 100);
	world_free(w);
	crashsim_free(&disk);
}

/* What was delivered leaves the disk. */
static void
test_space_comes_back(void **unused)
{
	struct world *w = world_new();
	unsigned segments = 0;
	struct dirent *e;
	DIR *dir;

	(void)unused;
	/* One that stays holds up nothing but itself. */
	w->box[2].behaviour = TEMPORARY;
	send_message(w, 1, 2, 4000);
	for (uint64_t k = 2; k <= 4000; k += 200) {
		for (uint64_t i = k; i < k + 200; i++)
			send_message(w, i, 1, 4000);
		target = k + 198;
		assert_true(run_for(w, delivered, 5000));
	}
	assert_false(run_for(w, NULL, 2500));
	dir = opendir(w->dir);
	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL)
		segments += strlen(e->d_name) == 20 && strcmp(e->d_name + 16, ".seg") == 0;
	closedir(dir);
	assert_true(segments <= 4);
	w->box[2].behaviour = GOOD;
	target = 4001;
	assert_true(run_for(w, delivered, 5000));
	world_free(w);
}

/* Numbers jump after a restore. */
static void
test_renumber(void **unused)
{
	struct world *w = world_new();
	uint64_t before, after;
	char path[96];

	(void)unused;
	send_message(w, 1, 1, 100);
	target = 1;
	assert_true(run_for(w, answered, 3000));
	assert_true(queue_id_parse(str_of(w->last_id), &before));
	queue_stop(w);
	snprintf(path, sizeof(path), "%s/renumber", w->dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	queue_start(w);
	assert_int_equal(access(path, F_OK), -1);
	send_message(w, 2, 1, 100);
	target = 2;
	assert_true(run_for(w, answered, 3000));
	assert_true(queue_id_parse(str_of(w->last_id), &after));
	assert_true(after >= before + (UINT64_C(1) << 32));
	world_free(w);
}

/* A client that breaks the rules loses its channel; others and the queue go on. */
static void
test_violation(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	send_content(w, 1, 100); /* nothing was begun */
	assert_false(run_for(w, NULL, 100));
	assert_null(w->smtpd);
	connect_smtpd(w);
	send_message(w, 2, 1, 100);
	target = 1;
	assert_true(run_for(w, delivered, 3000));
	world_free(w);
}

/* --- kill -9 ----------------------------------------------------------------------------------- */
/* The queue is a process of its own; mailboxes' ends are made before it starts. */
enum { LIVES = 25, ENDS = 64 };

struct life {
	pid_t pid;
	int smtpd[2];
	int ends[ENDS][2]; /* used one after the other, by ask pipe */
	int ask[2];        /* child tells which account it opened an end for */
	unsigned used;
};

static struct life life;

static void
child_open(struct world *w, uint32_t account)
{
	uint8_t byte = (uint8_t)account;

	if (life.used == ENDS || write(life.ask[1], &byte, 1) != 1)
		return;
	queue_mailbox_opened(w->queue, account, IPC_OK, life.ends[life.used++][0]);
}

static void
child_main(struct world *w)
{
	close(life.smtpd[1]);
	close(life.ask[0]);
	for (int i = 0; i < ENDS; i++)
		close(life.ends[i][1]);
	log_open("queue", -1);
	w->loop = io_loop_new();
	w->asked_timer = io_timer_new(w->loop, on_asked, w);
	w->open_now = child_open;
	if (queue_new(w->loop, w->dirfd, &w->options, &w->queue) != 0)
		_exit(1);
	queue_accept_peer(w->queue, life.smtpd[0]);
	io_loop_run(w->loop);
	_exit(0);
}

static void
on_ask(void *arg, int events)
{
	struct world *w = arg;
	uint8_t account;

	(void)events;
	if (read(life.ask[0], &account, 1) == 1)
		box_attach(&w->box[account], life.ends[life.used++][1]);
}

static struct io_watch *ask_watch;

static void
life_begin(struct world *w)
{
	assert_int_equal(ipc_pair(life.smtpd), 0);
	assert_int_equal(pipe(life.ask), 0);
	for (int i = 0; i < ENDS; i++)
		assert_int_equal(ipc_pair(life.ends[i]), 0);
	life.used = 0;
	fflush(NULL);
	life.pid = fork();
	assert_true(life.pid >= 0);
	if (life.pid == 0)
		child_main(w);
	close(life.smtpd[0]);
	close(life.ask[1]);
	for (int i = 0; i < ENDS; i++)
		close(life.ends[i][0]);
	w->smtpd =
	    ipc_channel_new(w->loop, life.smtpd[1], IPC_CH_queue_accept, IPC_CLIENT, &smtpd_ops, w);
	ask_watch = io_watch_new(w->loop, life.ask[0], IO_READ, on_ask, w);
}

static void
life_end(struct world *w)
{
	kill(life.pid, SIGKILL);
	assert_int_equal(waitpid(life.pid, NULL, 0), life.pid);
	io_watch_free(&ask_watch);
	close(life.ask[0]);
	/* What was on its way still arrives: mailboxes and smtpd outlive the queue. */
	run_for(w, NULL, 5);
	ipc_channel_free(&w->smtpd);
	for (int i = 0; i < ACCOUNTS; i++)
		if (w->box[i].ch)
			box_closed(&w->box[i], w->box[i].ch);
	for (unsigned i = life.used; i < ENDS; i++)
		close(life.ends[i][1]);
}

static void
test_kill(void **unused)
{
	struct world *w = world_bare();
	uint64_t key = 1;
	unsigned seed = 4711;

	(void)unused;
	for (int n = 0; n < LIVES; n++) {
		unsigned count = 20 + (unsigned)rand_r(&seed) % 200;

		life_begin(w);
		for (unsigned i = 0; i < count; i++, key++)
			send_message(w, key, key % ACCOUNTS,
			    rand_r(&seed) % 16 ? 100 + (unsigned)rand_r(&seed) % 5000 : 140000);
		run_for(w, NULL, (unsigned)rand_r(&seed) % 90);
		life_end(w);
	}
	life_begin(w);
	/* The last life delivers all that was ever promised. */
	for (int i = 0; i < 100; i++) {
		bool all = true;

		run_for(w, NULL, 100);
		for (uint64_t k = 1; k < key; k++)
			if (w->answer[k] == 1 && w->delivered[k % ACCOUNTS][k] == 0)
				all = false;
		if (all)
			break;
	}
	run_for(w, NULL, 300);
	for (uint64_t k = 1; k < key; k++) {
		if (w->answer[k] == 1)
			assert_int_equal(w->delivered[k % ACCOUNTS][k], 1);
		assert_true(w->delivered[k % ACCOUNTS][k] <= 1);
	}
	print_message("%llu sent, %u stored, %zu delivered, %d kills\n",
	    (unsigned long long)key - 1, w->stored, delivered_total(w), LIVES);
	/* Else nothing was at stake. How many fit into so short lives is a question of the machine. */
	assert_true(w->stored > 4 * LIVES);
	life_end(w);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_message_arrives),
		cmocka_unit_test(test_interleaved_and_aborted),
		cmocka_unit_test(test_junk),
		cmocka_unit_test(test_one_sync_serves_all),
		cmocka_unit_test(test_bad_mailboxes),
		cmocka_unit_test(test_admin_and_lost_account),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_space_comes_back),
		cmocka_unit_test(test_renumber),
		cmocka_unit_test(test_violation),
		cmocka_unit_test(test_kill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
