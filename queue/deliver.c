/* SPDX-License-Identifier: ISC */
/*
 * Local delivery. Each account with mail waiting has a struct mailbox here; they know nothing of
 * each other, so that a slow or dead one delays nobody but itself.
 *
 * State of a mailbox x what happens:
 *
 *	CLOSED   mail waits: a channel is asked for (WANTING when too many are open)
 *	OPENING  master answers: OPEN; refused or silent: BACKOFF; no such account: all its mail fails
 *	OPEN     batches go out, one at a time, answers come in; idle for a while, or others wait for
 *	         a channel: CLOSED; peer gone or silent with mail on its way: BACKOFF
 *	BACKOFF  time passes: CLOSED
 *
 * What was sent and not answered is sent again with the same number; the mailbox recognises it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/xalloc.h"
#include "queue/queue_priv.h"
#include "queue/trace.h"

enum {
	/* One batch: what a mailbox process may have to keep in memory before its sync. */
	BATCH_MESSAGES = 1000,
	BATCH_BYTES = 8 * 1024 * 1024,
	/* Between the begins of two batches: the mailbox's syncs must not compete with ours. */
	BATCH_INTERVAL_MS = 25,
	IDLE_MS = 10000,
	OPEN_MS = 30000,
	ANSWER_MS = 120000,
	CHUNK = 65536, /* of deliver_content, ipc_table.h */
};

enum mailbox_state { MB_CLOSED, MB_WANTING, MB_OPENING, MB_OPEN, MB_BACKOFF };

/* Content that goes out piece by piece, as the channel takes it. */
struct sending {
	struct delivery *delivery;
	int fd;
	uint64_t offset, size;
	uint32_t crc, want_crc;
};

struct mailbox {
	struct deliverer *deliverer;
	uint32_t account;
	enum mailbox_state state;
	struct delivery_list list;   /* not settled on disk, by number */
	struct delivery *next;       /* first one to be sent in this round */
	struct delivery *first_sent; /* nothing before it is on its way */
	size_t waiting, sent;
	uint64_t sent_bytes, batch_ms, retry_ms;
	size_t batch_count;
	bool in_batch;
	struct ipc_channel *ch;
	struct sending sending;
	TAILQ_ENTRY(mailbox) link; /* WANTING */
	struct io_timer *watch;    /* opening, answers, idleness, backoff */
	struct io_timer *batch, *retry;
};

struct deliverer {
	struct queue *queue;
	struct map *mailboxes; /* by account */
	TAILQ_HEAD(, mailbox) wanting;
	unsigned open;
};

static void pump(struct mailbox *mb);
static void mailbox_gone_if_done(struct mailbox *mb);

/* --- the list ---------------------------------------------------------------------------------- */
static struct delivery *
skip_to(struct delivery *d, enum delivery_phase phase)
{
	while (d && d->phase != phase)
		d = TAILQ_NEXT(d, link);
	return d;
}

static void
list_remove(struct mailbox *mb, struct delivery *d)
{
	if (mb->next == d)
		mb->next = TAILQ_NEXT(d, link);
	if (mb->first_sent == d)
		mb->first_sent = TAILQ_NEXT(d, link);
	TAILQ_REMOVE(&mb->list, d, link);
}

/* It was on its way; now it waits again. */
static void
back_to_waiting(struct mailbox *mb, struct delivery *d)
{
	mb->sent--;
	mb->sent_bytes -= d->message->size;
	if (d->message->flags & MESSAGE_HELD) {
		d->phase = PHASE_NONE;
		return;
	}
	d->phase = PHASE_WAIT;
	mb->waiting++;
}

static void
settle(struct mailbox *mb, struct delivery *d, enum delivery_state state)
{
	if (d->phase == PHASE_SENT) {
		mb->sent--;
		mb->sent_bytes -= d->message->size;
	} else if (d->phase == PHASE_WAIT) {
		mb->waiting--;
	}
	d->phase = PHASE_SETTLED;
	spool_settle(mb->deliverer->queue->spool, d, state);
	queue_busy(mb->deliverer->queue);
}

/* It ends for good; the sender is told. */
static void
fail(struct mailbox *mb, struct delivery *d, const char *status, const char *why)
{
	struct queue *q = mb->deliverer->queue;
	struct answer a = {
		.result = IPC_NO,
		.time_ms = queue_now(q),
		.enhanced = str_of(status),
		.text = str_of(why),
	};
	bool told = !d->message->removed && queue_tells(q, d, DSN_FAILED);
	char id[QUEUE_ID_SIZE];

	log_warn(queue_id_print(id, d->message->number),
	    "event=%s delivery=%u account=%u status=%s text=\"%s\"", told ? "failed" : "dropped",
	    (unsigned)(d - d->message->delivery), mb->account, status, why);
	spool_note(q->spool, d, &a, 0);
	settle(mb, d, told ? DELIVERY_FAILED : DELIVERY_DONE);
}

/* It has failed for now; perhaps too often. false: it has ended. */
static bool
try_again(struct mailbox *mb, struct delivery *d, const char *why)
{
	struct queue *q = mb->deliverer->queue;
	uint64_t now = queue_now(q), arrival = d->message->arrival_ms;
	struct answer a = { .result = IPC_TEMP, .time_ms = now, .text = str_of(why) };

	d->tries += d->tries < UINT16_MAX;
	if (now >= arrival && now - arrival >= q->options.expire_after_ms) {
		queue_expire(q, d, &a);
		return false;
	}
	spool_note(q->spool, d, &a, 0);
	return true;
}

/* --- opening and closing ----------------------------------------------------------------------- */
static void
mailbox_free(struct mailbox *mb)
{
	struct deliverer *o = mb->deliverer;

	map_del(o->mailboxes, mb->account);
	if (mb->state == MB_WANTING)
		TAILQ_REMOVE(&o->wanting, mb, link);
	if (mb->sending.delivery)
		close(mb->sending.fd);
	ipc_channel_free(&mb->ch);
	io_timer_free(&mb->watch);
	io_timer_free(&mb->batch);
	io_timer_free(&mb->retry);
	free(mb);
}

static void
ask(struct mailbox *mb)
{
	struct queue *q = mb->deliverer->queue;

	mb->state = MB_OPENING;
	mb->deliverer->open++;
	io_timer_set(mb->watch, OPEN_MS);
	q->options.open_mailbox(q->options.arg, mb->account);
}

static bool
is_idle(const struct mailbox *mb)
{
	return mb->state == MB_OPEN && mb->waiting == 0 && mb->sent == 0;
}

static void
ask_next(struct deliverer *o)
{
	struct mailbox *mb = TAILQ_FIRST(&o->wanting);

	if (mb == NULL || o->open >= o->queue->options.mailboxes_max)
		return;
	TAILQ_REMOVE(&o->wanting, mb, link);
	ask(mb);
}

/* Everything on its way waits again; the channel is gone. */
static void
mailbox_close(struct mailbox *mb)
{
	struct deliverer *o = mb->deliverer;
	struct delivery *d;

	if (mb->sending.delivery)
		close(mb->sending.fd);
	mb->sending.delivery = NULL;
	ipc_channel_free(&mb->ch);
	for (d = mb->first_sent; d && mb->sent > 0; d = TAILQ_NEXT(d, link))
		if (d->phase == PHASE_SENT)
			back_to_waiting(mb, d);
	mb->first_sent = NULL;
	mb->next = skip_to(TAILQ_FIRST(&mb->list), PHASE_WAIT);
	mb->in_batch = false;
	mb->state = MB_CLOSED;
	io_timer_stop(mb->watch);
	io_timer_stop(mb->batch);
	io_timer_stop(mb->retry);
	o->open--;
	ask_next(o);
}

static void
want(struct mailbox *mb)
{
	struct deliverer *o = mb->deliverer;
	struct mailbox *other;
	size_t it = 0;

	if (o->open < o->queue->options.mailboxes_max) {
		ask(mb);
		return;
	}
	mb->state = MB_WANTING;
	TAILQ_INSERT_TAIL(&o->wanting, mb, link);
	while ((other = map_next(o->mailboxes, &it, NULL)) != NULL) {
		if (is_idle(other)) {
			mailbox_close(other);
			mailbox_gone_if_done(other);
			break;
		}
	}
}

static uint64_t
next_wait(struct mailbox *mb)
{
	const struct queue_options *o = &mb->deliverer->queue->options;
	uint64_t ms = mb->retry_ms < o->retry_min_ms ? o->retry_min_ms : mb->retry_ms;

	if (ms > o->retry_max_ms)
		ms = o->retry_max_ms;
	mb->retry_ms = ms * 2;
	return ms;
}

static void
back_off(struct mailbox *mb, const char *why)
{
	uint64_t ms = next_wait(mb);

	log_warn(NULL, "event=mailbox-away account=%u reason=\"%s\" waiting=%zu retry_ms=%llu",
	    mb->account, why, mb->waiting + mb->sent, (unsigned long long)ms);
	mailbox_close(mb);
	mb->state = MB_BACKOFF;
	io_timer_set(mb->watch, ms);
}

/* --- sending ----------------------------------------------------------------------------------- */
static void
send_bytes(struct mailbox *mb, uint64_t id, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n > 0) {
		size_t k = n < CHUNK ? n : CHUNK;

		ipc_send_deliver_content(
		    mb->ch, id, &(struct ipc_deliver_content){ .bytes = str_from(p, k) });
		p += k;
		n -= k;
	}
}

static void
send_begin(struct mailbox *mb, struct delivery *d, const struct envelope *e, uint64_t content)
{
	uint64_t number = delivery_number(d);
	uint32_t index = (uint32_t)(d - d->message->delivery);
	struct buf field;
	char id[QUEUE_ID_SIZE];

	buf_init(&field, TRACE_FIELD_MAX);
	trace_field(e, index, &field);
	d->tell = report_wanted(e, index, DSN_DELIVERED);
	ipc_send_deliver_begin(mb->ch, number,
	    &(struct ipc_deliver_begin){
		.number = number,
		.floor = delivery_number(TAILQ_FIRST(&mb->list)),
		.queue_id = str_of(queue_id_print(id, d->message->number)),
		.reverse_path = e->reverse_path,
		.recipient = envelope_address(e, index),
		.folder = str_of(d->message->flags & MESSAGE_JUNK ? "Junk" : ""),
		.arrival_ms = d->message->arrival_ms,
		.size = buf_len(&field) + e->prepend.n + content,
	    });
	send_bytes(mb, number, buf_data(&field), buf_len(&field));
	buf_free(&field);
	send_bytes(mb, number, e->prepend.p, e->prepend.n);
	d->phase = PHASE_SENT;
	d->message->attempts++;
	mb->waiting--;
	mb->sent++;
	mb->sent_bytes += d->message->size;
	mb->batch_count++;
	if (mb->first_sent == NULL || number < delivery_number(mb->first_sent))
		mb->first_sent = d;
}

static void
unreadable(struct mailbox *mb, struct delivery *d, int r)
{
	char id[QUEUE_ID_SIZE];

	if (r == JOURNAL_DAMAGED || r == JOURNAL_GONE) {
		fail(mb, d, "5.3.0", "damaged on disk");
		return;
	}
	/* Stays waiting until the next round. */
	log_error(queue_id_print(id, d->message->number), "event=unreadable reason=\"%s\"",
	    journal_strerror(r));
	if (!io_timer_pending(mb->retry))
		io_timer_set(mb->retry, next_wait(mb));
}

static void
send_one(struct mailbox *mb, struct delivery *d)
{
	struct spool *spool = mb->deliverer->queue->spool;
	struct journal_record r;
	const uint8_t *content;
	struct envelope e;
	int fd = -1, ret;

	ret = spool_read(spool, d->message, &e, &r, &content);
	if (ret == 0 && content == NULL)
		ret = spool_large_open(spool, &r, &fd);
	if (ret != 0) {
		unreadable(mb, d, ret);
		return;
	}
	send_begin(mb, d, &e, r.content_len);
	if (content)
		send_bytes(mb, delivery_number(d), content, (size_t)r.content_len);
	else
		mb->sending = (struct sending){ d, fd, 0, r.content_len, 0, r.content_crc };
}

/* One piece of large content. */
static void
send_piece(struct mailbox *mb)
{
	static uint8_t piece[CHUNK];
	struct sending *s = &mb->sending;
	struct delivery *d = s->delivery;
	uint64_t left = s->size - s->offset;
	size_t n = left < CHUNK ? (size_t)left : CHUNK;
	ssize_t got = pread(s->fd, piece, n, (off_t)s->offset);

	if (got > 0)
		s->crc = journal_crc(s->crc, piece, (size_t)got);
	if (got <= 0 || ((uint64_t)got == left && s->crc != s->want_crc)) {
		/* The mailbox must not get the rest: the channel ends in the middle of it. */
		back_off(mb, "content cannot be read");
		fail(mb, d, "5.3.0", "damaged on disk");
		return;
	}
	send_bytes(mb, delivery_number(d), piece, (size_t)got);
	s->offset += (uint64_t)got;
	if (s->offset < s->size)
		return;
	close(s->fd);
	s->delivery = NULL;
}

/* As much of the batch as the channel takes now. */
static void
send_some(struct mailbox *mb)
{
	while (mb->state == MB_OPEN && ipc_channel_pending(mb->ch) < IPC_OUT_LOW) {
		if (mb->sending.delivery) {
			send_piece(mb);
			continue;
		}
		mb->next = skip_to(mb->next, PHASE_WAIT);
		if (mb->next == NULL || mb->batch_count >= BATCH_MESSAGES ||
		    mb->sent_bytes >= BATCH_BYTES) {
			mb->in_batch = false;
			ipc_send_deliver_sync(mb->ch, 0, &(struct ipc_deliver_sync){ 0 });
			break;
		}
		struct delivery *d = mb->next;

		mb->next = TAILQ_NEXT(d, link);
		send_one(mb, d);
	}
}

static void
pump_open(struct mailbox *mb)
{
	uint64_t now = io_now_ms(mb->deliverer->queue->loop);

	if (!mb->in_batch) {
		mb->next = skip_to(mb->next, PHASE_WAIT);
		if (mb->next == NULL || mb->sent > 0)
			return;
		if (now < mb->batch_ms + BATCH_INTERVAL_MS) {
			if (!io_timer_pending(mb->batch))
				io_timer_set(mb->batch, mb->batch_ms + BATCH_INTERVAL_MS - now);
			return;
		}
		mb->in_batch = true;
		mb->batch_ms = now;
		mb->batch_count = 0;
		io_timer_set(mb->watch, ANSWER_MS);
	}
	send_some(mb);
}

static void
pump(struct mailbox *mb)
{
	if (mb->state == MB_CLOSED && mb->waiting > 0)
		want(mb);
	else if (mb->state == MB_OPEN)
		pump_open(mb);
}

/* --- timers ------------------------------------------------------------------------------------ */
static void
on_batch(void *arg)
{
	pump(arg);
}

/* Those that failed for now get their next try. */
static void
on_retry(void *arg)
{
	struct mailbox *mb = arg;

	mb->next = skip_to(TAILQ_FIRST(&mb->list), PHASE_WAIT);
	pump(mb);
}

static void
mailbox_gone_if_done(struct mailbox *mb)
{
	if (mb->state == MB_CLOSED && TAILQ_EMPTY(&mb->list))
		mailbox_free(mb);
}

static void
on_watch(void *arg)
{
	struct mailbox *mb = arg;

	switch (mb->state) {
	case MB_OPENING:
		back_off(mb, "master does not answer");
		break;
	case MB_OPEN:
		if (mb->sent > 0) {
			back_off(mb, "mailbox does not answer");
			break;
		}
		if (mb->waiting > 0) {
			/* They wait for their next try. */
			io_timer_set(mb->watch, IDLE_MS);
			break;
		}
		mailbox_close(mb);
		pump(mb);
		mailbox_gone_if_done(mb);
		break;
	case MB_BACKOFF:
		mb->state = MB_CLOSED;
		pump(mb);
		mailbox_gone_if_done(mb);
		break;
	case MB_CLOSED:
	case MB_WANTING:
		break;
	}
}

/* --- answers ----------------------------------------------------------------------------------- */
static struct delivery *
find_sent(struct mailbox *mb, uint64_t number)
{
	struct delivery *d;

	for (d = mb->first_sent; d; d = TAILQ_NEXT(d, link))
		if (delivery_number(d) == number)
			return d->phase == PHASE_SENT ? d : NULL;
	return NULL;
}

static void
answer(struct mailbox *mb, struct delivery *d, enum ipc_result result)
{
	char id[QUEUE_ID_SIZE];

	switch (result) {
	case IPC_OK:
		settle(mb, d, d->tell ? DELIVERY_DELIVERED : DELIVERY_DONE);
		break;
	case IPC_NO:
	case IPC_INVALID:
	case IPC_DENIED:
		fail(mb, d, "5.2.0", "refused by the mailbox");
		break;
	default:
		log_warn(queue_id_print(id, d->message->number),
		    "event=deferred account=%u result=%d", mb->account, (int)result);
		back_to_waiting(mb, d);
		if (try_again(mb, d,
			result == IPC_FULL ? "the mailbox is full"
					   : "the mailbox is not available") &&
		    !io_timer_pending(mb->retry))
			io_timer_set(mb->retry, next_wait(mb));
		break;
	}
}

static void
on_delivered(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_delivered *m, int fd)
{
	struct mailbox *mb = arg;
	struct delivery *d = find_sent(mb, m->number);

	(void)ch;
	(void)id;
	(void)fd;
	if (d == NULL || d == mb->sending.delivery || m->result >= IPC_RESULT__MAX) {
		log_error(NULL, "event=bad-answer account=%u number=%llu", mb->account,
		    (unsigned long long)m->number);
		return;
	}
	answer(mb, d, (enum ipc_result)m->result);
	mb->first_sent = skip_to(mb->first_sent, PHASE_SENT);
	if (mb->sent > 0)
		return;
	if (mb->waiting == 0)
		mb->retry_ms = 0;
	io_timer_set(mb->watch, IDLE_MS);
	if (is_idle(mb) && !TAILQ_EMPTY(&mb->deliverer->wanting))
		mailbox_close(mb);
	else
		pump(mb);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	struct mailbox *mb = arg;

	(void)ch;
	if (mb->sent > 0) {
		back_off(mb, "channel closed");
		return;
	}
	mailbox_close(mb);
	pump(mb);
	mailbox_gone_if_done(mb);
}

static void
on_drained(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	pump(arg);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(delivered, on_delivered),
};
static const struct ipc_ops channel_ops = {
	.handlers = handlers,
	.on_close = on_close,
	.on_drained = on_drained,
};

/* --- from outside ------------------------------------------------------------------------------ */
static struct mailbox *
mailbox_get(struct deliverer *o, uint32_t account)
{
	struct mailbox *mb = map_get(o->mailboxes, account);
	struct io_loop *loop = o->queue->loop;

	if (mb)
		return mb;
	mb = xcalloc(1, sizeof(*mb));
	mb->deliverer = o;
	mb->account = account;
	TAILQ_INIT(&mb->list);
	mb->watch = io_timer_new(loop, on_watch, mb);
	mb->batch = io_timer_new(loop, on_batch, mb);
	mb->retry = io_timer_new(loop, on_retry, mb);
	map_put(o->mailboxes, account, mb);
	return mb;
}

void
deliverer_message(struct deliverer *o, struct message *m)
{
	for (uint32_t i = 0; i < m->deliveries; i++) {
		struct delivery *d = &m->delivery[i];
		struct mailbox *mb;

		if (d->state != DELIVERY_PENDING || d->target >= TARGET_NOBODY)
			continue;
		mb = mailbox_get(o, d->target);
		d->mailbox = mb;
		d->phase = m->flags & MESSAGE_HELD ? PHASE_NONE : PHASE_WAIT;
		mb->waiting += d->phase == PHASE_WAIT;
		TAILQ_INSERT_TAIL(&mb->list, d, link);
		if (mb->next == NULL)
			mb->next = d;
		pump(mb);
	}
}

/* It stays in the list: its number must not fall below the floor. */
void
deliverer_hold(struct deliverer *o, struct delivery *d)
{
	(void)o;
	if (d->phase != PHASE_WAIT)
		return;
	d->phase = PHASE_NONE;
	d->mailbox->waiting--;
}

void
deliverer_release(struct deliverer *o, struct delivery *d)
{
	struct mailbox *mb = d->mailbox;

	(void)o;
	if (d->phase != PHASE_NONE)
		return;
	d->phase = PHASE_WAIT;
	mb->waiting++;
	mb->next = TAILQ_FIRST(&mb->list);
	pump(mb);
}

void
deliverer_settle(struct deliverer *o, struct delivery *d, enum delivery_state state)
{
	(void)o;
	settle(d->mailbox, d, state);
}

void
deliverer_retry(struct deliverer *o, struct delivery *d)
{
	struct mailbox *mb = d->mailbox;

	(void)o;
	if (mb->state == MB_BACKOFF)
		io_timer_set(mb->watch, 0);
	else if (mb->state == MB_OPEN)
		io_timer_set(mb->retry, 0);
}

void
deliverer_settled(struct deliverer *o, struct delivery *d)
{
	struct mailbox *mb = d->target < TARGET_NOBODY ? d->mailbox : NULL;

	(void)o;
	if (mb == NULL)
		return;
	list_remove(mb, d);
	d->mailbox = NULL;
	mailbox_gone_if_done(mb);
}

/* There is no such account any more: its mail is kept for a human to decide. */
static void
account_gone(struct mailbox *mb)
{
	struct delivery *d;

	mailbox_close(mb);
	TAILQ_FOREACH(d, &mb->list, link)
		if (d->phase == PHASE_WAIT)
			fail(mb, d, "5.1.1", "there is no such account any more");
	mb->next = NULL;
}

void
deliverer_opened(struct deliverer *o, uint32_t account, enum ipc_result result, int fd)
{
	struct mailbox *mb = map_get(o->mailboxes, account);

	if (mb == NULL || mb->state != MB_OPENING) {
		/* Too late: nobody waits any more. */
		if (fd >= 0)
			close(fd);
		return;
	}
	if (fd >= 0) {
		mb->state = MB_OPEN;
		io_timer_set(mb->watch, IDLE_MS);
		mb->ch = ipc_channel_new(
		    o->queue->loop, fd, IPC_CH_mailbox_deliver, IPC_CLIENT, &channel_ops, mb);
		pump(mb);
	} else if (result == IPC_NO) {
		account_gone(mb);
	} else {
		back_off(mb, "refused by master");
	}
}

struct deliverer *
deliverer_new(struct queue *q)
{
	struct deliverer *o = xcalloc(1, sizeof(*o));

	o->queue = q;
	o->mailboxes = map_new();
	TAILQ_INIT(&o->wanting);
	return o;
}

void
deliverer_free(struct deliverer **op)
{
	struct deliverer *o = *op;
	struct mailbox *mb;
	struct delivery *d;
	size_t it = 0;

	if (o == NULL)
		return;
	while ((mb = map_next(o->mailboxes, &it, NULL)) != NULL) {
		TAILQ_FOREACH(d, &mb->list, link)
			d->mailbox = NULL;
		mailbox_free(mb);
	}
	map_free(&o->mailboxes);
	free(o);
	*op = NULL;
}
