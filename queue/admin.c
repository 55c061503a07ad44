/* SPDX-License-Identifier: ISC */
/* postern queue list | show. A long list goes out in pieces, as the channel takes it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "command/command.h"
#include "queue/queue_priv.h"

enum {
	/* Rows made in one turn of the loop, about a millisecond: each turn looks at what else has
	 * come before the list goes on, so that acceptance does not wait for a long one. */
	LIST_ROWS = 100,
	LISTS_MAX = 16,
	CELL_MAX = 8192,
};

struct listing {
	TAILQ_ENTRY(listing) link;
	struct admin_door *door;
	uint64_t id;
	uint64_t *numbers;
	size_t count, at;
};

struct admin_door {
	TAILQ_ENTRY(admin_door) link;
	struct admin *admin;
	struct ipc_channel *ch;
};

struct admin {
	struct queue *queue;
	TAILQ_HEAD(, admin_door) doors;
	TAILQ_HEAD(, listing) listings;
	unsigned listing_count;
	struct io_timer *timer;
};

/* --- rows -------------------------------------------------------------------------------------- */
static const char *
time_text(char out[32], uint64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return out;
}

/* Something of it is still to be tried; or it waits for a human. */
static const char *
state_text(const struct message *m)
{
	return m->pending > 0 ? "waiting" : "failed";
}

static void
put_escaped(struct buf *b, struct str s)
{
	char text[LOG_ESCAPED_MAX * 2];

	(void)buf_puts(b, log_escape(text, sizeof(text), s));
}

static void
recipients_text(struct buf *b, const struct envelope *e)
{
	struct envelope_cursor c = { 0 };
	struct envelope_recipient r;

	for (uint32_t i = 0; envelope_recipient_at(e, &c, i, &r); i++) {
		if (i > 0)
			(void)buf_putc(b, ' ');
		put_escaped(b, r.address);
	}
	(void)buf_putc(b, '\0');
}

static void
list_row(struct listing *l, const struct message *m)
{
	char id[QUEUE_ID_SIZE], arrived[32], size[24], attempts[16], from[LOG_ESCAPED_MAX * 2];
	struct journal_record r;
	struct envelope e = { 0 };
	struct buf to;
	int ret = spool_read(l->door->admin->queue->spool, m, &e, &r, NULL);

	buf_init(&to, CELL_MAX);
	if (ret == 0)
		recipients_text(&to, &e);
	if (ret != 0 || buf_len(&to) == 0 || buf_data(&to)[buf_len(&to) - 1] != '\0') {
		buf_clear(&to);
		(void)buf_puts(&to, ret != 0 ? "(damaged)" : "(many)");
		(void)buf_putc(&to, '\0');
	}
	snprintf(size, sizeof(size), "%llu", (unsigned long long)(m->size + e.prepend.n));
	snprintf(attempts, sizeof(attempts), "%u", (unsigned)m->attempts);
	command_row(l->door->ch, l->id, 7,
	    (const char *const[]){
		queue_id_print(id, m->number),
		time_text(arrived, m->arrival_ms),
		size,
		state_text(m),
		attempts,
		log_escape(from, sizeof(from), e.reverse_path),
		(const char *)buf_data(&to),
	    });
	buf_free(&to);
}

static void
show_row(struct ipc_channel *ch, uint64_t id, const char *name, struct str value)
{
	char text[LOG_ESCAPED_MAX * 4];

	log_escape(text, sizeof(text), value);
	command_row(ch, id, 2, (const char *const[]){ name, text });
}

static void
show_deliveries(
    struct ipc_channel *ch, uint64_t id, const struct message *m, const struct envelope *e)
{
	static const char *const text[DELIVERY_STATE__MAX] = { "waiting", "delivered", "failed",
		"delivered", "delivered", "delivered" };
	char address[LOG_ESCAPED_MAX * 2], line[LOG_ESCAPED_MAX * 2 + 64];

	for (uint32_t i = 0; i < m->deliveries; i++) {
		log_escape(address, sizeof(address), envelope_address(e, i));
		snprintf(line, sizeof(line), "%s account=%u %s", address, m->delivery[i].target,
		    text[m->delivery[i].state]);
		command_row(ch, id, 2, (const char *const[]){ "delivery", line });
	}
}

/* The header as far as it is inline; one row a line. */
static void
show_header(struct ipc_channel *ch, uint64_t id, struct str bytes)
{
	enum { LINES_MAX = 200 };

	for (int i = 0; i < LINES_MAX && bytes.n > 0; i++) {
		ptrdiff_t end = str_chr(bytes, '\n');
		struct str line = end < 0 ? bytes : str_from(bytes.p, (size_t)end);

		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0)
			return;
		show_row(ch, id, "header", line);
		if (end < 0)
			return;
		bytes = str_from(bytes.p + end + 1, bytes.n - (size_t)end - 1);
	}
}

static void
show(struct admin_door *d, uint64_t id, const struct message *m)
{
	char text[64];
	const uint8_t *content;
	struct journal_record r;
	struct envelope e;
	int ret = spool_read(d->admin->queue->spool, m, &e, &r, &content);

	if (ret != 0) {
		command_end(d->ch, id, IPC_TEMP, "The message is %s.", journal_strerror(ret));
		return;
	}
	show_row(d->ch, id, "id", str_of(queue_id_print(text, m->number)));
	show_row(d->ch, id, "session", e.session);
	show_row(d->ch, id, "client", e.client);
	show_row(d->ch, id, "arrived", str_of(time_text(text, m->arrival_ms)));
	show_row(d->ch, id, "reverse-path", e.reverse_path);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)(m->size + e.prepend.n));
	show_row(d->ch, id, "size", str_of(text));
	show_row(d->ch, id, "state", str_of(state_text(m)));
	snprintf(text, sizeof(text), "%u", (unsigned)m->attempts);
	show_row(d->ch, id, "attempts", str_of(text));
	show_deliveries(d->ch, id, m, &e);
	show_header(d->ch, id, e.prepend);
	if (content)
		show_header(d->ch, id, str_from(content, (size_t)r.content_len));
	command_end(d->ch, id, IPC_OK, "%s", "");
}

/* --- lists ------------------------------------------------------------------------------------- */
static void
listing_free(struct listing *l)
{
	struct admin *a = l->door->admin;

	TAILQ_REMOVE(&a->listings, l, link);
	a->listing_count--;
	free(l->numbers);
	free(l);
}

static void
listing_go_on(struct listing *l)
{
	struct spool *s = l->door->admin->queue->spool;
	const struct message *m;

	for (int i = 0; i < LIST_ROWS && l->at < l->count; i++) {
		if (ipc_channel_pending(l->door->ch) > IPC_OUT_LOW)
			return;
		m = spool_find(s, l->numbers[l->at++]);
		if (m)
			list_row(l, m);
	}
	if (l->at < l->count)
		return;
	command_end(l->door->ch, l->id, IPC_OK, "%s", "");
	listing_free(l);
}

/* All go on in the next turn but those whose channel is full: on_drained wakes them. */
static void
on_timer(void *arg)
{
	struct admin *a = arg;
	struct listing *l, *next;

	for (l = TAILQ_FIRST(&a->listings); l; l = next) {
		next = TAILQ_NEXT(l, link);
		listing_go_on(l);
	}
	TAILQ_FOREACH(l, &a->listings, link)
		if (ipc_channel_pending(l->door->ch) <= IPC_OUT_LOW)
			io_timer_set(a->timer, 0);
}

static void
list(struct admin_door *d, uint64_t id)
{
	struct admin *a = d->admin;
	struct listing *l;

	if (a->listing_count == LISTS_MAX) {
		command_end(d->ch, id, IPC_TEMP, "Too many lists at once.");
		return;
	}
	l = xcalloc(1, sizeof(*l));
	l->door = d;
	l->id = id;
	l->numbers = spool_numbers(a->queue->spool, &l->count);
	TAILQ_INSERT_TAIL(&a->listings, l, link);
	a->listing_count++;
	io_timer_set(a->timer, 0);
}

/* --- requests ---------------------------------------------------------------------------------- */
static void
on_request(
    void *arg, struct ipc_channel *ch, uint64_t id, const struct ipc_admin_request *m, int fd)
{
	const char *args[COMMAND_ARGS_MAX];
	struct admin_door *d = arg;
	const struct message *message;
	uint64_t number;

	(void)fd;
	if (command_arguments(m, args) < 0) {
		command_end(ch, id, IPC_INVALID, "The request makes no sense.");
	} else if (m->verb == CMD_queue_list) {
		list(d, id);
	} else if (m->verb == CMD_queue_show) {
		message = queue_id_parse(str_of(args[0]), &number)
			      ? spool_find(d->admin->queue->spool, number)
			      : NULL;
		if (message)
			show(d, id, message);
		else
			command_end(ch, id, IPC_NO, "There is no such message in the queue.");
	} else {
		command_end(ch, id, IPC_INVALID, "The queue does not know this command.");
	}
}

static void
door_free(struct admin_door *d)
{
	struct admin *a = d->admin;
	struct listing *l, *next;

	for (l = TAILQ_FIRST(&a->listings); l; l = next) {
		next = TAILQ_NEXT(l, link);
		if (l->door == d)
			listing_free(l);
	}
	TAILQ_REMOVE(&a->doors, d, link);
	ipc_channel_free(&d->ch);
	free(d);
}

static void
on_close(void *arg, struct ipc_channel *ch)
{
	(void)ch;
	door_free(arg);
}

static const union ipc_handler handlers[IPC__MAX] = {
	IPC_ON(admin_request, on_request),
};

static void
on_drained(void *arg, struct ipc_channel *ch)
{
	struct admin_door *d = arg;

	(void)ch;
	if (!TAILQ_EMPTY(&d->admin->listings))
		io_timer_set(d->admin->timer, 0);
}

static const struct ipc_ops ops = {
	.handlers = handlers,
	.on_close = on_close,
	.on_drained = on_drained,
};

void
admin_peer(struct admin *a, int fd)
{
	struct admin_door *d = xcalloc(1, sizeof(*d));

	d->admin = a;
	d->ch = ipc_channel_new(a->queue->loop, fd, IPC_CH_admin, IPC_SERVER, &ops, d);
	TAILQ_INSERT_TAIL(&a->doors, d, link);
}

struct admin *
admin_new(struct queue *q)
{
	struct admin *a = xcalloc(1, sizeof(*a));

	a->queue = q;
	TAILQ_INIT(&a->doors);
	TAILQ_INIT(&a->listings);
	a->timer = io_timer_new(q->loop, on_timer, a);
	return a;
}

void
admin_free(struct admin **ap)
{
	struct admin *a = *ap;
	struct admin_door *d;

	if (a == NULL)
		return;
	while ((d = TAILQ_FIRST(&a->doors)) != NULL)
		door_free(d);
	io_timer_free(&a->timer);
	free(a);
	*ap = NULL;
}
