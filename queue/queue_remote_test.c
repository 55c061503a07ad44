/* SPDX-License-Identifier: ISC */
/*
 * Mail that leaves the house: the queue between fake accounts, a fake delivery, a fake mailbox and a
 * clock of the test's own.
 */
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
static void
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

static void
on_check(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_sender_check *m, int fd)
{
	struct world *w = arg;
	bool ok = m->account == ME && str_eq(m->address, STR("me@example.test"));

	(void)fd;
	if (!w->silent)
		ipc_send_sender_is(
		    ch, id, &(struct ipc_sender_is){ .result = ok ? IPC_OK : IPC_DENIED });
}

static void
accounts_closed(void *arg, struct ipc_channel *ch)
{
	struct world *w = arg;

	(void)ch;
	ipc_channel_free(&w->accounts);
}

static void
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
static struct sent *
job_find(struct world *w, uint64_t id)
{
	for (unsigned i = w->jobs; i-- > 0;)
		if (w->sent[i].id == id)
			return &w->sent[i];
	return NULL;
}

static bool
is_dead(const struct sent *s)
{
	return strncmp(s->domain, "dead", 4) == 0;
}

static void
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

static void
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

static void
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

static void
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

static void
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

static void
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

static unsigned
job_state(void *arg, uint64_t id)
{
	struct sent *s = job_find(arg, id);

	if (s == NULL || s->done)
		return IPC_ST_IDLE;
	return s->recipients > 0 ? IPC_ST_OPEN : IPC_ST_BUSY;
}

static void
delivery_closed(void *arg, struct ipc_channel *ch)
{
	struct world *w = arg;

	(void)ch;
	ipc_channel_free(&w->delivery);
}

static void
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

static void
answer_all(struct world *w)
{
	unsigned n = w->jobs;

	for (unsigned i = 0; i < n; i++)
		if (!w->sent[i].done)
			job_answer(w, &w->sent[i]);
}

/* --- the mailbox ------------------------------------------------------------------------------- */
static void
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

static void
on_deliver_content(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_deliver_content *m, int fd)
{
	struct world *w = arg;

	(void)ch;
	(void)id;
	(void)fd;
	buf_put(&w->mail, m->bytes.p, m->bytes.n);
}

static void
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

static unsigned
box_state(void *arg, uint64_t id)
{
	(void)arg;
	(void)id;
	return IPC_ST_OPEN | IPC_ST_IDLE;
}

static void
box_closed(void *arg, struct ipc_channel *ch)
{
	struct world *w = arg;

	(void)ch;
	ipc_channel_free(&w->box);
}

static void
open_mailbox(void *arg, uint32_t account)
{
	struct world *w = arg;

	assert_int_equal(account, ME);
	if (!w->no_box)
		io_timer_set(w->asked, 0);
}

static void
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

/* --- the clients ------------------------------------------------------------------------------- */
static void
on_stored(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_stored *m, int fd)
{
	struct world *w = arg;

	(void)ch;
	(void)id;
	(void)fd;
	w->answers++;
	w->result = m->result;
}

static void
on_refused(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_msg_refused *m, int fd)
{
	struct world *w = arg;

	(void)ch;
	(void)id;
	(void)fd;
	w->answers++;
	w->result = m->result;
}

static void
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

static void
client_closed(void *arg, struct ipc_channel *ch)
{
	struct world *w = arg;

	if (ch == w->door)
		ipc_channel_free(&w->door);
	else
		ipc_channel_free(&w->smtpd);
}

static struct ipc_channel *
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

static void
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
static uint64_t
clock_ms(void *arg)
{
	return ((struct world *)arg)->now;
}

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
run(struct world *w, bool (*until)(struct world *w), uint64_t ms)
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

static void
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

static struct world *
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

static bool
answered(struct world *w)
{
	return w->answers >= target;
}

static bool
jobs_begun(struct world *w)
{
	return w->jobs >= target;
}

static bool
all_answered(struct world *w)
{
	return w->jobs >= target && w->running == 0;
}

static bool
mail_came(struct world *w)
{
	return w->delivered >= target;
}

static bool
is_empty(struct world *w)
{
	return spool_count(w->queue->spool) == 0;
}

/* Events that wait already happen, nothing else. */
static void
settle_down(struct world *w)
{
	assert_false(run(w, NULL, 40));
}

static void
time_passes(struct world *w, uint64_t ms)
{
	w->now += ms;
	queue_time_passed(w->queue);
}

/* From the login's door; stored. */
static void
mail_out(struct world *w, const char *to)
{
	target = w->answers + 1;
	send_mail(w, w->door, &(struct mail){ .from = "me@example.test", .to = to });
	assert_true(run(w, answered, 3000));
	assert_int_equal(w->result, IPC_OK);
}

static bool
has(const struct buf *b, const char *text)
{
	return str_find_nocase(str_from(buf_data(b), buf_len(b)), str_of(text)) >= 0;
}

/* --- doors and expansion ----------------------------------------------------------------------- */
static void
test_login_sends(void **unused)
{
	static const char want[] = "Received: y\r\nSubject: x\r\n\r\nHello\r\n";
	struct world *w = world_new();

	(void)unused;
	mail_out(w, "a@good.test");
	assert_true(run(w, is_empty, 3000));
	assert_int_equal(w->jobs, 1);
	assert_string_equal(w->sent[0].domain, "good.test");
	assert_string_equal(w->sent[0].from, "me@example.test");
	assert_string_equal(w->sent[0].to, "a@good.test");
	assert_int_equal(buf_len(&w->content), sizeof(want) - 1);
	assert_memory_equal(buf_data(&w->content), want, sizeof(want) - 1);
	/* A large one, to a mailbox here and elsewhere, the domain in capitals. */
	target = w->answers + 1;
	send_mail(w, w->door,
	    &(struct mail){
		.from = "me@example.test", .to = "a@GOOD.test you@example.test", .size = 300000 });
	assert_true(run(w, answered, 3000));
	assert_true(run(w, is_empty, 3000));
	assert_string_equal(w->sent[1].domain, "good.test");
	assert_true(buf_len(&w->content) > 300000);
	assert_int_equal(w->delivered, 1);
	assert_memory_equal(
	    buf_data(&w->mail), "Delivered-To: you@example.test\r\nReceived: y", 43);
	world_free(w);
}

/* What was announced does not count, what is there does. */
static void
test_8bit_is_what_is_there(void **unused)
{
	static const struct {
		const char *content;
		bool announced, want;
	} cases[] = { { "Subject: x\r\n\r\nHello\r\n", true, false },
		{ "Subject: x\r\n\r\nH\xc3\xa4llo\r\n", false, true },
		{ "Subject: x\r\n\r\nH\xc3\xa4llo\r\n", true, true } };
	struct world *w = world_new();

	(void)unused;
	for (unsigned i = 0; i < 3; i++) {
		target = w->answers + 1;
		send_mail(w, w->door,
		    &(struct mail){ .from = "me@example.test",
			.to = "a@good.test",
			.content = cases[i].content,
			.body_8bit = cases[i].announced });
		assert_true(run(w, answered, 3000));
		assert_true(run(w, is_empty, 3000));
		assert_int_equal(w->jobs, i + 1);
		assert_int_equal(w->sent[i].eightbit, cases[i].want);
	}
	world_free(w);
}

static unsigned
door_ask(struct world *w, uint8_t what, const char *address)
{
	target = w->answers + 1;
	ipc_send_door_ask(
	    w->door, 99, &(struct ipc_door_ask){ .what = what, .address = str_of(address) });
	assert_true(run(w, answered, 3000));
	return w->door_result;
}

static void
test_doors(void **unused)
{
	struct world *w = world_new();
	struct mail m = { .from = "boss@example.test", .to = "a@good.test" };

	(void)unused;
	/* Another's address: refused. The null reverse-path is for notifications of having read. */
	target = 1;
	send_mail(w, w->door, &m);
	assert_true(run(w, answered, 3000));
	assert_int_equal(w->result, IPC_DENIED);
	m.from = "";
	target = 2;
	send_mail(w, w->door, &m);
	assert_true(run(w, answered, 3000));
	assert_int_equal(w->result, IPC_OK);
	/* A recipient that is not known; one that is none. */
	m = (struct mail){ .from = "me@example.test", .to = "nobody@example.test" };
	send_mail(w, w->door, &m);
	m.to = "none";
	send_mail(w, w->door, &m);
	target = 4;
	assert_true(run(w, answered, 3000));
	assert_int_equal(w->result, IPC_NO);
	assert_int_equal(door_ask(w, 0, "me@example.test"), IPC_OK);
	assert_int_equal(door_ask(w, 0, "boss@example.test"), IPC_DENIED);
	assert_int_equal(door_ask(w, 0, ""), IPC_OK);
	assert_int_equal(door_ask(w, 1, "nobody@example.test"), IPC_NO);
	assert_int_equal(door_ask(w, 1, "who@ever.test"), IPC_OK);
	assert_int_equal(door_ask(w, 1, "fwd@example.test"), IPC_OK);
	assert_int_equal(door_ask(w, 1, "@@"), IPC_INVALID);
	/* A full mailbox is refused before it is accepted, also from memory, but not afterwards. */
	assert_int_equal(door_ask(w, 1, "full@example.test"), IPC_FULL);
	assert_int_equal(door_ask(w, 1, "full@example.test"), IPC_FULL);
	m.to = "full@example.test";
	send_mail(w, w->door, &m);
	target = w->answers + 1;
	assert_true(run(w, answered, 3000));
	assert_int_equal(w->result, IPC_OK);
	/* Without accounts the door stays; what is new has to wait. */
	ipc_channel_free(&w->accounts);
	settle_down(w);
	assert_int_equal(door_ask(w, 0, "me@example.test"), IPC_TEMP);
	connect_accounts(w);
	assert_int_equal(door_ask(w, 0, "me@example.test"), IPC_OK);
	ipc_send_door_kick(w->accounts, 0, &(struct ipc_door_kick){ .account = ME + 1 });
	settle_down(w);
	assert_non_null(w->door);
	ipc_send_door_kick(w->accounts, 0, &(struct ipc_door_kick){ .account = ME });
	settle_down(w);
	assert_null(w->door);
	assert_non_null(w->smtpd);
	world_free(w);
}

/* What was asked is known until accounts says that it changed. */
static void
test_answers_are_kept(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	assert_int_equal(door_ask(w, 1, "fwd@example.test"), IPC_OK);
	assert_int_equal(door_ask(w, 1, "fwd@example.test"), IPC_OK);
	assert_int_equal(w->questions, 1);
	ipc_send_targets_changed(w->accounts, 0, &(struct ipc_targets_changed){ 0 });
	settle_down(w);
	assert_int_equal(door_ask(w, 1, "fwd@example.test"), IPC_OK);
	assert_int_equal(w->questions, 2);
	world_free(w);
}

static void
test_smtpd_does_not_relay(void **unused)
{
	struct world *w = world_new();
	struct mail m = { .from = "x@out.test", .to = "a@good.test", .elsewhere = 1 };

	(void)unused;
	target = 1;
	send_mail(w, w->smtpd, &m);
	assert_true(run(w, answered, 3000));
	assert_int_equal(w->result, IPC_DENIED);
	/* Questions are for logins. */
	ipc_send_door_ask(
	    w->smtpd, 5, &(struct ipc_door_ask){ .what = 1, .address = STR("a@b.c") });
	target = 2;
	assert_true(run(w, answered, 3000));
	assert_int_equal(w->door_result, IPC_INVALID);
	assert_int_equal(w->jobs, 0);
	/* accounts silent: temporary, and the commit waits no longer than the client. */
	world_free(w);
}

static void
test_forward(void **unused)
{
	struct world *w = world_new();
	struct mail m = { .from = "x@out.test", .to = "fwd@example.test", .elsewhere = 1 };

	(void)unused;
	target = 1;
	send_mail(w, w->smtpd, &m);
	assert_true(run(w, answered, 3000));
	assert_true(run(w, is_empty, 3000));
	assert_int_equal(w->jobs, 1);
	assert_string_equal(w->sent[0].to, "bob@away.test");
	assert_memory_equal(w->sent[0].from, "SRS0=", 5);
	assert_non_null(strstr(w->sent[0].from, "=out.test=x@example.test"));
	assert_true(has(&w->content, "Delivered-To: fwd@example.test\r\nReceived: y"));
	/* It comes back: it must not go round. */
	m.content = "Delivered-To: fwd@EXAMPLE.test\r\nSubject: x\r\n\r\nHello\r\n";
	for (m.size = 0; m.size <= 200000; m.size += 200000) {
		target++;
		send_mail(w, w->smtpd, &m);
		assert_true(run(w, answered, 3000));
		assert_int_equal(w->result, IPC_EXISTS);
	}
	/* The null reverse-path stays. */
	m = (struct mail){ .from = "", .to = "fwd@example.test", .elsewhere = 1 };
	target++;
	send_mail(w, w->smtpd, &m);
	assert_true(run(w, is_empty, 3000));
	assert_true(run(w, answered, 3000));
	assert_string_equal(w->sent[1].from, "");
	world_free(w);
}

static void
test_list(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	target = 1;
	send_mail(w, w->door,
	    &(struct mail){ .from = "me@example.test",
		.to = "team@example.test y@b.test",
		.notify = SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE });
	assert_true(run(w, answered, 3000));
	assert_true(run(w, is_empty, 3000));
	/* y@b.test once, though it was named twice. */
	assert_int_equal(w->jobs, 2);
	target = 2;
	assert_true(run(w, mail_came, 3000));
	assert_true(has(&w->mail, "Action: expanded"));
	assert_true(has(&w->mail, "team@example.test"));
	assert_false(has(&w->mail, "Action: delivered"));
	world_free(w);
}

/* --- the schedule ------------------------------------------------------------------------------ */
static void
test_back_off(void **unused)
{
	struct world *w = world_new();
	uint64_t base = 5 * MINUTE;

	(void)unused;
	mail_out(w, "a@grey.test");
	for (unsigned i = 1; i <= 7; i++) {
		target = i;
		assert_true(run(w, all_answered, 3000));
		settle_down(w);
		assert_int_equal(w->jobs, i);
		time_passes(w, base * 3 / 4 - 1);
		settle_down(w);
		assert_int_equal(w->jobs, i);
		if (i == 3) {
			/* It is remembered. */
			queue_stop(w);
			queue_start(w);
			settle_down(w);
			assert_int_equal(w->jobs, i);
		}
		time_passes(w, base / 2 + 2);
		target = i + 1;
		assert_true(run(w, jobs_begun, 3000));
		base = base * 2 > HOUR ? HOUR : base * 2;
	}
	/* The clock is set back by a year: nothing waits a year. */
	target = 8;
	assert_true(run(w, all_answered, 3000));
	settle_down(w);
	time_passes(w, 0 - UINT64_C(365) * 24 * HOUR);
	target = 9;
	assert_true(run(w, jobs_begun, 3000));
	world_free(w);
}

/* To so many addresses: '#' stands for the number. */
static void
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
	assert_true(run(w, answered, 10000));
}

static void
test_dead_domain(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	mails_out(w, "a#@dead.test", 50);
	mails_out(w, "a#@good.test", 50);
	target = 51;
	assert_true(run(w, all_answered, 5000));
	settle_down(w);
	/* One found out, the others were not tried. */
	assert_int_equal(w->jobs, 51);
	assert_int_equal(spool_count(w->queue->spool), 50);
	time_passes(w, 5 * MINUTE * 5 / 4 + 1);
	target = 52;
	assert_true(run(w, all_answered, 5000));
	settle_down(w);
	assert_int_equal(w->jobs, 52);
	assert_string_not_equal(w->sent[51].to, w->sent[0].to);
	world_free(w);
}

static void
test_limits(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	w->hold = true;
	mails_out(w, "a@dead#.test", 100);
	settle_down(w);
	/* Never tried: three quarters. */
	assert_int_equal(w->running, 30);
	w->hold = false;
	answer_all(w);
	target = 100;
	assert_true(run(w, all_answered, 5000));
	assert_int_equal(w->most_running, 30);
	/* Not reached last time: half. */
	w->hold = true;
	w->most_running = 0;
	time_passes(w, 7 * MINUTE);
	settle_down(w);
	assert_int_equal(w->running, 20);
	/* Who answers has the rest, one at first, then more. */
	for (unsigned i = 0; i < 5; i++) {
		char pattern[32];

		snprintf(pattern, sizeof(pattern), "a#@good%u.test", i);
		mails_out(w, pattern, 30);
	}
	settle_down(w);
	assert_int_equal(w->running, 25);
	for (unsigned i = 0; i < 60; i++) {
		for (unsigned k = 0; k < w->jobs; k++)
			if (!w->sent[k].done && !is_dead(&w->sent[k]))
				job_answer(w, &w->sent[k]);
		settle_down(w);
		assert_true(w->running <= 40);
	}
	assert_int_equal(w->most_running, 40);
	assert_int_equal(spool_count(w->queue->spool), 100);
	world_free(w);
}

static void
test_window(void **unused)
{
	static const unsigned want[] = { 1, 2, 4, 8, 10, 10 };
	struct world *w = world_new();

	(void)unused;
	w->hold = true;
	mails_out(w, "a#@good.test", 60);
	for (size_t i = 0; i < 6; i++) {
		settle_down(w);
		assert_int_equal(w->running, want[i]);
		answer_all(w);
	}
	world_free(w);
}

/* --- results ----------------------------------------------------------------------------------- */
static void
test_recipients_share(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	mail_out(w, "yes@good.test no@good.test later@good.test other@else.test");
	target = 2;
	assert_true(run(w, all_answered, 3000));
	assert_string_equal(w->sent[0].to, "yes@good.test no@good.test later@good.test");
	target = 1;
	assert_true(run(w, mail_came, 3000));
	assert_true(has(&w->mail, "Action: failed"));
	assert_true(has(&w->mail, "no@good.test"));
	assert_true(has(&w->mail, "who is that?"));
	assert_false(has(&w->mail, "later@good.test"));
	time_passes(w, 10 * MINUTE);
	target = 3;
	assert_true(run(w, all_answered, 3000));
	assert_string_equal(w->sent[2].to, "later@good.test");
	settle_down(w);
	assert_int_equal(w->delivered, 1);
	world_free(w);
}

static void
test_reports(void **unused)
{
	struct world *w = world_new();
	struct mail m = { .from = "", .to = "a@perm.test" };

	(void)unused;
	/* Nobody to tell; somebody who does not want to know. */
	send_mail(w, w->door, &m);
	m.from = "me@example.test";
	m.notify = SMTP_NOTIFY_NEVER;
	send_mail(w, w->door, &m);
	target = 2;
	assert_true(run(w, answered, 3000));
	assert_true(run(w, is_empty, 3000));
	settle_down(w);
	assert_int_equal(w->delivered, 0);
	/* Success: told by us, unless the other server does. */
	m.notify = SMTP_NOTIFY_SUCCESS;
	m.to = "a@good.test b@dsn.test you@example.test";
	target = 3;
	send_mail(w, w->door, &m);
	assert_true(run(w, answered, 3000));
	target = 3;
	assert_true(run(w, mail_came, 3000));
	assert_true(run(w, is_empty, 3000));
	assert_true(has(&w->mail, "Action: relayed"));
	assert_true(has(&w->mail, "Action: delivered"));
	assert_true(has(&w->mail, "a@good.test"));
	assert_false(has(&w->mail, "b@dsn.test"));
	assert_int_equal(w->delivered, 3);
	world_free(w);
}

static void
test_age(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	mail_out(w, "a@grey.test");
	mails_out(w, "b#@dead.test", 3);
	target = 2;
	assert_true(run(w, all_answered, 3000));
	settle_down(w);
	time_passes(w, 4 * HOUR - 1);
	settle_down(w);
	assert_int_equal(w->delivered, 0);
	time_passes(w, 1);
	target = 4;
	assert_true(run(w, mail_came, 3000));
	assert_true(has(&w->mail, "Action: delayed"));
	assert_true(has(&w->mail, "come back later"));
	assert_true(has(&w->mail, "connection refused"));
	/* Once, also after a new start. */
	assert_false(run(w, NULL, 600));
	queue_stop(w);
	queue_start(w);
	time_passes(w, HOUR);
	settle_down(w);
	assert_int_equal(w->delivered, 4);
	buf_clear(&w->mail);
	time_passes(w, 115 * (uint64_t)HOUR);
	target = 8;
	assert_true(run(w, mail_came, 3000));
	assert_true(run(w, is_empty, 3000));
	assert_true(has(&w->mail, "Action: failed"));
	assert_true(has(&w->mail, "come back later"));
	settle_down(w);
	assert_int_equal(w->delivered, 8);
	world_free(w);
}

/* Nothing is lost when delivery ends in the middle. */
static void
test_delivery_dies(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	w->hold = true;
	mails_out(w, "a@good#.test", 20);
	settle_down(w);
	assert_int_equal(w->running, 20);
	/* Half of them were through. */
	for (unsigned i = 0; i < 10; i++)
		job_answer(w, &w->sent[i]);
	settle_down(w);
	ipc_channel_free(&w->delivery);
	settle_down(w);
	assert_int_equal(spool_count(w->queue->spool), 10);
	w->hold = false;
	connect_delivery(w);
	settle_down(w);
	assert_int_equal(w->jobs, 20);
	time_passes(w, 15000);
	assert_true(run(w, is_empty, 3000));
	assert_int_equal(w->jobs, 30);
	world_free(w);
}

/* --- what administrators do -------------------------------------------------------------------- */
static struct message *
only_message(struct world *w)
{
	return TAILQ_FIRST(spool_by_age(w->queue->spool));
}

static void
test_hold(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	mail_out(w, "a@grey.test");
	target = 1;
	assert_true(run(w, all_answered, 3000));
	settle_down(w);
	queue_hold(w->queue, only_message(w));
	assert_false(run(w, NULL, 600));
	for (int again = 0; again < 2; again++) {
		time_passes(w, 2 * HOUR);
		queue_retry(w->queue, only_message(w));
		settle_down(w);
		assert_int_equal(w->jobs, 1);
		if (again == 0) {
			queue_stop(w);
			queue_start(w);
		}
	}
	queue_release(w->queue, only_message(w));
	target = 2;
	assert_true(run(w, all_answered, 3000));
	settle_down(w);
	/* Now, not when it is due. */
	queue_retry(w->queue, only_message(w));
	target = 3;
	assert_true(run(w, all_answered, 3000));
	settle_down(w);
	assert_int_equal(queue_retry_domain(w->queue, STR("grey.test")), 1);
	target = 4;
	assert_true(run(w, all_answered, 3000));
	settle_down(w);
	assert_int_equal(queue_retry_domain(w->queue, STR("other.test")), 0);
	queue_remove(w->queue, only_message(w));
	assert_true(run(w, is_empty, 3000));
	settle_down(w);
	assert_int_equal(w->delivered, 0);
	world_free(w);
}

static void
test_remove_on_its_way(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	w->hold = true;
	mail_out(w, "a@perm.test");
	settle_down(w);
	queue_remove(w->queue, only_message(w));
	settle_down(w);
	assert_int_equal(spool_count(w->queue->spool), 1);
	answer_all(w);
	assert_true(run(w, is_empty, 3000));
	assert_int_equal(w->delivered, 0);
	world_free(w);
}

static unsigned redirected;
static char redirected_id[QUEUE_ID_SIZE];

static void
on_redirected(void *arg, enum ipc_result result, const char *id)
{
	struct world *w = arg;

	redirected = 1 + result;
	w->answers++;
	snprintf(redirected_id, sizeof(redirected_id), "%s", id);
}

static void
test_redirect(void **unused)
{
	struct world *w = world_new();

	(void)unused;
	for (size_t size = 0; size <= 200000; size += 200000) {
		unsigned before = w->jobs;

		target = w->answers + 1;
		send_mail(w, w->door,
		    &(struct mail){
			.from = "me@example.test", .to = "a@grey.test b@dead.test", .size = size });
		assert_true(run(w, answered, 3000));
		target = before + 1;
		assert_true(run(w, all_answered, 3000));
		settle_down(w);
		target = w->answers + 1;
		queue_redirect(w->queue, only_message(w)->number, STR("nobody@example.test"),
		    on_redirected, w);
		assert_true(run(w, answered, 3000));
		assert_int_equal(redirected, 1 + IPC_NO);
		target = w->answers + 1;
		queue_redirect(
		    w->queue, only_message(w)->number, STR("you@example.test"), on_redirected, w);
		assert_true(run(w, answered, 3000));
		assert_int_equal(redirected, 1 + IPC_OK);
		assert_true(redirected_id[0] == 'Q');
		assert_true(run(w, is_empty, 3000));
	}
	assert_int_equal(w->delivered, 2);
	assert_true(buf_len(&w->mail) > 200000);
	world_free(w);
}

/* --- crashes ----------------------------------------------------------------------------------- */
static bool
choose(void *arg, size_t i)
{
	uint64_t *s = arg;

	(void)i;
	*s = *s * 6364136223846793005u + 1442695040888963407u;
	return *s >> 63;
}

/* Of the message that failed and its report there is exactly one at each moment: what is owed is
 * neither lost nor told twice. */
static void
check_report(struct crashsim *disk, size_t at, uint64_t seed, bool stored)
{
	struct world *w = world_bare();
	struct crashsim *after = crashsim_crash(disk, at, choose, &seed);
	unsigned owed = 0, reports = 0;
	struct journal_record r;
	struct envelope e;
	struct message *m;

	w->options.spool.io = crashsim_io(after);
	w->no_box = true;
	assert_int_equal(queue_new(w->loop, w->dirfd, &w->options, &w->queue), 0);
	TAILQ_FOREACH(m, spool_by_age(w->queue->spool), age_link) {
		assert_int_equal(spool_read(w->queue->spool, m, &e, &r, NULL), 0);
		if (e.reverse_path.n == 0)
			reports++;
		else
			owed += m->delivery[0].state == DELIVERY_FAILED ||
				m->delivery[0].state == DELIVERY_PENDING;
	}
	if (stored)
		assert_int_equal(owed + reports, 1);
	else
		assert_true(owed + reports <= 1);
	world_free(w);
	crashsim_free(&after);
}

static bool
has_report(struct world *w)
{
	struct message *m = TAILQ_LAST(spool_by_age(w->queue->spool), message_age);

	return m && m->delivery[0].target == ME;
}

static void
test_report_and_crash(void **unused)
{
	struct world *w = world_bare();
	struct crashsim *disk = crashsim_new();
	size_t stored;

	(void)unused;
	w->options.spool.io = crashsim_io(disk);
	w->no_box = true;
	queue_start(w);
	mail_out(w, "a@perm.test");
	stored = crashsim_ops(disk);
	assert_true(run(w, has_report, 3000));
	settle_down(w);
	for (size_t at = 0; at <= crashsim_ops(disk); at++)
		for (uint64_t seed = 1; seed <= 4; seed++)
			check_report(disk, at, seed, at >= stored);
	world_free(w);
	crashsim_free(&disk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login_sends),
		cmocka_unit_test(test_8bit_is_what_is_there),
		cmocka_unit_test(test_doors),
		cmocka_unit_test(test_answers_are_kept),
		cmocka_unit_test(test_smtpd_does_not_relay),
		cmocka_unit_test(test_forward),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_back_off),
		cmocka_unit_test(test_dead_domain),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_recipients_share),
		cmocka_unit_test(test_reports),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_delivery_dies),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_remove_on_its_way),
		cmocka_unit_test(test_redirect),
		cmocka_unit_test(test_report_and_crash),
	};

	log_open("queue", -1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
