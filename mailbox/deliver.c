/* SPDX-License-Identifier: ISC */
/*
 * Deliveries from queue. One message at a time streams in on a channel; whole ones wait in memory
 * until queue says that the batch is over (or it is large, or late), are then written together, and
 * answered when they are on stable storage. What queue sends is checked like any other input.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "ipc/ipc.h"
#include "mailbox/host_priv.h"
#include "mailbox/thread.h"

/* A delivery, from its begin to its answer. */
struct incoming {
	TAILQ_ENTRY(incoming) link;
	uint64_t id; /* of the exchange */
	uint64_t number, origin;
	char queue_id[25];
	char *folder;
	uint64_t arrival_ms;
	struct store_arrival message;
	struct buf head;  /* start of a message that goes to a file */
	size_t got, size; /* of the bytes queue sends */
	enum ipc_result result;
	uint32_t uid;
	bool skip; /* refused or a repeat: the bytes are only counted */
};
TAILQ_HEAD(incoming_list, incoming);

struct deliver {
	TAILQ_ENTRY(deliver) link;
	struct host *host;
	struct ipc_channel *ch; /* NULL: closed, waits for its last commit */
	struct incoming *open;
	struct incoming_list whole;   /* not written yet */
	struct incoming_list written; /* not on stable storage yet */
	size_t bytes, count;          /* of whole */
	struct io_timer *timer;
};

static void
incoming_free(struct incoming *in)
{
	if (in == NULL)
		return;
	free(in->message.bytes);
	if (in->message.large != NULL)
		store_large_abort(&in->message.large);
	buf_free(&in->head);
	free(in->folder);
	free(in);
}

static void
list_free(struct incoming_list *list)
{
	struct incoming *in;

	while ((in = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, in, link);
		incoming_free(in);
	}
}

static void
deliver_free(struct deliver *d)
{
	store_forget(d->host->store, d);
	incoming_free(d->open);
	list_free(&d->whole);
	list_free(&d->written);
	io_timer_free(&d->timer);
	ipc_channel_free(&d->ch);
	TAILQ_REMOVE(&d->host->delivers, d, link);
	free(d);
}

/* --- writing a batch ---------------------------------------------------------------------------
 */

static enum ipc_result
result_of(int e)
{
	return e == STORE_OK ? IPC_OK : e == STORE_FULL ? IPC_FULL : IPC_TEMP;
}

/* Without such a folder the message goes to INBOX: a filter's rule may be older than it. */
static struct folder *
target(struct host *h, const char *name)
{
	struct model *m = store_model(h->store);
	struct folder *f = name[0] != '\0' ? model_folder_named(m, str_of(name)) : NULL;

	return f != NULL ? f : model_folder_named(m, STR("INBOX"));
}

static void
write_one(struct host *h, struct incoming *in)
{
	const struct model_delivery *done;
	struct folder *f;

	if (in->result != IPC_OK || in->uid != 0)
		return;
	/* Once more: the first one may have come in the same batch. */
	done = model_delivered(store_model(h->store), in->number, in->origin);
	if (done != NULL) {
		in->uid = done->uid;
		return;
	}
	f = target(h, in->folder);
	in->result =
	    f == NULL ? IPC_TEMP : result_of(store_arrive(h->store, f, &in->message, 1, &in->uid));
	if (in->result == IPC_OK)
		backend_arrived(h->backend, f);
}

static void
on_stable(void *arg)
{
	struct deliver *d = arg;
	struct incoming *in;

	while ((in = TAILQ_FIRST(&d->written)) != NULL) {
		log_info(in->queue_id, "event=delivered result=%d uid=%u size=%zu repeat=%d",
		    (int)in->result, in->uid, in->size, in->skip && in->result == IPC_OK);
		if (d->ch != NULL)
			ipc_send_delivered(d->ch, in->id,
			    &(struct ipc_delivered){ .result = (uint8_t)in->result,
				.number = in->number,
				.uid = in->uid });
		TAILQ_REMOVE(&d->written, in, link);
		incoming_free(in);
	}
	if (d->ch == NULL)
		deliver_free(d);
}

static void
batch_write(struct deliver *d)
{
	struct incoming *in;

	io_timer_stop(d->timer);
	if (TAILQ_EMPTY(&d->whole))
		return;
	TAILQ_FOREACH(in, &d->whole, link)
		write_one(d->host, in);
	TAILQ_CONCAT(&d->written, &d->whole, link);
	d->bytes = d->count = 0;
	store_wait(d->host->store, on_stable, d);
}

static void
on_timer(void *arg)
{
	batch_write(arg);
}

void
delivers_commit(struct host *h)
{
	struct deliver *d;

	TAILQ_FOREACH(d, &h->delivers, link)
		batch_write(d);
}

bool
delivers_busy(const struct host *h)
{
	const struct deliver *d;

	TAILQ_FOREACH(d, &h->delivers, link)
		if (d->open != NULL || !TAILQ_EMPTY(&d->whole) || !TAILQ_EMPTY(&d->written))
			return true;
	return false;
}

/* --- one message -------------------------------------------------------------------------------
 */

static int
take_bytes(struct incoming *in, const void *p, size_t n)
{
	size_t room = buf_room(&in->head);

	if (in->message.large == NULL) {
		memcpy(in->message.bytes + in->message.size, p, n);
	} else {
		buf_put(&in->head, p, n < room ? n : room);
		if (store_large_write(in->message.large, p, n) != 0)
			return -1;
	}
	in->message.size += n;
	return 0;
}

static void
skip(struct incoming *in, enum ipc_result result)
{
	in->skip = true;
	in->result = result;
	free(in->message.bytes);
	in->message.bytes = NULL;
	if (in->message.large != NULL)
		store_large_abort(&in->message.large);
}

/* Room for the content, and its first line (rfc5321:4.4). */
static void
content_begin(struct host *h, struct incoming *in, struct str reverse_path)
{
	char line[600];
	int n = snprintf(line, sizeof(line), "Return-Path: <%.*s>\r\n", STRF(reverse_path));
	size_t most = h->config.message_max + DELIVER_EXTRA_BYTES, total;
	int e;

	/* The number is queue's: nothing is added to it before it is known to be small. */
	if (in->size > most || (total = in->size + (size_t)n) > most) {
		skip(in, IPC_INVALID);
		return;
	}
	if (total <= JOURNAL_INLINE_MAX)
		in->message.bytes = xmalloc(total);
	else if ((e = store_large_new(h->store, &in->message.large)) != 0) {
		skip(in, result_of(e));
		return;
	}
	if (take_bytes(in, line, (size_t)n) != 0)
		skip(in, IPC_TEMP);
}

static void
message_whole(struct deliver *d)
{
	struct incoming *in = d->open;
	int e;

	d->open = NULL;
	if (in->message.large != NULL && (e = store_large_end(in->message.large)) != 0)
		skip(in, result_of(e));
	in->message.seconds = (int64_t)(in->arrival_ms / 1000);
	in->message.delivered = true;
	in->message.number = in->number;
	in->message.origin = in->origin;
	if (!in->skip)
		in->message.thread = thread_id(
		    in->message.large == NULL ? str_from(in->message.bytes, in->message.size)
					      : str_from(buf_data(&in->head), buf_len(&in->head)));
	TAILQ_INSERT_TAIL(&d->whole, in, link);
	d->bytes += in->message.large == NULL && !in->skip ? in->message.size : 0;
	d->count++;
	if (d->bytes >= DELIVER_BATCH_BYTES || d->count >= DELIVER_BATCH_MESSAGES)
		batch_write(d);
	else if (!io_timer_pending(d->timer))
		io_timer_set(d->timer, DELIVER_BATCH_MS);
}

static uint64_t
origin_of(struct str queue_id, struct str recipient)
{
	return thread_hash(thread_hash(0, queue_id), recipient);
}

static void
on_begin(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_deliver_begin *m, int fd)
{
	struct deliver *d = arg;
	const struct model_delivery *done;
	struct incoming *in = xcalloc(1, sizeof(*in));

	(void)ch;
	(void)fd;
	host_busy(d->host);
	in->id = id;
	in->number = m->number;
	in->origin = origin_of(m->queue_id, m->recipient);
	in->size = (size_t)m->size;
	in->arrival_ms = m->arrival_ms;
	in->folder = xstrndup(m->folder.p, m->folder.n);
	log_escape(in->queue_id, sizeof(in->queue_id), m->queue_id);
	buf_init(&in->head, THREAD_HEADER_MAX);
	d->open = in;
	store_floor(d->host->store, m->floor < m->number ? m->floor : m->number);
	done = model_delivered(store_model(d->host->store), in->number, in->origin);
	if (done != NULL) {
		skip(in, IPC_OK);
		in->uid = done->uid;
	} else {
		content_begin(d->host, in, m->reverse_path);
	}
	if (in->size == 0)
		message_whole(d);
}

/* More than was announced: the sender is broken. */
static void
cut_off(struct deliver *d)
{
	log_error(d->open->queue_id, "event=delivery-broken reason=\"longer than announced\"");
	incoming_free(d->open);
	d->open = NULL;
	batch_write(d);
	ipc_channel_free(&d->ch);
	if (TAILQ_EMPTY(&d->written))
		deliver_free(d);
}

static void
on_content(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_deliver_content *m, int fd)
{
	struct deliver *d = arg;
	struct incoming *in = d->open;

	(void)ch;
	(void)id;
	(void)fd;
	if (m->bytes.n > in->size - in->got) {
		cut_off(d);
		return;
	}
	in->got += m->bytes.n;
	if (!in->skip && take_bytes(in, m->bytes.p, m->bytes.n) != 0)
		skip(in, IPC_FULL);
	if (in->got == in->size)
		message_whole(d);
}

static void
on_sync(void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_deliver_sync *m, int fd)
{
	(void)ch;
	(void)id;
	(void)m;
	(void)fd;
	batch_write(arg);
}

static unsigned
on_state(void *arg, uint64_t id)
{
	const struct deliver *d = arg;

	if (d->open == NULL)
		return IPC_ST_IDLE;
	return d->open->id == id ? IPC_ST_OPEN : 0;
}

/* What came whole is kept: queue will ask again, and be told that it is there. */
static void
on_close(void *arg, struct ipc_channel *ch)
{
	struct deliver *d = arg;

	(void)ch;
	batch_write(d);
	ipc_channel_free(&d->ch);
	deliver_free(d);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(deliver_begin, on_begin),
	IPC_ON(deliver_content, on_content),
	IPC_ON(deliver_sync, on_sync),
};
static const struct ipc_ops ops = {
	.handlers = handlers,
	.state = on_state,
	.on_close = on_close,
};

void
deliver_attach(struct host *h, int fd)
{
	struct deliver *d = xcalloc(1, sizeof(*d));

	d->host = h;
	TAILQ_INIT(&d->whole);
	TAILQ_INIT(&d->written);
	d->timer = io_timer_new(h->config.loop, on_timer, d);
	d->ch = ipc_channel_new(h->config.loop, fd, IPC_CH_mailbox_deliver, IPC_SERVER, &ops, d);
	TAILQ_INSERT_TAIL(&h->delivers, d, link);
}

void
delivers_free(struct host *h)
{
	struct deliver *d, *next;

	for (d = TAILQ_FIRST(&h->delivers); d != NULL; d = next) {
		next = TAILQ_NEXT(d, link);
		deliver_free(d);
	}
}
